"""Checks for real everything that the bot depends on, and says what to do about each problem. Begin with `examine`.

Each check is a generator of findings. Each offered model writes a few tokens, each service that is switched on is
called once with one word. `Spending` says whether a picture is bought, or whether nothing may be spent at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from bot.clock import Clock, SystemClock
from bot.config.settings import Settings
from bot.doctor.desk import check_desk
from bot.doctor.finding import Finding, Spending, Verdict, cleaner
from bot.doctor.machine import check_database, check_prompts, check_proxies, check_settings, check_topics
from bot.doctor.services import check_tool_servers
from bot.doctor.studio import check_picture, check_studio
from bot.doctor.telegram import check_telegram


async def examine(
    settings: Settings,
    *,
    clock: Clock | None = None,
    env_file: Path = Path(".env"),
    spending: Spending = Spending.LITTLE,
    studio: bool = True,
) -> AsyncIterator[Finding]:
    """All findings, check by check, without secrets. A check is skipped if a setting that it needs is missing.

    `studio` False: the bot uses no model of AI Studio, and needs no key.
    """
    clean = cleaner(settings)
    async for finding in _examine(settings, clock or SystemClock(), env_file, spending, studio):
        yield Finding(finding.leg, finding.verdict, clean(finding.text), clean(finding.advice))


async def _examine(
    settings: Settings, clock: Clock, env_file: Path, spending: Spending, studio: bool
) -> AsyncIterator[Finding]:
    found = list(check_settings(settings, env_file, studio=studio))
    for finding in found:
        yield finding
    wrong = {finding.text.partition(" ")[0].rstrip(":") for finding in found if finding.verdict is Verdict.FAIL}
    if spending is not Spending.NOTHING:
        async for finding in check_database(settings):
            yield finding
    for finding in check_proxies(settings):
        yield finding
    for finding in (*check_prompts(settings), *check_topics(settings), *check_desk(settings)):
        yield finding
    if "BOT_TOKEN" not in wrong:
        async for finding in check_telegram(settings):
            yield finding
    if studio and not any(name.startswith("YC_") for name in wrong):
        async for finding in check_studio(settings, clock, spending):
            yield finding
    if spending is not Spending.NOTHING:
        async for finding in check_tool_servers(settings, clock):
            yield finding
    if studio and spending is not Spending.PICTURE:
        yield check_picture(settings)


async def find_problems(settings: Settings, *, studio: bool = True) -> AsyncIterator[str]:
    """What is wrong with the settings of a running bot, as far as it can be found without spending anything: a line
    for each problem, with what to do.
    """
    async for finding in examine(settings, spending=Spending.NOTHING, studio=studio):
        if finding.verdict is not Verdict.OK:
            yield f"{finding.leg}: {finding.text}. {finding.advice}"
