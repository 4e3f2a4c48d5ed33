"""Updates from Telegram: polling and webhook, the intake, parsing into `Incoming`. Begin with `intake.py`."""
