"""The state of a turn (`TurnContext`) and of its answer while a model writes it (`AnswerDraft`)."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from bot.ai import Chunk, Finish, Request, Source, Usage
from bot.billing import pricing
from bot.billing.budget import Reservation
from bot.conversation.branching import CUT, BranchPoint, ending_note
from bot.errors import ContextOverflow, HookFailed, ModelDenied, ModelError, ModelRefused
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answer.evidence import Evidence
from bot.knowledge.documents import NOTHING, Retrieved, rests_on
from bot.llm import prompt
from bot.llm.routing import ModelOption
from bot.outbox import Effect
from bot.prompts.beside import for_people
from bot.prompts.schema import Persona
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.storage.tables.work import Operation
from bot.texts.catalog import say
from bot.tools.toolbox import Steps
from bot.types import Address, ChatChoices, Incoming, Message, Text, ToolCall

if TYPE_CHECKING:
    from bot.conversation.topic_choice import ChosenTopic
    from bot.knowledge.answer.documents import Noted

log = logging.getLogger(__name__)

NOBODY = Persona(key="", version="", title={})
REASONING = {"on": "medium", "off": "none"}  # what a chat chose -> what the model is told
TEMPERATURES = {"exact": 0.0, "even": 0.4, "free": 0.9}  # likewise
SEARCHING = "web_search"  # the activity of a model that searches the web by itself
MOST_THOUGHT = 100_000  # characters of reasoning that are kept
SILENT = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u2800\u3164*_~`#>|<!\-]*")  # white space and bare marks say nothing


class TakenOver(Exception):
    """A person answers in this conversation now. The transaction that finds it changes nothing."""


class Ownership(Protocol):
    """Who answers in a conversation: the bot, or a person of the support desk (`bot/desk`)."""

    def begin(self, tx: Tx, incoming: Incoming, labels: Sequence[str] | None = None, queue: str = "") -> int:
        """Return the version under which the bot begins an answer. Raises `TakenOver` if a person answers here.

        `labels` are the topic and the flags of a new question; None for anything else that the bot answers. `queue` is
        the team of people that is asked when the bot can't answer.
        """

    def offer(self, tx: Tx, incoming: Incoming) -> str:
        """Return the label of a button that calls a person, if the customer may choose one before the first question is
        answered; "" if not.
        """

    def still_owns(self, tx: Tx, where: Address, version: int) -> bool:
        """Whether the bot may still give the answer that it began under this version."""

    def is_taken(self, tx: Tx, where: Address) -> bool:
        """Whether a person answers in a conversation now."""

    def keep_draft(self, tx: Tx, where: Address, turn: str, text: str) -> Sequence[Address]:
        """Show the person the text that the bot has written in a turn and does not give. Returns where something waits
        now.
        """

    def deliver(self, places: Sequence[Address]) -> None:
        """Deliver, after the commit, what waits in these places."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A message that the bot has asked for, so it is no question. `action` says which feature asked.

    `incoming` is the message, with the choices of its chat.
    """

    incoming: Incoming
    action: ButtonPress


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What the first transaction of a turn has read and decided.

    `place` is the question in its branch, `history` the messages before and including the question, `branch` their
    stored rows, `preface` the pinned facts and the summary. `choices.model` is the model that shall answer; `gone`
    are chosen models that are no longer offered. `reservation` holds the price of the answer. `price`, in
    millionths, is set if the user has to accept it first. `pressed` is the key of the button that asked for the
    answer, which works once. `decided_call` is the tool call that the user has decided on, after these `steps`.
    `retrieved` are passages of documents, once these were searched; `size_of_documents` (characters) is only known
    if there are budgets. `then` is called in the last transaction of the turn. `answers_once`: the model was chosen
    for this answer only, the chat has another one. `evidence` is what the knowledge base has about the question, once
    it was asked; None where the answer does not come from it; `beyond`: it was asked, and does not cover the question,
    so that the bot answers as one without sources. `topic` is that of the question, with a routing
    file; `corrects`: this user may correct it. `version` is that of the `Ownership` with which the answer was begun.
    `offer` is the label of a button below the answer that calls a person; "": none. A programmer's functions
    (`extension.Hooks`) have added `instructions` about the asker and `passages`, or want a `refusal` to be sent.
    """

    place: BranchPoint | None
    history: Sequence[Message]
    choices: ChatChoices
    language: str
    preface: str = ""
    reservation: Reservation = field(default_factory=Reservation)
    pressed: str = ""
    price: int = 0
    decided_call: Operation | None = None
    steps: Steps = field(default_factory=Steps)
    has_documents: bool = False
    size_of_documents: int = 0
    thumbs: bool = False
    retrieved: Retrieved = NOTHING
    persona: Persona = NOBODY
    gone: tuple[str, ...] = ()
    then: Effect | None = None
    conversation: int = 0
    branch: Sequence[Remembered] = ()
    answers_once: bool = False
    evidence: Evidence | None = None
    beyond: bool = False
    topic: ChosenTopic | None = None
    corrects: bool = False
    version: int = 0
    offer: str = ""
    instructions: str = ""
    passages: Sequence[str] = ()
    refusal: str = ""

    @property
    def material(self) -> str:
        """What the question is asked with: passages of a programmer, of documents and of the knowledge base; "" for
        none.
        """
        evidence = self.evidence
        passages = self.passages if evidence is None or evidence.is_open else ()  # else they stand in the block
        found = (*passages, self.retrieved.text, evidence.block if evidence else "")
        return "\n\n".join(filter(None, found))

    @property
    def asked(self) -> str:
        """The text of the question."""
        said = self.place.question.message if self.place is not None else self.history[-1] if self.history else None
        return for_people(said) if said is not None else ""

    @property
    def is_task(self) -> bool:
        """Whether a command has made the text of the question, out of a template."""
        said = self.place.question.message.parts if self.place is not None else ()
        return any(isinstance(part, Text) and part.is_task for part in said)

    @property
    def messages(self) -> Sequence[Message]:
        """The persona's examples, then the history."""
        return [*self.persona.example_messages(self.language), *self.history]

    @property
    def stored_texts(self) -> dict[str, tuple[int, int]]:
        """Where each text of the branch is stored: the id of its message, and which text of the message it is."""
        return {
            part.text: (row.id, number)
            for row in self.branch
            for number, part in enumerate(part for part in row.message.parts if isinstance(part, Text))
        }

    @property
    def prefix(self) -> str:
        """The text of the answer that is continued; "" for a new answer."""
        return self.place.resumed.text if self.place is not None and self.place.resumed is not None else ""


@dataclass(slots=True, kw_only=True)
class AnswerDraft:
    """An answer while a model writes it, and how it ended.

    `wanted` is the chosen model, `option` the model that is asked: a stand-in while the chosen model is unavailable.
    An answer can take several requests, each of which is paid: `usages` are their models with the reported usage
    (estimated if the service reports none), `cost` all tokens, `money` the price in millionths, `reservations` what
    was held back for it. `before` is the text from earlier requests, at the head of `text`. `calls` (of tools),
    `searches` (of the web), `usage` and `finish` belong to the last request, `steps` to the earlier ones.
    `limit` is the sentence of a budget that ended the answer. `thought` is the model's reasoning, if it may be shown.
    `code` names the error in the operator's log. `request` is the last request that was sent. `citing` checks an answer
    from the knowledge base: `text` holds only what it lets out; `beyond`: that does not cover the question. `noted` is
    the whole answer with what it quotes of documents, once it is written. `refusal` is what a programmer's function
    sends in place of the answer, `remark` what it adds below it, `own_note` what the operator wants to be said of what
    is not from the sources. `response` is the id under which the server remembers the last request with its answer;
    `forgotten`: it has not known the answer that the request was to follow.
    """

    wanted: ModelOption
    option: ModelOption
    reservations: list[Reservation]
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
    retrieved: Retrieved = field(default=NOTHING, init=False)
    request: Request | None = field(default=None, init=False)
    citing: Citing | None = field(default=None, init=False)
    beyond: bool = field(default=False, init=False)
    noted: Noted | None = field(default=None, init=False)
    refusal: str = field(default="", init=False)
    remark: str = field(default="", init=False)
    own_note: str = field(default="", init=False)
    response: str = field(default="", init=False)
    forgotten: bool = field(default=False, init=False)

    def refuse(self, refusal: str, error: ModelError | None = None) -> None:
        """Drop all that was written: a programmer's function has refused it, or has failed (`error`)."""
        self.text = self.before = self.thought = self.response = ""
        self.calls, self.citing, self.finish = (), None, Finish.STOP
        self.refusal, self.error = refusal, error

    def replace_text(self, text: str) -> None:
        """Send another text, which has no quotes of the knowledge base any more."""
        below = self.citing.below if self.citing is not None else ""
        self.response = ""
        self.text, self.citing = f"{text}\n\n{below}" if below else text, None

    def begin(self) -> None:
        """Forget what the last request to the model has brought: another request for this answer follows."""
        self.text, self.finish, self.usage, self.calls = self.before, None, None, ()
        self.thought, self.response, self.searches = "", "", 0
        if self.citing is not None:
            self.citing.restart()

    def add(self, chunk: Chunk) -> None:
        """Add the next chunk of the stream."""
        if chunk.replaces:
            self.text = self.before
            if self.citing is not None:
                self.citing.restart()
        self.text += chunk.text if self.citing is None else self.citing.feed(chunk.text)
        self.thought += chunk.reasoning[: MOST_THOUGHT - len(self.thought)]
        self.calls += chunk.tool_calls
        self.steps.sources += chunk.sources
        self.searches += chunk.activity == SEARCHING
        self.usage = chunk.usage or self.usage
        self.finish = chunk.finish or self.finish
        self.response = chunk.response or self.response

    def bill(self, request: Request, ratio: prompt.Ratio) -> None:
        """Add the usage of the request that has ended; `ratio` estimates it if the service reported none."""
        usage = self.usage
        if usage is None and (
            self.calls or self.searches or len(self.text) > len(self.before) or (self.citing and self.citing.raw)
        ):
            called = sum(len(call.name) + len(str(call.arguments)) for call in self.calls)
            new = (len(self.citing.raw) if self.citing else len(self.text) - len(self.before)) + called
            usage = Usage(ratio.tokens(prompt.size(request)), ratio.tokens(new))
        if usage is not None:
            usage = replace(usage, searches=max(usage.searches, self.searches))
            self.usages.append((self.option.name, usage))
            self.cost += usage.total
            self.money += pricing.cost(self.option.model.profile, usage)

    def begin_paragraph(self) -> None:
        """Keep the text before tool calls; the next request continues in a new paragraph."""
        self.before = f"{self.text.rstrip()}\n\n" if self.text.strip() else ""

    def visible_text(self) -> str:
        """The text of the answer that may be shown to the user; "" if it is only white space and Markdown marks, or if
        the provider's filter stopped it.
        """
        return "" if SILENT.fullmatch(self.text) or self.finish is Finish.FILTERED else self.text

    @property
    def rests_on(self) -> tuple[Source, ...]:
        """The pages of documents and the articles of the knowledge base that are stored with the answer."""
        return self.citing.sources if self.citing is not None else rests_on(self.text, self.retrieved, self.noted)

    @property
    def is_unanswered(self) -> bool:
        """Whether the answer says that the sources of the knowledge base do not have it, or shows quotes that only may
        be one.
        """
        if self.citing is None:
            return False
        evidence = self.citing.evidence
        is_maybe = evidence.doubtful and not evidence.block
        return is_maybe or (self.citing.is_empty and self.text == evidence.unknown)

    def ending(self) -> str:
        """How the answer ended, as it is stored: "stopped", "cut" (an error) or the model's reason."""
        return "stopped" if self.stopped else CUT if self.error else str(self.finish)

    def note(self, language: str) -> str:
        """The note below the answer, such as that it is incomplete; "" for none."""
        if self.outdated:
            return say(language, "outdated.note")
        if self.limit and not self.stopped:
            return self.limit
        if unfinished := ending_note(language, self.ending()):
            return unfinished
        if self.retrieved.limit:
            return say(language, "document.words", limit=self.retrieved.limit)
        return say(language, "instead.note", model=self.option.title) if self.option is not self.wanted else ""

    def apology(self, language: str) -> str:
        """What the user is told if there is no answer: the cause, the next step, and the code for the operator."""
        if self.refusal or self.limit:
            return self.refusal or self.limit
        code = say(language, "error.code", code=self.code) if self.code else ""
        return " ".join(filter(None, (say(language, self.apology_key()), code)))

    def apology_key(self) -> str:
        """The key of the sentence that says why there is no answer."""
        if self.stopped:
            return "stop.empty"
        if self.finish is Finish.FILTERED:
            return "filtered"
        if self.error is None:
            return "tool.steps" if self.calls else "empty.answer"
        log.warning("no answer: %s: %s (trace %s)", type(self.error).__name__, self.error, self.error.trace or "-")
        return apology_for(self.error)


def apology_for(error: ModelError) -> str:
    """The key of the sentence that tells a person why a model has not answered a question."""
    return next((key for kind, key in APOLOGIES if isinstance(error, kind)), "error.unavailable")


APOLOGIES: tuple[tuple[type[ModelError], str], ...] = (
    (ContextOverflow, "error.long"),
    (ModelRefused, "error.refused"),
    (ModelDenied, "error.denied"),
    (HookFailed, "error.hook"),
)
