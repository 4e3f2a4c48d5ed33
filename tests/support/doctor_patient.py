"""The doctor's patient: a bot's surroundings on the sandbox's servers, good until a test spoils them."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.config.settings import Settings
from bot.doctor.examination import examine
from bot.doctor.finding import Finding, Verdict
from bot.doctor.machine import check_database, check_settings
from bot.doctor.studio import check_picture, check_studio
from bot.doctor.telegram import check_telegram
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.support.virtual import VirtualClock


class Patient:
    """A bot's surroundings: `settings` are good ones, a test spoils what it likes."""

    def __init__(self, telegram: Telegram, studio: Studio, folder: Path) -> None:
        self.telegram = telegram
        self.studio = studio
        self.folder = folder
        self.database = folder / "govorun.db"
        self.settings: dict[str, Any] = {
            **studio.settings(),
            "bot_token": telegram.token,
            "telegram_api_url": telegram.url,
            "database_url": f"sqlite+aiosqlite:///{self.database}",
            "owners": (1001,),
        }

    async def findings(self, **changes: Any) -> list[Finding]:
        """Everything that the doctor says."""
        return [finding async for finding in self._examined(**changes)]

    async def finding(self, leg: str, **changes: Any) -> Finding:
        """The worst finding of a leg; only the legs of the same kind are looked at."""
        settings = Settings(_env_file=None, **self.settings | changes)
        found = [finding async for finding in self._leg(leg, settings) if finding.leg == leg]
        return max(found, key=lambda finding: list(Verdict).index(finding.verdict))

    def _examined(self, **changes: Any) -> AsyncIterator[Finding]:
        settings = Settings(_env_file=None, **self.settings | changes)
        return examine(settings, clock=VirtualClock(start=time.time()), env_file=self.folder / ".env")

    async def _leg(self, leg: str, settings: Settings) -> AsyncIterator[Finding]:
        if leg == "settings":
            for finding in check_settings(settings, self.folder / ".env"):
                yield finding
        elif leg == "image":
            yield check_picture(settings)
        else:
            clock = VirtualClock(start=time.time())
            checks = {"database": check_database(settings), "telegram": check_telegram(settings)}
            checks |= {"updates": checks["telegram"]}
            async for finding in checks.get(leg) or check_studio(settings, clock):
                yield finding


@pytest.fixture
async def patient(tmp_path: Path, template: Path) -> AsyncIterator[Patient]:
    telegram, studio = Telegram(topics=True), Studio(models_dir=tmp_path)
    await telegram.start()
    await studio.start()
    shutil.copy(template, tmp_path / "govorun.db")
    yield Patient(telegram, studio, tmp_path)
    await studio.close()
    await telegram.close()


def is_bad(finding: Finding, verdict: Verdict, text: str, advice: str) -> bool:
    """Whether it says so. A helper with an assertion in it, so that a failing test shows the whole finding."""
    assert (finding.verdict, text in finding.text, advice in finding.advice) == (verdict, True, True), finding
    return True
