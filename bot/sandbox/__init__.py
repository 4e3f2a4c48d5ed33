"""A rehearsal without accounts: servers that behave like Telegram and AI Studio, and a chat page.

`govorun sandbox` starts all of it (`main.py`); tests use the servers alone.
"""
