"""Govorun: a chatbot framework on Yandex AI Studio, and a Telegram bot made of it.

To build on it begin with `App` (`docs/framework.md`). To read it begin with `types.py` and `ports.py`, then
`runtime/wiring.py`, then `conversation/assistant.py`; `docs/architecture.md` has the table of packages.
"""

from bot.ai import Chunk, Finish, ImageModel, Model, Profile, Request
from bot.app import App
from bot.errors import BotError, ModelError, UnknownUser, UserError
from bot.extension import (
    Customer,
    Decision,
    Door,
    HttpRequest,
    JobRun,
    OwnTransport,
    Question,
    Running,
    SendState,
    Sent,
    command,
    shown,
)
from bot.llm.structured import ask
from bot.ports import Handler, Reply
from bot.tools.tool import Tool
from bot.types import Address, File, Incoming, Message, Outgoing, User

__version__ = "0.1.0"

__all__ = [
    "Address",
    "App",
    "BotError",
    "Chunk",
    "Customer",
    "Decision",
    "Door",
    "File",
    "Finish",
    "Handler",
    "HttpRequest",
    "ImageModel",
    "Incoming",
    "JobRun",
    "Message",
    "Model",
    "ModelError",
    "Outgoing",
    "OwnTransport",
    "Profile",
    "Question",
    "Reply",
    "Request",
    "Running",
    "SendState",
    "Sent",
    "Tool",
    "UnknownUser",
    "User",
    "UserError",
    "ask",
    "command",
    "shown",
]
