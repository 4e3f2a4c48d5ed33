"""The support desk: people take over conversations of the bot. Begin with `cases.py`, then `desk.py`."""
