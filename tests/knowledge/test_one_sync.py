"""One sync of a source at a time, in one process and on several machines."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.billing.metering import Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.sync import TOGETHER, Report
from bot.storage.store import Store
from bot.storage.tables.knowledge import KnowledgeSource
from tests.support.postgres_side import Server

BOT, PAGES = 42, 3 * TOGETHER
PATIENCE = 60.0  # seconds: a loaded machine is slow


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(PAGES):
        (folder / f"{number:02}.md").write_text(f"# Page {number}\n\nThe answer to question {number} is {number}.\n")
    return folder


@pytest.fixture
async def files() -> AsyncIterator[ChildPool]:
    files = ChildPool()
    yield files
    await files.close()


def base(store: Store, files: ChildPool, folder: Path) -> KnowledgeBase:
    return KnowledgeBase(store=store, bot=BOT, files=files, meter=Meter(store=store), cache=folder)


async def passages(store: Store) -> int:
    rows = await store.read(lambda tx: tx.knowledge.passages_added((0, 0), 10 * PAGES))
    return len({row.sha for row in rows if row.ended is None})


async def both(first: KnowledgeBase, second: KnowledgeBase, source: KnowledgeSource) -> list[Report]:
    async with asyncio.timeout(PATIENCE):
        return list(await asyncio.gather(first.sync(source), second.sync(source)))


def check(reports: list[Report]) -> None:
    """Each page was read by one of them only: the other began when that had ended."""
    assert sorted((one.new, one.unchanged) for one in reports) == [(0, PAGES), (PAGES, 0)]
    assert sorted((one.added, one.ended) for one in reports) == [(0, 0), (PAGES, 0)]


async def test_two_machines_that_are_told_to_read_a_source_read_it_one_after_the_other(
    postgres_url: str, docs: Path, files: ChildPool
) -> None:
    async with Store.open(postgres_url, SystemClock()) as here, Store.open(postgres_url, SystemClock()) as there:
        first, second = base(here, files, docs), base(there, files, docs)
        source = await first.add(KnowledgeSource(name="docs", kind="", address=str(docs)))
        check(await both(first, second, source))
        assert await passages(there) == PAGES


async def test_two_sources_are_read_side_by_side(postgres_url: str, docs: Path, files: ChildPool) -> None:
    async with Store.open(postgres_url, SystemClock()) as here, Store.open(postgres_url, SystemClock()) as there:
        first, second = base(here, files, docs), base(there, files, docs)
        waits, goes_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            waits.set()
            await goes_on.wait()

        source = await first.add(KnowledgeSource(name="docs", kind="", address=str(docs)))
        holding = asyncio.create_task(here.run_alone(f"sync {BOT} {source.id + 1}", hold))
        async with asyncio.timeout(PATIENCE):
            await waits.wait()
            assert (await second.sync(source)).new == PAGES
            goes_on.set()
            await holding


async def test_where_the_machine_that_reads_a_source_is_gone_the_other_goes_on_where_it_was(
    postgres_url: str, postgres: Server, docs: Path, files: ChildPool
) -> None:
    async with Store.open(postgres_url, SystemClock()) as here, Store.open(postgres_url, SystemClock()) as there:
        first, second = base(here, files, docs), base(there, files, docs)
        source = await first.add(KnowledgeSource(name="docs", kind="", address=str(docs)))
        reading = asyncio.create_task(first.sync(source))
        async with asyncio.timeout(PATIENCE):
            while not (stored := await passages(there)):
                await asyncio.wait([reading], timeout=0.01)
        waiting = asyncio.create_task(second.sync(source))
        reading.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([reading])
            report = await waiting
        assert (report.new + report.unchanged, report.new) == (PAGES, PAGES - report.unchanged)
        assert report.unchanged >= stored >= TOGETHER
        assert await passages(there) == PAGES


async def test_two_in_one_process_read_one_after_the_other(
    tmp_path: Path, template: Path, docs: Path, files: ChildPool
) -> None:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        first, second = base(store, files, docs), base(store, files, docs)
        source = await first.add(KnowledgeSource(name="docs", kind="", address=str(docs)))
        check(await both(first, second, source))
        assert await passages(store) == PAGES
