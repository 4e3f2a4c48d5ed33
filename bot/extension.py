"""What a programmer adds to the bot, as values: commands, tools, models, routers, and to the support desk lines of
cards and rules. Begin with `Extension`.

`app.py` collects these values and `runtime/wiring.py` uses them. This module imports nothing heavy, such as storage.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
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

# Environment variable of a bot in the sandbox: settings of the sandbox, which override code and .env.
SANDBOX = "GOVORUN_SANDBOX"
WORD = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command /`word`. `run` returns the answer: a text in Markdown, an `Outgoing`, or None for no answer.

    `about` is its description; without it the menu does not list the command. `owners_only`: for others the command
    does not exist.
    """

    word: str
    run: Run
    about: About = ""
    owners_only: bool = False

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.word):
            raise ValueError(f"{self.word!r} can't be a command: 1-32 of a-z 0-9 _ are expected")


def command(word: str, about: About = "", *, owners_only: bool = False) -> Callable[[Run], OwnCommand]:
    """A decorator that makes a function a command, for `App(commands=[...])`; `App.command` also adds it."""
    return lambda run: OwnCommand(word, run, about, owners_only)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model that users may choose: the database stores its `name`, users see its `title`."""

    name: str
    title: str
    model: Model


@dataclass(frozen=True, slots=True)
class Customer:
    """The customer of a case of the support desk: id and name in the messenger, language, number of the case."""

    id: int
    name: str
    language: str
    case: int


@dataclass(frozen=True, slots=True)
class Question:
    """A customer's message, with what rules of the desk ask about it: `labels` are its topic and flags, `cases` the
    earlier cases of the customer, `is_open` whether people work now.
    """

    text: str
    language: str
    labels: Sequence[str] = ()
    cases: int = 0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule of the desk does with a case: gives it a team, a priority (-1 low, 0 normal, 1 high), tags, calls a
    person, says when drafts are written ("off", "ask", "always", "auto"). "" and None leave the case as it is.
    """

    team: str = ""
    priority: int | None = None
    tags: tuple[str, ...] = ()
    person: bool = False
    drafts: str = ""


OwnLines = Callable[[Customer], Awaitable[str | Sequence[str] | None]]
OwnRule = Callable[[Question], Decision | None]


@dataclass(slots=True)
class DeskExtension:
    """What a programmer has added to the support desk: functions that add lines to cards, and rules."""

    lines: list[OwnLines] = field(default_factory=list)
    rules: list[OwnRule] = field(default_factory=list)


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
