"""A process that writes to a store and says what it was told: `python -m tests.promises.disk.writer URL COUNT
SYNCHRONOUS`.

Each acknowledged number is a line of the file `told` beside the database, written when `Store.write` has returned.
The checkpoints come often, so that a short run has many of them.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from bot.clock import SystemClock
from bot.storage.engines.sqlite import Sqlite
from bot.storage.engines.sqlite_files import path_of
from bot.storage.store import Store, Tx

BOT = 42
CROWD = 5


async def main(url: str, count: int, synchronous: str) -> None:
    path = path_of(url)
    assert path is not None
    told = os.open(Path(path).with_name("told"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    chance = random.Random(count)

    async def add(store: Store, number: int) -> None:
        text = "x" * chance.choice((10, 300, 9_000))
        await store.write(lambda tx: tx.inbox.add_update(BOT, number, "", text))
        os.write(told, b"%d\n" % number)

    def often(tx: Tx) -> None:
        tx.connection.exec_driver_sql("PRAGMA wal_autocheckpoint=40")

    async with Store.open(url, SystemClock()) as store:
        # SQLite takes this setting outside a transaction only.
        assert isinstance(store.engine, Sqlite)
        writer = store.engine.writer
        driver = writer.connection.connection.driver_connection
        assert driver is not None
        await writer.run(driver.execute, f"PRAGMA synchronous={synchronous}")
        await store.write(often)
        for first in range(0, count, CROWD):
            await asyncio.gather(*(add(store, number) for number in range(first, min(first + CROWD, count))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
