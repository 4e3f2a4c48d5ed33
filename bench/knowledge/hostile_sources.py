"""`python -m bench.knowledge.hostile_sources`: what sources that are made to hurt cost the process that reads them.

Each is read in a process of its own: by how many MB its memory grows above that of a small source, and how long its
event loop was held at a stretch. Begin with `measure`; `SITES`, `REPOSITORIES` and `FOLDERS` are the sources.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web

from bot.clock import SystemClock
from bot.concurrency.allocator import return_freed_memory
from bot.concurrency.child_pool import ChildPool
from bot.http.guarded import GuardedFetcher
from bot.knowledge.sources.opening import SourceTools, open_source
from bot.knowledge.sources.source import Trouble
from bot.knowledge.sync import Sync
from bot.storage.store import Store
from bot.storage.tables.knowledge import EVERYONE, SOURCES, KnowledgeSource

BOT = 1
SMALL = "# Returns\n\nThe courier takes it back within 14 days."
PEAK, NOW = "VmHWM", "VmRSS"

Pages = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a source has cost: MB of memory beyond those before, seconds for which the loop was held at a stretch.

    `outcome` is the reason of the failure, "" without one; `new` are articles, `troubles` the first ones with reasons.
    """

    grown: float
    held: float
    outcome: str
    new: int
    troubles: list[str]


# --- sites ------------------------------------------------------------------------------------------------------------


def _sitemap(entry: str, count: int) -> bytes:
    return f"<urlset>{entry * count}</urlset>".encode()


def _index(count: int) -> Pages:
    inner = "".join(f"<sitemap><loc>/s{number}.xml</loc></sitemap>" for number in range(count))
    packed = gzip.compress(_sitemap("<loc>a</loc>", 1_600_000))
    return {"/sitemap.xml": f"<sitemapindex>{inner}</sitemapindex>".encode()} | {
        f"/s{number}.xml": packed for number in range(count)
    }


def _robots(text: str, paths: int = 2) -> Pages:
    return {
        "/robots.txt": text.encode(),
        "/sitemap.xml": "".join(
            f"<urlset><loc>/{'a' * 400}{number}</loc></urlset>" for number in range(paths)
        ).encode(),
    }


SITES: dict[str, Callable[[], Pages]] = {
    "1.6 million <loc>": lambda: {"/sitemap.xml": gzip.compress(_sitemap("<loc>a</loc>", 1_600_000))},
    "an index of four of them": lambda: _index(4),
    "200,000 long addresses": lambda: {
        "/sitemap.xml": gzip.compress(
            b"<urlset>"
            + b"".join(f"<loc>/{number:08}/{'x' * 70}</loc>".encode() for number in range(200_000))
            + b"</urlset>"
        )
    },
    "a list of 2 million addresses": lambda: {
        "/sitemap.xml": b"<urlset></urlset> " + b"http://a \n" * 1_100_000,
    },
    "a bomb of gzip": lambda: {"/sitemap.xml": gzip.compress(b"<urlset>" + b" " * (1 << 30))},
    "half a million parts of gzip": lambda: {"/sitemap.xml": gzip.compress(b"") * 500_000},
    "XML of a million levels": lambda: {"/sitemap.xml": b"<urlset>" + b"<a>" * 1_000_000},
    "robots.txt with stars": lambda: _robots(f"User-agent: *\nDisallow: /{'*a' * 30}b\n"),
    "robots.txt with 40,000 rules": lambda: _robots(
        "User-agent: *\n" + "".join(f"Disallow: /{number}*\n" for number in range(25_000))
    ),
    "a page of 12 MB": lambda: {"/sitemap.xml": b"<html><main>" + b"<p>word </p>" * 1_000_000},
    "a page of 300,000 short lines": lambda: {"/sitemap.xml": b"<html><main>" + b"<p>w</p>" * 300_000},
}


@contextmanager
def serving(pages: Pages) -> Iterator[str]:
    """A web server in a process of its own. Yields its address."""
    here, there = os.pipe()
    if not (child := os.fork()):
        try:
            asyncio.run(_serve(pages, there))
        finally:
            os._exit(0)
    os.close(there)
    try:
        with os.fdopen(here) as said:
            yield said.readline().strip()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


async def _serve(pages: Pages, there: int) -> None:
    async def handle(request: web.Request) -> web.Response:
        body = pages.get(request.path)
        if body is None:
            return web.Response(status=404)
        kind = "text/html" if body.startswith(b"<html") else "application/xml"
        return web.Response(body=body, content_type="text/plain" if request.path == "/robots.txt" else kind)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    os.write(there, f"http://127.0.0.1:{runner.addresses[0][1]}\n".encode())
    await asyncio.sleep(600)


# --- repositories and folders -----------------------------------------------------------------------------------------


def _git(folder: Path, *words: str, given: bytes = b"") -> str:
    who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], cwd=folder, input=given, env={**os.environ, **who}, check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode().strip()


def _nested(folder: Path, depth: int = 9, wide: int = 10, name: str = "d") -> None:
    """Trees that name each other: `wide` to the power of `depth` files out of a dozen objects."""
    made = f"100644 blob {_git(folder, 'hash-object', '-w', '--stdin', given=SMALL.encode())}\t{{}}.md"
    for _ in range(depth):
        listed = "".join(f"{made.format(f'{name}{number}')}\n" for number in range(wide))
        made = f"040000 tree {_git(folder, 'mktree', given=listed.encode())}\t{{}}"
    _commit(folder, made.rpartition("\t")[0].split()[2])


def _long_paths(folder: Path) -> None:
    _nested(folder, depth=4, wide=10, name="p" * 250)


def _huge_blobs(folder: Path) -> None:
    blobs = [_git(folder, "hash-object", "-w", "--stdin", given=b"word " * (size << 18)) for size in (15, 300)]
    listed = "".join(f"100644 blob {blob}\t{number}.md\n" for number, blob in enumerate(blobs))
    _commit(folder, _git(folder, "mktree", given=listed.encode()))


def _commit(folder: Path, tree: str) -> None:
    _git(folder, "update-ref", "HEAD", _git(folder, "commit-tree", tree, "-m", "x"))


REPOSITORIES: dict[str, Callable[[Path], None]] = {
    "trees nine deep": _nested,
    "ten thousand long paths": _long_paths,
    "blobs of 19 and 390 MB": _huge_blobs,
}


def _texts(folder: Path) -> None:
    for number in range(30):
        (folder / f"{number}.txt").write_text(f"Слово {number}. " * 170_000)


def _many_files(folder: Path) -> None:
    for number in range(50_000):
        (folder / f"{number}.md").write_text(f"{number}")


def _largest(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"word. " * ((20 << 20) // 6))


def _table(folder: Path) -> None:
    (folder / "a.csv").write_text("a,b\n" * 400_000)


FOLDERS: dict[str, Callable[[Path], None]] = {
    "30 files of 2 million characters": _texts,
    "a file of 20 MB": _largest,
    "a table of 400,000 rows": _table,
    "50,000 files": _many_files,
}

# --- measuring --------------------------------------------------------------------------------------------------------


class Hasty(SystemClock):
    """The time, without the pause between two pages."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def read(address: str, folder: Path) -> Cost:
    """Read a source in this process, after a small one."""
    return_freed_memory()  # as the bot does
    small = folder / "small"
    small.mkdir()
    (small / "a.md").write_text(SMALL)
    files, fetcher = ChildPool(), GuardedFetcher(allow_private=["127.0.0.1/32"])
    tools = SourceTools(files=files, fetcher=fetcher, clock=Hasty(), cache=folder / "clones")
    async with Store.open(f"sqlite+aiosqlite:///{folder / 'kb.db'}", SystemClock()) as store:
        await _sync(store, str(small), tools)
        Path("/proc/self/clear_refs").write_text("5")  # noqa: ASYNC240  the peak begins anew
        before, held = _memory(NOW), [0.0]
        watch = asyncio.create_task(_watch(held))
        outcome, new, troubles = await _sync(store, address, tools)
        watch.cancel()
        grown = _memory(PEAK) - before
    await files.close()
    await fetcher.close()
    return Cost(round(grown, 1), round(held[0], 3), outcome, new, troubles)


async def _sync(store: Store, address: str, tools: SourceTools) -> tuple[str, int, list[str]]:
    row = KnowledgeSource(name=address, kind="folder", address=address, audience=(EVERYONE,))
    number = await store.write(lambda tx: tx.sources.add_source(BOT, row))
    source = await store.read(lambda tx: tx.one(SOURCES, id=number))
    assert source is not None
    try:
        report = await Sync(store=store, bot=BOT).run(source, open_source(address, tools))
    except Exception as error:
        return getattr(error, "why", "") or type(error).__name__, 0, []
    return "", report.new, [f"{_short(one)}" for one in report.troubles[:3]]


def _short(trouble: Trouble) -> str:
    return f"{trouble.key[:20]}: {trouble.reason[:40]}"


async def _watch(held: list[float]) -> None:
    """Note the longest work of the loop between two looks: in processor time, since others may work meanwhile."""
    while True:
        before = time.thread_time()
        await asyncio.sleep(0.01)
        held[0] = max(held[0], time.thread_time() - before)


def _memory(which: str) -> float:
    """MB of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


def start(address: str, folder: Path) -> Cost:
    """Read a source in a new process."""
    words = ("-m", "bench.knowledge.hostile_sources", "--read", address, "--folder", str(folder))
    done = subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE)
    return Cost(**json.loads(done.stdout))


def cost(name: str, folder: Path) -> Cost:
    """What the source of this name costs; `folder` is an empty one."""
    made, work = folder / "made.git", folder / "work"
    for one in (made, work):
        one.mkdir()
    if name in SITES:
        with serving(SITES[name]()) as url:
            return start(f"{url}/sitemap.xml", work)
    if name in FOLDERS:
        FOLDERS[name](made.rename(folder / "made"))
        return start(str(folder / "made"), work)
    _git(made, "init", "--bare", "--quiet")
    REPOSITORIES[name](made)
    return start(f"file://{made}", work)


def measure(part: str) -> None:
    """Print a line for each source whose name has this part."""
    for name in (*SITES, *REPOSITORIES, *FOLDERS):
        if part in name:
            with tempfile.TemporaryDirectory() as created:
                print(f"{name}: {cost(name, Path(created))}", flush=True)


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.hostile_sources", description=__doc__)
parser.add_argument("--only", default="", help="part of a name")
parser.add_argument("--read", default="", help=argparse.SUPPRESS)
parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)

if __name__ == "__main__":
    options = parser.parse_args()
    if options.read:
        print(json.dumps(asdict(asyncio.run(read(options.read, options.folder)))))
    else:
        measure(options.only)
