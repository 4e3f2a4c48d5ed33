"""What happens to a bot: who asks how often, how fast the model writes, how far away Telegram is.

Begin with `SCENARIOS` at the foot. Times are seconds, `rate` is tokens a second (0: all at once).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["chat", "memory", "growth", "kill", "kills"]
Style = Literal["plain", "markdown"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How the model writes an answer. `failing` is the share of first requests that fail."""

    tokens: int = 200
    rate: float = 50.0
    ttft: float = 0.5
    style: Style = "plain"
    failing: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What people do: `users` of them, each asking `turns` times `burst` questions, waiting `think` in between.

    Nobody waits for an answer longer than `timeout`. They begin within `ramp`; at most `crowd` of them are talking at
    a time (0: all).
    """

    users: int
    turns: int
    think: float = 0.0
    ramp: float = 0.0
    burst: int = 1
    gap: float = 0.0
    timeout: float = 45.0
    crowd: int = 0
    group: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of one bot. `distance` is how long Telegram's answers travel; `limits` are its flood limits.

    `failing` is the share of Bot API calls that fail. `settle` is how long stragglers are waited for. `repeat` False:
    one round is enough, since it counts outcomes rather than milliseconds.
    """

    name: str
    plan: Plan
    pace: Pace = Pace()
    kind: Kind = "chat"
    distance: float = 0.0
    limits: bool = False
    failing: float = 0.0
    settle: float = 1.0
    repeat: bool = False
    unlimited: bool = False  # the bot's own limiter is off too
    sizes: tuple[int, ...] = ()
    restart: bool = False  # needs a bot that keeps its chats
    kills: int = 0  # in a row


NEAR, INSTANT = 0.05, Pace(tokens=50, rate=0, ttft=0)
READING = Plan(users=5, turns=3, think=2.0, ramp=1.0)

STREAM = Scenario("stream", READING, distance=NEAR, limits=True, settle=3.0, repeat=True)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        STREAM,
        replace(STREAM, name="markdown", pace=Pace(tokens=150, style="markdown"), repeat=False),
        Scenario(
            "long", Plan(users=4, turns=1, timeout=40), Pace(tokens=900, rate=100),
            distance=NEAR, limits=True, settle=5.0,
        ),
        Scenario(
            "crowd", Plan(users=40, turns=2, think=2.0, ramp=2.0, timeout=30),
            distance=NEAR, limits=True, settle=5.0,
        ),
        Scenario(
            "burst", Plan(users=5, turns=4, think=1.0, burst=3, gap=0.05, timeout=15), Pace(60, 50, 0.3),
            distance=NEAR, limits=True, settle=5.0,
        ),
        Scenario(
            "faults", Plan(users=10, turns=4, think=1.0, ramp=2.0, timeout=15), Pace(100, 50, 0.2, failing=0.36),
            distance=0.02, failing=0.03, settle=5.0,
        ),
        Scenario("kill", Plan(users=20, turns=1, timeout=25), Pace(rate=25), "kill", distance=0.02),
        Scenario(
            "kills", Plan(users=20, turns=100, think=0.3, ramp=2.0, timeout=120), Pace(tokens=40, rate=25, ttft=0.3),
            "kills", distance=NEAR, limits=True, settle=180.0, restart=True, kills=10,
        ),
        Scenario("overhead", Plan(users=1, turns=60, think=0.05, timeout=20), INSTANT, repeat=True, unlimited=True),
        Scenario(
            "overhead_rtt", Plan(users=1, turns=25, think=0.05, timeout=20), INSTANT,
            distance=NEAR, repeat=True, unlimited=True,
        ),
        Scenario("saturate", Plan(users=100, turns=10, timeout=60), INSTANT, repeat=True, unlimited=True),
        Scenario("memory", Plan(users=1000, turns=10, crowd=50, timeout=60), INSTANT, "memory", unlimited=True),
        Scenario(
            "growth", Plan(users=1, turns=20, timeout=30), Pace(tokens=20, rate=0, ttft=0), "growth",
            unlimited=True, sizes=(10, 1_000, 100_000), restart=True,
        ),
        Scenario(
            "group", Plan(users=3, turns=2, think=3.0, ramp=4.0, timeout=25, group=True), Pace(tokens=150),
            distance=NEAR, limits=True, settle=5.0,
        ),
    )
}  # fmt: skip
