"""What a programmer adds to the support desk: lines of the card that operators see, and rules beside desk.toml."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Customer:
    """The customer of a case of the support desk: id and name in the messenger, language, id of the case and the number
    that operators see.
    """

    id: int
    name: str
    language: str
    case: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A customer's message, with the facts that a rule of the support desk may use.

    `labels` are its topic and flags, `cases` is how many cases the customer had before, `is_open` says whether people
    work now.
    """

    text: str
    language: str
    labels: Sequence[str] = ()
    cases: int = 0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule of the support desk does with a case: it gives the case a team, a priority (-1 low, 0 normal, 1 high)
    or tags, calls a person, or says when drafts are written ("off", "ask", "always", "auto").

    A field that is "" or None leaves the case as it is.
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
