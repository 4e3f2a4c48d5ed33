"""`python -m tests.promises.fuzz`: the long form. 10,000 hostile updates a seed, half by polling, half by webhook.

.venv/bin/python -m tests.promises.fuzz --seeds 1 2 3 4 5
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bot.storage.maintenance import migrations
from bot.testing.virtual_loop import VirtualLoop
from tests.promises.fuzz.campaign import Campaign, Report, hooked
from tests.support.stage import opened

UPDATES = 10_000


async def campaign(folder: Path, template: Path, seed: int, count: int, *, hook: bool) -> Report:
    async with opened(folder, template) as stage:
        if hook:
            return await (await hooked(stage, seed, count)).run()
        await stage.start()
        return await Campaign(stage, seed, count).run()


def one(seed: int, count: int, *, hook: bool) -> Report:
    with tempfile.TemporaryDirectory() as place:
        template = Path(place) / "template.db"
        asyncio.run(migrations.upgrade(f"sqlite+aiosqlite:///{template}"))
        (Path(place) / "run").mkdir()
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(campaign(Path(place) / "run", template, seed, count, hook=hook))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--updates", type=int, default=UPDATES, help="of each seed")
    parser.add_argument("--way", choices=("polling", "webhook", "both"), default="both")
    given = parser.parse_args()
    failed = 0
    ways = ("polling", "webhook") if given.way == "both" else (given.way,)
    for seed in given.seeds:
        for way in ways:
            started = time.monotonic()
            report = one(seed, given.updates // len(ways), hook=way == "webhook")
            failed += bool(report.wrong)
            sys.stdout.write(f"{way}, {time.monotonic() - started:.0f} s, {report}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
