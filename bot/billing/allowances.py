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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.access.directory import MemberDirectory, stored_access
from bot.access.policy import Access, Actor, Decision, Role, may_set
from bot.access.rights import refusal
from bot.billing import pricing
from bot.billing.budget import IMAGES, MONEY, TOKENS, Budget, duration, set_caps, subject, until_month
from bot.errors import BadInput, NotAllowed
from bot.feature import ENDED, NOT_MINE, Feature, Instead, Result, Turn, awaited, command, press
from bot.outbox import Answer, Ask, Choice, end_question, end_turn, finish
from bot.ports import Reply
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
class Allowances(Feature):
    """The command /allowance and its buttons. `currency` is the ISO code in which amounts are shown."""

    store: Store
    access: Access
    directory: MemberDirectory
    budget: Budget
    currency: str

    @command("/allowance", is_notice=True)
    async def allowance(self, turn: Turn, reply: Reply) -> Instead | Callable[[Tx], Answer]:
        """Show what is left to the sender; for admins, show or set the allowance of the person in the words.

        Raises `NotAllowed` outside of a private chat, and `BadInput` for words that it can't parse, and for a name.
        """
        decision = self.access.authorize(Actor.of(turn), Permission.MANAGE)
        if not turn.rest or decision is Decision.NOT_HIGH_ENOUGH:
            return lambda tx: self._show_own(tx, turn)
        if decision is not Decision.ALLOWED:
            raise NotAllowed(turn.say("allowance.private"))
        name, words = read(turn.rest)
        change = AllowanceChange.of(words)
        if words and change is None:
            raise BadInput(turn.say("allowance.usage"))
        if not ID.fullmatch(name):
            bot = turn.address.bot
            raise BadInput(await self.store.read(lambda tx: self._which(tx, bot, turn.language, name, words)))
        if change is None:
            return lambda tx: self._show(tx, turn, int(name))
        await finish(self.directory, reply, lambda tx: end_turn(tx, turn, self._set(tx, turn, int(name), change)))
        return ENDED

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

    def _show_own(self, tx: Tx, turn: Turn) -> Answer:
        lines = what_is_left(tx, self.budget, turn, self.currency)
        return Answer("\n".join(lines) or turn.say("allowance.free"))

    # --- the allowance of a user --------------------------------------------------------------------------------------

    @press("allowance.of", requires=Permission.MANAGE, changes_members=True)
    def show_or_reset(self, tx: Tx, turn: Turn, whom: int, wish: str = "") -> Answer:
        """Show the allowance of a person, or reset it to that of everybody."""
        change = AllowanceChange.of(wish)
        return self._show(tx, turn, whom) if change is None else self._set(tx, turn, whom, change)

    def _show(self, tx: Tx, turn: Turn, user: int) -> Answer:
        choices = list[Choice]()
        if _may(self.access, turn, user):
            choices.append(Choice(turn.say("allowance.change"), "allowance.change", {"whom": user}))
            if self.directory.allowance(user) is not None:
                reset = {"whom": user, "wish": "default"}
                choices.append(Choice(turn.say("allowance.reset"), "allowance.of", reset))
        return Answer(self._card(tx, turn, user, turn.language), choices=choices)

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
            language,
            "allowance.card",
            name=name,
            id=user,
            day=day,
            month=month,
            whose=whose,
            today=today,
            this_month=this_month,
        )

    @press("allowance.change", requires=Permission.MANAGE)
    def ask_change(self, _tx: Tx, turn: Turn, whom: int) -> Ask:
        """Ask the admin for the new allowance of a person."""
        return Ask("allowance.change", turn.say("allowance.ask"), whom=whom)

    @awaited("allowance.change", changes_members=True)
    def change(self, tx: Tx, turn: Turn, whom: int) -> Result:
        """Set the allowance that the admin has written as an answer.

        The message of a sender who is not an admin is one like any other. Raises `BadInput` for words that it can't
        parse; the bot still waits.
        """
        if self.access.authorize(Actor.of(turn), Permission.MANAGE) is not Decision.ALLOWED:
            return NOT_MINE
        change = AllowanceChange.of(turn.text)
        if change is None:
            raise BadInput(turn.say("allowance.ask"))
        return self._set(tx, turn, whom, change)

    def _set(self, tx: Tx, turn: Turn, user: int, change: AllowanceChange) -> Answer:
        language, bot, admin = turn.language, turn.address.bot, turn.user.id
        now = stored_access(self.access, tx, bot)
        if now.role(Actor(user, private=True)) is Role.OWNER:
            raise BadInput(turn.say("allowance.owner"))
        if not _may(now, turn, user):
            raise refusal(tx, turn)
        new = change.over(tx.members.list_allowances(bot).get(user, Allowance()))
        tx.members.store_allowance(bot, user, new, admin)
        tx.audit.add_entry(bot, admin, "allowance", user, **_details(new))
        end_question(tx, turn)
        day, month = (_cap(language, amount, self.currency) for amount in (new.day, new.month))
        name = tx.members.read_names(bot, [user]).get(user, "-")
        return Answer(turn.say("allowance.set", name=name, id=user, day=day, month=month))


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
            )
            rest = say(language, f"allowance.rest.{kind}", left=left, cap=most)
            line = say(language, f"allowance.{scope}.{'month' if month else 'day'}", rest=rest)
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
