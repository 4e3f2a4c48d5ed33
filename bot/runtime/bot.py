"""The running bot: how it starts, cleans up and stops. `build.py` makes one."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bot.access.onboarding import Onboarding
from bot.billing.budget import settle_stale
from bot.clock import Clock
from bot.config.settings import Settings
from bot.dispatch.help import Help
from bot.dispatch.lanes import Lanes
from bot.errors import StorageUnavailable
from bot.features.program.running import RunningBot
from bot.features.retention import Retention
from bot.jobs import menus
from bot.llm.routing import Routing
from bot.ports import Dispatcher, Handler, ProcessRole
from bot.storage.store import Store, Tx
from bot.telegram.transport import Telegram
from bot.telemetry.metrics import Metrics
from bot.telemetry.outage import Outage
from bot.telemetry.turn_log import TurnLogs
from bot.types import Address

log = logging.getLogger(__name__)

SWEEP = 3600.0  # seconds between clean-ups
LONG_DEAD = 3600.0  # seconds after which an answer whose end was never stored is paid in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a bot runs: its task group, what its process does (`role`), and whether other processes serve the bot, too
    (`shared`).
    """

    tasks: asyncio.TaskGroup
    role: ProcessRole = ProcessRole.ALL
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """How updates are handled: `handler` is the whole pipeline, `lanes` its queues, `help` the menus of commands."""

    handler: Handler
    lanes: Lanes
    help: Help
    dispatcher: Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What operators can watch of a bot: the log of its turns, the outage of its models, its metrics, and for the log
    of a start the models that it offers (`routing`) and the names of the tools that these may call.
    """

    turns: TurnLogs
    model_outage: Outage
    metrics: Metrics
    routing: Routing
    tools: Collection[str]


@dataclass(slots=True, kw_only=True)
class Bot:
    """A bot, ready to run.

    `loads` are functions that read what the bot must know before it takes updates. `preparations` start with the bot,
    which does not wait for them, but is not ready before they have ended. `background` are tasks that must not end
    before the bot does; a health check watches them. `led` are tasks, by name, that run all the time in exactly one of
    the bot's processes. `running` is the bot as a programmer's code sees it. `around` holds what that code has open
    while the bot runs. `started` is set when the bot takes updates, or was stopped before.
    """

    settings: Settings
    store: Store
    placement: Placement
    telegram: Telegram
    inbound: Inbound
    joining: Onboarding
    signs: Signs
    running: RunningBot = field(init=False)
    around: Callable[[], AbstractAsyncContextManager[None]] = field(init=False)
    started: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    background: list[asyncio.Task[None]] = field(default_factory=list, init=False)
    loads: list[Callable[[], Awaitable[None]]] = field(default_factory=list, init=False)
    preparations: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list, init=False)
    led: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict, init=False)
    _starting: asyncio.Timeout | None = field(default=None, init=False)
    _preparing: list[asyncio.Task[None]] = field(default_factory=list, init=False)

    @property
    def clock(self) -> Clock:
        """The clock that every part of the bot uses."""
        return self.store.clock

    @property
    def is_ready(self) -> bool:
        """Whether it has reached Telegram, its preparations have ended, and it is not being stopped."""
        is_prepared = all(task.done() for task in self._preparing)
        return self.telegram.is_ready and is_prepared and not self.stopping.is_set()

    async def run(self) -> None:
        """Work until cancelled, or until `stop` is called: then drain and return."""
        dispatcher, placement = self.inbound.dispatcher, self.placement
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "jobs": dispatcher.run,
            **{name: partial(dispatcher.lead, name, work) for name, work in {"sweep": self._sweep, **self.led}.items()},
        }
        for name, work in {**(works if placement.role.works else {}), "storage": self.store.watch_until_closed}.items():
            self.background.append(placement.tasks.create_task(work(), name=name))
        self._preparing = [placement.tasks.create_task(prepare(), name="preparation") for prepare in self.preparations]
        await self._start()
        self.started.set()
        await self.stopping.wait()
        await self.telegram.stop_intake()
        await dispatcher.drain(self.settings.shutdown_grace)
        for task in self.background:
            task.cancel()

    def stop(self) -> None:
        """Take nothing new, let running answers finish, leave the rest in the database. `run` returns then."""
        if self.stopping.is_set():  # `reschedule` fails after the deadline
            return
        self.stopping.set()
        if self._starting is not None:
            self._starting.reschedule(asyncio.get_running_loop().time())

    async def _start(self) -> None:
        """Begin to work, or leave it when `stop` is called first: Telegram or the disk may be away for hours."""
        inbound, placement = self.inbound, self.placement
        try:
            # A deadline that is set only by `stop`.
            async with asyncio.timeout(0 if self.stopping.is_set() else None) as self._starting:
                # If other processes serve the bot, open reservations may be theirs.
                before = self.clock.time() - LONG_DEAD if placement.shared else math.inf
                await self.store.write_until_stored(lambda tx: self._begin(tx, before))
                for load in self.loads:
                    await load()
                await self.telegram.start(inbound.handler, inbound.help.menus(), inbound.dispatcher, placement.role)
        except TimeoutError:
            if not self.stopping.is_set():
                raise
        finally:
            self._starting = None

    def _begin(self, tx: Tx, before: float) -> None:
        """Settle what an earlier run has reserved (`settle_stale`), and have the menus of the owners set."""
        settle_stale(tx, self.telegram.api.id, before)
        for owner in self.settings.owners:
            menus.request(tx, Address("telegram", self.telegram.api.id, owner))

    async def _sweep(self) -> None:
        keep = Retention(self.settings.retention_private_days, self.settings.retention_group_days)
        while True:
            now = self.clock.time()
            before = now - self.settings.update_days * 86_400

            def work(tx: Tx, now: float = now, before: float = before) -> None:
                tx.inbox.delete_done_before(self.telegram.api.id, before)
                tx.buttons.delete_expired()
                tx.members.delete_expired_invitations()
                settle_stale(tx, self.telegram.api.id, now - LONG_DEAD)
                tx.budgets.delete_old_days()
                tx.queue.add_missing_jobs(self.telegram.api.id)

            try:
                await self.store.write(work)
                await self.joining.sweep(Address("telegram", self.telegram.api.id, 0))
                await keep.sweep(self.store, self.telegram.api.id)
            except StorageUnavailable as error:  # it can wait for the next time
                log.warning("nothing was cleaned up: %s", error)
            await self.clock.sleep(SWEEP)
