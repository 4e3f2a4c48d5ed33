"""`govorun run` on PostgreSQL, as a process of its own."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.promises.e2e.surroundings import PATIENCE, Process
from tests.promises.e2e.test_processes import is_up, services
from tests.support.postgres_side import Server
from tests.support.stage import ANNA

pytestmark = pytest.mark.e2e
PASSWORD = "hush-of-the-database"


async def test_a_bot_on_postgresql_answers_and_goes_on_after_a_kill(tmp_path: Path, postgres: Server) -> None:
    url = await asyncio.to_thread(postgres.create, "template1")
    url = url.replace("postgres@", f"postgres:{PASSWORD}@")
    async with services(DATABASE_URL=url, LOG_LEVEL="DEBUG") as (telegram, studio, environment):
        async with Process.start("run", directory=tmp_path, **environment) as first:
            assert "PostgreSQL 18" in await first.warned("schema ")
            telegram.say(ANNA, "hello")
            await telegram.wait_for(lambda: telegram.texts(ANNA), PATIENCE)
            studio.speed = 20.0
            studio.script([f"word{number} " for number in range(40)])
            telegram.say(ANNA, "talk")
            await telegram.wait_for(lambda: any("word5" in draft["text"] for draft in telegram.drafts), PATIENCE)
            first.signal(signal.SIGKILL)
            _, _, err = await first.ended()
            assert PASSWORD not in err
        studio.script(["whole again"])
        async with Process.start("run", directory=tmp_path, **environment) as third:
            await telegram.wait_for(lambda: len(telegram.texts(ANNA)) == 2 or None, PATIENCE)
            await is_up(telegram)
            assert telegram.texts(ANNA)[-1].startswith("whole again")
            third.signal(signal.SIGTERM)
            code, _, err = await third.ended()
            assert (code, "Traceback" in err) == (0, False), err
    assert not (tmp_path / "govorun.db").exists()
    await asyncio.to_thread(postgres.drop, url)
