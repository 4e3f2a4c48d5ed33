"""Commands, models and cases that a programmer adds."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload

from bot import ports
from bot.ai import Model
from bot.errors import ConfigError
from bot.types import Incoming, Outgoing

T = TypeVar("T")
Answer = str | Mapping[str, str] | Outgoing | None  # a text is one for all languages, or one for each
About = str | Mapping[str, str]  # one for all languages, or one for each

WORD = re.compile(r"[a-z0-9_]{1,32}")


class Reply(ports.Reply, Protocol):
    """The way back to where a command or a press came from, with a question to the person (`ask`)."""

    @overload
    async def ask(self, question: About, /) -> str:
        """Ask for a text."""

    @overload
    async def ask(self, question: About, kind: type[T], /) -> T:
        """Ask for a value of the type `kind`."""

    @overload
    async def ask(self, form: type[T], /) -> T:
        """Ask for all fields of a form."""

    async def ask(self, question: object, kind: object = str, /) -> object:
        """Ask the person, and return the answer: a text, a value of the type `kind` (int, date, `Contact`, an Enum, …),
        or a whole form, which is asked field by field. The question is a text in Markdown, one for all languages or one
        for each.

        The turn ends here. When the answer comes, perhaps days and restarts later, the function is called again from
        its beginning, and this call returns the stored answer. So do nothing with effects before the last question.
        """


Run = Callable[[Incoming, Reply], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command /`word`. `run` returns the answer: a text in Markdown (one for all languages, or one for each), an
    `Outgoing`, or None: then what it has streamed (`Reply.append`) is the answer, and without that there is none.

    `about` is its description; without it the menu does not list the command. `owners_only`: for others the command
    does not exist. Raises `ConfigError` if `word` can't be a command.
    """

    word: str
    run: Run
    about: About = ""
    owners_only: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.word, str) or not WORD.fullmatch(self.word):
            raise ConfigError(f"{self.word!r:.80} can't be a command: 1-32 of a-z 0-9 _ are expected")


Passes = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class OwnCase:
    """A question with what its answer must have (docs/evaluation.md). `demands` are the names of a case in a file, such
    as `must_contain`; `check` gets the answer and raises an error, or returns False, where it is wrong.
    """

    question: str
    demands: Mapping[str, Any] = field(default_factory=dict)
    check: Passes | None = None


def command(word: str, about: About = "", *, owners_only: bool = False) -> Callable[[Run], OwnCommand]:
    """A decorator that makes a function a command, for `App(commands=[...])`; `App.command` also adds it."""
    if callable(word):
        raise ConfigError('a command needs a word: @command("flip", "Flip a coin")')
    return lambda run: OwnCommand(word, run, about, owners_only)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A model that users may choose: the database stores its `name`, users see its `title`."""

    name: str
    title: str
    model: Model
