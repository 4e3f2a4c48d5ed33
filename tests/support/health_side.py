"""A bot's health as it is looked at from outside, every two seconds."""

from __future__ import annotations

from typing import Any

from bot.runtime.bot import Bot
from bot.runtime.health.checks import Health, Report
from tests.support.stage import Stage

MINUTE = 60.0


async def becomes(health: Health, status: str, within: float = MINUTE) -> Report:
    """Look every two seconds until the bot is so. Fails after `within` seconds."""
    clock = health.app.clock
    ends = clock.monotonic() + within
    while (report := await health.report()).status != status:
        assert clock.monotonic() < ends, report.as_json()
        await clock.sleep(2)
    return report


async def red(health: Health, check: str) -> str:
    """Wait until that check fails. Returns what it says."""
    report = await becomes(health, "fail")
    while report.checks[check].status != "fail":
        await health.app.clock.sleep(2)
        report = await becomes(health, "fail")
    return report.checks[check].reason


async def healthy(stage: Stage, **changes: Any) -> Health:
    """A bot that has answered once."""
    health = health_of(await stage.start(**changes))
    await stage.ask("hello")
    await becomes(health, "ok")
    return health


def health_of(app: Bot) -> Health:
    """Virtual time passes while a thread waits for the disk: not the time to be impatient."""
    return Health(app=app, patience=600.0)
