"""A git repository as a source: `GitRepository`. It needs the program `git`.

The newest commit alone is fetched, into a bare repository of our own, and files are read out of it as objects. Nothing
is ever checked out, so no hook, filter, submodule or symbolic link of the repository can do anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from bot.errors import FetchFailed, SourceFailed
from bot.http.guarded import GuardedFetcher
from bot.knowledge.sources.files import FileReader, KnownFiles, found_in
from bot.knowledge.sources.folder import SKIPPED
from bot.knowledge.sources.reading import can_read
from bot.knowledge.sources.source import Event, Known, Seen, SourceLimits, Trouble, failure

SECONDS, LISTING, OPENING = 600.0, 60.0, 60.0  # for git to fetch a repository, to list its files, to open one
LARGEST_PACK = 1 << 30  # bytes that it may have, pictures and all
MEMORY = 2 << 30  # bytes of addresses that git may use: small packs can be made to unpack for ever
MAX_FILES = 200_000  # that a repository lists: trees that name each other nine deep are a billion
MAX_LISTING = 32 << 20  # bytes of their list
LONGEST_PATH = 1_000  # characters of a file that is read
PIECE = 1 << 16  # bytes that are read of git at once
TAIL = 4_096  # bytes of the end of what it says
HEAD = "refs/govorun/head"
HOST = re.compile(r"[a-z0-9_.:-]++(?<!\.)")
REF = re.compile(r"[\w.@+][\w./@+-]*")
OPTIONS = (
    "core.hooksPath=/dev/null", "credential.helper=", "http.followRedirects=false", "fetch.recurseSubmodules=false",
    "gc.autoDetach=false", "gc.pruneExpire=now", "core.packedGitWindowSize=16m", "core.packedGitLimit=256m",
    "core.bigFileThreshold=16m", "pack.threads=1",
)  # fmt: skip
PASSED_ON = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")  # of the environment
BLOBS = {"github.com": "blob/HEAD", "gitlab.com": "-/blob/HEAD"}  # where a person reads a file
FILES = ("100644", "100755")  # modes: no symbolic links, no submodules


class GitRepository:
    """The files of a branch or tag `ref` ("": the default branch) in the folder `under`, by https or file://.

    Clones are kept in the folder `cache`.
    """

    def __init__(
        self, url: str, *, files: FileReader, limits: SourceLimits, fetcher: GuardedFetcher, cache: Path,
        under: str = "", ref: str = "",
    ) -> None:  # fmt: skip
        if urlsplit(url).scheme not in ("https", "file"):
            raise failure("git_scheme")
        if ref and (not REF.fullmatch(ref) or ".." in ref):
            raise failure("git_ref", ref=ref)
        if under.startswith("/") or ".." in PurePosixPath(under).parts:
            raise failure("git_under", folder=under)
        self._url = url
        self._files = files
        self._limits = limits
        self._fetcher = fetcher
        self._folder = cache / hashlib.sha256(url.encode()).hexdigest()[:16]
        self._under = under.strip("/")
        self._ref = ref or "HEAD"

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        """Fetch the newest commit and read what has changed in it. Raises `SourceFailed`."""
        await self._fetch()
        entries, more = await self._entries()
        seen, files = Seen(self._limits), KnownFiles(known, self._limits)
        when = await self._changed() if known else None
        async with self._objects() as objects:
            for entry in entries:
                async for event in self._file(entry, files, seen, objects, when):
                    for one in files.spread(event):
                        yield one
        if more:
            yield Trouble(self._under, f"too_many:{more}")

    async def _file(
        self, entry: _Entry, files: KnownFiles, seen: Seen, objects: Process, when: float | None
    ) -> AsyncIterator[Event]:  # fmt: skip
        key = entry.path
        if len(key) > LONGEST_PATH or not entry.size.isdigit():
            yield Trouble(key, "trap" if entry.size.isdigit() else "broken")
        elif twin := seen.twin(entry.blob, key):
            yield Trouble(key, f"same:{twin}")
        elif files.validators(key).get("blob") == entry.blob:
            for event in files.unchanged(key, seen):
                yield event
        elif int(entry.size) > self._limits.file:
            yield Trouble(key, "too_long")
        else:
            seen.add(int(entry.size))
            articles = await self._files.read(await _object(objects, entry.blob), key)
            if isinstance(articles, str):
                yield Trouble(key, articles)
                return
            for event in found_in(articles, key, seen, {"blob": entry.blob}, url=self._page(key), changed=when):
                yield event

    async def _fetch(self) -> None:
        url, pinned = await self._pinned() if urlsplit(self._url).scheme == "https" else (self._url, ())
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / "HEAD").exists():
            await self._git("init", "--bare", "--quiet")
        await self._git(*pinned, "fetch", "--quiet", "--depth=1", "--no-tags", "--force", url, f"+{self._ref}:{HEAD}")

    async def _pinned(self) -> tuple[str, Sequence[str]]:
        """The address as git is given it, and the options that let it connect to the checked addresses only.

        The host is in the letters of the name service: curl writes names in other letters in its own way, would not
        find them among those that were checked, and would look them up again.
        """
        parts = urlsplit(self._url)
        try:
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port or 443
            if not HOST.fullmatch(host):
                raise self._failed("host")
            found = await self._fetcher.addresses(host, port)
        except FetchFailed:
            raise self._failed("private") from None
        except (OSError, ValueError):  # nobody knows the host, or it can't be one
            raise self._failed("host") from None
        addresses = ",".join(f"[{one}]" if ":" in one else one for one in found)
        person = "".join(parts.netloc.rpartition("@")[:2])
        where = f"{person}[{host}]:{port}" if ":" in host else f"{person}{host}:{port}"
        return urlunsplit((parts.scheme, where, *parts[2:])), ("-c", f"http.curloptResolve={host}:{port}:{addresses}")

    async def _entries(self) -> tuple[list[_Entry], int]:
        """The files to read, in the order of their paths, and how many there are beside them."""
        where = ("--", f"{self._under}/") if self._under else ()
        found: list[_Entry] = []
        more = 0
        async with self._running("ls-tree", "-r", "-z", "--long", "--full-tree", HEAD, *where, seconds=LISTING) as out:
            async for line in self._lines(out):
                if (entry := _entry(line)) is None:
                    continue
                if len(found) < self._limits.articles:
                    found.append(entry)
                else:
                    more += 1
        if not found:
            raise self._failed("empty", folder=self._under or "/")
        return found, more

    async def _lines(self, out: StreamReader) -> AsyncIterator[str]:
        """What git lists, piece by piece. Raises `SourceFailed` where it is too much."""
        size, count, waiting = 0, 0, b""
        while piece := await out.read(PIECE):
            *lines, waiting = (waiting + piece).split(b"\0")
            size, count = size + len(piece), count + len(lines)
            if count > MAX_FILES or size > MAX_LISTING or len(waiting) > PIECE:
                raise self._failed("many", most=MAX_FILES)
            for line in lines:
                yield line.decode("utf-8", "replace")

    async def _changed(self) -> float | None:
        """The Unix time of the commit, None where it has none that can be."""
        said = await self._git("log", "-1", "--format=%ct", HEAD)
        return float(said) if re.fullmatch(r"\s*\d{1,10}\s*", said) else None

    async def _git(self, *arguments: str) -> str:
        """The end of what git says. Raises `SourceFailed` with its own last words."""
        async with self._running(*arguments, seconds=SECONDS) as out:
            return await _tail(out)

    @asynccontextmanager
    async def _running(self, *arguments: str, seconds: float) -> AsyncIterator[StreamReader]:
        """A git whose output is read inside. Raises `SourceFailed` with its last words, or where it takes longer."""
        process = await self._started(*arguments)
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  both are pipes
        words = asyncio.create_task(_tail(process.stderr))
        try:
            async with asyncio.timeout(seconds):
                yield process.stdout
                await process.wait()
        except TimeoutError:
            raise self._failed("slow", minutes=round(seconds / 60)) from None
        finally:
            await _end(process)
            said = await words
        if process.returncode:
            raise self._failed("says", line=(said.strip().splitlines() or [f"status {process.returncode}"])[-1])

    @asynccontextmanager
    async def _objects(self) -> AsyncIterator[Process]:
        """A git that is asked for one object after the other."""
        process = await self._started("cat-file", "--batch")
        try:
            yield process
        finally:
            await _end(process)

    async def _started(self, *arguments: str) -> Process:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
            "HOME": str(self._folder), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "GIT_ALLOW_PROTOCOL": "https:file",
            "GIT_DIR": str(self._folder),
        }  # fmt: skip
        options = [word for option in OPTIONS for word in ("-c", option)]
        limited = ("sh", "-c", f'ulimit -f {LARGEST_PACK // 512}; ulimit -v {MEMORY // 1024}; exec "$@"', "sh")
        try:
            return await asyncio.create_subprocess_exec(
                *limited, "git", *options, *arguments, cwd=self._folder, env=environment, start_new_session=True,
                stdin=PIPE if arguments[0] == "cat-file" else DEVNULL, stdout=PIPE,
                stderr=DEVNULL if arguments[0] == "cat-file" else PIPE,
            )  # fmt: skip
        except OSError as error:
            raise self._failed("start", reason=error.strerror) from None

    def _failed(self, why: str, **values: object) -> SourceFailed:
        """Without the password that an address may have."""
        parts = urlsplit(self._url)
        shown = self._url.replace(f"{parts.netloc.rpartition('@')[0]}@", "") if "@" in parts.netloc else self._url
        if "line" in values:
            said = str(values["line"]).replace(self._url, shown).rstrip(".")
            values["line"] = re.sub(r"//[^/@\s]+@", "//", said)
        return failure(f"git_{why}", address=shown, **values)

    def _page(self, path: str) -> str:
        """Where a person reads a file, "" where nobody knows."""
        parts = urlsplit(self._url)
        blob = BLOBS.get(parts.hostname or "")
        return f"https://{parts.hostname}{parts.path.removesuffix('.git')}/{blob}/{path}" if blob else ""


class _Entry(NamedTuple):
    path: str
    blob: str
    size: str  # "BAD" of an object that is not there


def _entry(line: str) -> _Entry | None:
    """A line of git's list, None where it is no file to read."""
    head, _, path = line.partition("\t")
    mode, _, blob, size = head.split()
    if mode not in FILES or not can_read(path):
        return None
    if any(part.startswith(".") or part in SKIPPED for part in PurePosixPath(path).parts):
        return None
    return _Entry(path[: LONGEST_PATH + 1], blob, size)


async def _object(process: Process, blob: str) -> bytes:
    """The bytes of a file, by its hash."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  both are pipes
    try:
        async with asyncio.timeout(OPENING):
            process.stdin.write(f"{blob}\n".encode())
            await process.stdin.drain()
            size = int((await process.stdout.readline()).split()[2])
            data = io.BytesIO()  # `readexactly` would hold the file twice
            while data.tell() < size and (piece := await process.stdout.read(min(PIECE, size - data.tell()))):
                data.write(piece)
            await process.stdout.readexactly(1)
            return data.getvalue()
    except (IndexError, ValueError, TimeoutError, OSError, asyncio.IncompleteReadError):
        raise failure("git_clone") from None


async def _tail(stream: StreamReader) -> str:
    """The end of what a program writes, however much that is."""
    end = b""
    while piece := await stream.read(PIECE):
        end = (end + piece)[-TAIL:]
    return end.decode("utf-8", "replace")


async def _end(process: Process) -> None:
    """Kill git and what it has started, if it still runs.

    The rest of its words is read: asyncio takes a process as ended only when its pipes have been read to their ends.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        if process.stdout is not None:
            await _tail(process.stdout)
        await process.wait()
