"""The command /allowance: how much money is left, and how much one person may spend. Begin with `Allowances.allowance`.

`/allowance` shows the sender's own allowance. For admins, `/allowance NUMBER` shows the allowance of the user with that
id, and `/allowance NUMBER 200 a day` sets it. From the next request on it replaces the limit of the role and of
everybody. The rule for roles (`policy.may_set`) also says whose allowance an admin may set, and each change is an entry
in the audit log.

Only an id is accepted, never a name. Several people can have one first name; the admin is shown the ids of all of
them. The bot stores no @usernames: a user can give one up and another person can take it, and Telegram tells the bot
neither of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.access.directory import MemberDirectory, stored_access
from bot.access.policy import Access, Actor, Decision, Role, may_set
from bot.access.rights import refusal
from bot.billing import pricing
from bot.billing.budget import IMAGES, MONEY, TOKENS, Budget, duration, set_caps, subject, until_month
from bot.errors import BadInput, NotAllowed
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import Choice, end_question, finish, finish_asking, finish_turn, finish_with
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.members import Allowance
from bot.storage.repositories.money.budgets import DAY, USER
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Permission, User

ID = re.compile(r"[1-9]\d{0,17}")
MOST_NAMED = 20  # people of one name who are listed


@dataclass(frozen=True, slots=True)
class AllowanceChange:
    """A change of one allowance, in millionths of the currency; None leaves the day or the month as it is.

    `as_everybody` removes the personal allowance.
    """

    day: int | None = None
    month: int | None = None
    as_everybody: bool = False

    @classmethod
    def of(cls, words: str) -> AllowanceChange | None:
        """Parse `200`, `200 a day`, `200 a day 3000 a month`, `none` or `default`. None for other words."""
        words = " ".join(words.casefold().split())
        if words in AS_EVERYBODY:
            return cls(as_everybody=True)
        if words in UNLIMITED:
            return cls(0, 0)
        if not SUMS.fullmatch(words):
            return None
        rows = [(bool(found["month"]), _millionths(found["amount"])) for found in SUM.finditer(words)]
        sums = dict(rows)
        return cls(sums.get(False), sums.get(True)) if len(sums) == len(rows) else None

    def over(self, now: Allowance) -> Allowance:
        """The allowance `now` after this change."""
        if self.as_everybody:
            return Allowance()
        return Allowance(now.day if self.day is None else self.day, now.month if self.month is None else self.month)


def read(words: str) -> tuple[str, str]:
    """Split the words of an admin into the person, an id or a name of several words, and the change, "" for none."""
    parts = words.split()
    if ID.fullmatch(parts[0]):
        return parts[0], " ".join(parts[1:])
    starts = (start for start in range(1, len(parts)) if AllowanceChange.of(" ".join(parts[start:])))
    end = next(starts, len(parts))
    return " ".join(parts[:end]), " ".join(parts[end:])


@dataclass(slots=True, kw_only=True)
class Allowances:
    """The command /allowance and its buttons. `currency` is the ISO code in which amounts are shown."""

    store: Store
    access: Access
    directory: MemberDirectory
    budget: Budget
    currency: str

    def feature(self) -> Handlers:
        """The command, its buttons, and the awaited answer of an admin who changes an allowance."""
        return Handlers(
            commands={"/allowance": Command(self.allowance, is_notice=True)},
            presses={
                "allowance.of": ButtonHandler(self.press_of, Permission.MANAGE),
                "allowance.change": ButtonHandler(self.press_change, Permission.MANAGE),
            },
            awaits={"allowance.change": self.change},
        )

    async def allowance(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Show what is left to the sender; for admins, show or set the allowance of the person in `rest`.

        Raises `NotAllowed` outside of a private chat, and `BadInput` for words that it can't parse, and for a name.
        """
        decision = self.access.authorize(Actor.of(incoming), Permission.MANAGE)
        if not rest or decision is Decision.NOT_HIGH_ENOUGH:
            await self._own(incoming, reply)
            return
        language = incoming.language
        if decision is not Decision.ALLOWED:
            raise NotAllowed(say(language, "allowance.private"))
        name, words = read(rest)
        if words and AllowanceChange.of(words) is None:
            raise BadInput(say(language, "allowance.usage"))
        if not ID.fullmatch(name):
            bot = incoming.address.bot
            raise BadInput(await self.store.read(lambda tx: self._which(tx, bot, language, name, words)))
        await self._of(incoming, reply, int(name), words)

    def _which(self, tx: Tx, bot: int, language: str, name: str, words: str) -> str:
        """The answer to a name: the ids of the people with this name, members first, and how to write the command."""
        if name.startswith("@"):
            return say(language, "allowance.username")
        people = sorted(tx.members.find_by_name(bot, name), key=lambda user: (self.directory.role(user) is None, user))
        if not people:
            return say(language, "allowance.nobody", name=name[:64])
        names = tx.members.read_names(bot, people[:MOST_NAMED])
        lines = [f"{user} · {names[user][:64]}" for user in people[:MOST_NAMED]]
        if more := len(people) - len(lines):
            lines.append(say(language, "allowance.more", count=more))
        return say(language, "allowance.which", people="\n".join(lines), words=words).rstrip()

    async def press_of(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show the allowance of a person, or reset it to that of everybody."""
        await self._of(incoming, reply, int(action.payload["whom"]), action.payload.get("wish", ""))

    async def _of(self, incoming: Incoming, reply: Reply, user: int, words: str) -> None:
        """Show the allowance of a user, or set it if `words` are a change."""
        change = AllowanceChange.of(words)
        if change is None:
            await self._show(incoming, reply, user)
        else:
            await self._set(incoming, reply, user, change)

    # --- the sender's own ---------------------------------------------------------------------------------------------

    async def _own(self, incoming: Incoming, reply: Reply) -> None:
        lines = await self.store.read(lambda tx: what_is_left(tx, self.budget, incoming, self.currency))
        text = "\n".join(lines) or say(incoming.language, "allowance.free")
        await finish_with(self.store, incoming, reply, text)

    # --- the allowance of a user --------------------------------------------------------------------------------------

    async def _show(self, incoming: Incoming, reply: Reply, user: int) -> None:
        language, choices = incoming.language, list[Choice]()
        if _may(self.access, incoming, user):
            choices.append(Choice(say(language, "allowance.change"), "allowance.change", {"whom": user}))
            if self.directory.allowance(user) is not None:
                reset = {"whom": user, "wish": "default"}
                choices.append(Choice(say(language, "allowance.reset"), "allowance.of", reset))

        def work(tx: Tx) -> None:
            finish_turn(tx, incoming, self._card(tx, incoming, user, language), choices=choices)

        await finish(self.store, reply, work)

    def _card(self, tx: Tx, incoming: Incoming, user: int, language: str) -> str:
        """A person's name, limits, and what they have spent today and this month."""
        where = Address(incoming.address.transport, incoming.address.bot, user)
        caps, bot = self.budget.caps(MONEY, Incoming("", where, User(user))), where.bot
        today, this_month = (
            pricing.shown(language, tx.budgets.read_spent(MONEY, bot, USER, user, month=month), self.currency)
            for month in (False, True)
        )
        own = self.directory.allowance(user) is not None
        whose = say(language, "allowance.personal" if own else "allowance.everybody")
        day, month = (_cap(language, cap, self.currency) for cap in (caps.user, caps.user_month))
        name = tx.members.read_names(bot, [user]).get(user, "-")
        return say(
            language, "allowance.card", name=name, id=user, day=day, month=month, today=today, this_month=this_month,
            whose=whose,
        )  # fmt: skip

    async def press_change(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Ask the admin for the new allowance of a person."""
        user = action.payload["whom"]

        def work(tx: Tx) -> None:
            finish_asking(tx, incoming, "allowance.change", say(incoming.language, "allowance.ask"), whom=user)

        await finish(self.store, reply, work)

    async def change(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> bool:
        """Set the allowance that the admin has written as an answer.

        False for a sender who is not an admin. Raises `BadInput` for words that it can't parse; the bot still waits.
        """
        if self.access.authorize(Actor.of(incoming), Permission.MANAGE) is not Decision.ALLOWED:
            return False
        change = AllowanceChange.of(incoming.text)
        if change is None:
            raise BadInput(say(incoming.language, "allowance.ask"))
        await self._set(incoming, reply, action.payload["whom"], change)
        return True

    async def _set(self, incoming: Incoming, reply: Reply, user: int, change: AllowanceChange) -> None:
        language, bot, admin = incoming.language, incoming.address.bot, incoming.user.id

        def work(tx: Tx) -> None:
            now = stored_access(self.access, tx, bot)
            if now.role(Actor(user, private=True)) is Role.OWNER:
                raise BadInput(say(language, "allowance.owner"))
            if not _may(now, incoming, user):
                raise refusal(tx, incoming)
            new = change.over(tx.members.list_allowances(bot).get(user, Allowance()))
            tx.members.store_allowance(bot, user, new, admin)
            tx.audit.add_entry(bot, admin, "allowance", user, **_details(new))
            end_question(tx, incoming)
            day, month = (_cap(language, amount, self.currency) for amount in (new.day, new.month))
            name = tx.members.read_names(bot, [user]).get(user, "-")
            text = say(language, "allowance.set", name=name, id=user, day=day, month=month)
            finish_turn(tx, incoming, text)

        await finish(self.directory, reply, work)


def audited(currency: str, language: str, details: Mapping[str, str]) -> str:
    """An allowance in words, from the details of its entry in the audit log."""
    day, month = (
        _cap(language, _millionths(details[name]) if name in details else None, currency) for name in ("day", "month")
    )
    return say(language, "audit.limits", day=day, month=month)


def what_is_left(tx: Tx, budget: Budget, incoming: Incoming, currency: str) -> list[str]:
    """A line for each cap that holds for the sender in this chat: what is left of it, and when it is renewed."""
    language, bot, now = incoming.language, incoming.address.bot, tx.clock.time()
    lines = []
    for kind in (MONEY, TOKENS, IMAGES):
        for scope, month, cap in set_caps(budget.caps(kind, incoming)):
            spent = tx.budgets.read_spent(kind, bot, scope, subject(scope, incoming), month=month)
            left, most = (
                pricing.shown(language, amount, currency) if kind == MONEY else str(amount)
                for amount in (max(cap - spent, 0), cap)
            )  # fmt: skip
            line = say(
                language, f"allowance.{scope}.{'month' if month else 'day'}",
                rest=say(language, f"allowance.rest.{kind}", left=left, cap=most),
            )  # fmt: skip
            wait = duration(language, until_month(now) if month else DAY - now % DAY)
            lines.append(say(language, "allowance.renewed", line=line, wait=wait))
    return lines


def _may(access: Access, incoming: Incoming, user: int) -> bool:
    target = access.role(Actor(user, private=True))
    return target is not Role.OWNER and may_set(access.role(Actor.of(incoming)), target, Role.USER)


def _cap(language: str, cap: int | None, currency: str) -> str:
    if cap is None:
        return say(language, "allowance.default")
    return pricing.shown(language, cap, currency) if cap else say(language, "allowance.unlimited")


def _details(allowance: Allowance) -> dict[str, str]:
    """The allowance as details for the audit log, in units of the currency."""
    rows = (("day", allowance.day), ("month", allowance.month))
    return {name: f"{Decimal(amount) / pricing.MILLION:f}" for name, amount in rows if amount is not None}


def _millionths(amount: str) -> int:
    return pricing.millionths(Decimal(amount.replace(",", ".")))


UNIT = r"(?: ?(?:[a-z]{3}|₽|руб\.?|рублей|рубля))?"
DAILY = r"(?:(?:a|per) day|/ ?day|daily|в день|в сутки|на день|/ ?день)"
MONTHLY = r"(?:(?:a|per) month|/ ?month|monthly|в месяц|на месяц|/ ?мес(?:яц)?)"
PLAIN = rf"\d{{1,9}}(?:[.,]\d{{1,6}})?{UNIT}(?: ?(?:{MONTHLY}|{DAILY}))?"
SUM = re.compile(rf"(?P<amount>\d{{1,9}}(?:[.,]\d{{1,6}})?){UNIT}(?: ?(?:(?P<month>{MONTHLY})|{DAILY}))?")
SUMS = re.compile(rf"{PLAIN}(?:(?: (?:and|и))?,? {PLAIN})?")
AS_EVERYBODY = {"default", "as everybody", "как у всех", "по умолчанию"}
UNLIMITED = {"none", "no limit", "unlimited", "без лимита", "без ограничений"}
