"""`Extension`: everything that a programmer has added to a bot."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import ConfigError
from bot.extension import mistakes
from bot.extension.commands import OwnCase, OwnCommand, OwnModel
from bot.extension.desk import DeskExtension
from bot.extension.hooks import Hooks
from bot.extension.middleware import Middleware
from bot.extension.presses import OwnPress
from bot.extension.program import Program
from bot.texts.added import Texts
from bot.tools.tool import Tool

if TYPE_CHECKING:
    from aiogram import Dispatcher, Router
    from aiogram.fsm.storage.base import BaseStorage

# Environment variable of a bot in the sandbox: settings of the sandbox, which override code and .env.
SANDBOX = "GOVORUN_SANDBOX"


@dataclass(slots=True)
class HandlerExtension:
    """What a programmer adds to the handling of messages.

    The `features` are classes (`feature.Feature`). The first of the `middleware` is the outermost. `dispatcher` holds
    the `routers` after the first start, as aiogram includes a router only once; `router_states` keeps the states of
    their dialogues (None: the database). `without` are the words of commands that are switched off, and `place` is
    where the App says so, as "shop.py:12: ".
    """

    commands: list[OwnCommand] = field(default_factory=list)
    presses: list[OwnPress] = field(default_factory=list)
    middleware: list[Middleware] = field(default_factory=list)
    features: list[Any] = field(default_factory=list)
    routers: list[Router] = field(default_factory=list)
    router_states: BaseStorage | None = field(default=None, init=False)
    dispatcher: Dispatcher | None = field(default=None, init=False)
    without: tuple[str, ...] = ()
    place: str = ""


@dataclass(slots=True)
class ModelExtension:
    """The models that a programmer adds, and what stands around all models: tools, functions (`hooks`), cases.

    The `models` come before those of the settings. `only_models`: the models of the settings are not offered.
    """

    models: list[OwnModel] = field(default_factory=list)
    only_models: bool = False
    tools: list[Tool] = field(default_factory=list)
    hooks: Hooks = field(default_factory=Hooks)
    cases: list[OwnCase] = field(default_factory=list)


@dataclass(slots=True)
class Extension:
    """Everything that a programmer has added to a bot. `texts`: sentences by language and key, or a folder of them."""

    handlers: HandlerExtension = field(default_factory=HandlerExtension)
    ai: ModelExtension = field(default_factory=ModelExtension)
    texts: Texts | str | Path | None = None
    desk: DeskExtension = field(default_factory=DeskExtension)
    program: Program = field(default_factory=Program)

    @property
    def before_start(self) -> Extension:
        """The extension itself, for code that adds something to it. Raises `ConfigError` while a bot of its App runs: a
        start fixes what the bot can do.
        """
        mistakes.check_stopped(self.program.running)
        return self

    def with_tools(self, tools: Sequence[Tool]) -> Extension:
        """Return a copy that offers these tools, too, before its own."""
        return replace(self, ai=replace(self.ai, tools=[*tools, *self.ai.tools]))

    def add_command(self, own: OwnCommand) -> None:
        """Add a command. Raises `ConfigError` if the word is taken or the function can't be a command."""
        mistakes.check_command(own.word, own.run, self.handlers.without)
        if own.word in (other.word for other in self.handlers.commands):
            raise ConfigError(f"/{own.word} is there already: two commands can't have one word")
        self.before_start.handlers.commands.append(own)

    def add_press(self, own: OwnPress) -> None:
        """Add the function of a button. Raises `ConfigError` if the name is taken or the function can't be one."""
        mistakes.check_press(own.name, own.run)
        if own.name in (other.name for other in self.handlers.presses):
            raise ConfigError(f"the press {own.name} is there already: two functions can't have one name")
        self.before_start.handlers.presses.append(own)

    def add_tool(self, tool: Tool | Callable[..., Any]) -> None:
        """Add a tool, or make one of a function. Raises `ConfigError` if it can't be one, or if its name is taken."""
        if not isinstance(tool, Tool) and (inspect.isclass(tool) or not callable(tool)):
            raise ConfigError(f"tool: a function is expected, and not {mistakes.shown(tool)}")
        try:
            made = tool if isinstance(tool, Tool) else Tool.of(tool)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"tool: {error}") from None
        if made.name in mistakes.TOOLS:
            raise ConfigError(f"{made.name} is a tool of Govorun: choose another name")
        if made.name in (other.name for other in self.ai.tools):
            raise ConfigError(f"the tool {made.name} is there already: two tools can't have one name")
        self.before_start.ai.tools.append(made)

    def add_model(self, own: OwnModel) -> None:
        """Add a model. Raises `ConfigError` if it is none, or if its name is taken."""
        mistakes.check_model(own.name, own.model)
        if own.name in (other.name for other in self.ai.models):
            raise ConfigError(f"the model {own.name} is there already: two models can't have one name")
        self.before_start.ai.models.append(own)

    def add_router(self, router: Router, states: BaseStorage | None = None) -> None:
        """Add a router of aiogram. `states` keeps the states of the dialogues of all routers, since aiogram has one
        storage for them. Raises `ConfigError` if the router is none, or if another storage was given before.
        """
        if inspect.isclass(router) or not hasattr(router, "resolve_used_update_types"):
            raise ConfigError(f"include_router takes a Router of aiogram, and not {mistakes.shown(router)}")
        if states is not None and self.handlers.router_states not in (None, states):
            raise ConfigError(
                "include_router: there is another storage for states already, and aiogram has one for all"
            )
        handlers = self.before_start.handlers
        handlers.router_states = handlers.router_states or states
        handlers.routers.append(router)
