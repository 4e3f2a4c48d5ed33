"""The command /later: answers by the asynchronous mode of a model, which may take hours and cost less.

Begin with `DeferredAnswers.later`, which submits a question once. `jobs/operations.py` polls the operation, also after
a restart, and `DeferredOperation` delivers the answer as a reply. The question and its answer enter the conversation
together when the answer arrives, so that they do not mix with messages that were sent in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bot.ai import Answered, AsyncModel, Failed, Finish, Pending, Request, Source
from bot.billing import pricing
from bot.billing.budget import MONEY, TOKENS, Budget
from bot.conversation import branching
from bot.conversation.answer_writer import AnswerWriter
from bot.conversation.assistant import Assistant
from bot.conversation.turn_state import Ownership, TurnContext
from bot.errors import BadInput, LimitReached, ModelError
from bot.extension import Review
from bot.feature import Feature, Turn, command, job, press
from bot.features.task_list import cancel_choice
from bot.jobs import operations
from bot.jobs.operations import FailureReason, OperationRunner, Outcome, PollSchedule
from bot.knowledge import citations, documents
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answer.evidence import restored
from bot.knowledge.documents import NOTHING, Retrieved
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import Answer, delivery_key
from bot.ports import Reply, Transport
from bot.storage.repositories.files.documents import Passage
from bot.storage.repositories.mapping import dump_parts, dump_request, load_parts
from bot.storage.store import Store, Tx
from bot.storage.tables.work import Operation
from bot.telemetry import tracing
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import say
from bot.tools.tool import ToolContext
from bot.types import Address, Button, Incoming, Job, Message, Outgoing, Text, User

if TYPE_CHECKING:
    from bot.knowledge.answer.across import Across

KIND = "later"
NO_REVIEW = Review()
PATIENCE = 24 * 3600.0  # seconds: the service needs "from minutes to hours" and keeps an answer for three days
PACE = PollSchedule(PATIENCE, ordering=3600.0, shortest_poll=4.0, longest_poll=120.0)  # nobody watches the chat


@dataclass(slots=True, kw_only=True)
class DeferredAnswers(Feature):
    """Takes questions that are to be answered later, and stores each as an operation for the job worker."""

    store: Store
    transport: Transport
    assistant: Assistant
    operation: DeferredOperation
    wake_jobs: Callable[[], None]
    budget: Budget = field(default_factory=Budget)

    @job(KIND)
    async def follow(self, due: Job) -> None:
        """Do one step of an operation."""
        runner = OperationRunner(
            store=self.store, clock=self.store.clock, transport=self.transport, kind=self.operation
        )
        await runner.follow(due)

    # --- requests -----------------------------------------------------------------------------------------------------

    @command("/later")
    async def later(self, turn: Turn, reply: Reply) -> Callable[[Tx], Answer]:
        """Submit the question after the command. Raises `BadInput`, `LimitReached`."""
        question = turn.rest
        if not question.strip():
            raise BadInput(turn.say("later.usage"))
        option = self._model_option(turn)
        request, context = await self.assistant.deferred_request(turn, reply, question)

        def submit(tx: Tx) -> Answer:
            conversation = tx.messages.current_conversation(turn.address)
            parent = tx.messages.find_head(conversation)
            asked = _DeferredQuestion(conversation, turn.id, question, parent, turn.message_id)
            self.assistant.keep_persona(tx, turn.address.bot, context.persona)
            return self._submit(tx, turn, _stored_request(asked, option, request, context))

        return submit

    @press("later", once=True)
    async def answer_later(self, pressed: Turn, reply: Reply, turn: str) -> Callable[[Tx], Answer]:
        """Submit the question of an earlier turn, which is cheaper to answer later. Raises `BadInput`,
        `LimitReached`.
        """
        asked = await self.store.read(lambda tx: tx.messages.find_in_chat(pressed.address, turn, "user"))
        if asked is None:
            raise BadInput(pressed.say("later.gone"))
        option = self._model_option(pressed)
        request, context = await self.assistant.deferred_request(pressed, reply, asked.text, asked)
        question = _DeferredQuestion(asked.conversation, turn, asked.text, asked.parent, asked.place)

        def submit(tx: Tx) -> Answer:
            self.assistant.keep_persona(tx, pressed.address.bot, context.persona)
            return self._submit(tx, pressed, _stored_request(question, option, request, context))

        return submit

    @press("later.again", once=True)
    def submit_again(self, tx: Tx, pressed: Turn, turn: str) -> Answer:
        """Submit a failed request again unchanged. Raises `BadInput`, `LimitReached`."""
        before = tx.one(Operation, bot=pressed.address.bot, turn=turn)
        if before is None or not before.request.get("messages"):
            raise BadInput(pressed.say("later.gone"))
        asked = dict(before.request)
        tx.change(before, request={})
        return self._submit(tx, pressed, asked)

    def _submit(self, tx: Tx, turn: Turn, asked: dict[str, Any]) -> Answer:
        """Store the operation and its reservations, and confirm it. Raises `BadInput`, `LimitReached`."""
        option = self.operation.routing.by_name(asked["model"])
        most = prompt.most(_request(asked), prompt.Ratio())
        price = pricing.most(option.model.profile, most, pricing.LATER)
        reservation = self.budget.reserve_answer(tx, turn, most.total, price, turn.language)
        asked |= {"held": reservation.tokens, "held_money": reservation.money}
        operations.order(tx, tx.clock, KIND, turn, asked)
        key = "later.taken" if option.model.profile.asynchronous else "later.taken.same"
        taken = Outgoing(turn.say(key, model=option.title), plain=True, reply_to=turn.message_id)
        return Answer(taken, choices=[cancel_choice(turn, KIND, turn.id)], over=True)

    def _model_option(self, incoming: Incoming) -> ModelOption:
        """The chosen model of this chat. Raises `BadInput` if it has no asynchronous mode."""
        option = self.assistant.model_for(incoming.chat)
        if self.operation.models(option.name) is not None:
            return option
        other = self._other()
        if other is None:
            raise BadInput(say(incoming.language, "later.none"))
        raise BadInput(say(incoming.language, "later.cannot", model=option.title, other=other.title))

    def _other(self) -> ModelOption | None:
        return next((option for option in self.operation.routing.options if self.operation.models(option.name)), None)


@dataclass(frozen=True, slots=True)
class ComparedAnswer(Answered):
    """An answer whose sentences were checked against their quotes.

    `left_out` are the sentences that are not sent, because they do not follow from their quotes. `across` is the model
    that compared sentences with quotes in another language, None if none did. `review` is what a programmer's functions
    want to be done with the answer.
    """

    left_out: Collection[str] = ()
    across: Across | None = None
    review: Review = NO_REVIEW


@dataclass(slots=True, kw_only=True)
class DeferredOperation:
    """How the operation of a deferred answer is started, polled and ended (`jobs.operations.OperationKind`).

    `models` returns the asynchronous mode of a model by its name, None for a model that has no such mode. `writer` has
    the knowledge base, which checks answers that were made from it, and a programmer's functions around the model. If
    the `ownership` of the conversation says that an operator answers there, the operator gets the answer as a draft,
    and the customer gets nothing.
    """

    store: Store
    routing: Routing
    models: Callable[[str], AsyncModel | None]
    incidents: IncidentLog
    writer: AnswerWriter
    budget: Budget = field(default_factory=Budget)
    ownership: Ownership | None = None

    @property
    def pace(self) -> PollSchedule:
        """How often the service is polled."""
        return PACE

    def is_offered(self, operation: Operation) -> bool:
        """Whether the model of the operation still has an asynchronous mode."""
        return self.models(operation.request["model"]) is not None

    async def submit(self, operation: Operation) -> str:
        """Submit the question to the model. Returns the id of the operation at the service. Raises `ModelError`."""
        request = _request(operation.request)
        messages = await self.store.read(lambda tx: tx.blobs.load_images(request.messages))
        return await self._model(operation).submit(replace(request, messages=tuple(messages)))

    async def poll(self, operation: Operation) -> Pending | Answered | Failed:
        """Ask the service whether the answer is there. Raises `ModelError`."""
        outcome = await self._model(operation).poll(operation.operation)
        if isinstance(outcome, Answered):
            name = tracing.model_label(operation.request["model"])
            tracing.current().set_attributes({"gen_ai.request.model": name, **tracing.usage_attributes(outcome.usage)})
            return await self._looked_at(operation, outcome)
        return outcome

    async def _looked_at(self, operation: Operation, answer: Answered) -> Answered:
        """An answer with what can't be found out in a transaction: the check of one from the knowledge base, and what
        a programmer's functions want.
        """
        asked, review = operation.request, NO_REVIEW
        hooks, knowledge = self.writer.request_builder.hooks, self.writer.knowledge
        if hooks.after and answer.text.strip() and answer.finish is not Finish.FILTERED:
            asker = ToolContext(operation.address, operation.user, asked["language"], turn=operation.turn)
            review = await hooks.review(asker, asked["question"], answer.text)
        if knowledge is None or "evidence" not in asked:
            return ComparedAnswer(answer.text, answer.finish, answer.usage, review=review)
        citing = knowledge.begin(
            await self.store.read(lambda tx: restored(tx, asked["evidence"], asked["language"])), asked["question"]
        )
        citing.repaired = asked.get("repaired", False)
        await citing.take(answer.text)
        left_out = () if citing.wants_repair else await knowledge.left_out(_asker(operation), citing)
        return ComparedAnswer(
            answer.text, answer.finish, answer.usage, left_out=left_out, across=citing.across, review=review
        )

    def _model(self, operation: Operation) -> AsyncModel:
        model = self.models(operation.request["model"])
        assert model is not None  # noqa: S101  see is_offered
        return model

    async def withdraw(self, operation: Operation) -> None:
        """Cancel the operation at the service. The stored operation has ended already."""
        model = self.models(operation.request.get("model", ""))
        if model is not None and operation.operation:
            await model.cancel(operation.operation)

    def accepted(self, tx: Tx, operation: Operation) -> None:
        """Book nothing yet: an answer is paid when it arrives, by its tokens."""

    def waiting(self, tx: Tx, operation: Operation, age: float) -> None:
        """Say nothing: how long it takes was said when it was ordered."""

    def finished(self, operation: Operation, result: Answered) -> Outcome:
        """Deliver the answer and book it; a filtered or empty answer becomes a sentence.

        If more than half of an answer from the knowledge base fails its check, the model is asked once more.
        """
        if result.finish is Finish.FILTERED:
            return self._fail(operation, "later.refused", paid=result)
        if not result.text.strip():
            return self._fail(operation, "empty.answer", paid=result)
        asked = operation.request
        review = result.review if isinstance(result, ComparedAnswer) else NO_REVIEW
        if review.refusal:
            return self._fail(operation, SENTENCES[FailureReason.REFUSED], paid=result, sentence=review.refusal)
        cut = say(asked["language"], "length.note") if result.finish is Finish.LENGTH else ""
        note = "; ".join(filter(None, (cut, review.note)))
        owner, places = self.ownership, list[Address]()

        def work(tx: Tx) -> object:
            self._book(tx, operation, result)
            said, citing = _checked(tx, operation, result)
            if citing is not None and citing.wants_repair and self._ask_again(tx, operation, citing):
                return operations.AGAIN
            if review.text is not None:
                said, citing = review.text, None
            found = _retrieved(asked) if citing is None else NOTHING
            noted = documents.note(said, found.passages, asked["language"])
            sources = documents.rests_on(said, found, noted) if citing is None else citing.sources
            said = said if noted is None else noted.text
            if owner is not None and owner.is_taken(tx, operation.address):
                places[:] = owner.keep_draft(tx, operation.address, operation.turn, said)
                tx.change(operation, request={})
                return None
            rows: tuple[tuple[Button, ...], ...] = ()
            if tx.conversations.find_address(conversation := asked["conversation"]) is not None:
                rows = self._remember(tx, operation, conversation, replace(result, text=said), sources, citing)
            checked = noted or citing
            if checked is None:
                text = citations.under(said, documents.used(said, found), asked["language"])
            else:
                text = "\n\n".join(filter(None, (said, checked.below)))
            knowledge = self.writer.knowledge
            beyond = asked.get("beyond", False)
            own = knowledge.own_note(citing, asked["language"], beyond=beyond) if knowledge is not None else ""
            below = "; ".join(filter(None, (note, own)))
            answer = Outgoing(text, note=below, buttons=rows, reply_to=asked["reply_to"])
            tx.outbox.add_answer(delivery_key(operation.turn, 1), operation.address, answer)
            tx.change(operation, request={})  # the conversation has the question now
            return None

        return Outcome("done", work, lambda: owner.deliver(places) if owner is not None else None)

    def _ask_again(self, tx: Tx, operation: Operation, citing: Citing) -> bool:
        """Have the model told which of its sentences have failed. False: the price does not fit into the budgets."""
        asked = dict(operation.request)
        said = Message("assistant", (Text(citing.raw),)), Message("user", (Text(citing.repair()),))
        messages = [*asked["messages"], *([one.role, dump_parts(one.parts)] for one in said)]
        asked |= {"messages": messages, "repaired": True}
        option = self.routing.by_name(asked["model"])
        most = prompt.most(_request(asked), prompt.Ratio())
        price = pricing.most(option.model.profile, most, pricing.LATER)
        asker, language, held = _asker(operation), asked["language"], 0
        try:
            held = self.budget.reserve(tx, asker, TOKENS, most.total, language)
            asked |= {"held": held, "held_money": self.budget.reserve(tx, asker, MONEY, price, language)}
        except LimitReached:
            tx.budgets.settle_reservation(held, 0)  # the answer is delivered in this transaction
            return False
        tx.operations.ask_again(operation, asked)
        return True

    def failed(self, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None) -> Outcome:
        """Tell the user why there is no answer, with the code of `error`, and settle the reservations."""
        return self._fail(operation, SENTENCES[why], error, unknown=why in (FailureReason.UNKNOWN, FailureReason.SLOW))

    def _fail(
        self,
        operation: Operation,
        key: str,
        error: ModelError | BadInput | None = None,
        *,
        paid: Answered | None = None,
        unknown: bool = False,
        sentence: str = "",
    ) -> Outcome:
        """End the operation with a sentence (by default the text `key`), and a button that submits it again unless it
        was refused.
        """
        asked, where = operation.request, operation.address
        sentence = sentence or say(asked["language"], key)
        if error is not None:
            sentence += " " + say(asked["language"], "error.code", code=self.incidents.record(error, operation.turn))

        def work(tx: Tx) -> None:
            self._book(tx, operation, paid, unknown=unknown)
            delivery, label = delivery_key(operation.turn, 1), say(asked["language"], "retry")
            again = tx.buttons.add_button(where, delivery, operation.user, label, "later.again", turn=operation.turn)
            row = () if key == SENTENCES[FailureReason.REFUSED] else ((again,),)
            tx.outbox.add_answer(delivery, where, Outgoing(sentence, True, None, row, reply_to=asked["reply_to"]))

        return Outcome("failed", work)

    def abandoned(self, tx: Tx, operation: Operation) -> None:
        """Settle the reservations of an operation whose chat can't be reached any more."""
        self._book(tx, operation, None, unknown=operation.state != "asked")
        tx.change(operation, request={})

    def _book(self, tx: Tx, operation: Operation, answer: Answered | None, *, unknown: bool = False) -> None:
        """Book the answer at the price of the asynchronous mode; settle in full if its price is `unknown`."""
        asked, used = operation.request, answer.usage if answer else None
        price = 0
        if used is not None:
            model, where, turn = asked["model"], operation.address, operation.turn
            profile = self.routing.by_name(model).model.profile
            price = pricing.book_answer(tx, where, operation.user, turn, model, profile, used, pricing.LATER)
        in_full = used is None and (answer is not None or unknown)
        tx.budgets.settle_reservation(asked.get("held", 0), None if in_full else used.total if used else 0)
        tx.budgets.settle_reservation(asked.get("held_money", 0), None if in_full else price)

    @staticmethod
    def _remember(
        tx: Tx,
        operation: Operation,
        conversation: int,
        answer: Answered,
        sources: tuple[Source, ...],
        citing: Citing | None,
    ) -> tuple[tuple[Button, ...], ...]:
        """Add the question and its answer where /later was sent, and keep the head of the conversation.

        Returns the button that shows the sources of an answer from the knowledge base or from documents.
        """
        asked, where, tip = operation.request, operation.address, tx.messages.find_head(conversation)
        question = tx.messages.add_message(
            conversation,
            where,
            asked["turn"],
            "user",
            (Text(asked["question"]),),
            parent=asked.get("parent") or 0,
            user=operation.user,
            place=asked["reply_to"],
        )
        said = tx.messages.add_message(
            conversation,
            where,
            asked["turn"],
            "assistant",
            (Text(answer.text),),
            parent=question.id,
            ending=str(answer.finish),
            user=operation.user,
            model=asked["model"],
            sources=sources,
            request=dump_request(_request(asked), {}),
            persona=asked.get("persona", ""),
        )
        if tip not in (asked.get("parent"), question.id):
            tx.messages.move_head(conversation, tip)
        if citing is not None:
            tx.knowledge.store_quotes(said.id, citing.spans)
        return branching.source_rows(tx, where, delivery_key(operation.turn, 1), asked["language"], said)


@dataclass(frozen=True, slots=True)
class _DeferredQuestion:
    """A question to be answered later: its place in the conversation, and the message that the answer quotes."""

    conversation: int
    turn: str
    question: str
    parent: int | None
    reply_to: int


def _stored_request(
    asked: _DeferredQuestion, option: ModelOption, request: Request, context: TurnContext
) -> dict[str, Any]:
    """The stored request of an operation: it fixes now what the model is asked, whatever is said in the chat later."""
    evidence = {} if context.evidence is None else {"evidence": context.evidence.stored()}
    return {
        **asdict(asked),
        "model": option.name,
        "persona": context.persona.label,
        "language": context.language,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "reasoning": request.reasoning,
        "messages": [[message.role, dump_parts(message.parts)] for message in request.messages],
        "passages": [[one.name, one.page, one.text, one.place] for one in context.retrieved.passages],
        "beyond": context.beyond,
        **evidence,
    }


def _asker(operation: Operation) -> Incoming:
    """Who asked, and pays."""
    user, private = (
        User(operation.user, language=operation.request["language"]),
        operation.address.chat == operation.user,
    )
    return Incoming(operation.turn, operation.address, user, private=private)


def _checked(tx: Tx, operation: Operation, answer: Answered) -> tuple[str, Citing | None]:
    """The text of an answer that may be sent; and if it is from the knowledge base, the check that it has passed."""
    asked = operation.request
    if "evidence" not in asked:
        return answer.text, None
    left_out, across = (answer.left_out, answer.across) if isinstance(answer, ComparedAnswer) else ((), None)
    evidence = restored(tx, asked["evidence"], asked["language"])
    citing = Citing(evidence, asked["question"], repaired=asked.get("repaired", False), across=across)
    said = citing.feed(answer.text) + citing.end() + citing.release(left_out)
    if (left := citing.without_withdrawn(tx, operation.address.bot)) is not None:
        said = left
    return (citing.evidence.unknown if citing.is_empty else said.strip()), citing


def _request(asked: Mapping[str, Any]) -> Request:
    """The model's request, from the stored request of an operation."""
    messages = tuple(Message(role, load_parts(parts)) for role, parts in asked["messages"])
    reasoning = asked.get("reasoning", "")
    return Request(messages, temperature=asked["temperature"], max_tokens=asked["max_tokens"], reasoning=reasoning)


def _retrieved(asked: Mapping[str, Any]) -> Retrieved:
    """What of the documents is in the stored request of an operation."""
    passages = asked.get("passages", ())
    return Retrieved(
        passages=tuple(Passage(text, page, name=name, place="".join(place)) for name, page, text, *place in passages)
    )


SENTENCES = {
    FailureReason.OFF: "later.none",
    FailureReason.REFUSED: "later.refused",
    FailureReason.DENIED: "error.denied",
    FailureReason.UNKNOWN: "later.unknown",
    FailureReason.SLOW: "later.slow",
    FailureReason.FAILED: "later.failed",
}
