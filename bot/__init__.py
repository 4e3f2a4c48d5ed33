"""Govorun: a chatbot framework on Yandex AI Studio, and a Telegram bot made of it.

Begin reading with `types.py`, then `app.py`, then `chat.py`. `bot.app.build` makes a bot from `bot.settings.Settings`.
"""

from bot.errors import BotError, ModelError, UserError
from bot.services import Painter
from bot.structured import ask
from bot.tools import Tool
from bot.types import Address, Chunk, Handler, Incoming, Message, Model, Outgoing, Reply, Request, User

__version__ = "0.1.0"

__all__ = [
    "Address",
    "BotError",
    "Chunk",
    "Handler",
    "Incoming",
    "Message",
    "Model",
    "ModelError",
    "Outgoing",
    "Painter",
    "Reply",
    "Request",
    "Tool",
    "User",
    "UserError",
    "ask",
]
