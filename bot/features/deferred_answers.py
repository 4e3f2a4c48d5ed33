"""Answers that may take hours and cost less: ordered once, followed across restarts (`jobs/operations.py`), told as a
reply.

Question and answer enter the conversation together, when the answer is there: what is said meanwhile is not mixed with
a question that is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bot.ai import Answered, AsyncModel, Failed, Finish, Pending, Request
from bot.billing import pricing
from bot.billing.budget import Budget
from bot.clock import Clock
from bot.conversation.assistant import Assistant
from bot.errors import BadInput, ModelError
from bot.feature import ButtonHandler, Command, Feature
from bot.features.task_list import cancel_choice
from bot.jobs import operations
from bot.jobs.operations import FailureReason, OperationRunner, Outcome, PollSchedule
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import delivery_key, finish, finish_turn
from bot.ports import Reply, Transport
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.mapping import dump_parts, load_parts
from bot.storage.repositories.operations import Operation
from bot.storage.store import Store, Tx
from bot.telemetry import tracing
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import say
from bot.types import Incoming, Message, Outgoing, Text

KIND = "later"
PATIENCE = 24 * 3600.0  # seconds: "from minutes to hours"; an answer is kept for three days
PACE = PollSchedule(PATIENCE, ordering=3600.0, shortest_poll=4.0, longest_poll=120.0)  # nobody waits at the screen


@dataclass(slots=True)
class DeferredAnswers:
    """`models` gives the asynchronous mode of a model by its name, None where it has none."""

    store: Store
    routing: Routing
    models: Callable[[str], AsyncModel | None]
    clock: Clock
    transport: Transport
    wake_jobs: Callable[[], None]
    incidents: IncidentLog
    assistant: Assistant
    budget: Budget = field(default_factory=Budget)

    def feature(self) -> Feature:
        """`later` is the button below a question that is cheaper to answer later: {"turn": the question's}."""
        runner = OperationRunner(store=self.store, clock=self.clock, transport=self.transport, kind=self)
        return Feature(
            commands={"/later": Command(self.later, in_menu=self._other() is not None)},
            presses={"later": ButtonHandler(self.press), "later.again": ButtonHandler(self.press_again)},
            jobs={KIND: runner.follow},
        )

    # --- orders -------------------------------------------------------------------------------------------------------

    async def later(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Order an answer to what stands after the command."""
        if not rest.strip():
            raise BadInput(say(incoming.language, "later.usage"))
        offer = self._offer(incoming)
        request = await self.assistant.deferred_request(incoming, reply, rest)

        def ask(tx: Tx) -> dict[str, Any]:
            conversation = tx.messages.current_conversation(incoming.address)
            parent = tx.messages.find_head(conversation)
            order = _Order(conversation, incoming.id, rest, parent, incoming.message_id)
            return _stored(order, offer, request, incoming.language)

        await self._order(incoming, reply, ask)

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Order an answer to the question of an earlier turn, once."""
        where, turn = incoming.address, action.payload["turn"]
        asked = await self.store.read(lambda tx: tx.messages.find_in_chat(where, turn, "user"))
        if asked is None:
            raise BadInput(say(incoming.language, "later.gone"))
        offer = self._offer(incoming)
        request = await self.assistant.deferred_request(incoming, reply, asked.text, asked)

        def ask(tx: Tx) -> dict[str, Any]:
            tx.buttons.expire_button(action.key)
            order = _Order(asked.conversation, turn, asked.text, asked.parent, asked.place)
            return _stored(order, offer, request, incoming.language)

        await self._order(incoming, reply, ask)

    async def press_again(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """What failed is ordered anew, once, as it was."""
        bot, turn = incoming.address.bot, action.payload["turn"]

        def ask(tx: Tx) -> dict[str, Any]:
            before = tx.operations.find_of_turn(bot, turn)
            if before is None or not before.request.get("messages"):
                raise BadInput(say(incoming.language, "later.gone"))
            tx.buttons.expire_button(action.key)
            request = dict(before.request)
            tx.operations.replace_request(before.id, {})
            return request

        await self._order(incoming, reply, ask)

    async def _order(self, incoming: Incoming, reply: Reply, ask: Callable[[Tx], dict[str, Any]]) -> None:
        """Store the order and say that it is taken. Raises `BadInput`, `LimitReached`: then nothing is stored."""
        language = incoming.language

        def work(tx: Tx) -> None:
            order = ask(tx)
            offer = self.routing.by_name(order["model"])
            most = prompt.most(_request(order), prompt.Ratio())
            price = pricing.most(offer.model.profile, most, pricing.LATER)
            held = self.budget.reserve_answer(tx, incoming, most.total, price, language)
            order |= {"held": held.tokens, "held_money": held.money}
            operations.order(tx, self.clock, KIND, incoming, order)
            key = "later.taken" if offer.model.profile.asynchronous else "later.taken.same"
            taken = Outgoing(say(language, key, model=offer.title), plain=True, reply_to=incoming.message_id)
            finish_turn(tx, incoming, taken, choices=[cancel_choice(incoming, KIND, incoming.id)], over=True)

        await finish(self.store, reply, work)
        self.wake_jobs()

    def _offer(self, incoming: Incoming) -> ModelOption:
        """The model that was chosen here. Raises `BadInput` where it has no such mode, naming one that has."""
        offer = self.assistant.model_for(incoming.chat)
        if self.models(offer.name) is not None:
            return offer
        other = self._other()
        if other is None:
            raise BadInput(say(incoming.language, "later.none"))
        raise BadInput(say(incoming.language, "later.cannot", model=offer.title, other=other.title))

    def _other(self) -> ModelOption | None:
        return next((offer for offer in self.routing.options if self.models(offer.name) is not None), None)

    @staticmethod
    def _remember(tx: Tx, operation: Operation, conversation: int, answer: Answered) -> None:
        """Question and answer stand where the order was given; talk that went on meanwhile goes on from where it is."""
        asked, where, tip = operation.request, operation.address, tx.messages.find_head(conversation)
        question = tx.messages.add_message(
            conversation, where, asked["turn"], "user", (Text(asked["question"]),),
            parent=asked.get("parent") or 0, user=operation.user, place=asked["reply_to"],
        )  # fmt: skip
        tx.messages.add_message(
            conversation, where, asked["turn"], "assistant", (Text(answer.text),), parent=question.id,
            ending=str(answer.finish), user=operation.user, model=asked["model"],
        )  # fmt: skip
        if tip not in (asked.get("parent"), question.id):
            tx.messages.move_head(conversation, tip)

    # --- what is special to an answer (`following.Kind`) --------------------------------------------------------------

    @property
    def pace(self) -> PollSchedule:
        return PACE

    def is_offered(self, operation: Operation) -> bool:
        return self.models(operation.request["model"]) is not None

    async def submit(self, operation: Operation) -> str:
        request = _request(operation.request)
        messages = await self.store.read(lambda tx: tx.blobs.load_images(request.messages))
        return await self._model(operation).submit(replace(request, messages=tuple(messages)))

    async def poll(self, operation: Operation) -> Pending | Answered | Failed:
        outcome = await self._model(operation).poll(operation.operation)
        if isinstance(outcome, Answered):
            name = tracing.model_label(operation.request["model"])
            tracing.current().set_attributes({"gen_ai.request.model": name, **tracing.usage_attributes(outcome.usage)})
        return outcome

    def _model(self, operation: Operation) -> AsyncModel:
        model = self.models(operation.request["model"])
        assert model is not None  # noqa: S101  see is_offered
        return model

    async def withdraw(self, operation: Operation) -> None:
        """Ask the service to leave it; the row has ended already."""
        model = self.models(operation.request.get("model", ""))
        if model is not None and operation.operation:
            await model.cancel(operation.operation)

    def accepted(self, tx: Tx, operation: Operation) -> None:
        """It is paid when it is there, in tokens."""

    def finished(self, operation: Operation, result: Answered) -> Outcome:
        if result.finish is Finish.FILTERED:
            return self._told(operation, "later.refused", paid=result)
        if not result.text.strip():
            return self._told(operation, "empty.answer", paid=result)
        asked = operation.request
        note = say(asked["language"], "length.note") if result.finish is Finish.LENGTH else ""

        def work(tx: Tx) -> None:
            self._book(tx, operation, result)
            if tx.conversations.find_address(conversation := asked["conversation"]) is not None:
                self._remember(tx, operation, conversation, result)
            answer = Outgoing(result.text, note=note, reply_to=asked["reply_to"])
            tx.outbox.add_answer(delivery_key(operation.turn, 1), operation.address, answer)
            tx.operations.replace_request(operation.id, {})  # the conversation has it now

        return Outcome("done", work)

    def failed(self, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None) -> Outcome:
        return self._told(operation, SENTENCES[why], error, unknown=why in (FailureReason.UNKNOWN, FailureReason.SLOW))

    def _told(
        self, operation: Operation, key: str, error: ModelError | BadInput | None = None,
        *, paid: Answered | None = None, unknown: bool = False,
    ) -> Outcome:  # fmt: skip
        """It ends with a sentence, below which it can be ordered anew."""
        asked, where = operation.request, operation.address
        sentence = say(asked["language"], key)
        if error is not None:
            sentence += " " + say(asked["language"], "error.code", code=self.incidents.record(error, operation.turn))

        def work(tx: Tx) -> None:
            self._book(tx, operation, paid, unknown=unknown)
            told, label = delivery_key(operation.turn, 1), say(asked["language"], "retry")
            again = tx.buttons.add_button(where, told, operation.user, label, "later.again", turn=operation.turn)
            row = () if key == SENTENCES[FailureReason.REFUSED] else ((again,),)
            tx.outbox.add_answer(told, where, Outgoing(sentence, True, None, row, reply_to=asked["reply_to"]))

        return Outcome("failed", work)

    def abandoned(self, tx: Tx, operation: Operation) -> None:
        self._book(tx, operation, None, unknown=operation.state != "asked")
        tx.operations.replace_request(operation.id, {})

    def _book(self, tx: Tx, operation: Operation, answer: Answered | None, *, unknown: bool = False) -> None:
        """What it cost, at the price of the asynchronous mode; all that was held back where nobody knows it."""
        asked, used = operation.request, answer.usage if answer else None
        price = 0
        if used is not None:
            model, where, turn = asked["model"], operation.address, operation.turn
            profile = self.routing.by_name(model).model.profile
            price = pricing.book_answer(tx, where, operation.user, turn, model, profile, used, pricing.LATER)
        held_whole = used is None and (answer is not None or unknown)
        tx.budgets.settle_reservation(asked.get("held", 0), None if held_whole else used.total if used else 0)
        tx.budgets.settle_reservation(asked.get("held_money", 0), None if held_whole else price)


@dataclass(frozen=True, slots=True)
class _Order:
    """A question that is to be answered later: where it stands in its conversation, and its message in the chat."""

    conversation: int
    turn: str
    question: str
    parent: int | None
    reply_to: int


def _stored(order: _Order, offer: ModelOption, request: Request, language: str) -> dict[str, Any]:
    """The row of an order: what the model is asked is settled now, whatever is said here meanwhile."""
    return {
        **asdict(order), "model": offer.name, "language": language, "temperature": request.temperature,
        "max_tokens": request.max_tokens, "reasoning": request.reasoning,
        "messages": [[said.role, dump_parts(said.parts)] for said in request.messages],
    }  # fmt: skip


def _request(order: Mapping[str, Any]) -> Request:
    """What the model is asked, out of the row of an order."""
    messages = tuple(Message(role, load_parts(parts)) for role, parts in order["messages"])
    reasoning = order.get("reasoning", "")
    return Request(messages, temperature=order["temperature"], max_tokens=order["max_tokens"], reasoning=reasoning)


SENTENCES = {
    FailureReason.OFF: "later.none",
    FailureReason.REFUSED: "later.refused",
    FailureReason.DENIED: "error.denied",
    FailureReason.UNKNOWN: "later.unknown",
    FailureReason.SLOW: "later.slow",
    FailureReason.FAILED: "later.failed",
}
