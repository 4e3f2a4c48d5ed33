"""The sandbox: servers on this machine that behave like Telegram and AI Studio, and a chat page, so that no account is
needed.

`govorun sandbox` starts all of it (`main.py`); tests use the servers alone.
"""
