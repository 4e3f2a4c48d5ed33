"""A Bot API server that behaves like Telegram's. Begin with `server_facade.Telegram`."""
