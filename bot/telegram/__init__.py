"""Telegram as a transport: updates come in (`receiving/`), messages go out (`sending/`, `render/`).

Begin with `transport.Telegram`. This package knows no storage: inbox and outbox are the protocols of `bot/ports.py`.
Importing it imports aiogram first, the fast way (`client/fast_import.py`).
"""

import bot.telegram.client.fast_import  # noqa: F401
