"""`Extension`: everything that a programmer has added to a bot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.extension.commands import OwnCommand, OwnModel
from bot.extension.desk import DeskExtension
from bot.tools.tool import Tool

if TYPE_CHECKING:
    from aiogram import Dispatcher, Router

# Environment variable of a bot in the sandbox: settings of the sandbox, which override code and .env.
SANDBOX = "GOVORUN_SANDBOX"


@dataclass(slots=True)
class Extension:
    """Everything that a programmer has added to a bot. `models` come before those of the settings.

    `only_models`: the models of the settings are not offered. `dispatcher` holds the `routers` after the first start,
    as aiogram includes a router only once.
    """

    commands: list[OwnCommand] = field(default_factory=list)
    models: list[OwnModel] = field(default_factory=list)
    only_models: bool = False
    tools: list[Tool] = field(default_factory=list)
    routers: list[Router] = field(default_factory=list)
    desk: DeskExtension = field(default_factory=DeskExtension)
    dispatcher: Dispatcher | None = None
