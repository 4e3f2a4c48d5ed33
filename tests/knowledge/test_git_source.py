"""Git repositories as sources, and how a source is opened by its address."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.concurrency.child_pool import ChildPool
from bot.http.guarded import GuardedFetcher
from bot.knowledge.sources.opening import SourceTools, kind_of, open_source
from bot.knowledge.sources.source import Found, SourceFailed, SourceLimits
from tests.knowledge.test_folder import summary, sync, write
from tests.support.table import table
from tests.support.virtual import VirtualClock

pytestmark = pytest.mark.process


def git(folder: Path, *arguments: str, when: int = 1_700_000_000) -> str:
    date = f"{when} +0000"
    environment = {
        **os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date,
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c",
    }  # fmt: skip
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()  # fmt: skip


def commit(repository: Path, when: int = 1_700_000_000, **texts: str) -> None:
    write(repository, **texts)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "change", when=when)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A handbook, and what a hostile author might put beside it."""
    found = tmp_path / "handbook.git"
    found.mkdir()
    git(found, "init", "-q", "-b", "main")
    (found / "link.md").symlink_to("/etc/hostname")
    (found / "etc").symlink_to("/etc")
    (found / ".gitattributes").write_text("*.md filter=evil\n")
    (found / ".gitmodules").write_text('[submodule "s"]\n path = s\n url = file:///etc\n')
    (found / "picture.png").write_bytes(b"\x89PNG")
    commit(
        found, docs__a_md="# Возврат\n\nЗа 14 дней.", docs__b_md="# Оплата\n\nКартой.", README_md="# Handbook\n\nHi."
    )
    return found


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[SourceTools]:
    files, fetcher = ChildPool(), GuardedFetcher()
    yield SourceTools(files=files, fetcher=fetcher, clock=VirtualClock(), cache=tmp_path / "clones")
    await files.close()
    await fetcher.close()


async def test_a_repository_is_read_as_objects_and_only_what_a_commit_changed_is_read_again(
    repository: Path, tools: SourceTools
) -> None:
    source = open_source(f"file://{repository}", tools)
    first, known = await sync(source)
    assert summary(first) == {"README.md": "Handbook", "docs/a.md": "Возврат", "docs/b.md": "Оплата"}
    assert summary((await sync(source, known))[0]) == dict.fromkeys(("README.md", "docs/a.md", "docs/b.md"), "=")

    (repository / "docs/b.md").unlink()
    commit(repository, 1_800_000_000, docs__a_md="# Возврат\n\nЗа 30 дней.", docs__c_md="# Handbook\n\nHi.")
    again, _ = await sync(source, known)
    assert summary(again) == {"README.md": "=", "docs/a.md": "Возврат", "docs/c.md": "c"} | {
        "docs/c.md": "!same:README.md"
    }
    assert [event.changed for event in again if isinstance(event, Found)] == [1_800_000_000]
    (clone,) = tools.cache.iterdir()
    assert not (clone / "docs").exists(), "nothing is checked out"


async def test_a_folder_and_a_branch_of_a_repository_are_read(repository: Path, tools: SourceTools) -> None:
    git(repository, "checkout", "-qb", "next/2")
    commit(repository, docs__a_md="# Обмен\n\nЗа 14 дней.")
    git(repository, "checkout", "-q", "main")
    address = f"file://{repository}"
    assert summary((await sync(open_source(address, tools, under="docs/", ref="next/2")))[0]) == {
        "docs/a.md": "Обмен", "docs/b.md": "Оплата",
    }  # fmt: skip
    assert "docs/a.md" in summary((await sync(open_source(address, tools, under="docs")))[0])


async def test_a_repository_is_read_up_to_its_limits(repository: Path, tools: SourceTools) -> None:
    commit(repository, docs__long_md="x" * 3_000)
    few = replace(tools, limits=SourceLimits(articles=3, file=2_000))
    found = summary((await sync(open_source(f"file://{repository}", few, under="docs")))[0])
    assert found == {"docs/a.md": "Возврат", "docs/b.md": "Оплата", "docs/long.md": "!too_long"}
    one = replace(tools, limits=SourceLimits(articles=1))
    assert list(summary((await sync(open_source(f"file://{repository}", one)))[0]).values()) == [
        "Handbook",
        "!too_many:3",
    ]


async def test_a_repository_that_can_not_be_fetched_says_why_without_its_password(
    repository: Path, tools: SourceTools
) -> None:
    cases: Sequence[tuple[str, str, str]] = [
        (f"file://{repository}", "no-such-branch", "couldn't find remote ref"),
        (f"file://{repository}-gone", "", "git says"),
        ("https://user:secret@127.0.0.1/x.git", "", "private network"),
        ("https://user:secret@no-such-host.invalid/x.git", "", "nobody knows its host"),
    ]
    for address, ref, said in cases:
        with pytest.raises(SourceFailed, match=said) as caught:
            await sync(open_source(address, tools, ref=ref))
        assert "secret" not in str(caught.value)


async def test_git_connects_to_the_address_that_was_checked(tools: SourceTools) -> None:
    connected = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "git.invalid" else []

    fetcher = GuardedFetcher(allow_private=["127.0.0.1/32"], lookup=lookup)
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SourceFailed, match="git says"):
            await sync(open_source(f"https://git.invalid:{port}/x.git", replace(tools, fetcher=fetcher)))
    assert connected.is_set()
    await fetcher.close()


async def test_git_looks_up_no_name_itself_however_it_is_written(tools: SourceTools) -> None:
    connected, asked = asyncio.Event(), []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    async def lookup(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = GuardedFetcher(allow_private=["127.0.0.1/32"], lookup=lookup)
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for host in ("straße.invalid", "сайт.invalid", "GIT。invalid"):
            connected.clear()
            with pytest.raises(SourceFailed, match="git says"):
                await sync(open_source(f"https://me@{host}:{port}/x.git", replace(tools, fetcher=fetcher)))
            assert connected.is_set(), host
        for host in ("127.0.0.1\\.invalid", "a%2einvalid", "git.invalid.", f"git.invalid:{port}0000"):
            with pytest.raises(SourceFailed, match="nobody knows"):
                await sync(open_source(f"https://{host}/x.git", replace(tools, fetcher=fetcher)))
    assert asked == ["strasse.invalid", "xn--80aswg.invalid", "git.invalid"]
    await fetcher.close()


@table(
    ("address", "options", "said"),
    [
        ("ssh://git@host/x.git", {}, "https:// or file:// only"),
        ("git@github.com:org/x.git", {}, "https:// or file:// only"),
        ("http://host/x.git", {}, "https:// or file:// only"),
        ("https://host/x.git", {"ref": "--upload-pack=touch"}, "no name of a branch"),
        ("https://host/x.git", {"ref": "a..b"}, "no name of a branch"),
        ("https://host/x.git", {"under": "../etc"}, "--under"),
        ("https://host/x.git", {"under": "/etc"}, "--under"),
        ("https://host/x.git", {"only": "/a"}, "--only says nothing"),
        ("docs/", {"ref": "main"}, "--ref says nothing"),
        ("vector-store:fvt1", {"only": "/x"}, "--only says nothing"),
    ],
)
def test_what_can_not_be_a_source_is_refused_when_it_is_opened(
    tmp_path: Path, address: str, options: dict[str, str], said: str
) -> None:
    fetcher = GuardedFetcher()
    tools = SourceTools(files=ChildPool(), fetcher=fetcher, clock=VirtualClock(), cache=tmp_path)
    with pytest.raises(SourceFailed, match=said):
        open_source(address, tools, **options)


@table(
    ("address", "kind"),
    [
        ("docs", "folder"), ("/srv/faq.csv", "folder"), ("https://a.b/help", "web"), ("http://a.b/sitemap.xml", "web"),
        ("https://github.com/org/x.git", "git"), ("file:///srv/x", "git"), ("vector-store:x", "vector-store"),
    ],
)  # fmt: skip
def test_the_address_says_of_which_kind_a_source_is(address: str, kind: str) -> None:
    assert kind_of(address) == kind
