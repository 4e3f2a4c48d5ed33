"""A Bot API server that behaves like Telegram's. Begin with `server_facade.Telegram`.

`methods` has the methods that the bot calls, `markup` checks formatted text, `people.py` is what people do.
"""
