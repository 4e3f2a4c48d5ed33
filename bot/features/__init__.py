"""Commands and buttons, one feature a file. Each class returns a `Feature` (`bot/feature.py`)."""
