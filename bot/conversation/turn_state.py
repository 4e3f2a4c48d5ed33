"""An answer while it is being written, and what is said about how it ended. `conversation/assistant.py` writes it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.ai import Chunk, Finish, Request, Usage
from bot.billing import pricing
from bot.billing.budget import Reservation
from bot.conversation.branching import CUT, BranchPoint, mark
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused
from bot.knowledge.documents import NOTHING, Retrieved
from bot.llm import prompt
from bot.llm.routing import ModelOption
from bot.outbox import Effect
from bot.prompts.schema import Persona
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.operations import Operation
from bot.texts.catalog import say
from bot.tools.toolbox import Steps
from bot.types import ChatChoices, Incoming, Message, ToolCall

log = logging.getLogger(__name__)

NOBODY = Persona(key="", version="", title={})
REASONING = {"on": "medium", "off": "none"}  # what a chat chose -> what the model is told
SEARCHING = "web_search"  # what a model does by itself
MOST_THOUGHT = 100_000  # characters
SILENT = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u2800\u3164*_~`#>|<!\-]*")  # white space and bare marks say nothing


@dataclass(frozen=True, slots=True)
class Awaited:
    """A message that is no question: it answers one of the bot's. `action` is what the bot waits for it with.

    `incoming` is the message with what was chosen in its chat.
    """

    incoming: Incoming
    action: ButtonPress


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What the first transaction of a turn found.

    `preface` is what is kept besides the history, `held` what is held back from the budgets for the answer, `pressed`
    the key of the button that asked for it, which works once. `price`: so much, in millionths, that the user is asked
    first. `act`: an action that was confirmed, after these `steps`. `then` is done in the last transaction
    of the turn.
    `choices.model` is the model that is to answer, whoever chose it; `gone` are choices that are offered no more.
    `found` is what the documents of the conversation say of the question; their size is looked up where it may cost
    too much.
    """

    place: BranchPoint | None
    history: Sequence[Message]
    choices: ChatChoices
    language: str
    preface: str = ""
    held: Reservation = field(default_factory=Reservation)
    pressed: str = ""
    price: int = 0
    act: Operation | None = None
    steps: Steps = field(default_factory=Steps)
    has_documents: bool = False
    size_of_documents: int = 0
    thumbs: bool = False
    found: Retrieved = NOTHING
    persona: Persona = NOBODY
    gone: tuple[str, ...] = ()
    then: Effect | None = None
    conversation: int = 0

    @property
    def shown(self) -> Sequence[Message]:
        """The history, below what the persona's examples show."""
        return [*self.persona.shown(self.language), *self.history]

    @property
    def prefix(self) -> str:
        """What was written before of an answer that goes on."""
        return self.place.resumed.text if self.place is not None and self.place.resumed is not None else ""


@dataclass(slots=True, kw_only=True)
class AnswerDraft:
    """An answer while it is being written, and how it ended.

    `wanted` is the model that was chosen, `offer` the one that is asked: another where that is known not to answer.
    A stream that breaks off is begun anew, and each was paid: `usages` are the models and what the service told
    (guessed where it told nothing), `cost` their tokens, `money` their price in millionths, `held` what is held back.
    `searches` of the web are those that the last request was seen to make. `before` is what it had said before it
    called tools, and stays at the head of `text`; `calls` are those of the last request, `steps` what came of those
    before. `limit` is the sentence of a budget that let it go no further. `thought` is its reasoning, where the model
    shows that and the operator wants it seen.
    """

    wanted: ModelOption
    offer: ModelOption
    held: list[Reservation]
    text: str = field(default="", init=False)
    finish: Finish | None = field(default=None, init=False)
    usage: Usage | None = field(default=None, init=False)
    searches: int = field(default=0, init=False)
    stopped: bool = field(default=False, init=False)
    outdated: bool = field(default=False, init=False)
    error: ModelError | None = field(default=None, init=False)
    usages: list[tuple[str, Usage]] = field(default_factory=list, init=False)
    cost: int = field(default=0, init=False)
    money: int = field(default=0, init=False)
    before: str = field(default="", init=False)
    calls: tuple[ToolCall, ...] = field(default=(), init=False)
    steps: Steps = field(default_factory=Steps, init=False)
    limit: str = field(default="", init=False)
    code: str = field(default="", init=False)
    thought: str = field(default="", init=False)
    found: Retrieved = field(default=NOTHING, init=False)

    def begin(self) -> None:
        self.text, self.finish, self.usage, self.calls = self.before, None, None, ()
        self.thought, self.searches = "", 0

    def add(self, chunk: Chunk) -> None:
        self.text = self.before + chunk.text if chunk.replaces else self.text + chunk.text
        self.thought += chunk.reasoning[: MOST_THOUGHT - len(self.thought)]
        self.calls += chunk.tool_calls
        self.steps.sources += chunk.sources
        self.searches += chunk.activity == SEARCHING
        self.usage = chunk.usage or self.usage
        self.finish = chunk.finish or self.finish

    def bill(self, request: Request, ratio: prompt.Ratio) -> None:
        usage = self.usage
        if usage is None and (self.calls or self.searches or len(self.text) > len(self.before)):
            called = sum(len(call.name) + len(str(call.arguments)) for call in self.calls)
            new = len(self.text) - len(self.before) + called
            usage = Usage(ratio.tokens(prompt.size(request)), ratio.tokens(new))
        if usage is not None:
            usage = replace(usage, searches=max(usage.searches, self.searches))
            self.usages.append((self.offer.name, usage))
            self.cost += usage.total
            self.money += pricing.cost(self.offer.model.profile, usage)

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
        if self.limit and not self.stopped:
            return self.limit
        if unfinished := mark(language, self.ending()):
            return unfinished
        if self.found.limit:
            return say(language, "document.words", limit=self.found.limit)
        return say(language, "instead.note", model=self.offer.title) if self.offer is not self.wanted else ""

    def sorry(self, language: str) -> str:
        """What is said when there is no answer: the cause, the next step, and the code for the operator."""
        if self.limit:
            return self.limit
        code = say(language, "error.code", code=self.code) if self.code else ""
        return " ".join(filter(None, (say(language, self.apology()), code)))

    def apology(self) -> str:
        """The key of it."""
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
