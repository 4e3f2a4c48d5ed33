"""Supervises the bots of a process: builds and runs each, and rebuilds those whose settings change. Begin with
`Supervisor.apply`.

A bot is known by its id, with which its token begins: a renamed env file is still the same bot, and no bot runs twice.
If one bot fails, one line says why, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.config import multi_bot
from bot.config.multi_bot import ENDING, FIXED, Plan
from bot.config.settings import Settings
from bot.errors import BotError, ConfigError
from bot.extension import Extension
from bot.ports import ProcessRole
from bot.runtime.bot import Bot
from bot.runtime.build import build
from bot.runtime.health.checks import Check, Health
from bot.runtime.resources import SharedResources
from bot.runtime.startup_report import announce, uncallable
from bot.telemetry import logging as logs

log = logging.getLogger(__name__)

Problems = Callable[[Settings], AsyncIterator[str]]
SETTLED = 10.0  # seconds after which a start is over, so that looking for problems does not delay it
STARTING = Check("warn", reason="starting, or stopping")
ENDED = Check("fail", reason="it has ended, or its settings are refused: the log says why")


@dataclass(slots=True, eq=False, kw_only=True)
class BotSlot:
    """A bot that is to run with the settings `wanted` (None: it is to end). `last_good`: the last settings that it ran
    with.

    `app` and `health` exist while the bot is built; `error` ended it.
    """

    name: str
    wanted: Settings | None
    last_good: Settings | None = field(default=None, init=False)
    app: Bot | None = field(default=None, init=False)
    health: Health | None = field(default=None, init=False)
    error: BotError | None = field(default=None, init=False)
    task: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def is_over(self) -> bool:
        """Whether the bot has ended for good."""
        return self.task is not None and self.task.done()

    def end_life(self) -> None:
        """Stop the bot, so that its task looks at `wanted` again. If the bot is still being built, its task looks
        anyway.
        """
        if self.app is not None:
            self.app.stop()


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Runs the bots of a plan. `shared`: as for `build`.

    Ten seconds after each start of a bot, unless CHECK_AT_START is off, the log gets a line for each of its `problems`.
    """

    process: SharedResources
    plan: Plan
    role: ProcessRole = ProcessRole.ALL
    extension: Extension = field(default_factory=Extension)
    shared: bool | None = None
    problems: Problems | None = None
    stopping: bool = field(default=False, init=False)
    _slots: dict[int, BotSlot] = field(default_factory=dict, init=False)
    _tasks: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup, init=False)

    async def run(self) -> None:
        """Run until `stop`, or until no bot is left. Raises the error that ended the only bot, or `ConfigError` if all
        of several failed.
        """
        async with self._tasks:
            self._apply(self.plan)
        failed = {slot.name: slot.error for slot in self._slots.values()}
        if all(failed.values()):
            self._raise_errors(failed)

    def apply(self, plan: Plan) -> None:
        """Change to another plan: start new bots, stop removed ones, rebuild only those whose settings changed. A bot
        whose file is refused goes on with its old settings.
        """
        if self.stopping:
            return
        if names := sorted(FIXED & multi_bot.different(self.plan.process, plan.process)):
            log.warning("%s: what has changed counts only after a restart", ", ".join(map(str.upper, names)))
        fixed = {name: getattr(self.plan.process, name) for name in FIXED}
        given = {name: settings.model_copy(update=fixed) for name, settings in plan.bots.items()}
        self.plan = Plan(plan.process.model_copy(update=fixed), given, plan.refused)
        self._apply(self.plan)

    def stop(self) -> None:
        """Drain all bots; cancel those that are just being built."""
        self.stopping = True
        for slot in self._slots.values():
            if slot.app is not None:
                slot.app.stop()
            elif slot.task is not None:
                slot.task.cancel()

    def secrets(self) -> list[str]:
        """Return the secrets of all settings in use: no log line may contain one."""
        used = [settings for slot in self._slots.values() for settings in (slot.last_good, slot.wanted) if settings]
        return [secret for settings in used for secret in settings.secrets()]

    def health_by_bot(self) -> Mapping[str, Health | Check]:
        """Return the health of each bot by its name. A bot that has no health, because it is not running, has a `Check`
        that says why.
        """
        found: dict[str, Health | Check] = dict.fromkeys(self.plan.refused, ENDED)
        for slot in self._slots.values():
            found[slot.name] = slot.health or (ENDED if slot.is_over else STARTING)
        return found

    def is_ready(self) -> bool:
        """Whether at least one bot works: a bot that fails does not make the process count as not started."""
        apps = [slot.app for slot in self._slots.values()]
        return any(app is not None and app.is_ready for app in apps)

    def _apply(self, plan: Plan) -> None:
        for name, why in plan.refused.items():
            log.error("%s%s: %s", name, ENDING, why)
        for name, settings in plan.bots.items():
            slot = self._slots.get(settings.bot_id)
            if slot is None or slot.is_over:
                self._start(BotSlot(name=name, wanted=settings), settings)
                continue
            slot.name = name
            if slot.wanted is None or multi_bot.changed(slot.wanted, settings):
                slot.wanted = settings
                slot.end_life()
        wanted_ids = {settings.bot_id for settings in plan.bots.values()}
        for bot_id, slot in list(self._slots.items()):
            if bot_id in wanted_ids or slot.name in plan.refused:
                continue
            if slot.is_over:
                del self._slots[bot_id]
            slot.wanted = None
            slot.end_life()

    def _start(self, slot: BotSlot, settings: Settings) -> None:
        self._slots[settings.bot_id] = slot
        slot.task = self._tasks.create_task(self._supervise(slot), name=f"bot {slot.name}")

    async def _supervise(self, slot: BotSlot) -> None:
        """Build and run the bot; rebuild it whenever its settings change."""
        while (settings := slot.wanted) is not None:
            logs.bot.set(slot.name)
            slot.error = await self._build_and_run(slot, settings)
            if self.stopping:
                return
            if slot.wanted is not settings:
                continue
            if slot.error is None or slot.last_good is None or slot.last_good is settings:
                if slot.error is not None and slot.name:
                    log.error("%s%s: %s", slot.name, ENDING, multi_bot.one_line(slot.error))
                return
            log.error("%s%s: %s; it goes on as before", slot.name, ENDING, multi_bot.one_line(slot.error))
            slot.wanted = slot.last_good
        bot_id = next(bot_id for bot_id, other in self._slots.items() if other is slot)
        del self._slots[bot_id]

    async def _build_and_run(self, slot: BotSlot, settings: Settings) -> BotError | None:
        """Build and run it until it is stopped. Returns the error that ended it."""
        ended: list[BotError] = []
        try:
            async with build(
                settings, extension=self.extension, role=self.role, shared=self.shared, process=self.process
            ) as app:
                slot.app, slot.health = app, Health(app=app)
                self._announce(slot, app)
                if self.stopping or slot.wanted is not settings:
                    app.stop()
                async with self._looked_at(settings):
                    await app.run()
        except* BotError as group:
            ended.append(_first(group))
        finally:
            if slot.app is not None and slot.app.telegram.is_ready:
                slot.last_good = settings
            slot.app = slot.health = None
        return ended[0] if ended else None

    @asynccontextmanager
    async def _looked_at(self, settings: Settings) -> AsyncIterator[None]:
        """Look for problems in the background, for as long as the block lasts."""
        if self.problems is None or not settings.check_at_start:
            yield
            return
        task = asyncio.create_task(_log_problems(self.problems(settings)))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _announce(self, slot: BotSlot, app: Bot) -> None:
        process = self.plan.process
        health = f"http://{process.health_host}:{process.health_port}" if process.health_port else ""
        file = (process.bots or Path()) / f"{slot.name}{ENDING}"
        announce(app.settings, app.signs.routing, health, app.store.version, app.joining.code, file)
        if unused := uncallable(app.signs.routing, app.signs.tools):
            log.warning(unused)

    def _raise_errors(self, failed: Mapping[str, BotError | None]) -> None:
        reasons = dict(self.plan.refused)
        for name, error in failed.items():
            if error is not None and not name:
                raise error
            reasons[name] = multi_bot.one_line(error or "")
        raise ConfigError("\n".join(f"{name}{ENDING}: {why}" for name, why in reasons.items()))


async def _log_problems(problems: AsyncIterator[str]) -> None:
    """Log each problem. A look that fails is one line in the log, too: the bot goes on."""
    await asyncio.sleep(SETTLED)
    try:
        async for problem in problems:
            log.warning("check: %s", problem)
    except Exception as error:
        log.warning("check: what the bot needs could not be looked at (%s)", type(error).__name__)


def _first(group: BaseExceptionGroup[BotError]) -> BotError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
