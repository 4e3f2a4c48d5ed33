"""Checks for real everything that the bot depends on, and says what to do about each problem. Begin with `examine`.

Each check is a generator of findings. Each offered model writes a few tokens, each service that is switched on is
called once with one word; no picture is bought.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from bot.clock import Clock, SystemClock
from bot.config.settings import Settings
from bot.doctor.finding import Finding, Verdict, cleaner
from bot.doctor.machine import check_database, check_prompts, check_proxies, check_settings
from bot.doctor.services import check_tool_servers
from bot.doctor.studio import check_picture, check_studio
from bot.doctor.telegram import check_telegram


async def examine(
    settings: Settings, *, clock: Clock | None = None, env_file: Path = Path(".env"), paid: bool = True
) -> AsyncIterator[Finding]:
    """All findings, check by check, without secrets. A check is skipped if a setting that it needs is missing.

    With `paid` False the services that sell single calls (speech, search) are not asked.
    """
    clean = cleaner(settings)
    async for finding in _examine(settings, clock or SystemClock(), env_file, paid=paid):
        yield Finding(finding.leg, finding.verdict, clean(finding.text), clean(finding.advice))


async def _examine(settings: Settings, clock: Clock, env_file: Path, *, paid: bool) -> AsyncIterator[Finding]:
    found = list(check_settings(settings, env_file))
    for finding in found:
        yield finding
    wrong = {finding.text.partition(" ")[0].rstrip(":") for finding in found if finding.verdict is Verdict.FAIL}
    async for finding in check_database(settings):
        yield finding
    for finding in check_proxies(settings):
        yield finding
    for finding in check_prompts(settings):
        yield finding
    if "BOT_TOKEN" not in wrong:
        async for finding in check_telegram(settings):
            yield finding
    if not any(name.startswith("YC_") for name in wrong):
        async for finding in check_studio(settings, clock, paid=paid):
            yield finding
    async for finding in check_tool_servers(settings, clock):
        yield finding
    yield check_picture(settings)
