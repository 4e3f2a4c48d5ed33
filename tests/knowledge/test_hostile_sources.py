"""Sources that are made to hurt cost the bot little memory, and never hold its loop (more of them: the bench)."""

from __future__ import annotations

import asyncio
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.knowledge import hostile_sources
from bot.concurrency.child_pool import ChildPool
from bot.http.guarded import GuardedFetcher
from bot.knowledge.sources.opening import SourceTools, open_source
from bot.knowledge.sources.source import SourceFailed, SourceLimits
from tests.knowledge.test_folder import summary, sync
from tests.knowledge.test_git_source import commit, git
from tests.support.virtual import VirtualClock

pytestmark = pytest.mark.process

MAX_GROWN = 30.0  # MB
MAX_HELD = 0.2  # seconds of the processor, whoever else works


@pytest.mark.parametrize(
    ("name", "outcome", "trouble"),
    [
        ("1.6 million <loc>", "", "not_found"),
        ("a list of 2 million addresses", "", "other_site"),
        ("half a million parts of gzip", "page_other", ""),
        ("robots.txt with stars", "", "not_found"),
        ("a page of 300,000 short lines", "", "too_long"),
        ("trees nine deep", "git_many", ""),
    ],
)
def test_a_hostile_source_takes_little_memory_and_never_holds_the_loop(
    tmp_path: Path, name: str, outcome: str, trouble: str
) -> None:
    cost = hostile_sources.cost(name, tmp_path)
    assert cost.outcome == outcome
    assert trouble in "".join(cost.troubles)
    assert cost.grown < MAX_GROWN
    assert cost.held < MAX_HELD


async def read_with(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, limits: SourceLimits) -> str:
    """Read a repository with a program in the place of git; the code of the failure."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "git"
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    files, fetcher = ChildPool(), GuardedFetcher()
    tools = SourceTools(files=files, fetcher=fetcher, clock=VirtualClock(), cache=tmp_path / "clones", limits=limits)
    try:
        with pytest.raises(SourceFailed) as caught:
            await sync(open_source(f"file://{tmp_path}/x.git", tools))
        return f"{caught.value.why} {caught.value}"
    finally:
        await files.close()
        await fetcher.close()


LISTS = 'case "$*" in *ls-tree*) ;; *) exit 0;; esac; '


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("yes 'remote: wait' | head -c 100000000 >&2; echo 'fatal: no luck' >&2; exit 1", "fatal: no luck"),
        ("yes | head -c 100000000; echo 'fatal: no luck' >&2; exit 1", "fatal: no luck"),
        (LISTS + "yes", "git_many"),
        (LISTS + "tr '\\0' 'a' </dev/zero", "git_many"),
        (LISTS + "while :; do printf '100644 blob abc 1\\ta.png\\0'; done | head -c 2000000", "git_empty"),
    ],
)
async def test_what_git_says_is_bounded_while_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    assert why in await read_with(program, tmp_path, monkeypatch, limits=SourceLimits())


@pytest.mark.parametrize(("command", "begins", "why"), [("ls-tree", "", "git_many"), ("cat-file", "x\n", "git_clone")])
async def test_a_git_that_is_killed_amid_its_words_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, begins: str, why: str
) -> None:
    """asyncio takes a process as ended only when its pipes have been read to their ends."""
    script = tmp_path / "git.py"
    script.write_text(f"""
import fcntl, sys, time
if {command!r} in sys.argv[1]:
    fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)  # so that all of it comes at once
    sys.stdout.write({begins!r} + "a" * 500_000)
    sys.stdout.flush()
    time.sleep(1_000)
elif "ls-tree" in sys.argv[1]:
    sys.stdout.write("100644 blob {"a" * 40} 1\\ta.md\\0")
""")
    program = f'exec {sys.executable} {script} "$*"'
    async with asyncio.timeout(30):
        assert why in await read_with(program, tmp_path, monkeypatch, limits=SourceLimits())


async def test_a_repository_with_odd_entries_is_read_beside_them(tmp_path: Path) -> None:
    repository = tmp_path / "odd.git"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    commit(repository, a_md="# A\n\nOne.")
    for number in range(5):
        (repository / ("d" * 240)).mkdir(exist_ok=True)
        (repository / ("d" * 240) / f"{number}.md").write_text(f"# {number}\n\nText.")
    deep = repository.joinpath(*["p" * 240] * 5)
    deep.mkdir(parents=True)
    (deep / "x.md").write_text("# X\n\nText.")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "change")
    files, fetcher = ChildPool(), GuardedFetcher()
    tools = SourceTools(files=files, fetcher=fetcher, clock=VirtualClock(), cache=tmp_path / "clones")
    found = summary((await sync(open_source(f"file://{repository}", tools)))[0])
    assert found.pop("a.md") == "A"
    assert list(found.values()) == ["0", "1", "2", "3", "4", "!trap"]
    few = replace(tools, limits=SourceLimits(articles=3))
    assert list(summary((await sync(open_source(f"file://{repository}", few)))[0]).values())[-1] == "!too_many:4"
    await files.close()
    await fetcher.close()
