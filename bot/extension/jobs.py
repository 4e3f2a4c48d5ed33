"""Jobs that a programmer adds: functions that run at their time. Begin with `OwnJob`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any, Generic
from zoneinfo import ZoneInfo

from bot.errors import ConfigError
from bot.extension.commands import Answer
from bot.extension.mistakes import shown
from bot.extension.running import Running, State_co

if TYPE_CHECKING:
    from cronsim import CronSim

NAME = re.compile(r"[a-z0-9_]{1,28}")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
FIELDS = 5  # of a cron expression: minute, hour, day of the month, month, day of the week
USER = "user"  # as a zone: that of each person
DEADLINE = 600.0  # seconds
SHORTEST = 1.0  # seconds between two runs


@dataclass(frozen=True, slots=True)
class JobRun(Generic[State_co]):
    """One run of a job. `name` is the job's, `at` the time for which it was planned, in the zone of the schedule or
    of the person; for `Running.later` in UTC.

    `key` names this run for ever, also when a crash makes it run again: with it `running.send(..., key=...)` sends
    once. `user` is the person it runs for, None: nobody. `data` is what `Running.later` was given. `language` is the
    one that the person has chosen in the bot, else the one of the messenger ("en", "de"); "" for nobody.
    """

    name: str
    key: str
    at: datetime
    running: Running[State_co]
    user: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""


RunJob = Callable[[JobRun[State_co]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job runs: every so many `seconds`, or by a `cron` expression in a `zone`.

    With the zone "user" it runs once for each person in private chat, in the zone that the person has told, or in the
    zone `otherwise`. Clock changes: a time that is skipped in spring is caught up at once, one that comes twice in
    autumn counts once. Raises `ConfigError` for what is no schedule.
    """

    cron: str = ""
    seconds: float = 0.0
    zone: str = "UTC"
    otherwise: str = "UTC"

    def __post_init__(self) -> None:
        if not self.cron and self.seconds < SHORTEST:
            raise ConfigError(f"{self.seconds:g} s is no time between two runs: at least {SHORTEST:g} s are expected")
        for name in (self.otherwise, *([] if self.per_user else [self.zone])):
            try:
                ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                raise ConfigError(f"{name!r} is no time zone: a name such as Europe/Moscow is expected") from None
        if self.cron:
            self._iterated(0.0, UTC)

    @property
    def per_user(self) -> bool:
        """Whether it runs for each person."""
        return self.zone == USER

    @property
    def text(self) -> str:
        """The schedule as it is stored, so that a change of it is seen."""
        return f"{self.cron or self.seconds} {self.zone} {self.otherwise}"

    def next_after(self, moment: float, where: tzinfo | None = None, *, since: float = 0.0) -> float:
        """Return the first time after `moment` (Unix seconds), in the zone `where` (None: that of the schedule).

        `since`: a time at which the job ran, from which the seconds are counted.
        """
        if self.cron:
            return next(self._iterated(moment, where or _zone(self.zone))).timestamp()
        missed = max(0.0, moment - since) // self.seconds if since else 0.0
        return (since or moment) + (missed + 1) * self.seconds

    def last_until(self, moment: float, where: tzinfo) -> float:
        """Return the last time of a `cron` expression that is not after `moment` (Unix seconds)."""
        return next(self._iterated(moment // 1 + 1, where, reverse=True)).timestamp()

    def _iterated(self, moment: float, where: tzinfo, *, reverse: bool = False) -> CronSim:
        from cronsim import CronSim, CronSimError

        if not isinstance(self.cron, str) or len(self.cron.split()) != FIELDS:
            raise ConfigError(f"{shown(self.cron)} has not five fields: minute hour day month weekday")
        try:
            return CronSim(self.cron, datetime.fromtimestamp(moment, where), reverse=reverse)
        except CronSimError as error:
            raise ConfigError(f"{self.cron!r} is no cron expression: {error}") from None


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def daily(clock: str) -> str:
    """Return the cron expression for a time of day such as "9:00". Raises `ConfigError`."""
    if not isinstance(clock, str) or not (found := CLOCK.fullmatch(clock)):
        raise ConfigError(f"{shown(clock)} is no time of day: hours and minutes such as 9:00 are expected")
    return f"{int(found[2])} {int(found[1])} * * *"


@dataclass(frozen=True, slots=True)
class OwnJob:
    """A job: the function `run`, which has `deadline` seconds, and when it runs by itself (`schedule`; None: only
    when `Running.later` asks for it). Raises `ConfigError` for a wrong name.
    """

    name: str
    run: RunJob[Any]
    schedule: Schedule | None = None
    deadline: float = DEADLINE

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ConfigError(f"{self.name!r} can't be a job: 1-28 of a-z 0-9 _ are expected")
