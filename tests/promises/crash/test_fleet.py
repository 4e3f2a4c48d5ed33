"""Many processes for one bot: whatever happens to them, every question is answered, once and in order (P1, P2, P3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.storage.maintenance import migrations
from tests.promises.crash import rolling
from tests.promises.crash.fleet import DELAY, Ordeal, ordeal, share
from tests.promises.crash.world import LOG
from tests.support.postgres_side import Server

pytestmark = [pytest.mark.e2e]

SHORT = Ordeal(
    people=16, seconds=20.0, kill_every=4.0, restart_at=6.0, suspend_at=10.0, suspend_for=7.0, stuck_for=6.0, think=2.0
)
HARD = Ordeal(
    people=20, seconds=28.0, kill_every=0.0, kill_webhooks_every=3.0, restart_at=0.0, strike_at=4.0, part_at=14.0,
    suspend_at=0.0, stuck_for=1.0, think=1.0,
)  # fmt: skip


@pytest.mark.timeout(300)
async def test_workers_die_the_server_restarts_one_stands_still_and_everybody_is_answered_once(
    postgres: Server, tmp_path: Path
) -> None:
    report = await ordeal(postgres, tmp_path, SHORT)
    print(report)  # noqa: T201  what was measured
    assert report.faults == [], (tmp_path / "faults.log").read_text()
    assert report.kills >= 3
    assert share(report.delays, 0.95) <= DELAY


@pytest.mark.timeout(300)
async def test_webhooks_and_the_server_are_killed_a_line_falls_silent_and_everybody_is_answered_once(
    postgres: Server, tmp_path: Path
) -> None:
    report = await ordeal(postgres, tmp_path, HARD)
    print(report)  # noqa: T201  what was measured
    assert report.faults == [], (tmp_path / "faults.log").read_text()
    assert report.questions > 30


@pytest.mark.timeout(300)
async def test_an_update_of_one_process_after_the_other_costs_no_answer(postgres: Server, tmp_path: Path) -> None:
    how = Ordeal(people=16, sentences=4, pause=0.2, think=1.0)
    updated = await rolling.update(postgres, tmp_path, how)
    print(updated)  # noqa: T201  what was measured
    assert updated.faults == [], (tmp_path / "faults.log").read_text()
    assert updated.schema == migrations.State(rolling.NEXT, migrations.OLDEST)
    assert (tmp_path / "worker0" / LOG).read_text().count(f"schema {rolling.NEXT} of a newer version") == 1
    assert updated.questions > 30
