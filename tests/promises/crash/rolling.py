"""A rolling update of a fleet: the schema first, then one process after the other. Begin with `update`.

The old version is the code as it is; the next one is the same code with one more step of the schema (`CRASH_NEXT`).
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from bot.storage.maintenance import migrations
from tests.promises.crash.fleet import Crowd, Fleet, Ordeal, fleet
from tests.promises.crash.judge import Place
from tests.promises.crash.world import LOG
from tests.support.postgres_side import Server

ROOT = Path(__file__).parents[3]
BETWEEN = 1.0  # seconds between two processes
STARTED = "bot.runtime.startup_report: ACCESS=open"  # said at each start
NEXT = f"{int(migrations.HEAD) + 1:04}"
STEP = f'''
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{migrations.HEAD}", None, None


def upgrade() -> None:
    op.add_column("updates", sa.Column("mood", sa.Text(), nullable=True))
    op.add_column("messages", sa.Column("weight", sa.Integer(), server_default="1", nullable=False))
    op.create_table("moods", sa.Column("name", sa.Text(), nullable=False))
    op.create_index("ix_updates_mood", "updates", ["mood"], unique=False)
'''


@dataclass(frozen=True, slots=True)
class Updated:
    """`faults`: as in `fleet.Report`. `schema` is what the database says of itself in the end."""

    faults: list[str]
    questions: int
    schema: migrations.State | None


def next_version(directory: Path) -> Path:
    """The migrations of the next version."""
    folder = directory / "next"
    shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{NEXT}_moods.py").write_text(STEP)
    return folder


async def update(server: Server, directory: Path, how: Ordeal) -> Updated:
    async with fleet(server, directory, how, yc_concurrency=2 * how.people) as ships:
        world, folder = ships.world, next_version(directory)
        await world.telegram.wait_for(lambda: world.telegram.updates.webhook_active or None, 60)
        crowd = Crowd(world, how, random.Random(how.seed))
        places = [Place(world.telegram.person(f"P{number}")["id"]) for number in range(how.people)]
        people = [asyncio.create_task(crowd.talk(place)) for place in places]
        await asyncio.sleep(BETWEEN)
        await asyncio.to_thread(migrations.climb, world.settings["DATABASE_URL"], folder)
        await ships.kill(ships.workers[0])
        await begin(ships, ships.workers[0])  # of the old version
        for name in ships.roles:
            await replace(ships, name, folder)
        crowd.is_over = True
        outcomes = await asyncio.gather(*people, return_exceptions=True)
        faults = [f"lost: {error}" for error in outcomes if isinstance(error, BaseException)]
        faults += [f"others: {name} has ended" for name, process in ships.processes.items() if not process.alive]
        await world.quiet(1.0)
        faults += [f"others: exit status {status}" for status in await ships.stop() if status]
        faults += world.judged().faults(strays_allowed=1)
        if faults:
            (directory / "faults.log").write_text("\n".join(faults) + ships.log())
        return Updated(faults, len(world.questions), await migrations.find(world.settings["DATABASE_URL"]))


async def replace(ships: Fleet, name: str, folder: Path) -> None:
    """As every supervisor does it: SIGTERM, wait for the end, start the next version, wait until it is up."""
    if not ships.processes[name].alive:
        raise AssertionError(f"{name} has ended by itself")
    ships.processes[name].send_signal(signal.SIGTERM)
    await ships.processes[name].wait()
    ships.roles[name]["CRASH_NEXT"] = str(folder)
    await begin(ships, name)


async def begin(ships: Fleet, name: str) -> None:
    """Start it, and wait until it works, or has ended by itself."""
    log = ships.world.directory / name / LOG
    starts = log.read_text().count(STARTED)
    await ships.start(name)
    while ships.processes[name].alive and log.read_text().count(STARTED) == starts:
        await asyncio.sleep(0.05)
    await asyncio.sleep(BETWEEN)
