"""The command /image: a picture is ordered once, also across restarts, and delivered as a photo with buttons.

Begin with `ImageGeneration.image`, which stores an operation. `jobs/operations.py` submits and polls it,
`models.py` chooses the model, and `ImageOperation` delivers the picture.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace

from bot.ai import Failed, Finished, ImageRequest, Pending, Usage
from bot.billing import pricing
from bot.billing.budget import IMAGES, Budget
from bot.config.settings import Settings
from bot.conversation.cost import ask_price, price_choice
from bot.errors import BadInput, LimitReached, ModelError
from bot.feature import ENDED, NOT_MINE, Feature, Instead, Turn, awaited, command, job, press
from bot.features.pictures.models import PictureModels, drawn_by
from bot.features.pictures.prompt_improver import LONGEST, PromptImprover
from bot.jobs import operations
from bot.jobs.operations import AGAIN, AtOnce, FailureReason, OperationRunner, PollSchedule
from bot.outbox import Answer, Ask, Outcome, delivery_key, end_question, end_turn, replies_to_question
from bot.ports import Reply, Transport
from bot.storage.store import Store, Tx
from bot.storage.tables.work import Operation
from bot.texts.catalog import say
from bot.types import Address, Button, File, Incoming, Job, Outgoing

KIND = "image"
FILE = "image.file"  # the job that deletes the bytes of a picture
RATIOS = ((1, 1), (16, 9), (9, 16), (4, 3), (3, 4))
LARGEST_SEED = 2**63 - 1  # of the service; seeds that the bot chooses have nine digits at most, to be typed again
OPTION = re.compile(r"(?:([0-9]{1,6}):([0-9]{1,6})|(?:seed|сид|зерно)=(\S*?)),?(?:\s+|$)", re.IGNORECASE)
PATIENCE = 3 * 3600.0  # seconds: the service says "from a few seconds up to a few hours" and keeps a picture 12 h
PATIENCE_WITH_ANOTHER = 900.0  # seconds, where another model can be tried
LONG_WAIT = 30.0  # seconds after which a person is told how long a picture may take
FILE_KEPT = 86_400.0  # seconds for which a picture can be had as a file
PACE = PollSchedule(PATIENCE, ordering=300.0, shortest_poll=2.0, longest_poll=30.0, shows="photo")


@dataclass(frozen=True, slots=True)
class ImagePrice:
    """The price of one picture in millionths of `currency`."""

    amount: int = 0
    currency: str = "RUB"

    @classmethod
    def from_settings(cls, settings: Settings) -> ImagePrice:
        """The price of a picture as the operator has set it."""
        return cls(pricing.millionths(settings.image_price), settings.currency)


@dataclass(frozen=True, slots=True)
class PictureRequest(ImageRequest):
    """A picture that somebody wants. `seeded`: they have named the seed; `improved`: its description is a richer one
    than theirs.
    """

    seeded: bool = False
    improved: bool = False


@dataclass(slots=True, kw_only=True)
class ImageGeneration(Feature):
    """Takes requests for pictures, and stores each as an operation for the job worker.

    `random` makes seeds. Without a painter /image says that it is off.
    """

    store: Store
    transport: Transport
    operation: ImageOperation
    random: random.Random
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

    @command("/image", "/img", in_menu=lambda self: self.operation.painter is not None)
    async def image(self, turn: Turn, reply: Reply) -> Callable[[Tx], Outcome]:
        """Draw the picture that the user describes, from a richer description if the operator always wants one.

        A ratio and a seed may stand before the description, in any order. Raises `BadInput`, `LimitReached`.
        """
        wanted = read_request(turn.rest, self.seed(), turn.language)
        if not self.operation.always_improves(wanted):
            return lambda tx: self._order(tx, turn, wanted)
        if better := await self._improve(turn, reply, wanted):
            return lambda tx: self._order(tx, turn, better)

        def order_plain(tx: Tx) -> Outcome:
            sentence = Outgoing(turn.say("image.improve.plain"), plain=True)
            key = delivery_key(turn.id, 1)  # the picture has delivery key 0
            tx.outbox.add_answer(key, turn.address, sentence, marker=turn.message_id)
            return self._order(tx, turn, wanted)

        return order_plain

    @press("image.improve")
    async def improve(self, asked: Turn, reply: Reply, turn: str) -> Outcome | Callable[[Tx], Outcome]:
        """Draw the picture of a turn again from a richer description; the button works once."""
        before = await self.store.read(lambda tx: _find_request(tx, asked, turn))
        if before is None or not self.operation.may_improve(before):
            return None
        better = await self._improve(asked, reply, before)
        if better is None:
            return Answer(asked.say("image.improve.failed"), is_notice=True)

        def order(tx: Tx) -> Outcome:
            tx.buttons.expire_button(asked.data)
            return self._order(tx, asked, better)

        return order

    async def _improve(self, incoming: Incoming, reply: Reply, wanted: PictureRequest) -> PictureRequest | None:
        assert self.operation.improver is not None  # noqa: S101  see may_improve
        await reply.busy("photo")
        better = await self.operation.improver.improve(incoming, wanted.prompt)
        return replace(wanted, prompt=better, improved=True) if better else None

    @press("image.again", once=True)
    def draw_again(self, tx: Tx, asked: Turn, turn: str) -> Outcome:
        """Draw the picture again with another seed."""
        before = _find_request(tx, asked, turn)
        return self._order(tx, asked, replace(before, seed=self.seed(), seeded=False)) if before else None

    @press("image.ratio", once=True)
    def draw_wider(self, tx: Tx, asked: Turn, turn: str, width: int, height: int) -> Outcome:
        """Draw the picture in another ratio with the same seed."""
        before = _find_request(tx, asked, turn)
        return self._order(tx, asked, replace(before, width=width, height=height)) if before else None

    @press("image.change")
    def ask_change(self, tx: Tx, asked: Turn, turn: str) -> Ask:
        """Ask the user what should be different in the picture."""
        before = tx.one(Operation, bot=asked.address.bot, turn=turn)
        keeps = before is None or self.operation.takes_seed(before)
        return Ask("image.change", asked.say("image.change.ask" if keeps else "image.change.ask.anew"), turn=turn)

    @awaited("image.change")
    async def change(self, asked: Turn, reply: Reply, turn: str) -> Answer | Instead:
        """Draw the picture with the change that the user has written. Raises `BadInput`; then the bot still waits.

        Words that are no reply to the bot's question may mean something else: they draw nothing without a tap. They are
        an ordinary message if the picture is not known or the bot draws no pictures.
        """

        def draw(tx: Tx) -> bool:
            before = _find_request(tx, asked, turn)
            if before is None or self.operation.painter is None:
                return False
            is_sure = replies_to_question(tx, asked, asked.pressed)
            wanted = replace(before, prompt=f"{before.prompt}, {asked.text.strip()}")
            order = self._order(tx, asked, wanted, is_sure=is_sure)
            end_question(tx, asked)
            end_turn(tx, asked, order)
            return True

        try:  # in a transaction of its own, so that nothing is left of an order that a limit forbids
            if not await self.store.write(draw):
                return NOT_MINE
        except LimitReached as error:  # the bot stops waiting: the next message is a question like any other
            return Answer(str(error), is_notice=True)
        await reply.finish()
        self.wake_jobs()
        return ENDED

    @press("image.file", once=True)
    def send_file(self, tx: Tx, turn: Turn, blob: int) -> Answer | None:
        """Send the picture as the service has drawn it, as a file: Telegram makes photos smaller."""
        data = tx.blobs.read_bytes(blob)
        if data is None:
            return Answer(turn.say("image.file.gone"), is_notice=True)
        picture = Outgoing("", True, File(data, "document", "picture.jpg"))
        tx.outbox.add_answer(delivery_key(turn.id, 1), turn.address, picture, marker=turn.message_id)
        return None

    @job(FILE)
    def delete_file(self, tx: Tx, due: Job) -> None:
        """Delete the bytes that were kept for the button."""
        tx.blobs.delete(int(due.payload["blob"]))

    @press("price.draw", once=True)
    def draw(self, tx: Tx, turn: Turn) -> Outcome:
        """Draw the picture after the user has agreed to the price."""
        return self._order(tx, turn, PictureRequest(**turn.pressed.payload), agreed=True)

    def _order(
        self, tx: Tx, turn: Turn, wanted: PictureRequest, *, agreed: bool = False, is_sure: bool = True
    ) -> Outcome:
        """Check a request for a picture, and store it as an operation for the job worker.

        If the user has not `agreed` yet, the turn ends with a question for an expensive picture, and unless `is_sure`
        that one is wanted. Raises `BadInput`, `LimitReached`.
        """
        language, price = turn.language, self.operation.price
        if self.operation.painter is None:
            raise BadInput(turn.say("image.off"))
        if not wanted.prompt.strip():
            raise BadInput(turn.say("image.usage"))
        if (length := len(wanted.prompt)) > LONGEST:
            raise BadInput(turn.say("image.long", limit=LONGEST, length=length))
        if not agreed and (not is_sure or self.budget.needs_consent(price.amount)):
            return self._ask_first(turn, wanted, is_sure=is_sure)
        request = {
            **asdict(wanted),
            "language": language,
            "reply_to": 0 if turn.private else turn.message_id,
            "held": self.budget.reserve(tx, turn, IMAGES, 1, language),
            "held_money": self.budget.reserve_price(tx, turn, price.amount, price.currency, language),
        }
        operations.order(tx, tx.clock, KIND, turn, request)
        return None

    def _ask_first(self, turn: Turn, wanted: PictureRequest, *, is_sure: bool) -> Answer:
        """Ask whether to draw the picture, with its price, if known.

        The question describes the picture if it is not sure that one is wanted.
        """
        price = self.operation.price
        asked = turn.say("image.ask")
        if price.amount:
            asked = turn.say("price.picture", price=pricing.shown(turn.language, price.amount, price.currency))
        draw, drop = price_choice(turn, "price.draw", asdict(wanted)), price_choice(turn, "price.drop", {})
        return ask_price(turn, asked if is_sure else f"{wanted.prompt}\n\n{asked}", draw, drop)

    def seed(self) -> int:
        """A random seed for a new picture, never 0: then the service would choose one, and a change needs the seed."""
        return self.random.randrange(1, 10**9)


@dataclass(slots=True, kw_only=True)
class ImageOperation:
    """How the operation of a picture is started, polled and ended (`jobs.operations.OperationKind`).

    Without a `painter` the bot draws no pictures.
    """

    painter: PictureModels | None
    price: ImagePrice = field(default_factory=lambda: ImagePrice())
    improver: PromptImprover | None = None

    def takes_seed(self, operation: Operation) -> bool:
        """Whether the picture of this operation can be drawn again from its seed."""
        return self.painter is None or self.painter.takes_seed(operation.operation)

    def may_improve(self, request: PictureRequest) -> bool:
        """Whether the prompt of this picture may be replaced by a richer description."""
        return self.painter is not None and self.improver is not None and self.improver.accepts(request.prompt)

    def always_improves(self, request: PictureRequest) -> bool:
        """Whether the prompt of this picture is replaced without the user asking for it."""
        return self.may_improve(request) and self.improver is not None and self.improver.mode == "always"

    @property
    def pace(self) -> PollSchedule:
        """How often the service is polled; not for hours where another model can be tried."""
        several = self.painter is not None and len(self.painter.models) > 1
        return replace(PACE, patience=PATIENCE_WITH_ANOTHER) if several else PACE

    def is_offered(self, operation: Operation) -> bool:
        """Whether the bot still draws pictures."""
        return self.painter is not None

    async def submit(self, operation: Operation) -> str | AtOnce[Finished]:
        """Submit the request to the service. Returns the id of the operation there, or the picture. Raises
        `ModelError`.
        """
        assert self.painter is not None  # noqa: S101  see is_offered
        name, found = await self.painter.submit(_picture_request(operation), operation.request.get("tried", ()))
        return name if isinstance(found, str) else AtOnce(name, found)

    async def poll(self, operation: Operation) -> Pending | Finished | Failed:
        """Ask the service whether the picture is there. Raises `ModelError`."""
        assert self.painter is not None  # noqa: S101  see is_offered
        return await self.painter.poll(operation.operation)

    async def withdraw(self, operation: Operation) -> None:
        """Do nothing: the service can't cancel a picture."""

    def accepted(self, tx: Tx, operation: Operation) -> None:
        """Book the picture: the service charges it when it accepts the request. A submit before, of unknown outcome,
        may have been charged, too.
        """
        self._book(tx, operation, operation.submits)

    def waiting(self, tx: Tx, operation: Operation, age: float) -> None:
        """Say once that it takes long, and how long it may take."""
        if age > LONG_WAIT:
            text = say(operation.request["language"], "image.waiting")
            notice = Outgoing(text, True, reply_to=operation.request["reply_to"])
            tx.outbox.add_answer(f"{operation.turn}.w", operation.address, notice)

    def finished(self, operation: Operation, result: Finished) -> operations.Outcome:
        """Deliver the picture with its buttons."""
        asked = operation.request
        otherwise = say(asked["language"], "image.undelivered")

        def work(tx: Tx) -> None:
            caption, buttons = self._caption(operation), self._buttons(tx, operation, result.data)
            photo = Outgoing(caption, True, File(result.data), buttons, reply_to=asked["reply_to"], instead=otherwise)
            tx.outbox.add_answer(operation.turn, operation.address, photo)

        return operations.Outcome("done", work)

    def failed(
        self, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None
    ) -> operations.Outcome:
        """Tell the user why there is no picture, and settle the reservations. A model that is too slow is followed by
        another one, if there is one.
        """
        if why is FailureReason.SLOW and self.painter is not None:
            return self._too_slow(operation, self.painter)
        return self._give_up(operation, why)

    def _too_slow(self, operation: Operation, painter: PictureModels) -> operations.Outcome:
        """Order the picture from a model that has not tried it yet; give up where there is none."""
        tried = [*operation.request.get("tried", ()), drawn_by(operation.operation)]
        if not painter.models.keys() - {*tried}:
            return self._give_up(operation, FailureReason.SLOW)
        told: list[Address] = []

        def work(tx: Tx) -> object:
            slow = f"no picture in {PATIENCE_WITH_ANOTHER / 60:.0f} min"
            told.extend(painter.put_aside(tx, drawn_by(operation.operation), slow))
            tx.operations.ask_again(operation, {**operation.request, "tried": tried})
            return AGAIN

        return operations.Outcome("failed", work, lambda: painter.deliver("", told))

    def _give_up(self, operation: Operation, why: FailureReason) -> operations.Outcome:
        # What was submitted before this failure, with an unknown outcome, may be charged; what runs is booked already.
        unsure = operation.submits - (why not in (FailureReason.UNKNOWN, FailureReason.OFF))
        sentence = say(operation.request["language"], "error.denied" if why is FailureReason.DENIED else f"image.{why}")

        def work(tx: Tx) -> None:
            row = () if why is FailureReason.REFUSED else ((_button(tx, operation, "image.again"),),)
            notice = Outgoing(sentence, True, None, row, reply_to=operation.request["reply_to"])
            tx.outbox.add_answer(operation.turn, operation.address, notice)
            self._book(tx, operation, 0 if operation.operation else unsure)

        return operations.Outcome("failed", work)

    def abandoned(self, tx: Tx, operation: Operation) -> None:
        """Settle the reservations of an operation whose chat can't be reached any more."""
        self._book(tx, operation, 0 if operation.operation else operation.submits)

    def _book(self, tx: Tx, operation: Operation, pictures: int) -> None:
        """Settle the reservations, once, and book the pictures that the service has accepted."""
        if reservation := operation.request.get("held", 0):
            tx.budgets.settle_reservation(reservation, min(pictures, 1))
        if reservation := operation.request.get("held_money", 0):
            tx.budgets.settle_reservation(reservation, pictures * self.price.amount)
        model = drawn_by(operation.operation) if operation.operation or self.painter is None else self.painter.first
        for _ in range(pictures):
            where, user, turn = operation.address, operation.user, operation.turn
            tx.ledger.add_line(where, user, turn, model, Usage(), mode=pricing.IMAGE, cost=self.price.amount)

    def _buttons(self, tx: Tx, operation: Operation, data: bytes) -> tuple[tuple[Button, ...], ...]:
        before = _picture_request(operation)
        others = [ratio for ratio in RATIOS if ratio != (before.width, before.height)]
        first = tuple(_button(tx, operation, action) for action in ("image.again", "image.change"))
        ratios = [_button(tx, operation, "image.ratio", f"{x}:{y}", width=x, height=y) for x, y in others]
        blob = tx.blobs.store_file(operation.address, operation.user, "image/jpeg", data)
        due = tx.clock.time() + FILE_KEPT
        tx.jobs.add_job(Job(FILE, operation.turn, operation.address, {"blob": blob}, due=due))
        last = [_button(tx, operation, "image.file", blob=blob)]
        if self.may_improve(before) and not before.improved:
            last.append(_button(tx, operation, "image.improve"))
        return (first, tuple(ratios), tuple(last))

    def _caption(self, operation: Operation) -> str:
        """The description, and below it the options with which /image draws this picture again."""
        drawn = _picture_request(operation)
        caption = f"{drawn.prompt}\n\n{drawn.width}:{drawn.height}"
        if self.takes_seed(operation):
            return f"{caption} seed={drawn.seed}"
        ignored = say(operation.request["language"], "image.seed.ignored", model=drawn_by(operation.operation))
        return f"{caption}\n{ignored}" if drawn.seeded else caption


def _button(tx: Tx, operation: Operation, action: str, label: str = "", **size: int) -> Button:
    """A button below a picture. Its label is the text whose key is the `action`, unless one is given."""
    where, turn, label = operation.address, operation.turn, label or say(operation.request["language"], action)
    return tx.buttons.add_button(where, turn, operation.user, label, action, turn=turn, **size)


def read_request(text: str, seed: int, language: str) -> PictureRequest:
    """Read the text after /image: `16:9`, `seed=17` or both, then the description. `seed` is used if none is given.

    Only what stands before the description is read, each option once. Raises `BadInput` for a ratio that is not in
    `RATIOS` and for a seed that is no whole number from 1 to `LARGEST_SEED`.
    """
    wanted, has_ratio, has_seed = PictureRequest(text.strip(), seed), False, False
    while found := OPTION.match(wanted.prompt):
        width, height, given = found.groups()
        if has_ratio if width else has_seed:
            break
        rest = wanted.prompt[found.end() :]
        if width:
            if (ratio := (int(width), int(height))) not in RATIOS:
                known = ", ".join(f"{x}:{y}" for x, y in RATIOS)
                raise BadInput(say(language, "image.ratio", ratio=f"{width}:{height}", ratios=known))
            wanted, has_ratio = replace(wanted, prompt=rest, width=ratio[0], height=ratio[1]), True
        else:
            if not re.fullmatch(r"[0-9]{1,19}", given) or not 1 <= int(given) <= LARGEST_SEED:
                raise BadInput(say(language, "image.seed", largest=LARGEST_SEED))
            wanted, has_seed = replace(wanted, prompt=rest, seed=int(given), seeded=True), True
    return wanted


def _find_request(tx: Tx, turn: Turn, of: str) -> PictureRequest | None:
    """The request for the picture of a turn in this chat, None if there is none."""
    operation = tx.one(Operation, bot=turn.address.bot, turn=of)
    return _picture_request(operation) if operation and operation.address.chat == turn.address.chat else None


def _picture_request(operation: Operation) -> PictureRequest:
    names = {one.name for one in fields(PictureRequest)}
    return PictureRequest(**{name: value for name, value in operation.request.items() if name in names})
