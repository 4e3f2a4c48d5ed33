"""Commands and buttons, one feature a file. Each class is a `Feature` (`bot/feature.py`)."""
