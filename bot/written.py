"""An answer while it is being written, and what is said about how it ended. `chat.py` writes it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

from bot import prompt
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused
from bot.routing import Offer
from bot.texts.catalog import say
from bot.toolbox import Steps
from bot.types import Chunk, Finish, Request, ToolCall, Usage

log = logging.getLogger(__name__)

SILENT = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u2800\u3164*_~`#>|<!\-]*")  # white space and bare marks say nothing
CUT = "cut"  # how an answer ended that broke off


@dataclass(slots=True)
class Written:
    """An answer while it is being written, and how it ended.

    `wanted` is the model that was chosen, `offer` the one that is asked: another where that is known not to answer.
    A stream that breaks off is begun anew, and each was paid: `usages` are the models and what the service told, `cost`
    is their tokens (guessed where it told nothing), `held` the reservations for them. `before` is what it had said
    before it called tools, and stays at the head of `text`; `calls` are those of the last request, `steps` what came of
    those before. `limit` is the sentence of a budget that let it go no further.
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
    before: str = ""
    calls: tuple[ToolCall, ...] = ()
    steps: Steps = field(default_factory=Steps)
    limit: str = ""

    def begin(self) -> None:
        self.text, self.finish, self.usage, self.calls = self.before, None, None, ()

    def add(self, chunk: Chunk) -> None:
        self.text = self.before + chunk.text if chunk.replaces else self.text + chunk.text
        self.calls += chunk.calls
        self.steps.sources += chunk.sources
        self.usage = chunk.usage or self.usage
        self.finish = chunk.finish or self.finish

    def bill(self, request: Request, ratio: prompt.Ratio) -> None:
        if self.usage:
            self.usages.append((self.offer.name, self.usage))
            self.cost += self.usage.total
        elif self.calls or len(self.text) > len(self.before):
            called = sum(len(call.name) + len(str(call.arguments)) for call in self.calls)
            self.cost += ratio.tokens(prompt.size(request) + len(self.text) - len(self.before) + called)

    def went_on(self) -> None:
        """What it said before it called tools stays; what follows is another paragraph."""
        self.before = f"{self.text.rstrip()}\n\n" if self.text.strip() else ""

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
        if self.limit:
            return self.limit
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
            return "tool.steps" if self.calls else "empty.answer"
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
