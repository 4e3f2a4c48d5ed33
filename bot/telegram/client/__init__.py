"""Calls to the Bot API: the client, its session, downloads, JSON that nests deep."""
