"""Health checks: is the bot all right? They look at rows, clocks and outages, not at what parts say of themselves.

Begin with `Health.report`. A check fails when somebody has waited for about three quarters of a minute, or when the
trouble will not pass by itself. `CHECKS` at the foot is the list; docs/operations.md says what to do about each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.billing.budget import IMAGES, MONEY, TOKENS
from bot.billing.pricing import MILLION
from bot.errors import BotError
from bot.runtime.bot import Bot
from bot.storage.repositories.inbox import Waiting
from bot.storage.repositories.outbox_statements import GONE
from bot.storage.store import Tx
from bot.telemetry.outage import Outage

STUCK = 45.0  # seconds without progress: with the time between two looks of a monitor that is a minute
AWAY = 25.0  # seconds of failures, of a service that is asked again and again
RECENT = 60.0  # seconds after which an old failure no longer says how a service is
FRESH = 1.0  # seconds that a report is good for
PATIENCE = 3.0
DAY = 86_400.0
BLOCK = 0.2

Status = Literal["ok", "warn", "fail"]
NONE = Waiting(0, 0.0)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `value` was measured, `limit` is where the check begins to fail; both are seconds or a
    count.
    """

    status: Status
    value: float = 0.0
    limit: float = 0.0
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the result as it stands in the JSON of /healthz."""
        row = {"status": self.status, "value": round(self.value, 3), "limit": self.limit}
        return {**row, "reason": self.reason} if self.reason else row


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What the checks have read from the database. `overdue` are ids of updates; `dead` counts dead letters of the last
    day.

    `tokens`, `images` and `money` (millionths) were spent today (UTC), `month` is money of this month. `trouble`: why
    the database said nothing; "" if it did.
    """

    updates: Waiting = NONE
    deliveries: Waiting = NONE
    jobs: Waiting = NONE
    overdue: tuple[int, ...] = ()
    dead: int = 0
    tokens: int = 0
    images: int = 0
    money: int = 0
    month: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all checks by their names, and the rows they are based on."""

    checks: dict[str, Check]
    rows: RowCounts

    @property
    def status(self) -> Status:
        """The worst status of all checks."""
        found = {check.status for check in self.checks.values()}
        return "fail" if "fail" in found else "warn" if "warn" in found else "ok"

    def as_json(self) -> dict[str, Any]:
        """Return the report as the JSON of /healthz."""
        return {"status": self.status, "checks": {name: check.as_json() for name, check in self.checks.items()}}


@dataclass(slots=True, kw_only=True)
class Health:
    """Checks one bot. However many callers ask, it checks at most once a second, one check after the other.

    `patience`: seconds within which the database must answer. `stuck`: seconds in which a turn must make progress;
    longer than `STUCK` if the settings let the model be silent for longer.
    """

    app: Bot
    patience: float = PATIENCE
    stuck: float = field(init=False)
    _last: Report | None = field(default=None, init=False)
    _at: float = field(default=float("-inf"), init=False)
    _look: asyncio.Task[Report] | None = field(default=None, init=False)
    _query: asyncio.Task[RowCounts] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.stuck = max(STUCK, self.app.settings.idle_deadline + 15.0)

    async def report(self) -> Report:
        """Return a report that is at most a second old."""
        if self._last is not None and self.app.clock.monotonic() - self._at < FRESH:
            return self._last
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._looked())
        return await asyncio.shield(self._look)

    def alive(self) -> Report:
        """Return a report with only the checks that a restart would mend: background tasks that have ended."""
        return Report({"tasks": self.tasks(RowCounts())}, RowCounts())

    async def _looked(self) -> Report:
        rows = await self._rows()
        self._last = Report({name: check(self, rows) for name, check in CHECKS.items()}, rows)
        self._at = self.app.clock.monotonic()
        return self._last

    async def _rows(self) -> RowCounts:
        """Ask the database; wait at most `patience` seconds. While one question is not answered, no other is asked."""
        if self._query is None:
            self._query = asyncio.create_task(self._ask())
        await asyncio.wait({self._query}, timeout=self.patience)
        if not self._query.done():
            return RowCounts(trouble=f"the database did not answer within {self.patience:.0f} s")
        query, self._query = self._query, None
        return query.result()

    async def _ask(self) -> RowCounts:
        bot, stuck = self.app.telegram.api.id, self.stuck

        def question(tx: Tx) -> RowCounts:
            backlog, spent = tx.backlog, tx.budgets.read_spent
            updates, deliveries, jobs = backlog.count_waiting(bot)
            return RowCounts(
                updates=updates,
                deliveries=deliveries,
                jobs=jobs,
                overdue=tuple(backlog.list_overdue_updates(bot, stuck)),
                dead=backlog.count_dead(bot, DAY, GONE),
                tokens=spent(TOKENS, bot),
                images=spent(IMAGES, bot),
                money=spent(MONEY, bot),
                month=spent(MONEY, bot, month=True),
            )

        try:
            await self.app.store.check_writable()
            return await self.app.store.read(question)
        except BotError as error:
            return RowCounts(trouble=str(error))

    # --- the checks ---------------------------------------------------------------------------------------------------

    def database(self, rows: RowCounts) -> Check:
        """Check that the database can be read and written now."""
        return Check("fail" if rows.trouble else "ok", limit=self.patience, reason=rows.trouble)

    def updates(self, rows: RowCounts) -> Check:
        """Check that Telegram is reached: the seconds since it last answered getUpdates or told the state of the
        webhook.
        """
        telegram, now = self.app.telegram, self.app.clock.monotonic()
        if telegram.poller is not None:
            return _since(telegram.poller.last_poll, now, telegram.poller.outage)
        if telegram.watch is not None:
            return _since(telegram.watch.looked, now, telegram.watch.outage)
        if telegram.is_ready:  # another process asks Telegram, or owns the webhook
            return Check("ok", limit=STUCK)
        return Check("fail", limit=STUCK, reason="the bot has not reached Telegram yet")

    def turns(self, rows: RowCounts) -> Check:
        """Check that every question is being answered: the longest time (seconds) without progress of a turn."""
        running, now = self.app.signs.turns.running, self.app.clock.monotonic()
        still = max((now - turn.last_progress for turn in running.values()), default=0.0)
        moving = {
            row
            for head, waiting in self.app.inbound.lanes.heads()
            if head in running and now - running[head].last_progress <= self.stuck
            for row in waiting
        }
        lost = [row for row in rows.overdue if row not in moving]
        reason = f"{len(lost)} updates have waited for up to {rows.updates.oldest:.0f} s" if lost else ""
        return Check("fail" if lost or still > self.stuck else "ok", still, self.stuck, reason)

    def outbox(self, rows: RowCounts) -> Check:
        """Check that finished answers reach their chats: for how many seconds the oldest one has been waiting."""
        outage, waiting = self.app.telegram.deliverer.outage, rows.deliveries
        if waiting.oldest <= STUCK and not (outage.grave and waiting.count):
            return Check("ok", waiting.oldest, STUCK)
        reason = outage.reason or "Telegram asks to wait, or the chat's answers are stuck"
        return Check("fail", waiting.oldest, STUCK, f"{waiting.count} answers wait: {reason}")

    def jobs(self, rows: RowCounts) -> Check:
        """Check that jobs run when they are due: for how many seconds the oldest due job has been waiting."""
        late = rows.jobs.oldest > STUCK
        reason = f"{rows.jobs.count} jobs are due" if late else ""
        return Check("fail" if late else "ok", rows.jobs.oldest, STUCK, reason)

    def dead_rows(self, rows: RowCounts) -> Check:
        """Count the dead letters of the last day: updates that can't be read, answers that Telegram refused for good.
        Only a warning, because nobody waits for them; a person should look at them.
        """
        return Check("warn" if rows.dead else "ok", rows.dead)

    def budget(self, rows: RowCounts) -> Check:
        """Check that the whole bot may still spend: reports the budget that is nearest to its end. A used-up one is a
        warning.
        """
        settings = self.app.settings
        budgets: dict[str, tuple[float, float]] = {
            TOKENS: (rows.tokens, settings.daily_tokens),
            IMAGES: (rows.images, settings.daily_images),
            MONEY: (rows.money / MILLION, float(settings.daily_money)),
            "money of the month": (rows.month / MILLION, float(settings.monthly_money)),
        }
        limited = {name: (spent, most) for name, (spent, most) in budgets.items() if most}
        gone = [name for name, (spent, most) in limited.items() if spent >= most]
        spent, most = max(limited.values(), key=lambda budget: budget[0] / budget[1], default=(rows.tokens, 0))
        reason = f"the budget is used up: {', '.join(gone)}" if gone else ""
        return Check("warn" if gone else "ok", spent, most, reason)

    def model(self, rows: RowCounts) -> Check:
        """Check that the model answers: the seconds since it began to fail. A warning if nobody has asked since; but a
        refused key always fails, because that does not pass by itself.
        """
        outage = self.app.signs.model_outage
        if outage.since is None:
            return Check("ok", limit=AWAY)
        now = self.app.clock.monotonic()
        away, lately = now - outage.since, now - outage.at <= RECENT
        return Check("fail" if outage.grave or (lately and away > AWAY) else "warn", away, AWAY, outage.reason)

    def tasks(self, rows: RowCounts) -> Check:
        """Check that all background tasks are running: how many have ended."""
        ended = [task.get_name() for task in self.app.background if task.done()]
        stopped = bool(ended) and not self.app.stopping.is_set()
        return Check("fail" if stopped else "ok", len(ended), 1, "ended: " + ", ".join(ended) if stopped else "")

    def loop(self, rows: RowCounts) -> Check:
        """Check that nothing blocks the event loop: the longest block of the last minute, in seconds."""
        longest = self.app.signs.metrics.longest_block
        return Check("warn" if longest > BLOCK else "ok", longest, BLOCK)


def _since(good: float, now: float, outage: Outage) -> Check:
    """The check of a service that is used all the time: it fails if that was away too long or won't come back."""
    away = now - good
    lost = outage.grave or away > STUCK or (outage.since is not None and now - outage.since > AWAY)
    return Check("fail" if lost else "ok", away, STUCK, outage.reason)


CHECKS: dict[str, Callable[[Health, RowCounts], Check]] = {
    "database": Health.database,
    "updates": Health.updates,
    "turns": Health.turns,
    "outbox": Health.outbox,
    "jobs": Health.jobs,
    "dead_rows": Health.dead_rows,
    "budget": Health.budget,
    "model": Health.model,
    "tasks": Health.tasks,
    "loop": Health.loop,
}
