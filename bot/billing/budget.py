"""Budgets: how much a user, a chat and the whole bot may spend in a day and in a month. Begin with `Budget.reserve`.

What was spent is stored by day (UTC), so a restart resets nothing. For owners only the caps of the whole bot count, not
those of a user or a chat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil, inf
from typing import Any, Protocol, Self

from bot.access.policy import Access, Actor, Decision, Role
from bot.billing import pricing
from bot.billing.pricing import millionths
from bot.config.settings import Settings
from bot.errors import LimitReached
from bot.storage.repositories.members import Allowance
from bot.storage.repositories.money.budgets import BOT, CHAT, DAY, MONTH, USER, Caps
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Permission, User

TOKENS, IMAGES, MONEY = "tokens", "images", "money"
KNOWLEDGE_PURSE = "kb.purse"  # the turn of the reservation that embeddings of the knowledge base are paid from
SOON = 60.0  # seconds after which the reservations of running requests are probably settled
LONG = 48  # hours from which a time to wait is shown in days


class Personal(Protocol):
    """The allowances that admins have set for single users. Asked for each request, so it answers from memory."""

    @property
    def has_allowances(self) -> bool:
        """Whether an admin has set an allowance for any user."""

    def allowance(self, user: int) -> Allowance | None:
        """The allowance of a user, None for a user with the limits of everybody."""


class Everybody:
    """A `Personal` without allowances: for each user the limits of everybody hold."""

    has_allowances = False

    def allowance(self, user: int) -> Allowance | None:
        """Return None: the limits of everybody hold for each user."""
        return None


@dataclass(frozen=True, slots=True)
class Reservation:
    """The ids of the reservations for one request, in tokens and in money; 0 for a kind without a limit."""

    tokens: int = 0
    money: int = 0

    def __bool__(self) -> bool:
        return bool(self.tokens or self.money)

    def settle(self, tx: Tx, tokens: int, money: int) -> None:
        """Replace the reserved amounts by what the request has cost, in tokens and in millionths of the currency."""
        tx.budgets.settle_reservation(self.tokens, tokens)
        tx.budgets.settle_reservation(self.money, money)


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits (caps) of spending in a day and in a month: tokens, pictures, and money in millionths of the currency.

    `by_role` has, for a kind of spending and a role, the caps that hold in place of the general caps of a user.
    `personal` has the caps of money of single users, which replace both. A request that costs more than `confirm`
    millionths is made only after the user has agreed to its price; 0: nobody is asked.
    """

    access: Access = field(default_factory=Access)
    tokens: Caps = field(default_factory=Caps)
    images: Caps = field(default_factory=Caps)
    money: Caps = field(default_factory=Caps)
    by_role: Mapping[str, Mapping[Role, Allowance]] = field(default_factory=dict)
    confirm: int = 0
    personal: Personal = field(default_factory=Everybody)

    @classmethod
    def from_settings(cls, settings: Settings, access: Access, personal: Personal) -> Self:
        """The caps of the settings, converted from the currency into millionths of it."""
        units: Mapping[str, Callable[[Any], int]] = {TOKENS: int, IMAGES: int, MONEY: millionths}
        caps = {kind: _caps(settings, kind, unit) for kind, unit in units.items()}
        return cls(
            access=access, tokens=caps[TOKENS], images=caps[IMAGES], money=caps[MONEY],
            by_role={kind: _by_role(settings, kind, unit) for kind, unit in units.items()},
            confirm=millionths(settings.confirm_above), personal=personal,
        )  # fmt: skip

    def __bool__(self) -> bool:
        """Whether the price of an answer must be estimated before the model is asked."""
        by_role = self.by_role.get(TOKENS) or self.by_role.get(MONEY)
        return bool(self.tokens or self.money or by_role or self.personal.has_allowances or self.confirm)

    def needs_consent(self, price: int) -> bool:
        """Whether a request of this price, in millionths, needs the agreement of the user."""
        return 0 < self.confirm < price

    def caps(self, kind: str, incoming: Incoming) -> Caps:
        """The caps of a kind (`TOKENS`, `IMAGES` or `MONEY`) for the sender in this chat."""
        caps, actor = {TOKENS: self.tokens, IMAGES: self.images, MONEY: self.money}[kind], Actor.of(incoming)
        if self.access.authorize(actor, Permission.EXCEED) is Decision.ALLOWED:
            return caps.of_bot()
        personal = self.personal.allowance(actor.id) if kind == MONEY else None
        for share in (self.by_role.get(kind, {}).get(self.access.role(actor)), personal):
            if share is not None:
                day = caps.user if share.day is None else share.day
                caps = replace(caps, user=day, user_month=caps.user_month if share.month is None else share.month)
        return caps

    def reserve_answer(self, tx: Tx, incoming: Incoming, tokens: int, price: int, language: str) -> Reservation:
        """Reserve the tokens and the money that an answer can take at most. Raises `LimitReached`."""
        tokens_id = self.reserve(tx, incoming, TOKENS, tokens, language)
        return Reservation(tokens_id, self.reserve(tx, incoming, MONEY, price, language))

    def reserve(self, tx: Tx, incoming: Incoming, kind: str, amount: int, language: str) -> int:
        """Reserve an amount of a kind (`TOKENS`, `IMAGES`, or `MONEY` in millionths) for this turn.

        Returns the id of the reservation, which `tx.budgets.settle_reservation` ends; 0 if the sender has no limit of
        this kind.

        Raises `LimitReached` with a sentence for the user; the transaction must then be rolled back.
        """
        caps = self.caps(kind, incoming)
        if not caps:
            return 0
        where, user = incoming.address, incoming.user.id
        reservation = tx.budgets.reserve(kind, amount, where, user, caps, incoming.id)
        if reservation is None:
            raise _refusal(language, kind, tx.budgets.find_exhausted_cap(kind, where, user, caps), tx.clock.time())
        return reservation

    def reserve_price(self, tx: Tx, incoming: Incoming, price: int, currency: str, language: str) -> int:
        """Reserve an exact price in millionths. Unlike `reserve`, it also refuses a price above what is left of a cap.

        Returns the id of the reservation, 0 without a limit. Raises `LimitReached` with the price and what is left.
        """
        bot, now = incoming.address.bot, tx.clock.time()
        rests = [
            (cap - tx.budgets.read_spent(MONEY, bot, scope, subject(scope, incoming), month=month), month)
            for scope, month, cap in set_caps(self.caps(MONEY, incoming))
        ]
        left, month = min(rests, default=(price, False))
        if 0 < left < price:
            wait = until_month(now) if month else DAY - now % DAY
            sentence = say(
                language,
                "limit.price",
                price=pricing.shown(language, price, currency),
                left=pricing.shown(language, left, currency),
                wait=duration(language, wait),
            )
            raise LimitReached(sentence, retry_after=wait)
        return self.reserve(tx, incoming, MONEY, price, language)


class BotBudget(Budget):
    """The caps of the whole bot: for work that is no user's, such as a run from the command line."""

    def caps(self, kind: str, incoming: Incoming) -> Caps:
        """The caps of a kind for the whole bot."""
        whole = Budget.caps(self, kind, incoming)
        return Caps(bot=whole.bot, bot_month=whole.bot_month)

    def reserve_work(self, tx: Tx, bot: int, turn: str, price: int, currency: str, language: str) -> int:
        """Hold back the price of such a work. Returns the reservation, 0 without a limit. Raises `LimitReached`."""
        asked = Incoming(turn, Address("telegram", bot, 0), User(0), private=True)
        return self.reserve_price(tx, asked, price, currency, language) if self.caps(MONEY, asked) else 0


def _caps(settings: Settings, kind: str, unit: Callable[[Any], int]) -> Caps:
    """The caps of a kind from settings such as `USER_DAILY_TOKENS`; `unit` converts their values."""
    periods = {"daily": "", "monthly": MONTH}
    return Caps(
        **{
            f"{scope}{suffix}": unit(getattr(settings, f"{'' if scope == BOT else f'{scope}_'}{period}_{kind}"))
            for scope in (USER, CHAT, BOT)
            for period, suffix in periods.items()
        }
    )


def _by_role(settings: Settings, kind: str, unit: Callable[[Any], int]) -> dict[Role, Allowance]:
    """What replaces the caps of a user, from settings such as `ROLE_DAILY_TOKENS`."""
    day, month = getattr(settings, f"role_daily_{kind}"), getattr(settings, f"role_monthly_{kind}")
    return {
        Role[name.upper()]: Allowance(*(unit(of[name]) if name in of else None for of in (day, month)))
        for name in {**day, **month}
    }


def set_caps(caps: Caps) -> list[tuple[str, bool, int]]:
    """The caps that are set, as (scope, whether the cap is for a month, amount)."""
    rows = [
        (scope, month, getattr(caps, f"{scope}_month" if month else scope))
        for scope in (USER, CHAT, BOT)
        for month in (False, True)
    ]
    return [row for row in rows if row[2]]


def subject(scope: str, incoming: Incoming) -> int:
    """The id under which the spending of a scope is counted: the user's ("user"), the chat's ("chat"), or 0 ("bot")."""
    return {USER: incoming.user.id, CHAT: incoming.address.chat, BOT: 0}[scope]


def _refusal(language: str, kind: str, scope: str, now: float) -> LimitReached:
    """The error for a request over a cap. `scope`: the spent cap, "" if running requests have reserved the rest."""
    if not scope:
        return LimitReached(say(language, "limit.soon"), retry_after=SOON)
    rest = until_month(now) if scope.endswith(MONTH) else DAY - now % DAY
    limit = IMAGES if kind == IMAGES else "month" if scope.endswith(MONTH) else TOKENS
    whose = scope.removesuffix(MONTH)
    key = f"limit.{limit}.{whose}.month" if kind == IMAGES and whose != scope else f"limit.{limit}.{whose}"
    sentence = say(language, key, wait=duration(language, rest))
    return LimitReached(sentence, retry_after=rest)


def until_month(now: float) -> float:
    """Seconds until the first day of the next month (UTC)."""
    today = datetime.fromtimestamp(now, UTC)
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.timestamp() - now


def duration(language: str, seconds: float) -> str:
    """A time to wait in words, rounded up to minutes or days: "5 h 20 min", "3 min"."""
    hours, minutes = divmod(ceil(seconds / 60), 60)
    if hours >= LONG:
        return say(language, "duration.days", days=ceil(hours / 24))
    return say(language, "duration.hours" if hours else "duration.minutes", hours=hours, minutes=minutes)


def settle_interrupted(tx: Tx, bot: int, rows: Sequence[int]) -> None:
    """Settle in full the reservations of turns whose process has died. `rows` are the ids of their updates."""
    for row in rows:
        tx.budgets.settle_turn(bot, str(row), spare=_open_reservations(tx, bot))


def settle_stale(tx: Tx, bot: int, before: float = inf) -> None:
    """Settle in full the reservations made before a time (Unix seconds), except those of operations under way. The
    knowledge base draws what it buys from its purse, so the rest of one that was left is given back.

    Without a time, at the start of the only process, settle all reservations except those.
    """
    if not (stale := tx.budgets.list_open(bot, before)):
        return
    spare = _open_reservations(tx, bot)
    for reservation in stale:
        if reservation.turn == KNOWLEDGE_PURSE:
            tx.budgets.settle_reservation(reservation.id, 0)
        elif reservation.kind in (TOKENS, MONEY) and reservation.id not in spare:
            tx.budgets.settle_reservation(reservation.id)


def _open_reservations(tx: Tx, bot: int) -> set[int]:
    """Return the reservations of money that operations and batch runs under way settle themselves."""
    return tx.operations.open_money_reservations(bot) | tx.batches.open_reservations(bot)
