"""Govorun: a chatbot framework on Yandex AI Studio, and a Telegram bot made of it.

To build on it begin with `App` (`docs/framework.md`). To read it begin with `types.py` and `ports.py`, then
`runtime/wiring.py`, then `conversation/assistant.py`; `docs/architecture.md` has the table of packages.
"""

from bot.ai import Chunk, Finish, ImageModel, Model, Profile, Request, Source, Usage
from bot.app import App
from bot.app.showing import shown
from bot.errors import (
    BadInput,
    BotError,
    ConfigError,
    LimitReached,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    NotAllowed,
    UnknownUser,
    UserError,
)
from bot.extension import (
    Answer,
    Ask,
    Button,
    Contact,
    Customer,
    Decision,
    Door,
    HttpRequest,
    JobRun,
    Location,
    Next,
    OwnTransport,
    Photo,
    Preparation,
    Question,
    Reply,
    Review,
    Running,
    SendState,
    Sent,
    command,
)
from bot.llm.structured import ask
from bot.ports import Handler
from bot.texts.catalog import say
from bot.tools.tool import Tool, ToolContext, ToolOutput
from bot.types import Address, Attachment, File, Image, Incoming, Kind, Message, Outgoing, ToolCall, User

__version__ = "0.1.0"

__all__ = [
    "Address",
    "Answer",
    "App",
    "Ask",
    "Attachment",
    "BadInput",
    "BotError",
    "Button",
    "Chunk",
    "ConfigError",
    "Contact",
    "Customer",
    "Decision",
    "Door",
    "File",
    "Finish",
    "Handler",
    "HttpRequest",
    "Image",
    "ImageModel",
    "Incoming",
    "JobRun",
    "Kind",
    "LimitReached",
    "Location",
    "Message",
    "Model",
    "ModelError",
    "ModelRefused",
    "ModelUnavailable",
    "Next",
    "NotAllowed",
    "Outgoing",
    "OwnTransport",
    "Photo",
    "Preparation",
    "Profile",
    "Question",
    "Reply",
    "Request",
    "Review",
    "Running",
    "SendState",
    "Sent",
    "Source",
    "Tool",
    "ToolCall",
    "ToolContext",
    "ToolOutput",
    "UnknownUser",
    "Usage",
    "User",
    "UserError",
    "ask",
    "command",
    "say",
    "shown",
]
