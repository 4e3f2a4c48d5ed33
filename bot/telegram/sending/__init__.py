"""Messages to Telegram: delivery from the outbox, live answers, flood limits. Begin with `delivery.py`."""
