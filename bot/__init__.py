"""Govorun: a chatbot framework on Yandex AI Studio, and a Telegram bot made of it.

To build on it begin with `App` (`docs/framework.md`); to read it with `types.py`, then `app.py`, then `chat.py`.
"""

from bot.errors import BotError, ModelError, UserError
from bot.extension import command
from bot.program import App
from bot.services import Chunk, Finish, Model, Painter, Profile, Request
from bot.structured import ask
from bot.tools import Tool
from bot.types import Address, File, Handler, Incoming, Message, Outgoing, Reply, User

__version__ = "0.1.0"

__all__ = [
    "Address",
    "App",
    "BotError",
    "Chunk",
    "File",
    "Finish",
    "Handler",
    "Incoming",
    "Message",
    "Model",
    "ModelError",
    "Outgoing",
    "Painter",
    "Profile",
    "Reply",
    "Request",
    "Tool",
    "User",
    "UserError",
    "ask",
    "command",
]
