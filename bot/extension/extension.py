"""`Extension`: everything that a programmer has added to a bot."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.extension.commands import OwnCommand, OwnModel
from bot.extension.desk import DeskExtension
from bot.extension.hooks import Hooks
from bot.extension.middleware import Middleware
from bot.extension.presses import OwnPress
from bot.texts.added import Texts
from bot.tools.tool import Tool

if TYPE_CHECKING:
    from aiogram import Dispatcher, Router

# Environment variable of a bot in the sandbox: settings of the sandbox, which override code and .env.
SANDBOX = "GOVORUN_SANDBOX"


@dataclass(slots=True)
class Extension:
    """Everything that a programmer has added to a bot. `models` come before those of the settings.

    `only_models`: the models of the settings are not offered. `dispatcher` holds the `routers` after the first start,
    as aiogram includes a router only once. The first of the `middleware` is the outermost. `without` are the words of
    commands that are switched off. `texts` are sentences by language and key, or a folder of them.
    """

    commands: list[OwnCommand] = field(default_factory=list)
    models: list[OwnModel] = field(default_factory=list)
    only_models: bool = False
    tools: list[Tool] = field(default_factory=list)
    routers: list[Router] = field(default_factory=list)
    middleware: list[Middleware] = field(default_factory=list)
    hooks: Hooks = field(default_factory=Hooks)
    presses: list[OwnPress] = field(default_factory=list)
    without: tuple[str, ...] = ()
    texts: Texts | str | Path | None = None
    desk: DeskExtension = field(default_factory=DeskExtension)
    dispatcher: Dispatcher | None = None
