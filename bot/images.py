"""Pictures: ordered once, followed by a job across restarts, delivered as photos with buttons.

The way: `order` stores an operation and its job; the job (`draw`) submits it, stores the id before the first poll,
then polls by putting itself back with a later `due`, and at the end stores the JPEG in the outbox in one commit with
the end of the operation. Each accepted submit costs money, so its outcome is never guessed: see `_submit`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from bot import money
from bot.clock import Clock
from bot.errors import (
    BadInput,
    LimitReached,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.features import Command, Feature, Press
from bot.improving import LONGEST, SHORT, Improving
from bot.limits import IMAGES, MONEY, Budget
from bot.outbox import Effect, key, settle, tell
from bot.outbox import language as language_of
from bot.services import Drawing, Failed, Finished, Painter, Pending
from bot.storage.buttons import Action
from bot.storage.operations import Operation
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Button, File, Incoming, Job, Outgoing, Reply, Transport, Usage

KIND = "image"
RATIOS = ((1, 1), (16, 9), (9, 16))
PATIENCE = 3 * 3600.0  # seconds: the service says "from a few seconds up to a few hours" and keeps a picture 12 h
ORDERING = 300.0  # seconds that a service which takes no orders is asked again
SHORTEST_POLL, LONGEST_POLL = 2.0, 30.0
MOST_SUBMITS = 2  # a kill -9 between the request and its answer leaves the outcome unknown: once more, then ask


@dataclass(frozen=True, slots=True)
class Price:
    """What one picture costs, in millionths; `model` is what the ledger calls it."""

    amount: int = 0
    currency: str = "RUB"
    model: str = "yandex-art"


@dataclass(slots=True)
class Images:
    """`painter` None: this bot does not draw. `improves`: when a short idea becomes a richer description."""

    store: Store
    painter: Painter | None
    clock: Clock
    transport: Transport
    random: random.Random
    wake_jobs: Callable[[], None]
    budget: Budget = field(default_factory=Budget)
    price: Price = field(default_factory=lambda: Price())
    improving: Improving | None = None
    improves: Literal["ask", "always", "never"] = "ask"

    def feature(self) -> Feature:
        """`/image` stays a command where the bot does not draw: it says so."""
        again = ("image.again", "image.ratio")
        return Feature(
            commands={
                "/image": Command(self.image, in_menu=self.painter is not None),
                "/img": Command(self.image, in_menu=False),
            },
            presses={
                **{name: Press(self.press) for name in again},
                "image.change": Press(self.press_change),
                "image.improve": Press(self.press_improve),
                "price.draw": Press(self.press_draw),
            },
            awaits={"image.change": self.change},
            jobs={KIND: self.draw},
        )

    # --- orders -------------------------------------------------------------------------------------------------------

    async def image(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        drawing = Drawing(rest, self.seed())
        if self.improves != "always" or not self._may_improve(drawing):
            await self.order(incoming, reply, drawing)
        elif better := await self._improved(incoming, reply, drawing):
            await self.order(incoming, reply, better)
        else:
            sentence = Outgoing(say(await language_of(self.store, incoming), "image.improve.plain"), plain=True)
            name, marker = key(incoming.id, 1), incoming.message_id  # the picture has the first name
            await self.order(
                incoming, reply, drawing, lambda tx: tx.deliveries.add(name, incoming.address, sentence, marker=marker)
            )

    async def press_improve(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """The same picture from a richer description, which is shown below it."""
        drawn = await self.drawing(incoming.address, action.payload["turn"])
        if drawn is None or not self._may_improve(drawn):
            await settle(self.store, incoming, reply)
        elif (better := await self._improved(incoming, reply, drawn)) is None:
            await tell(self.store, incoming, reply, "image.improve.failed")
        else:
            await self.order(incoming, reply, better, lambda tx: tx.buttons.use_up(action.key))

    def _may_improve(self, drawing: Drawing) -> bool:
        worth_it = bool(drawing.prompt.strip()) and len(drawing.prompt) <= SHORT
        return worth_it and self.painter is not None and self.improving is not None and self.improves != "never"

    async def _improved(self, incoming: Incoming, reply: Reply, drawing: Drawing) -> Drawing | None:
        assert self.improving is not None  # noqa: S101  see _may_improve
        await reply.busy("photo")
        better = await self.improving.improve(incoming, drawing.prompt)
        return replace(drawing, prompt=better) if better else None

    async def press(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Again (another seed) or in another ratio (the same). It costs money: the button works once."""
        drawn = await self.drawing(incoming.address, action.payload["turn"])
        if drawn is None:
            await settle(self.store, incoming, reply)
        elif action.name == "image.again":
            wish = replace(drawn, seed=self.seed())
            await self.order(incoming, reply, wish, lambda tx: tx.buttons.use_up(action.key))
        else:
            wish = replace(drawn, width=action.payload["width"], height=action.payload["height"])
            await self.order(incoming, reply, wish, lambda tx: tx.buttons.use_up(action.key))

    async def press_change(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        user, turn = incoming.user.id, action.payload["turn"]
        sentence = say(await language_of(self.store, incoming), "image.change.ask")
        await settle(
            self.store, incoming, reply, Outgoing(sentence, plain=True, ask_reply=True),
            also=lambda tx: tx.buttons.wait_for(incoming.address, user, "image.change", turn=turn),
        )  # fmt: skip

    async def change(self, incoming: Incoming, reply: Reply, action: Action) -> bool:
        """The user answered the question "what should be different?". What is too long may be said again."""

        def forget(tx: Tx) -> None:
            tx.buttons.forget(incoming.address, incoming.user.id)

        drawn = await self.drawing(incoming.address, action.payload["turn"])
        if drawn is None or self.painter is None:
            return False
        try:
            wish = replace(drawn, prompt=f"{drawn.prompt}, {incoming.text.strip()}")
            await self.order(incoming, reply, wish, forget)
        except LimitReached:  # it may not be said again soon: what comes next is a question as any other
            await self.store.write(forget)
            raise
        return True

    async def press_draw(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """The price is known."""
        wish = Drawing(**action.payload)
        await self.order(incoming, reply, wish, lambda tx: tx.buttons.use_up(action.key), agreed=True)

    async def order(
        self, incoming: Incoming, reply: Reply, drawing: Drawing, also: Effect | None = None, *, agreed: bool = False
    ) -> None:
        """Take an order: check it, store it (and what it changes, `also`), leave the rest to the job.

        An expensive one is only asked about, until the user has `agreed`. Raises `BadInput`, `LimitReached`.
        """
        language = await language_of(self.store, incoming)
        if self.painter is None:
            raise BadInput(say(language, "image.off"))
        if not drawing.prompt.strip():
            raise BadInput(say(language, "image.usage"))
        if (length := len(drawing.prompt)) > LONGEST:
            raise BadInput(say(language, "image.long", limit=LONGEST, length=length))
        if self.budget.asks(self.price.amount) and not agreed:
            await self._ask_first(incoming, reply, drawing, language, also)
            return

        def store_it(tx: Tx) -> None:
            request = {
                "prompt": drawing.prompt, "seed": drawing.seed, "width": drawing.width, "height": drawing.height,
                "language": language, "reply_to": 0 if incoming.private else incoming.message_id,
                "held": self.budget.reserve(tx, incoming, IMAGES, 1, language),
                "held_money": self.budget.reserve(tx, incoming, MONEY, self.price.amount, language),
            }  # fmt: skip
            tx.operations.add(KIND, incoming.id, incoming.address, incoming.user.id, request)
            tx.jobs.add(Job(KIND, incoming.id, incoming.address, {}, due=self.clock.time()))
            if also is not None:
                also(tx)

        await settle(self.store, incoming, reply, also=store_it)
        self.wake_jobs()

    async def _ask_first(
        self, incoming: Incoming, reply: Reply, drawing: Drawing, language: str, also: Effect | None
    ) -> None:  # fmt: skip
        price = money.shown(language, self.price.amount, self.price.currency)
        sentence = say(language, "price.picture", price=price)
        choice = money.Choice(say(language, "price.draw"), "price.draw", asdict(drawing))
        drop = money.Choice(say(language, "price.drop"), "price.drop", {})
        await money.ask_first(self.store, incoming, reply, sentence, choice, drop, also=also)

    def seed(self) -> int:
        """A seed for a new picture; 0 would leave it to the service, and "same, but…" needs to know it."""
        return self.random.randrange(1, 2**63)

    # --- the job ------------------------------------------------------------------------------------------------------

    async def draw(self, job: Job) -> None:
        """The job: one step of the operation."""
        operation, gone = await self.store.read(
            lambda tx: (tx.operations.of(job.address.bot, job.key), tx.chats.is_gone(job.address))
        )
        if operation is None or operation.state in ("done", "failed"):
            await self.store.write(lambda tx: tx.jobs.done(job))
            return
        if gone:
            await self._abandon(job, operation)
            return
        await self.transport.reply(job.address, job.key).busy("photo")
        if self.painter is None:
            await self._fail(job, operation, "image.off")
        elif operation.state == "running":
            await self._poll(job, operation, self.painter)
        elif operation.submits < MOST_SUBMITS:
            await self._submit(job, operation, self.painter)
        else:
            await self._fail(job, operation, "image.unknown")

    async def _submit(self, job: Job, operation: Operation, painter: Painter) -> None:
        await self.store.write(lambda tx: tx.operations.submitting(operation.id))
        try:
            name = await painter.submit(_drawing(operation))
        except (ModelRefused, BadInput):
            await self._fail(job, operation, "image.refused")
        except (OutcomeUnknown, ModelProtocolError):  # whatever answered: it may have been carried out
            await self._fail(job, operation, "image.unknown")
        except ModelDenied:
            await self._fail(job, operation, "error.denied")
        except ModelUnavailable as error:
            await self._order_later(job, operation, error)
        else:
            due = self.clock.time() + SHORTEST_POLL

            def running(tx: Tx) -> None:
                tx.operations.running(operation.id, name)
                self._pay(tx, operation, 1)
                tx.jobs.again(job, due)

            # Without its id on disk the order would be made, and paid, once more.
            await self.store.patiently(lambda: self.store.write(running))

    async def _order_later(self, job: Job, operation: Operation, error: ModelUnavailable) -> None:
        """The order was certainly not taken: nothing is paid yet, and it may be repeated."""
        age = self.clock.time() - operation.at
        if age > ORDERING:
            await self._fail(job, operation, "image.failed")
            return
        due = self.clock.time() + max(error.retry_after, SHORTEST_POLL, age / 4)

        def asked(tx: Tx) -> None:
            tx.operations.not_submitted(operation.id)
            tx.jobs.again(job, due)

        await self.store.write(asked)

    async def _poll(self, job: Job, operation: Operation, painter: Painter) -> None:
        age = self.clock.time() - operation.at
        try:
            outcome = await painter.poll(operation.operation)
        except ModelError:
            if age <= PATIENCE:
                raise  # the worker asks again, ever more rarely
            outcome = Pending()
        match outcome:
            case Finished(jpeg):
                await self._deliver(job, operation, jpeg)
            case Failed(_, refused=refused):
                await self._fail(job, operation, "image.refused" if refused else "image.failed")
            case Pending() if age > PATIENCE:
                await self._fail(job, operation, "image.slow")
            case Pending():
                wait = min(max(SHORTEST_POLL, age / 10), LONGEST_POLL)
                await self.store.write(lambda tx: tx.jobs.again(job, self.clock.time() + wait))

    async def _deliver(self, job: Job, operation: Operation, jpeg: bytes) -> None:
        def work(tx: Tx) -> None:
            buttons = self._buttons(tx, operation)
            asked = operation.request
            otherwise = say(asked["language"], "image.undelivered")
            photo = Outgoing(asked["prompt"], True, File(jpeg), buttons, reply_to=asked["reply_to"], instead=otherwise)
            tx.deliveries.add(job.key, job.address, photo)
            tx.operations.end(operation.id, "done")
            tx.jobs.done(job)

        await self._end(job, work)

    async def _fail(self, job: Job, operation: Operation, key: str) -> None:
        language = operation.request["language"]

        def work(tx: Tx) -> None:
            row = () if key == "image.refused" else ((self._again(tx, operation),),)
            sentence = Outgoing(say(language, key), True, None, row, reply_to=operation.request["reply_to"])
            tx.deliveries.add(job.key, job.address, sentence)
            tx.operations.end(operation.id, "failed")
            self._pay(tx, operation, 1 if key == "image.unknown" else 0)
            tx.jobs.done(job)

        await self._end(job, work)

    def _pay(self, tx: Tx, operation: Operation, pictures: int) -> None:
        """Settle what was held back, once: a picture that was ordered is paid, whatever comes of it."""
        if held := operation.request.get("held", 0):
            tx.spending.settle(held, pictures)
        if held := operation.request.get("held_money", 0):
            tx.spending.settle(held, pictures * self.price.amount)
        if pictures:
            where, price = operation.address, self.price
            money.book(tx, where, operation.user, operation.turn, price.model, Usage(), price.amount, money.IMAGE)

    async def _abandon(self, job: Job, operation: Operation) -> None:
        """Nobody is there any more: nothing is ordered, asked for or sent."""

        def work(tx: Tx) -> None:
            tx.operations.end(operation.id, "failed")
            self._pay(tx, operation, 0)
            tx.jobs.done(job)

        await self.store.write(work)

    async def _end(self, job: Job, work: Effect) -> None:
        def unless_over(tx: Tx) -> None:
            now = tx.operations.of(job.address.bot, job.key)
            if now is None or now.state in ("done", "failed"):  # forgotten or cancelled while the service was asked
                tx.jobs.done(job)
            else:
                work(tx)

        await self.store.write(unless_over)
        await self.transport.reply(job.address, job.key).finish()

    def _buttons(self, tx: Tx, operation: Operation) -> tuple[tuple[Button, ...], ...]:
        language, where, user = operation.request["language"], operation.address, operation.user
        turn = operation.turn
        change = tx.buttons.add(where, turn, user, say(language, "image.change"), "image.change", turn=turn)
        first = (self._again(tx, operation), change)
        drawn = _drawing(operation)
        ratios = [
            tx.buttons.add(where, turn, user, f"{width}:{height}", "image.ratio", turn=turn, width=width, height=height)
            for width, height in RATIOS
            if (width, height) != (drawn.width, drawn.height)
        ]
        if not self._may_improve(drawn):
            return (first, tuple(ratios))
        label = say(language, "image.improve")
        return (first, tuple(ratios), (tx.buttons.add(where, turn, user, label, "image.improve", turn=turn),))

    def _again(self, tx: Tx, operation: Operation) -> Button:
        label = say(operation.request["language"], "image.again")
        turn = operation.turn
        return tx.buttons.add(operation.address, turn, operation.user, label, "image.again", turn=turn)

    async def drawing(self, address: Address, turn: str) -> Drawing | None:
        """What was ordered in a turn."""
        operation = await self.store.read(lambda tx: tx.operations.of(address.bot, turn))
        return _drawing(operation) if operation and operation.address.chat == address.chat else None


def _drawing(operation: Operation) -> Drawing:
    asked = operation.request
    return Drawing(asked["prompt"], asked["seed"], asked["width"], asked["height"])
