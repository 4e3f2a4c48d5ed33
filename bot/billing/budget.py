"""How much: the pace of people, and what a day may cost. `dispatch/throttle.py` and the features ask; here it is
decided.

Rates count by the monotonic clock and live in memory, so a jump of the wall clock locks nobody out. Budgets live in
the database by day (UTC), so a restart resets nothing. Owners are held to the queues and to the budgets of the bot as
a whole, not to what a user or a chat may use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Protocol

from bot.access.policy import Access, Actor, Decision, Role
from bot.billing.pricing import millionths
from bot.config.settings import Settings
from bot.errors import LimitReached
from bot.storage.repositories.members import Allowance
from bot.storage.repositories.money.budgets import BOT, CHAT, DAY, MONTH, USER, Caps
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Incoming, Permission

TOKENS, IMAGES, MONEY = "tokens", "images", "money"
SOON = 60.0  # seconds after which what is only held back is probably free again
LONG = 48  # hours from which days are counted


class Personal(Protocol):
    """What admins let single users spend, from memory: asked for every request."""

    @property
    def has_allowances(self) -> bool: ...

    def allowance(self, user: int) -> Allowance | None: ...


class Everybody:
    """Nobody has an allowance of the own."""

    has_allowances = False

    def allowance(self, user: int) -> Allowance | None:
        return None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is held back for one request: reservations, 0 where nothing is limited."""

    tokens: int = 0
    money: int = 0

    def __bool__(self) -> bool:
        return bool(self.tokens or self.money)

    def settle(self, tx: Tx, tokens: int, money: int) -> None:
        """It cost that much."""
        tx.budgets.settle_reservation(self.tokens, tokens)
        tx.budgets.settle_reservation(self.money, money)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a day and a month may cost: in tokens, in pictures, and in money (millionths).

    `shares` are by role, `personal` by user: each counts instead of what is more general. What costs more than
    `confirm` is done only after the user has agreed; 0: never asked.
    """

    access: Access = field(default_factory=Access)
    tokens: Caps = field(default_factory=Caps)
    images: Caps = field(default_factory=Caps)
    money: Caps = field(default_factory=Caps)
    allowances_by_role: Mapping[Role, Allowance] = field(default_factory=dict)
    confirm: int = 0
    personal: Personal = field(default_factory=Everybody)

    @classmethod
    def from_settings(cls, settings: Settings, access: Access, personal: Personal) -> Budget:
        """The caps of the settings, converted from the currency into millionths of it."""
        day, month = settings.role_daily_money, settings.role_monthly_money
        by_role = {
            Role[name.upper()]: Allowance(
                millionths(day[name]) if name in day else None, millionths(month[name]) if name in month else None
            )
            for name in {**day, **month}
        }  # fmt: skip
        return cls(
            access=access,
            tokens=Caps(settings.user_daily_tokens, settings.chat_daily_tokens, settings.daily_tokens),
            images=Caps(settings.user_daily_images, bot=settings.daily_images),
            money=Caps(
                user=millionths(settings.user_daily_money),
                chat=millionths(settings.chat_daily_money),
                bot=millionths(settings.daily_money),
                user_month=millionths(settings.user_monthly_money),
                chat_month=millionths(settings.chat_monthly_money),
                bot_month=millionths(settings.monthly_money),
            ),
            allowances_by_role=by_role,
            confirm=millionths(settings.confirm_above),
            personal=personal,
        )

    def __bool__(self) -> bool:
        """Whether an answer has to be reckoned before it is asked for."""
        limited = self.tokens or self.money or self.allowances_by_role or self.personal.has_allowances
        return bool(limited or self.confirm)

    def needs_consent(self, price: int) -> bool:
        return 0 < self.confirm < price

    def caps(self, kind: str, incoming: Incoming) -> Caps:
        """What holds for this user, here."""
        caps, actor = {TOKENS: self.tokens, IMAGES: self.images, MONEY: self.money}[kind], Actor.of(incoming)
        if self.access.authorize(actor, Permission.EXCEED) is Decision.ALLOWED:
            return Caps(bot=caps.bot, bot_month=caps.bot_month)
        if kind != MONEY:
            return caps
        for share in (self.allowances_by_role.get(self.access.role(actor)), self.personal.allowance(actor.id)):
            if share is not None:
                caps = replace(
                    caps,
                    user=caps.user if share.day is None else share.day,
                    user_month=caps.user_month if share.month is None else share.month,
                )
        return caps

    def reserve_answer(self, tx: Tx, incoming: Incoming, tokens: int, price: int, language: str) -> Reservation:
        """Hold back an answer that may take so many tokens and cost so much. Raises as `reserve`."""
        held = self.reserve(tx, incoming, TOKENS, tokens, language)
        return Reservation(held, self.reserve(tx, incoming, MONEY, price, language))

    def reserve(self, tx: Tx, incoming: Incoming, kind: str, amount: int, language: str) -> int:
        """Hold `amount` back for this turn. Returns what `tx.budgets.settle_reservation` takes; 0 where nothing is limited.

        Raises `LimitReached` with a sentence; what the transaction has done is then to be undone.
        """
        caps = self.caps(kind, incoming)
        if not caps:
            return 0
        where, user = incoming.address, incoming.user.id
        held = tx.budgets.reserve(kind, amount, where, user, caps, incoming.id)
        if held is None:
            raise _refusal(language, kind, tx.budgets.find_exhausted_cap(kind, where, user, caps), tx.clock.time())
        return held


def _refusal(language: str, kind: str, scope: str, now: float) -> LimitReached:
    """`scope`: whose share is spent, "" where work under way only holds the rest of it."""
    if not scope:
        return LimitReached(say(language, "limit.soon"), retry_after=SOON)
    rest = until_month(now) if scope.endswith(MONTH) else DAY - now % DAY
    return LimitReached(say(language, SENTENCES[kind, scope], wait=duration(language, rest)), retry_after=rest)


def until_month(now: float) -> float:
    """Seconds until the first day of the next month (UTC)."""
    today = datetime.fromtimestamp(now, UTC)
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.timestamp() - now


def duration(language: str, seconds: float) -> str:
    """A time to wait, rounded up: "5 h 20 min", "3 min"."""
    hours, minutes = divmod(ceil(seconds / 60), 60)
    if hours >= LONG:
        return say(language, "duration.days", days=ceil(hours / 24))
    return say(language, "duration.hours" if hours else "duration.minutes", hours=hours, minutes=minutes)


SENTENCES = {
    (TOKENS, USER): "limit.tokens.user",
    (TOKENS, CHAT): "limit.tokens.chat",
    (TOKENS, BOT): "limit.tokens.bot",
    (IMAGES, USER): "limit.images.user",
    (IMAGES, BOT): "limit.images.bot",
    (MONEY, USER): "limit.tokens.user",
    (MONEY, CHAT): "limit.tokens.chat",
    (MONEY, BOT): "limit.tokens.bot",
    (MONEY, USER + MONTH): "limit.month.user",
    (MONEY, CHAT + MONTH): "limit.month.chat",
    (MONEY, BOT + MONTH): "limit.month.bot",
}


def settle_interrupted(tx: Tx, bot: int, rows: Sequence[int]) -> None:
    """Settle in full the reservations of turns whose process is gone; `rows` are the ids of their updates."""
    for row in rows:
        tx.budgets.settle_turn(bot, str(row), spare=tx.operations.open_money_reservations(bot))


def settle_stale(tx: Tx, bot: int, before: float | None = None) -> None:
    """Settle in full the reservations made before a time (Unix seconds), but for those of operations under way.

    None: all of them, at the start of the only process.
    """
    tx.budgets.settle_abandoned(bot, TOKENS, before=before)
    tx.budgets.settle_abandoned(bot, MONEY, before=before, spare=tx.operations.open_money_reservations(bot))
