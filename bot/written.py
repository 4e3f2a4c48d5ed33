"""An answer while it is being written, and what is said about how it ended. `chat.py` writes it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot import prompt
from bot.branches import CUT, Place
from bot.craft import Persona
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused
from bot.routing import Offer
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.texts.catalog import say
from bot.types import Chunk, Finish, Message, Request, Usage

log = logging.getLogger(__name__)

NOBODY = Persona(key="", version="", title={})
REASONING = {"on": "medium", "off": "none"}  # what a chat chose -> what the model is told
MOST_THOUGHT = 100_000  # characters
SILENT = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u2800\u3164*_~`#>|<!\-]*")  # white space and bare marks say nothing


@dataclass(frozen=True, slots=True)
class Begun:
    """What the first transaction of a turn found. `held` is what is held back from the budgets for the answer,
    `pressed` the key of the button that asked for it. `awaited`: this message answers a question of the bot instead.
    `choices.model` is the model that is to answer, whoever chose it; `gone` are choices that are offered no more.
    """

    place: Place | None
    history: Sequence[Message]
    choices: Choices
    language: str
    held: int = 0
    pressed: str = ""
    awaited: Action | None = None
    persona: Persona = NOBODY
    gone: tuple[str, ...] = ()

    @property
    def shown(self) -> Sequence[Message]:
        """The history, below what the persona's examples show."""
        return [*self.persona.shown(self.language), *self.history]

    @property
    def prefix(self) -> str:
        """What was written before of an answer that goes on."""
        return self.place.resumed.text if self.place is not None and self.place.resumed is not None else ""


@dataclass(slots=True)
class Written:
    """An answer while it is being written, and how it ended.

    `wanted` is the model that was chosen, `offer` the one that is asked: another where that is known not to answer.
    A stream that breaks off is begun anew, and each was paid: `usages` are the models and what the service told, `cost`
    is their tokens (guessed where it told nothing), `held` the reservations for them. `thought` is its reasoning, where
    the model shows that and the operator wants it seen.
    """

    wanted: Offer
    offer: Offer
    held: list[int]
    text: str = ""
    finish: Finish | None = None
    usage: Usage | None = None
    stopped: bool = False
    outdated: bool = False
    error: ModelError | None = None
    usages: list[tuple[str, Usage]] = field(default_factory=list)
    cost: int = 0
    thought: str = ""

    def begin(self) -> None:
        self.text, self.finish, self.usage, self.thought = "", None, None, ""

    def add(self, chunk: Chunk) -> None:
        self.text = chunk.text if chunk.replaces else self.text + chunk.text
        self.thought += chunk.thought[: MOST_THOUGHT - len(self.thought)]
        self.usage = chunk.usage or self.usage
        self.finish = chunk.finish or self.finish

    def bill(self, request: Request, ratio: prompt.Ratio) -> None:
        if self.usage:
            self.usages.append((self.offer.name, self.usage))
            self.cost += self.usage.total
        elif self.text:
            self.cost += ratio.tokens(prompt.size(request) + len(self.text))

    def words(self) -> str:
        """What can be shown of it; nothing where it is only white space and marks, or was filtered."""
        return "" if SILENT.fullmatch(self.text) or self.finish is Finish.FILTERED else self.text

    def ending(self) -> str:
        return "stopped" if self.stopped else CUT if self.error else str(self.finish)

    def note(self, language: str) -> str:
        """What is said below it."""
        if self.outdated:
            return say(language, "outdated.note")
        if self.stopped:
            return say(language, "stop.note")
        if self.error is not None:
            return say(language, "cut.note")
        if self.finish is Finish.LENGTH:
            return say(language, "length.note")
        return say(language, "instead.note", model=self.offer.title) if self.offer is not self.wanted else ""

    def apology(self) -> str:
        """The key of what is said when there is no answer."""
        if self.stopped:
            return "stop.empty"
        if self.finish is Finish.FILTERED:
            return "filtered"
        if self.error is None:
            return "empty.answer"
        log.warning("no answer: %s: %s (trace %s)", type(self.error).__name__, self.error, self.error.trace or "-")
        for kind, key in APOLOGIES:
            if isinstance(self.error, kind):
                return key
        return "error.unavailable"


APOLOGIES: tuple[tuple[type[ModelError], str], ...] = (
    (ContextOverflow, "error.long"),
    (ModelRefused, "error.refused"),
    (ModelDenied, "error.denied"),
)
