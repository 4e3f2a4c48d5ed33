"""What was spent and what is left: `/usage` with a chart, `/allowance`. Begin with `Accounts.feature`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from bot import chart, money
from bot.access import Access, Actor, Decision
from bot.access import Action as Act
from bot.clock import Clock
from bot.features import Command, Feature
from bot.limits import IMAGES, MONEY, TOKENS, Budget, duration, until_month
from bot.outbox import language as language_of
from bot.outbox import settle
from bot.storage.spending import BOT, CHAT, DAY, USER, Caps
from bot.storage.store import Store, Tx
from bot.storage.usage import Line
from bot.texts.catalog import say
from bot.types import File, Incoming, Outgoing, Reply

DAYS = 30  # on the chart
MODELS = 8  # that are named one by one


@dataclass(frozen=True, slots=True)
class Account:
    """What somebody, or the whole bot, has spent."""

    today: Sequence[Line]
    month: Sequence[Line]
    days: Mapping[int, Line]


@dataclass(slots=True)
class Accounts:
    store: Store
    access: Access
    budget: Budget
    clock: Clock
    currency: str
    titles: Mapping[str, str] = field(default_factory=dict)  # of models, by their names

    def feature(self) -> Feature:
        return Feature(commands={"/usage": Command(self.usage), "/allowance": Command(self.allowance)})

    # --- spent --------------------------------------------------------------------------------------------------------

    async def usage(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """The asker's own; owners, in private, see the whole bot's too, and its chart."""
        language = await language_of(self.store, incoming)
        everything = self.access.authorize(Actor.of(incoming), Act.ADMINISTER) is Decision.ALLOWED

        def question(tx: Tx) -> list[tuple[str, Account]]:
            found = [("usage.own", self._account(tx, incoming.address.bot, incoming.user.id))]
            return [*found, ("usage.bot", self._account(tx, incoming.address.bot, None))] if everything else found

        accounts = await self.store.read(question)
        text = "\n\n".join(self._words(language, title, account) for title, account in accounts)
        png = chart.draw(self._bars(accounts[-1][1]), language)
        photo = Outgoing(text[:1000], plain=True, file=File(png, "photo", "usage.png"), instead=text)
        await settle(self.store, incoming, reply, photo)

    def _account(self, tx: Tx, bot: int, user: int | None) -> Account:
        now = self.clock.time()
        today = now // DAY * DAY
        first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return Account(
            tx.usage.by_model(bot, today, user),
            tx.usage.by_model(bot, first.timestamp(), user),
            tx.usage.by_day(bot, today - (DAYS - 1) * DAY, user),
        )

    def _bars(self, account: Account) -> list[chart.Day]:
        """In money; in tokens where nothing has a price."""
        priced = any(line.cost for line in account.days.values())
        today = int(self.clock.time() // DAY)
        bars = []
        for day in range(today - DAYS + 1, today + 1):
            line = account.days.get(day, Line("", 0, 0, 0, 0))
            amount = line.cost / money.MILLION if priced else line.tokens
            bars.append(chart.Day(date(1970, 1, 1) + timedelta(days=day), amount))
        return bars

    def _words(self, language: str, title: str, account: Account) -> str:
        lines = [say(language, title), self._sum(language, "usage.today", account.today)]
        lines.append(self._sum(language, "usage.month", account.month))
        lines += [
            say(
                language,
                "usage.model",
                model=self.titles.get(line.name, line.name),
                requests=line.requests,
                cost=self._money(language, line.cost),
            )
            for line in account.month[:MODELS]
        ]
        return "\n".join(lines)

    def _sum(self, language: str, key: str, lines: Sequence[Line]) -> str:
        return say(
            language, key, tokens=sum(line.tokens for line in lines), images=sum(line.pictures for line in lines),
            cost=self._money(language, sum(line.cost for line in lines)),
        )  # fmt: skip

    def _money(self, language: str, amount: int) -> str:
        return money.shown(language, amount, self.currency)

    # --- left ---------------------------------------------------------------------------------------------------------

    async def allowance(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        language, now = await language_of(self.store, incoming), self.clock.time()

        def question(tx: Tx) -> list[str]:
            lines = []
            for kind in (MONEY, TOKENS, IMAGES):
                for scope, month, cap in _caps(self.budget.caps(kind, incoming)):
                    subject = _subject(scope, incoming)
                    spent = tx.spending.spent(kind, incoming.address.bot, scope, subject, month=month)
                    left, most = (self._amount(language, kind, amount) for amount in (max(cap - spent, 0), cap))
                    lines.append(say(language, LEFT[scope, kind, month], left=left, cap=most))
            return lines

        lines = await self.store.read(question)
        if lines:
            day, month = duration(language, DAY - now % DAY), duration(language, until_month(now))
            lines.append(say(language, "allowance.renewed", day=day, month=month))
        text = "\n".join(lines) or say(language, "allowance.free")
        await settle(self.store, incoming, reply, Outgoing(text, plain=True))

    def _amount(self, language: str, kind: str, amount: int) -> str:
        return self._money(language, amount) if kind == MONEY else str(amount)


def _caps(caps: Caps) -> list[tuple[str, bool, int]]:
    """Scope, whether by month, and the cap, where there is one."""
    rows = [
        (USER, False, caps.user), (USER, True, caps.user_month), (CHAT, False, caps.chat),
        (CHAT, True, caps.chat_month), (BOT, False, caps.bot), (BOT, True, caps.bot_month),
    ]  # fmt: skip
    return [row for row in rows if row[2]]


def _subject(scope: str, incoming: Incoming) -> int:
    return {USER: incoming.user.id, CHAT: incoming.address.chat, BOT: 0}[scope]


LEFT = {
    (USER, MONEY, False): "allowance.user.money",
    (USER, MONEY, True): "allowance.user.month",
    (CHAT, MONEY, False): "allowance.chat.money",
    (CHAT, MONEY, True): "allowance.chat.month",
    (BOT, MONEY, False): "allowance.bot.money",
    (BOT, MONEY, True): "allowance.bot.month",
    (USER, TOKENS, False): "allowance.user.tokens",
    (CHAT, TOKENS, False): "allowance.chat.tokens",
    (BOT, TOKENS, False): "allowance.bot.tokens",
    (USER, IMAGES, False): "allowance.user.images",
    (CHAT, IMAGES, False): "allowance.chat.images",
    (BOT, IMAGES, False): "allowance.bot.images",
}
