"""What a programmer adds to the bot, as values: commands, tools, models, routers. Begin with `Extension`.

`app.py` collects them, `runtime/wiring.py` connects them. Nothing here loads what a bot needs to run.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.ai import Model
from bot.ports import Reply
from bot.tools.tool import Tool
from bot.types import Incoming, Outgoing

if TYPE_CHECKING:
    from aiogram import Dispatcher, Router

Answer = str | Outgoing | None
Run = Callable[[Incoming, Reply], Awaitable[Answer]]
About = str | Mapping[str, str]  # one for all languages, or one for each

# In the environment of a bot in the sandbox: the settings that are the sandbox's, whatever code and .env say.
SANDBOX = "GOVORUN_SANDBOX"
WORD = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A word with a slash. `run` returns what is answered: a text in Markdown, an `Outgoing`, or None for nothing.

    `about` is its line in the menu; without one it is in no menu. `owners_only`: for others it does not exist.
    """

    word: str
    run: Run
    about: About = ""
    owners_only: bool = False

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.word):
            raise ValueError(f"{self.word!r} can't be a command: 1-32 of a-z 0-9 _ are expected")


def command(word: str, about: About = "", *, owners_only: bool = False) -> Callable[[Run], OwnCommand]:
    """Make a command of a function, for `App(commands=[...])`; `App.command` does both at once."""
    return lambda run: OwnCommand(word, run, about, owners_only)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model that users may choose, under the name that is stored and the title that is shown."""

    name: str
    title: str
    model: Model


@dataclass(slots=True)
class Extension:
    """Everything that a bot has of its own beside its settings. `models` stand before those of the settings.

    `only_models`: those of the settings are not offered. `dispatcher` holds the routers once one was needed: aiogram
    lets a router be mounted only once.
    """

    commands: list[OwnCommand] = field(default_factory=list)
    models: list[OwnModel] = field(default_factory=list)
    only_models: bool = False
    tools: list[Tool] = field(default_factory=list)
    routers: list[Router] = field(default_factory=list)
    dispatcher: Dispatcher | None = None
