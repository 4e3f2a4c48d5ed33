"""Commands and buttons, one feature a file; each brings a `Feature` (`bot/feature.py`)."""
