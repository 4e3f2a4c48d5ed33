"""Pictures: ordered once, followed across restarts (`jobs/operations.py`), delivered as photos with buttons.

Begin with `Images.feature`; every way to a picture ends in `order`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from bot.ai import Failed, Finished, ImageModel, ImageRequest, Pending, Usage
from bot.billing import pricing
from bot.billing.budget import IMAGES, MONEY, Budget
from bot.clock import Clock
from bot.conversation.cost import finish_with_price, price_choice
from bot.errors import BadInput, LimitReached, ModelError
from bot.feature import ButtonHandler, Command, Feature
from bot.features.prompt_improver import LONGEST, SHORT, PromptImprover
from bot.jobs import operations
from bot.jobs.operations import FailureReason, OperationRunner, Outcome, PollSchedule
from bot.outbox import Effect, as_notice, delivery_key, finish, finish_turn, finish_with, finish_with_notice
from bot.ports import Reply, Transport
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.operations import Operation
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Button, File, Incoming, Outgoing

KIND = "image"
RATIOS = ((1, 1), (16, 9), (9, 16))
PATIENCE = 3 * 3600.0  # seconds: the service says "from a few seconds up to a few hours" and keeps a picture 12 h
PACE = PollSchedule(PATIENCE, ordering=300.0, shortest_poll=2.0, longest_poll=30.0, shows="photo")


@dataclass(frozen=True, slots=True)
class ImagePrice:
    """What one picture costs, in millionths; `model` is what the ledger calls it."""

    amount: int = 0
    currency: str = "RUB"
    model: str = "yandex-art"


@dataclass(slots=True)
class ImageGeneration:
    """`painter` None: this bot does not draw. `improves`: when a short idea becomes a richer description."""

    store: Store
    painter: ImageModel | None
    clock: Clock
    transport: Transport
    random: random.Random
    wake_jobs: Callable[[], None]
    budget: Budget = field(default_factory=Budget)
    price: ImagePrice = field(default_factory=lambda: ImagePrice())
    improving: PromptImprover | None = None
    improves: Literal["ask", "always", "never"] = "ask"

    def feature(self) -> Feature:
        """`/image` stays a command where the bot does not draw: it says so."""
        again = ("image.again", "image.ratio")
        runner = OperationRunner(store=self.store, clock=self.clock, transport=self.transport, kind=self)
        return Feature(
            commands={
                "/image": Command(self.image, in_menu=self.painter is not None),
                "/img": Command(self.image, in_menu=False),
            },
            presses={
                **{name: ButtonHandler(self.press) for name in again},
                "image.change": ButtonHandler(self.press_change),
                "image.improve": ButtonHandler(self.press_improve),
                "price.draw": ButtonHandler(self.press_draw),
            },
            awaits={"image.change": self.change},
            jobs={KIND: runner.follow},
        )

    # --- orders -------------------------------------------------------------------------------------------------------

    async def image(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        drawing = ImageRequest(rest, self.seed())
        if self.improves != "always" or not self._may_improve(drawing):
            await self.order(incoming, reply, drawing)
        elif better := await self._improved(incoming, reply, drawing):
            await self.order(incoming, reply, better)
        else:
            sentence = Outgoing(say(incoming.language, "image.improve.plain"), plain=True)
            name, marker = delivery_key(incoming.id, 1), incoming.message_id  # the picture has the first name
            await self.order(
                incoming,
                reply,
                drawing,
                lambda tx: tx.outbox.add_answer(name, incoming.address, sentence, marker=marker),
            )

    async def press_improve(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """The same picture from a richer description, which is shown below it."""
        drawn = await self.drawing(incoming.address, action.payload["turn"])
        if drawn is None or not self._may_improve(drawn):
            await finish_with(self.store, incoming, reply)
        elif (better := await self._improved(incoming, reply, drawn)) is None:
            await finish_with_notice(self.store, incoming, reply, "image.improve.failed")
        else:
            await self.order(incoming, reply, better, lambda tx: tx.buttons.expire_button(action.key))

    def _may_improve(self, drawing: ImageRequest) -> bool:
        worth_it = bool(drawing.prompt.strip()) and len(drawing.prompt) <= SHORT
        return worth_it and self.painter is not None and self.improving is not None and self.improves != "never"

    async def _improved(self, incoming: Incoming, reply: Reply, drawing: ImageRequest) -> ImageRequest | None:
        assert self.improving is not None  # noqa: S101  see _may_improve
        await reply.busy("photo")
        better = await self.improving.improve(incoming, drawing.prompt)
        return replace(drawing, prompt=better) if better else None

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Order the picture again, or in another ratio with its seed. Each order is paid: the button works once."""
        drawn = await self.drawing(incoming.address, action.payload["turn"])
        if drawn is None:
            await finish_with(self.store, incoming, reply)
        elif action.name == "image.again":
            drawing = replace(drawn, seed=self.seed())
            await self.order(incoming, reply, drawing, lambda tx: tx.buttons.expire_button(action.key))
        else:
            drawing = replace(drawn, width=action.payload["width"], height=action.payload["height"])
            await self.order(incoming, reply, drawing, lambda tx: tx.buttons.expire_button(action.key))

    async def press_change(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        user, turn = incoming.user.id, action.payload["turn"]

        def work(tx: Tx) -> None:
            tx.buttons.await_answer(incoming.address, user, "image.change", turn=turn)
            finish_turn(tx, incoming, Outgoing(say(incoming.language, "image.change.ask"), plain=True, ask_reply=True))

        await finish(self.store, reply, work)

    async def change(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> bool:
        """The user answered the question "what should be different?". What is too long may be said again."""

        def forget(tx: Tx) -> None:
            tx.buttons.cancel_awaited(incoming.address, incoming.user.id)

        drawn = await self.drawing(incoming.address, action.payload["turn"])
        if drawn is None or self.painter is None:
            return False
        try:
            drawing = replace(drawn, prompt=f"{drawn.prompt}, {incoming.text.strip()}")
            await self.order(incoming, reply, drawing, forget)
        except LimitReached as error:  # it may not be said again soon: what comes next is a question as any other
            sentence, notice = str(error), as_notice(incoming, reply)

            def refuse(tx: Tx) -> None:
                forget(tx)
                finish_turn(tx, notice, sentence)

            await finish(self.store, reply, refuse)
        return True

    async def press_draw(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """The price is known."""
        drawing = ImageRequest(**action.payload)
        await self.order(incoming, reply, drawing, lambda tx: tx.buttons.expire_button(action.key), agreed=True)

    async def order(
        self,
        incoming: Incoming,
        reply: Reply,
        drawing: ImageRequest,
        also: Effect | None = None,
        *,
        agreed: bool = False,
    ) -> None:
        """Take an order: check it, store it (and what it changes, `also`), leave the rest to the job.

        An expensive one is only asked about, until the user has `agreed`. Raises `BadInput`, `LimitReached`.
        """
        language = incoming.language
        if self.painter is None:
            raise BadInput(say(language, "image.off"))
        if not drawing.prompt.strip():
            raise BadInput(say(language, "image.usage"))
        if (length := len(drawing.prompt)) > LONGEST:
            raise BadInput(say(language, "image.long", limit=LONGEST, length=length))
        if self.budget.needs_consent(self.price.amount) and not agreed:
            await finish(self.store, reply, lambda tx: self._ask_first(tx, incoming, drawing, also))
            return

        def store_it(tx: Tx) -> None:
            request = {
                "prompt": drawing.prompt, "seed": drawing.seed, "width": drawing.width, "height": drawing.height,
                "language": language, "reply_to": 0 if incoming.private else incoming.message_id,
                "held": self.budget.reserve(tx, incoming, IMAGES, 1, language),
                "held_money": self.budget.reserve(tx, incoming, MONEY, self.price.amount, language),
            }  # fmt: skip
            operations.order(tx, self.clock, KIND, incoming, request)
            if also is not None:
                also(tx)
            finish_turn(tx, incoming)

        await finish(self.store, reply, store_it)
        self.wake_jobs()

    def _ask_first(self, tx: Tx, incoming: Incoming, drawing: ImageRequest, also: Effect | None) -> None:
        """The picture is expensive: end the turn with its price."""
        language = incoming.language
        price = pricing.shown(language, self.price.amount, self.price.currency)
        draw, drop = price_choice(incoming, "price.draw", asdict(drawing)), price_choice(incoming, "price.drop", {})
        if also is not None:
            also(tx)
        finish_with_price(tx, incoming, say(language, "price.picture", price=price), draw, drop)

    def seed(self) -> int:
        """A seed for a new picture; 0 would leave it to the service, and "same, but…" needs to know it."""
        return self.random.randrange(1, 2**63)

    # --- what is special to a picture (`following.Kind`) --------------------------------------------------------------

    @property
    def pace(self) -> PollSchedule:
        return PACE

    def is_offered(self, operation: Operation) -> bool:
        return self.painter is not None

    async def submit(self, operation: Operation) -> str:
        assert self.painter is not None  # noqa: S101  see is_offered
        return await self.painter.submit(_drawing(operation))

    async def poll(self, operation: Operation) -> Pending | Finished | Failed:
        assert self.painter is not None  # noqa: S101  see is_offered
        return await self.painter.poll(operation.operation)

    async def withdraw(self, operation: Operation) -> None:
        """The service takes no picture back."""

    def accepted(self, tx: Tx, operation: Operation) -> None:
        self._pay(tx, operation, 1)

    def finished(self, operation: Operation, result: Finished) -> Outcome:
        asked = operation.request
        otherwise = say(asked["language"], "image.undelivered")

        def work(tx: Tx) -> None:
            photo = Outgoing(
                asked["prompt"], True, File(result.data), self._buttons(tx, operation), reply_to=asked["reply_to"],
                instead=otherwise,
            )  # fmt: skip
            tx.outbox.add_answer(operation.turn, operation.address, photo)

        return Outcome("done", work)

    def failed(self, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None) -> Outcome:
        sentence = say(operation.request["language"], "error.denied" if why is FailureReason.DENIED else f"image.{why}")

        def work(tx: Tx) -> None:
            row = () if why is FailureReason.REFUSED else ((self._again(tx, operation),),)
            told = Outgoing(sentence, True, None, row, reply_to=operation.request["reply_to"])
            tx.outbox.add_answer(operation.turn, operation.address, told)
            self._pay(tx, operation, 1 if why is FailureReason.UNKNOWN else 0)

        return Outcome("failed", work)

    def abandoned(self, tx: Tx, operation: Operation) -> None:
        self._pay(tx, operation, 0)

    def _pay(self, tx: Tx, operation: Operation, pictures: int) -> None:
        """Settle what was held back, once: a picture that was ordered is paid, whatever comes of it."""
        if held := operation.request.get("held", 0):
            tx.budgets.settle_reservation(held, pictures)
        if held := operation.request.get("held_money", 0):
            tx.budgets.settle_reservation(held, pictures * self.price.amount)
        if pictures:
            where, price = operation.address, self.price
            pricing.book(tx, where, operation.user, operation.turn, price.model, Usage(), price.amount, pricing.IMAGE)

    def _buttons(self, tx: Tx, operation: Operation) -> tuple[tuple[Button, ...], ...]:
        language, where, user = operation.request["language"], operation.address, operation.user
        turn = operation.turn
        change = tx.buttons.add_button(where, turn, user, say(language, "image.change"), "image.change", turn=turn)
        first = (self._again(tx, operation), change)
        drawn = _drawing(operation)
        ratios = [
            tx.buttons.add_button(
                where, turn, user, f"{width}:{height}", "image.ratio", turn=turn, width=width, height=height
            )
            for width, height in RATIOS
            if (width, height) != (drawn.width, drawn.height)
        ]
        if not self._may_improve(drawn):
            return (first, tuple(ratios))
        label = say(language, "image.improve")
        return (first, tuple(ratios), (tx.buttons.add_button(where, turn, user, label, "image.improve", turn=turn),))

    def _again(self, tx: Tx, operation: Operation) -> Button:
        label = say(operation.request["language"], "image.again")
        turn = operation.turn
        return tx.buttons.add_button(operation.address, turn, operation.user, label, "image.again", turn=turn)

    async def drawing(self, address: Address, turn: str) -> ImageRequest | None:
        """What was ordered in a turn."""
        operation = await self.store.read(lambda tx: tx.operations.find_of_turn(address.bot, turn))
        return _drawing(operation) if operation and operation.address.chat == address.chat else None


def _drawing(operation: Operation) -> ImageRequest:
    asked = operation.request
    return ImageRequest(asked["prompt"], asked["seed"], asked["width"], asked["height"])
