"""Folders and files as sources: what is read, what is left out, and what is not read twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from bench.knowledge.large import pdf
from bot.concurrency.child_pool import ChildPool, FileLimits
from bot.knowledge.sources.files import FileReader
from bot.knowledge.sources.folder import Folder
from bot.knowledge.sources.source import (
    Event,
    Found,
    Reader,
    SourceFailed,
    SourceLimits,
    Trouble,
    Unchanged,
)
from tests.knowledge.test_office import row, xlsx

Validators = dict[str, Mapping[str, str]]


@pytest.fixture
async def files() -> AsyncIterator[ChildPool]:
    pool = ChildPool(FileLimits(cpu=5, wall=10))
    yield pool
    await pool.close()


def folder(path: Path, files: ChildPool, limits: SourceLimits | None = None) -> Folder:
    limits = limits or SourceLimits()
    return Folder(path, FileReader(files, limits), limits)


async def sync(source: Reader, known: Validators | None = None) -> tuple[list[Event], Validators]:
    """Read a source, and what is known afterwards."""
    events = [event async for event in source.articles(known or {})]
    return events, {event.key: event.validators for event in events if not isinstance(event, Trouble)}


def summary(events: list[Event]) -> dict[str, str]:
    """What became of each article: its title, "=" where it is unchanged, or its trouble after "!"."""
    return {
        event.key: event.title
        if isinstance(event, Found)
        else "="
        if isinstance(event, Unchanged)
        else f"!{event.reason}"
        for event in events
    }


def write(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_md", ".md").replace("_csv", ".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def test_files_are_read_once_and_again_only_when_their_text_has_changed(tmp_path: Path, files: ChildPool) -> None:
    write(tmp_path, a_md="# Возврат\n\nЗа 14 дней.", sub__b_md="# Оплата\n\nКартой.")
    source = folder(tmp_path, files)
    first, known = await sync(source)
    assert summary(first) == {"a.md": "Возврат", "sub/b.md": "Оплата"}
    assert isinstance(first[0], Found)
    assert first[0].changed == (tmp_path / "a.md").stat().st_mtime
    assert summary((await sync(source, known))[0]) == {"a.md": "=", "sub/b.md": "="}

    os.utime(tmp_path / "a.md", (1, 1))  # touched: its text is what it was
    write(tmp_path, sub__b_md="# Оплата\n\nНаличными.")
    again, known = await sync(source, known)
    assert summary(again) == {"a.md": "=", "sub/b.md": "Оплата"}
    assert known["a.md"]["stamp"].startswith("1000000000-"), "the next time the file need not be opened"

    older: Validators = {key: {**validators, "reading": "0"} for key, validators in known.items()}
    assert summary((await sync(source, older))[0])["a.md"] == "Возврат", "read anew after an update"


async def test_what_authors_hid_is_read_as_soon_as_it_may_be(tmp_path: Path, files: ChildPool) -> None:
    book = xlsx({"Prices": row(1, "tea", 5), "Purchase": row(1, "cost", 4)}, hidden="Purchase")
    (tmp_path / "a.xlsx").write_bytes(book)
    events, known = await sync(folder(tmp_path, files))
    assert events[1:] == [Trouble("a.xlsx", "hidden_sheets:Purchase")]
    again, known = await sync(folder(tmp_path, files), known)
    assert [type(event) for event in again] == [Unchanged, Trouble], "said again where it is unchanged"
    (event,), _ = await sync(folder(tmp_path, files, SourceLimits(hidden=True)), known)
    assert isinstance(event, Found)
    assert [block.text for block in event.blocks] == ["tea: 5", "cost: 4"]


async def test_hidden_files_and_unknown_formats_are_left_out_and_links_out_of_the_folder_are_refused(
    tmp_path: Path, files: ChildPool
) -> None:
    root, secret = tmp_path / "docs", tmp_path / "secret.md"
    secret.write_text("password")
    write(root, a_md="text a", _git__x_md="x", node_modules__y_md="y", sub__b_md="text b")
    (root / ".hidden.md").write_text("h")
    (root / "photo.jpg").write_bytes(b"\xff\xd8")
    (root / "..secret.md").write_text("hidden too")
    (root / "stolen.md").symlink_to(secret)
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    (root / "round.md").symlink_to(root / "round.md")
    (root / "dangling.md").symlink_to(root / "none.md")
    (root / "same.md").symlink_to(root / "a.md")
    os.mkfifo(root / "pipe.md")
    assert summary((await sync(folder(root, files)))[0]) == {
        "_git/x.md": "x", "a.md": "a", "dangling.md": "!not_found", "round.md": "!not_found", "same.md": "!same:a.md",
        "stolen.md": "!outside", "sub/b.md": "b", "up": "!outside",
    }  # fmt: skip


async def test_what_stands_in_a_folder_that_may_not_be_opened_is_not_gone(tmp_path: Path, files: ChildPool) -> None:
    write(tmp_path, a_md="text a", sub__b_md="text b", sub__c_md="text c")
    _, known = await sync(folder(tmp_path, files))
    (tmp_path / "sub").rename(tmp_path / "away")
    (tmp_path / "sub").symlink_to("/proc")  # as rights do not bind root
    shutil.rmtree(tmp_path / "away")
    assert summary((await sync(folder(tmp_path, files), known))[0]) == {
        "a.md": "=", "sub/b.md": "!outside", "sub/c.md": "!outside",
    }  # fmt: skip


async def test_equal_files_are_read_once_and_named(tmp_path: Path, files: ChildPool) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.md").write_text("one text")
    events, known = await sync(folder(tmp_path, files))
    assert summary(events) == {"00.md": "00"} | {f"{n:02}.md": "!same:00.md" for n in range(1, 30)}
    assert all(event.is_gone for event in events if isinstance(event, Trouble))
    assert summary((await sync(folder(tmp_path, files), known))[0])["29.md"] == "!same:00.md"


async def test_an_faq_is_one_file_with_an_article_for_each_audience(tmp_path: Path, files: ChildPool) -> None:
    write(tmp_path, faq_csv="question,answer,audience\nHow?,So.,\nWhere?,Here.,staff\n")
    source = folder(tmp_path / "faq.csv", files)
    events, known = await sync(source)
    assert [(event.key, event.audience) for event in events if isinstance(event, Found)] == [
        ("faq.csv", ""), ("faq.csv#staff", "staff"),
    ]  # fmt: skip
    assert summary((await sync(source, known))[0]) == {"faq.csv": "=", "faq.csv#staff": "="}
    (tmp_path / "faq.csv").write_bytes(b"\0")
    assert summary((await sync(source, known))[0]) == {"faq.csv": "!broken", "faq.csv#staff": "!broken"}


async def test_a_file_that_hurts_is_a_line_in_the_list_and_the_others_are_read(
    tmp_path: Path, files: ChildPool
) -> None:
    limits = SourceLimits(file=40_000, characters=5_000)
    write(tmp_path, good_md="# Good\n\ntext")
    (tmp_path / "cut.pdf").write_bytes(pdf("text")[:300])
    (tmp_path / "line.txt").write_text("x" * 50_000)
    (tmp_path / "long.txt").write_text("x" * 6_000)
    (tmp_path / "half.pdf").write_bytes(pdf("one", "", ""))
    source = folder(tmp_path, files, limits)
    events, known = await sync(source)
    assert [(event.key, event.reason) for event in events if isinstance(event, Trouble)] == [
        ("cut.pdf", "broken"), ("half.pdf", "no_text:2-3"), ("line.txt", "too_long"),
        ("long.txt", "too_long"),
    ]  # fmt: skip
    assert [event.key for event in events if isinstance(event, Found)] == ["good.md", "half.pdf"]
    assert Trouble("half.pdf", "no_text:2-3") in (await sync(source, known))[0], "said again where it is unchanged"


async def test_a_source_is_read_up_to_its_limits(tmp_path: Path, files: ChildPool) -> None:
    write(tmp_path, a_md="a" * 900, b_md="b" * 900, c_md="c" * 900)
    events, _ = await sync(folder(tmp_path, files, SourceLimits(articles=2)))
    assert list(summary(events).values()) == ["a", "b", "!too_many:1"]
    with pytest.raises(SourceFailed, match="more than 0 MB"):
        await sync(folder(tmp_path, files, SourceLimits(bytes=2_000)))


async def test_a_folder_that_is_not_there_or_is_empty_says_so_instead_of_reporting_that_all_is_gone(
    tmp_path: Path, files: ChildPool
) -> None:
    for path, said in (
        (tmp_path, "no file in it"),
        (tmp_path / "x", "no such file"),
        (Path(__file__ + "c"), "no such"),
    ):
        with pytest.raises(SourceFailed, match=said):
            await sync(folder(path, files))
    (tmp_path / "a.exe").write_text("x")
    with pytest.raises(SourceFailed, match="of this kind"):
        await sync(folder(tmp_path / "a.exe", files))
