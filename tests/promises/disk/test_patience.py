"""F85, F87: whatever the bot is doing when the disk fails, it does again when the disk works, and says nothing of it.

The lock of another program stands for all such faults here; `test_failing_disk.py` has the others.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.billing.budget import settle_interrupted
from bot.errors import Lost, StorageUnavailable
from bot.jobs.worker import JobWorker
from bot.outbox import public_fallback
from bot.ports import Delivery, DeliveryState
from bot.storage.mailboxes import StoredInbox, StoredOutbox
from bot.storage.store import Store, Tx
from bot.types import Address, Job, Outgoing
from tests.support.counting import counted
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

WHERE = Address("telegram", 42, ANNA)
DELIVERY = Delivery(1, "1", WHERE, Outgoing("answer"), DeliveryState.PENDING, (), 0, 0, 0, 0.0)
OUTAGE = 60.0  # virtual seconds


async def test_f85_f87_a_start_waits_for_the_disk_and_then_works_on_what_was_open(stage: Stage) -> None:
    """Its first write meets the lock: SQLite waits for 5 real seconds, then the bot waits."""
    await stage.start()
    await stage.ask("before")
    stage.studio.ttft = 5.0
    stage.telegram.say(ANNA, "open")
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM updates WHERE state = 'begun'"))
    await stage.crash()
    with _locked(stage) as release:
        app = await stage.start()
        while not counted(app.signs.metrics, "errors_total", source="storage", cause="StorageUnavailable"):
            await asyncio.to_thread(time.sleep, 0.1)  # real time: SQLite knows no other
        assert len(stage.prompts()) == 2
        release()
    await stage.texts(2)
    assert stage.prompts()[-1][-1]["text"] == "open"


async def test_f85_an_answer_that_is_paid_is_kept_until_there_is_room_for_it(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("before")
    await app.store.write(_quick)
    stage.studio.ttft = 5.0
    stage.telegram.say(ANNA, "expensive")
    await soon(stage, lambda: len(stage.prompts()) == 2)
    with _locked(stage):
        stage.telegram.say(BORIS, "is left at Telegram")
        await stage.clock.sleep(OUTAGE)
        assert stage.telegram.pending == 1
        assert len(stage.telegram.texts(ANNA)) == 1
    await stage.texts(2, ANNA)
    await stage.texts(1, BORIS)
    assert [prompt[-1]["text"] for prompt in stage.prompts()] == ["before", "expensive", "is left at Telegram"]
    assert not [text for chat in (ANNA, BORIS) for text in stage.telegram.texts(chat) if "locked" in text]


async def test_f85_only_the_acceptance_of_updates_fails_everything_else_of_the_boxes_waits(stage: Stage) -> None:
    async with Store.open(stage.settings.database_url, stage.clock) as store:
        await store.write(_quick)
        inbox, outbox = (
            StoredInbox(store=store, interrupted=settle_interrupted),
            StoredOutbox(store=store, fallback=public_fallback),
        )
        with _locked(stage):
            tasks = [
                asyncio.create_task(call)
                for call in (
                    inbox.open(42), inbox.done([1]), inbox.quarantine(1, "no"),
                    outbox.note_streaming_message("2", WHERE, 70),
                    outbox.begin(DELIVERY, 9), outbox.progress(DELIVERY, (70,), done=1, sent=True),
                    outbox.postpone(DELIVERY, 1.0), outbox.dead_letter(DELIVERY, "no"), outbox.chat_blocked(42, ANNA),
                    outbox.chat_migrated(42, ANNA, -100),
                )
            ]  # fmt: skip
            with pytest.raises(StorageUnavailable, match="locked"):
                await inbox.accept(42, [(1, "", "{}", "/1")])
            assert await outbox.next(WHERE) is None  # to read takes no lock
            await stage.clock.sleep(OUTAGE)
            assert not [task for task in tasks if task.done()]
        await asyncio.gather(*tasks)


async def test_f85_the_worker_of_jobs_outlives_the_disk(stage: Stage) -> None:
    """Failing reads, failing writes and a job that meets them: nothing is counted as the job's own failure."""
    tries: list[int] = []
    path = stage.settings.database_url
    async with Store.open(path, stage.clock) as store:

        async def work(job: Job) -> None:
            tries.append(job.attempts)
            if len(tries) < 4:
                raise StorageUnavailable("the disk is full")
            await store.write(lambda tx: tx.jobs.delete_done(job))

        await store.write(lambda tx: tx.jobs.add_job(Job("kind", "1", WHERE, {}, due=stage.clock.time())))
        jobs = JobWorker(store=store, bot=42, kinds={"kind": work})
        running = asyncio.create_task(jobs.run())
        await soon(stage, lambda: not rows(stage, "SELECT 1 FROM jobs"))
        assert tries == [0, 0, 0, 0]
        running.cancel()
        await asyncio.wait({running})


async def test_f86_a_turn_that_meets_the_loss_of_the_database_ends_the_bot_and_is_not_called_a_bug(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    app = await stage.start()
    await stage.ask("before")
    stage.telegram.say(ANNA, "lost")
    _replace(Path(stage.settings.database_url.partition(":///")[2]))
    task = stage._task
    assert task is not None
    with pytest.raises(BaseExceptionGroup) as caught:
        await task
    assert caught.group_contains(Lost, match="was replaced by another file")
    assert "failed: code" not in caplog.text
    assert len(stage.telegram.texts(ANNA)) == 1
    assert app.stopping.is_set() is False


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.touch()
    other.replace(path)


def _quick(tx: Tx) -> None:
    tx.connection.exec_driver_sql("PRAGMA busy_timeout=50")


@contextmanager
def _locked(stage: Stage) -> Iterator[Callable[[], None]]:
    """Another program writes to the database for as long as the block lasts, or until it is released."""
    path = stage.settings.database_url.partition(":///")[2]
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other.rollback
    finally:
        other.close()
