"""What happens to a bot while it stands still at a point. Begin with `STRIKES`: everything there is.

A strike is done by the world, not by the bot: a signal, a connection that breaks, an answer that is an error. Where
the bot is about to ask Telegram or AI Studio exactly that request is hit, elsewhere the next one. `after` means that
the request was carried out and only its answer is lost.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.promises.crash.world import World

Hit = Callable[[], bool]

LATE = 2.0  # seconds that a stop may take beyond SHUTDOWN_GRACE
GRACE = 1.0
ROUTES = {
    "model.ask": "completion",
    "paint.ask": "imageGenerationAsync",
    "poll.ask": "operation",
    "draw.ask": "images/generations",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A point that a process passes (see `victim`): its kind, the number among its kind, and what it was."""

    kind: str
    number: int
    what: str = ""

    @classmethod
    def read(cls, line: str) -> Point:
        """From a line of the trace."""
        name, _, what = line.partition(" ")
        kind, _, number = name.rpartition(":")
        return cls(kind, int(number), what)

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.number}"

    @property
    def family(self) -> str:
        """Coarser than `kind`, for tables."""
        return FAMILIES.get(self.kind.partition(".")[0].partition(":")[0], self.kind)


@dataclass(frozen=True, slots=True)
class Strike:
    """`do` returns a question that is asked at the end: did it have any effect?

    `deaths` are the exit statuses that it may cause (none: the bot has to live on), `within` the seconds until then,
    and `settings` what the bot needs for it.
    """

    name: str
    do: Callable[[World, Point], Hit]
    deaths: frozenset[int] = frozenset()
    within: float = float("inf")
    settings: Mapping[str, Any] = field(default_factory=dict)


def _always() -> bool:
    return True


def _signal(number: signal.Signals) -> Callable[[World, Point], Hit]:
    def do(world: World, point: Point) -> Hit:
        world.send(number)
        return _always

    return do


def _twice(world: World, point: Point) -> Hit:
    """The second signal comes when the first one was seen."""
    world.send(signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.05, world.send, signal.SIGTERM)
    return _always


def _cut_telegram(world: World, point: Point) -> Hit:
    connections = world.telegram.cut()
    return lambda: connections > 0


def _cut_studio(world: World, point: Point) -> Hit:
    connections = world.studio.cut()
    return lambda: connections > 0


def _telegram(**fault: Any) -> Callable[[World, Point], Hit]:
    def do(world: World, point: Point) -> Hit:
        method = point.kind.removeprefix("ask:") if point.kind.startswith("ask:") else "*"
        planned = world.telegram.fail_next(method, **fault)
        return lambda: planned.hits > 0

    return do


def _studio(**fault: Any) -> Callable[[World, Point], Hit]:
    def do(world: World, point: Point) -> Hit:
        world.studio.fail_next(ROUTES.get(point.kind, "*"), **fault)
        return lambda: world.studio.planned == 0

    return do


KILL = Strike("kill -9", _signal(signal.SIGKILL), frozenset({-signal.SIGKILL}))
TERM = Strike("SIGTERM", _signal(signal.SIGTERM), frozenset({0}), GRACE + LATE, {"shutdown_grace": GRACE})
SHORT_TERM = Strike("SIGTERM, no grace", TERM.do, TERM.deaths, LATE, {"shutdown_grace": 0})
# The second may come when everything is closed and the loop has given the signals back: then it ends the process.
TWICE = Strike("SIGTERM twice", _twice, frozenset({0, 1, -signal.SIGTERM}), LATE, {"shutdown_grace": 60})
SIGNALS = (KILL, TERM, SHORT_TERM, TWICE)

TELEGRAM = (
    Strike("Telegram: all cut", _cut_telegram),
    Strike("Telegram: reset before", _telegram(reset=True)),
    Strike("Telegram: reset after", _telegram(reset=True, apply=True)),
    Strike("Telegram: 500 before", _telegram(code=500)),
    Strike("Telegram: 500 after", _telegram(code=500, apply=True)),
    Strike("Telegram: 429", _telegram(code=429, parameters={"retry_after": 1})),
)
STUDIO = (
    Strike("AI Studio: all cut", _cut_studio),
    Strike("AI Studio: reset before", _studio(cut="reset")),
    Strike("AI Studio: reset after", _studio(cut="reset", apply=True)),
    Strike("AI Studio: 500 before", _studio(status=500)),
    Strike("AI Studio: 500 after", _studio(status=500, apply=True)),
    Strike("AI Studio: 429", _studio(status=429, headers={"Retry-After": "1"})),
)
STRIKES = (*SIGNALS, *TELEGRAM, *STUDIO)
FAMILIES = {
    "before": "commit",
    "after": "commit",
    "ask": "Telegram",
    "call": "Telegram",
    "model": "model",
    "paint": "picture",
    "poll": "picture",
    "draw": "picture",
}
