"""A bot that runs: what it is made of, how it begins, what it cleans up, and how it ends. `build.py` makes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bot.access.onboarding import Joining
from bot.billing.budget import MONEY, TOKENS
from bot.clock import Clock
from bot.config.settings import Settings
from bot.dispatch.pipeline import ConversationQueue, Throttle
from bot.dispatch.router import Commands
from bot.errors import StorageUnavailable
from bot.features.privacy import Retention
from bot.jobs.worker import Jobs
from bot.ports import Dispatcher, ProcessRole
from bot.storage.store import Store, Tx
from bot.telegram.transport import Telegram
from bot.telemetry.metrics import Metrics
from bot.telemetry.outage import Outage
from bot.telemetry.turn_log import TurnLogs
from bot.types import Address

log = logging.getLogger(__name__)

SWEEP = 3600.0  # seconds between clean-ups
LONG_DEAD = 3600.0  # seconds after which an answer whose end was never stored is paid in full


@dataclass(slots=True)
class Bot:
    """A bot that is built. `run` works until it is cancelled or `stop` was called; then it drains and returns."""

    settings: Settings
    store: Store
    telegram: Telegram
    commands: Commands
    door: Throttle
    handler: ConversationQueue
    jobs: Jobs
    clock: Clock
    tasks: asyncio.TaskGroup
    stopping: asyncio.Event
    engine: Dispatcher
    role: ProcessRole
    shared: bool
    metrics: Metrics
    turns: TurnLogs
    model_outage: Outage
    joining: Joining
    background: list[asyncio.Task[None]] = field(default_factory=list)
    _starting: asyncio.Timeout | None = None

    async def run(self) -> None:
        menus = {"": self.commands.menu("en"), "ru": self.commands.menu("ru")}
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "jobs": self.engine.run,
            "sweep": partial(self.engine.lead, "sweep", self._sweep),
        }
        for name, work in {**(works if self.role.works else {}), "storage": self.store.watch}.items():
            self.background.append(self.tasks.create_task(work(), name=name))
        await self._start(menus)
        await self.stopping.wait()
        await self.telegram.stop_intake()
        await self.engine.drain(self.settings.shutdown_grace)
        for task in self.background:
            task.cancel()

    def stop(self) -> None:
        """Take nothing new, let running answers finish, park the rest in the database."""
        if self.stopping.is_set():  # a deadline that is over can't be moved
            return
        self.stopping.set()
        if self._starting is not None:
            self._starting.reschedule(asyncio.get_running_loop().time())

    async def _start(self, menus: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Begin to work, or leave it when `stop` is called first: Telegram or the disk may be away for hours."""
        try:
            # A deadline that is set only by `stop`.
            async with asyncio.timeout(0 if self.stopping.is_set() else None) as self._starting:
                # Where others work too, what is open may be theirs.
                before = self.clock.time() - LONG_DEAD if self.shared else None
                await self.store.patiently(lambda: self.store.write(lambda tx: self._settle_dead(tx, before)))
                await self.telegram.start(self.door, menus, self.engine, self.commands.unseen, self.role)
        except TimeoutError:
            if not self.stopping.is_set():
                raise
        finally:
            self._starting = None

    def _settle_dead(self, tx: Tx, before: float | None = None) -> None:
        bot = self.telegram.api.id
        tx.spending.settle_dead(bot, TOKENS, before=before)
        tx.spending.settle_dead(bot, MONEY, before=before, spare=tx.operations.holding(bot))

    async def _sweep(self) -> None:
        keep = Retention(self.settings.retention_private_days, self.settings.retention_group_days)
        while True:
            now = self.clock.time()
            before = now - self.settings.update_days * 86_400

            def work(tx: Tx, now: float = now, before: float = before) -> None:
                tx.updates.forget(self.telegram.api.id, before)
                tx.buttons.sweep()
                tx.members.sweep()
                self._settle_dead(tx, now - LONG_DEAD)
                tx.spending.sweep()
                tx.queue.mend(self.telegram.api.id)

            try:
                await self.store.write(work)
                await self.joining.sweep(Address("telegram", self.telegram.api.id, 0))
                await keep.sweep(self.store, self.telegram.api.id)
            except StorageUnavailable as error:  # it can wait for the next time
                log.warning("nothing was cleaned up: %s", error)
            await self.clock.sleep(SWEEP)
