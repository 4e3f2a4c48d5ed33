"""Answers that may take hours and cost less: ordered once, followed by a job across restarts, told as a reply.

The way is that of pictures (`images.py`): `order` stores an operation and its job; the job (`follow`) submits it,
stores the id before the first poll, then polls by putting itself back. Question and answer enter the conversation
together, when the answer is there: what is said meanwhile is not mixed with a question that is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot import money, outbox, prompt, tracing
from bot.clock import Clock
from bot.errors import (
    BadInput,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.features import Command, Feature, Press
from bot.journal import Journal
from bot.limits import Budget
from bot.orders import cancel_button
from bot.routing import Offer, Routing
from bot.services import Answered, Failed, Later, Pending
from bot.storage.buttons import Action
from bot.storage.operations import Operation
from bot.storage.rows import dump_parts, load_parts
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Finish, Incoming, Job, Message, Outgoing, Reply, Request, Text, Transport

KIND = "later"
PATIENCE = 24 * 3600.0  # seconds: "from minutes to hours"; an answer is kept for three days
ORDERING = 3600.0  # seconds that a service which takes no orders is asked again: nobody waits at the screen
SHORTEST_POLL, LONGEST_POLL = 4.0, 120.0
MOST_SUBMITS = 2  # see `images.py`
HISTORY = 60  # messages that are looked at for the prompt


@dataclass(frozen=True, slots=True)
class Options:
    """As those of `chat.py`."""

    system: str = ""
    temperature: float = 0.3
    max_tokens: int = 2000


@dataclass(slots=True)
class Postponing:
    """`models` gives the asynchronous mode of a model by its name, None where it has none."""

    store: Store
    routing: Routing
    models: Callable[[str], Later | None]
    clock: Clock
    transport: Transport
    wake_jobs: Callable[[], None]
    journal: Journal
    budget: Budget = field(default_factory=Budget)
    options: Options = field(default_factory=Options)

    def feature(self) -> Feature:
        """`later` is the button below a question that is cheaper to answer later: {"turn": the question's}."""
        return Feature(
            commands={"/later": Command(self.later, in_menu=self._other() is not None)},
            presses={"later": Press(self.press), "later.again": Press(self.press_again)},
            jobs={KIND: self.follow},
        )

    # --- orders -------------------------------------------------------------------------------------------------------

    async def later(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        language = await outbox.language(self.store, incoming)
        if not rest.strip():
            raise BadInput(say(language, "later.usage"))

        def ask(tx: Tx) -> dict[str, Any]:
            offer = self._offer(tx, incoming, language)
            conversation = tx.messages.conversation(incoming.address)
            history = [row.message for row in tx.messages.last(conversation, HISTORY)]
            return self._wish(
                language,
                offer,
                conversation,
                incoming.id,
                rest,
                incoming.message_id,
                tx.messages.head(conversation),
                history,
            )

        await self._order(incoming, reply, language, ask)

    async def press(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """The question of an earlier turn, once."""
        language = await outbox.language(self.store, incoming)
        where, turn = incoming.address, action.payload["turn"]

        def ask(tx: Tx) -> dict[str, Any]:
            asked = tx.said.question(where.bot, where.chat, turn)
            if asked is None:
                raise BadInput(say(language, "later.gone"))
            tx.buttons.use_up(action.key)
            offer, history = self._offer(tx, incoming, language), tx.said.prompt(asked)
            text = asked.message.text
            return self._wish(language, offer, asked.conversation, turn, text, asked.place, asked.parent, history)

        await self._order(incoming, reply, language, ask)

    async def press_again(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """What failed is ordered anew, once, as it was."""
        language = await outbox.language(self.store, incoming)
        bot, turn = incoming.address.bot, action.payload["turn"]

        def ask(tx: Tx) -> dict[str, Any]:
            before = tx.operations.of(bot, turn)
            if before is None or not before.request.get("messages"):
                raise BadInput(say(language, "later.gone"))
            tx.buttons.use_up(action.key)
            request = dict(before.request)
            tx.operations.rewrite(before.id, {})
            return request

        await self._order(incoming, reply, language, ask)

    async def _order(
        self, incoming: Incoming, reply: Reply, language: str, ask: Callable[[Tx], dict[str, Any]]
    ) -> None:
        """Store the order and say that it is taken. Raises `BadInput`, `LimitReached`: then nothing is stored."""

        def work(tx: Tx) -> None:
            wish = ask(tx)
            most = prompt.most(_request(wish), prompt.Ratio())
            price = money.most(self.routing.pick(wish["model"]).model.profile, most, money.LATER)
            held = self.budget.hold(tx, incoming, most.total, price, language)
            wish |= {"held": held.tokens, "held_money": held.money}
            tx.operations.add(KIND, incoming.id, incoming.address, incoming.user.id, wish)
            tx.jobs.add(Job(KIND, incoming.id, incoming.address, {}, due=self.clock.time()))
            cancel = cancel_button(tx, incoming, language, KIND, incoming.id)
            offer = self.routing.pick(wish["model"])
            key = "later.taken" if offer.model.profile.asynchronous else "later.taken.same"
            taken = say(language, key, model=offer.title)
            outbox.put_over(
                tx, incoming, Outgoing(taken, plain=True, buttons=((cancel,),), reply_to=incoming.message_id)
            )

        await self.store.write(work)
        await reply.finish()
        self.wake_jobs()

    def _offer(self, tx: Tx, incoming: Incoming, language: str) -> Offer:
        """The model that was chosen here. Raises `BadInput` where it has no such mode, naming one that has."""
        offer = self.routing.pick(tx.chats.choices(incoming.address).model)
        if self.models(offer.name) is not None:
            return offer
        other = self._other()
        if other is None:
            raise BadInput(say(language, "later.none"))
        raise BadInput(say(language, "later.cannot", model=offer.title, other=other.title))

    def _other(self) -> Offer | None:
        return next((offer for offer in self.routing.offers if self.models(offer.name) is not None), None)

    def _wish(
        self, language: str, offer: Offer, conversation: int, turn: str, text: str, place: int,
        parent: int | None, history: Sequence[Message],
    ) -> dict[str, Any]:  # fmt: skip
        """The row of an order: what the model is asked is settled now, whatever is said here meanwhile."""
        request = prompt.build(
            self.options.system or say(language, "system"), [*history, Message.of("user", text)],
            offer.model.profile, prompt.Ratio(),
            max_tokens=self.options.max_tokens, temperature=self.options.temperature,
        )  # fmt: skip
        return {
            "model": offer.name, "language": language, "conversation": conversation, "turn": turn, "question": text,
            "parent": parent, "reply_to": place,
            "messages": [[said.role, dump_parts(said.parts)] for said in request.messages],
            "temperature": request.temperature, "max_tokens": request.max_tokens,
        }  # fmt: skip

    @staticmethod
    def _remember(tx: Tx, operation: Operation, conversation: int, answer: Answered) -> None:
        """Question and answer stand where the order was given; talk that went on meanwhile goes on from where it is."""
        asked, where, tip = operation.request, operation.address, tx.messages.head(conversation)
        question = tx.messages.add(
            conversation, where, asked["turn"], "user", (Text(asked["question"]),),
            parent=asked.get("parent") or 0, user=operation.user, place=asked["reply_to"],
        )  # fmt: skip
        tx.messages.add(
            conversation, where, asked["turn"], "assistant", (Text(answer.text),), parent=question.id,
            ending=str(answer.finish), user=operation.user, model=asked["model"],
        )  # fmt: skip
        if tip not in (asked.get("parent"), question.id):
            tx.messages.move(conversation, tip)

    # --- the job ------------------------------------------------------------------------------------------------------

    async def follow(self, job: Job) -> None:
        """The job: one step of the operation."""
        operation, gone = await self.store.read(
            lambda tx: (tx.operations.of(job.address.bot, job.key), tx.chats.is_gone(job.address))
        )
        if operation is None or operation.state in ("done", "failed"):
            await self.store.write(lambda tx: tx.jobs.done(job))
            return
        model = self.models(operation.request["model"])
        if gone:
            await self._abandon(job, operation, model)
        elif model is None:
            await self._fail(job, operation, "later.none")
        elif operation.state == "running":
            await self._poll(job, operation, model)
        elif operation.submits < MOST_SUBMITS:
            await self._submit(job, operation, model)
        else:
            await self._fail(job, operation, "later.unknown")

    async def _submit(self, job: Job, operation: Operation, model: Later) -> None:
        await self.store.write(lambda tx: tx.operations.submitting(operation.id))
        try:
            name = await model.submit(_request(operation.request))
        except (ModelRefused, BadInput) as error:
            await self._fail(job, operation, "later.refused", error)
        except (OutcomeUnknown, ModelProtocolError) as error:  # it may have been carried out
            await self._fail(job, operation, "later.unknown", error)
        except ModelDenied as error:
            await self._fail(job, operation, "error.denied", error)
        except ModelUnavailable as error:
            await self._order_later(job, operation, error)
        except ModelError as error:  # it is too long, or the like: nothing was taken
            await self._fail(job, operation, "later.failed", error)
        else:
            await self._run(job, operation, model, name)

    async def _run(self, job: Job, operation: Operation, model: Later, name: str) -> None:
        due = self.clock.time() + SHORTEST_POLL

        def running(tx: Tx) -> bool:
            if not _is_open(tx, operation):
                return False
            tx.operations.running(operation.id, name)
            tx.jobs.again(job, due)
            return True

        # Without its id on disk the order would be made, and paid, once more.
        if not await self.store.patiently(lambda: self.store.write(running)):
            await model.cancel(name)  # it was cancelled, or its user forgotten, while it was being ordered

    async def _order_later(self, job: Job, operation: Operation, error: ModelUnavailable) -> None:
        """The order was certainly not taken: nothing is paid yet, and it may be repeated."""
        age = self.clock.time() - operation.at
        if age > ORDERING:
            await self._fail(job, operation, "later.failed", error)
            return
        due = self.clock.time() + max(error.retry_after, SHORTEST_POLL, age / 4)

        def asked(tx: Tx) -> None:
            tx.operations.not_submitted(operation.id)
            tx.jobs.again(job, due)

        await self.store.write(asked)

    async def _poll(self, job: Job, operation: Operation, model: Later) -> None:
        age = self.clock.time() - operation.at
        try:
            outcome = await model.poll(operation.operation)
        except ModelError:
            if age <= PATIENCE:
                raise  # the worker asks again, ever more rarely
            outcome = Pending()
        if isinstance(outcome, Answered):
            name = tracing.label(operation.request["model"])
            tracing.current.get().note({"gen_ai.request.model": name, **tracing.used(outcome.usage)})
        match outcome:
            case Answered(finish=Finish.FILTERED):
                await self._fail(job, operation, "later.refused", paid=outcome)
            case Answered(text) if text.strip():
                await self._deliver(job, operation, outcome)
            case Answered():
                await self._fail(job, operation, "empty.answer", paid=outcome)
            case Failed(_, refused=refused):
                await self._fail(job, operation, "later.refused" if refused else "later.failed")
            case Pending() if age > PATIENCE:
                await self._fail(job, operation, "later.slow")
            case Pending():
                wait = min(max(SHORTEST_POLL, age / 10), LONGEST_POLL)
                await self.store.write(lambda tx: tx.jobs.again(job, self.clock.time() + wait))

    async def _deliver(self, job: Job, operation: Operation, answer: Answered) -> None:
        asked, where = operation.request, operation.address
        note = say(asked["language"], "length.note") if answer.finish is Finish.LENGTH else ""

        def work(tx: Tx) -> None:
            if _is_open(tx, operation):
                self._book(tx, operation, answer)
                if tx.said.goes_on(conversation := asked["conversation"]):
                    self._remember(tx, operation, conversation, answer)
                key = outbox.key(job.key, 1)
                tx.deliveries.add(key, where, Outgoing(answer.text, note=note, reply_to=asked["reply_to"]))
                tx.operations.end(operation.id, "done")
                tx.operations.rewrite(operation.id, {})  # the conversation has it now
            tx.jobs.done(job)

        await self._end(job, work)

    async def _fail(
        self, job: Job, operation: Operation, key: str, error: ModelError | BadInput | None = None,
        *, paid: Answered | None = None,
    ) -> None:  # fmt: skip
        asked, where = operation.request, operation.address
        sentence = say(asked["language"], key)
        if error is not None:
            sentence += " " + say(asked["language"], "error.code", code=self.journal.note(error, job.key))

        def work(tx: Tx) -> None:
            if _is_open(tx, operation):
                self._book(tx, operation, paid, unknown=key in ("later.unknown", "later.slow"))
                told, label = outbox.key(job.key, 1), say(asked["language"], "retry")
                again = tx.buttons.add(where, told, operation.user, label, "later.again", turn=job.key)
                row = () if key == "later.refused" else ((again,),)
                tx.deliveries.add(told, where, Outgoing(sentence, True, None, row, reply_to=asked["reply_to"]))
                tx.operations.end(operation.id, "failed")
            tx.jobs.done(job)

        await self._end(job, work)

    def _book(self, tx: Tx, operation: Operation, answer: Answered | None, *, unknown: bool = False) -> None:
        """What it cost, at the price of the asynchronous mode; all that was held back where nobody knows it."""
        asked, used = operation.request, answer.usage if answer else None
        price = 0
        if used is not None:
            model, where, turn = asked["model"], operation.address, operation.turn
            profile = self.routing.pick(model).model.profile
            price = money.book_answer(tx, where, operation.user, turn, model, profile, used, money.LATER)
        held_whole = used is None and (answer is not None or unknown)
        tx.spending.settle(asked.get("held", 0), None if held_whole else used.total if used else 0)
        tx.spending.settle(asked.get("held_money", 0), None if held_whole else price)

    async def _abandon(self, job: Job, operation: Operation, model: Later | None) -> None:
        """Nobody is there any more: nothing is ordered, asked for or sent."""

        def work(tx: Tx) -> None:
            self._book(tx, operation, None, unknown=operation.state != "asked")
            tx.operations.end(operation.id, "failed")
            tx.operations.rewrite(operation.id, {})
            tx.jobs.done(job)

        await self.store.write(work)
        if model is not None and operation.operation:
            await model.cancel(operation.operation)

    async def _end(self, job: Job, work: outbox.Effect) -> None:
        await self.store.write(work)
        await self.transport.reply(job.address, job.key).finish()

    # --- for /jobs ----------------------------------------------------------------------------------------------------

    async def withdraw(self, operation: Operation) -> None:
        """Ask the service to leave it; the row has ended already."""
        model = self.models(operation.request.get("model", ""))
        if model is not None and operation.operation:
            await model.cancel(operation.operation)


def _is_open(tx: Tx, operation: Operation) -> bool:
    now = tx.operations.of(operation.address.bot, operation.turn)
    return now is not None and now.state not in ("done", "failed")


def _request(wish: Mapping[str, Any]) -> Request:
    messages = tuple(Message(role, load_parts(parts)) for role, parts in wish["messages"])
    return Request(messages, temperature=wish["temperature"], max_tokens=wish["max_tokens"])
