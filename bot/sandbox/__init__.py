"""A world without accounts: servers that behave like Telegram and AI Studio, and a chat page.

`govorun sandbox` starts it (`main.py`); the tests use the servers by themselves.
"""
