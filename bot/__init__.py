"""Govorun: a chatbot framework on Yandex AI Studio, and a Telegram bot made of it.

To build on it begin with `App` (`docs/framework.md`). To read it begin with `types.py` and `ports.py`, then
`runtime/wiring.py`, then `conversation/assistant.py`; `docs/architecture.md` has the table of packages.
"""

from bot.ai import Chunk, Finish, ImageModel, Model, Profile, Request
from bot.app import App
from bot.errors import BotError, ModelError, UserError
from bot.extension import (
    Answer,
    Ask,
    Button,
    Contact,
    Customer,
    Decision,
    Location,
    Next,
    Photo,
    Preparation,
    Question,
    Reply,
    Review,
    command,
)
from bot.llm.structured import ask
from bot.ports import Handler
from bot.texts.catalog import say
from bot.tools.tool import Tool, ToolContext
from bot.types import Address, File, Incoming, Message, Outgoing, User

__version__ = "0.1.0"

__all__ = [
    "Address",
    "Answer",
    "App",
    "Ask",
    "BotError",
    "Button",
    "Chunk",
    "Contact",
    "Customer",
    "Decision",
    "File",
    "Finish",
    "Handler",
    "ImageModel",
    "Incoming",
    "Location",
    "Message",
    "Model",
    "ModelError",
    "Next",
    "Outgoing",
    "Photo",
    "Preparation",
    "Profile",
    "Question",
    "Reply",
    "Request",
    "Review",
    "Tool",
    "ToolContext",
    "User",
    "UserError",
    "ask",
    "command",
    "say",
]
