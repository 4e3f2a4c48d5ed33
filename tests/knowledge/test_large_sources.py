"""Sources of very many pages go on where they were, and have each text once (at full size: `bench.knowledge.large`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.knowledge import large
from bot.billing.metering import BillTo, Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.base import KnowledgeBase
from bot.storage.store import Store
from bot.types import Address

PAYER = BillTo(Address("bench", large.BOT, 1), 1, "bench")


@pytest.mark.process
async def test_a_source_of_many_pages_goes_on_after_a_kill_where_it_was(tmp_path: Path) -> None:
    large.write_pdfs(tmp_path / "pdf", pages=60, of_file=2)
    assert await large.start(tmp_path / "kb.db", tmp_path / "pdf", dies_after=25) is None, "it was killed"
    then = await large.read(tmp_path / "kb.db", tmp_path / "pdf")
    assert (then.unchanged, then.new) == (20, 10), "20 files are stored together"
    assert then.passages == then.embedded == 2 * 60


LINE = 50 << 20  # bytes


@pytest.mark.process
async def test_a_file_of_one_line_of_50_mb_is_named_takes_little_memory_and_the_others_are_read(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("small", "huge")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "own.md").write_text("# Returns\n\nThe courier takes it back within 14 days.")
        (folder / "line.txt").write_text("parcel " * 100_000)  # one line that is read: 700,000 characters
    for name in ("line", "table", "page", "code", "faq"):
        ending = {"line": "md", "table": "csv", "page": "html", "code": "py", "faq": "tsv"}[name]
        (folders["huge"] / f"{name}.{ending}").write_bytes(b"parcel " * (LINE // 7))
    small = await large.start(tmp_path / "small.db", folders["small"])
    huge = await large.start(tmp_path / "huge.db", folders["huge"])
    assert small is not None
    assert huge is not None
    assert sorted(map(tuple, huge.troubles)) == [
        (name, "too_long") for name in ("code.py", "faq.tsv", "line.md", "page.html", "table.csv")
    ]
    assert (huge.new, huge.passages) == (small.new, small.passages)
    assert small.new == 2
    assert huge.memory - small.memory < 2 * LINE >> 20
    again = await large.start(tmp_path / "huge.db", folders["huge"])
    assert again is not None
    assert (again.new, again.unchanged, len(again.troubles)) == (0, 2, 5)


async def test_equal_pages_are_read_and_embedded_and_quoted_once_and_counted(tmp_path: Path) -> None:
    large.write_equal(tmp_path / "equal", 40)
    (tmp_path / "equal" / "own.md").write_text("# Returns\n\nThe courier takes it back within 14 days.")
    first = await large.read(tmp_path / "kb.db", tmp_path / "equal")
    assert (first.new, first.equal, first.passages, first.embedded) == (2, 39, 2, 2)
    again = await large.read(tmp_path / "kb.db", tmp_path / "equal")
    assert (again.new, again.unchanged, again.equal, again.embedded) == (0, 2, 39, 0)
    files = ChildPool()
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'kb.db'}", SystemClock()) as store:
        base = KnowledgeBase(store=store, bot=large.BOT, files=files, meter=Meter(store=store), cache=tmp_path)
        found = await base.search("When does the courier call?", frozenset({"everyone"}), PAYER)
    await files.close()
    assert [hit.passage.place for hit in found.hits] == ["Delivery", "Returns"]
