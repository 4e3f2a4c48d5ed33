"""The command /usage: what was spent, with a chart. Begin with `UsageReport.usage`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from bot.access.policy import Access, Actor, Decision
from bot.billing import pricing, usage_chart
from bot.billing.allowances import what_is_left
from bot.billing.budget import Budget
from bot.billing.instances import Instance
from bot.feature import Feature, Turn, command
from bot.ports import Reply
from bot.storage.repositories.money.budgets import DAY
from bot.storage.repositories.money.ledger import Line
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import File, Outgoing, Permission

DAYS = 30  # on the chart
MODELS = 8  # that are named one by one
CAPTION = 1000  # characters


@dataclass(frozen=True, slots=True)
class Account:
    """What one user or the whole bot has spent: today and this month by model, and the last `DAYS` by day."""

    today: Sequence[Line]
    month: Sequence[Line]
    days: Mapping[int, Line]

    @property
    def has_prices(self) -> bool:
        """Whether any request of these days had a price; otherwise the chart shows tokens."""
        return any(line.cost for line in self.days.values())


@dataclass(slots=True, kw_only=True)
class UsageReport(Feature):
    """Answers /usage from the ledger, with what is left by the `budget`. `titles` are the models' titles by their
    names, `instances` those that are paid by the hour.
    """

    store: Store
    access: Access
    budget: Budget
    currency: str
    titles: Mapping[str, str] = field(default_factory=dict)
    instances: Sequence[Instance] = ()

    @command("/usage", is_notice=True)
    async def usage(self, turn: Turn, _reply: Reply) -> Outgoing:
        """Show what the sender has spent and what is left; to owners, in private, also what the whole bot has spent."""
        language = turn.language
        everything = self.access.authorize(Actor.of(turn), Permission.ADMINISTER) is Decision.ALLOWED

        def question(tx: Tx) -> tuple[list[tuple[str, Account]], list[str]]:
            found = [("usage.own", self._account(tx, turn.address.bot, turn.user.id))]
            if everything:
                found.append(("usage.bot", self._account(tx, turn.address.bot, None)))
            return found, what_is_left(tx, self.budget, turn, self.currency)

        accounts, left = await self.store.read(question)
        drawn = accounts[-1][1]
        key = "usage.chart.money" if drawn.has_prices else "usage.chart.tokens"
        chart = say(language, key, currency=pricing.currency(language, self.currency), days=DAYS)
        paragraphs = [self._words(language, title, account) for title, account in accounts]
        if everything and self.instances:
            paragraphs.append("\n".join(self._hours(language)))
        text = "\n\n".join(("\n".join(left), *paragraphs, chart)).lstrip()
        png = usage_chart.draw(self._bars(drawn), language)
        return Outgoing(shortened(text), plain=True, file=File(png, "photo", "usage.png"), instead=text)

    def _account(self, tx: Tx, bot: int, user: int | None) -> Account:
        now = self.store.clock.time()
        today = now // DAY * DAY
        first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return Account(
            tx.ledger.cost_by_model(bot, today, user),
            tx.ledger.cost_by_model(bot, first.timestamp(), user),
            tx.ledger.cost_by_day(bot, today - (DAYS - 1) * DAY, user),
        )

    def _hours(self, language: str) -> Iterator[str]:
        """What instances have cost since the first of the month, where it is said in which hours they run."""
        now = self.store.clock.time()
        first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
        for one in self.instances:
            cost = one.cost(first, now)
            if cost is None or one.hours is None:
                yield say(language, "usage.instance.unknown", model=one.title)
            else:
                hours = round(one.hours.between(first, now))
                yield say(language, "usage.instance", model=one.title, hours=hours, cost=self._money(language, cost))

    def _bars(self, account: Account) -> list[usage_chart.Day]:
        """The bars of the chart: money, or tokens if no request had a price."""
        today = int(self.store.clock.time() // DAY)
        bars = []
        for day in range(today - DAYS + 1, today + 1):
            line = account.days.get(day, Line(""))
            amount = line.cost / pricing.MILLION if account.has_prices else line.tokens
            bars.append(usage_chart.Day(date(1970, 1, 1) + timedelta(days=day), amount))
        return bars

    def _words(self, language: str, title: str, account: Account) -> str:
        lines = [say(language, title), self._sum(language, "usage.today", account.today)]
        lines.append(self._sum(language, "usage.month", account.month))
        models = [line for line in account.month if not line.service][:MODELS]
        lines += [self._line(language, line) for line in account.month if line.service or line in models]
        return "\n".join(lines)

    def _line(self, language: str, line: Line) -> str:
        cost = self._money(language, line.cost)
        if line.service:
            return say(language, f"usage.{line.service}", units=line.units, cost=cost)
        if line.pictures:
            return say(language, "usage.pictures", units=line.pictures, cost=cost)
        title = self.titles.get(line.name, line.name)
        return say(language, "usage.model", model=title, requests=line.requests, cost=cost)

    def _sum(self, language: str, key: str, lines: Sequence[Line]) -> str:
        return say(
            language,
            key,
            tokens=sum(line.tokens for line in lines),
            images=sum(line.pictures for line in lines),
            cost=self._money(language, sum(line.cost for line in lines)),
        )

    def _money(self, language: str, amount: int) -> str:
        return pricing.shown(language, amount, self.currency)


def shortened(text: str) -> str:
    """The whole lines of a text that fit into the caption of a photo."""
    return text if len(text) <= CAPTION else text[:CAPTION].rpartition("\n")[0]
