"""A git repository as a source: `GitRepository`. It needs the program `git`.

The newest commit alone is fetched, into a bare repository of our own, and files are read out of it as objects. Nothing
is ever checked out, so no hook, filter, submodule or symbolic link of the repository can do anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
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

SECONDS = 600.0  # for git to fetch a repository
LARGEST_PACK = 1 << 30  # bytes that it may have, pictures and all
HEAD = "refs/govorun/head"
HOST = re.compile(r"[a-z0-9_.-]*[a-z0-9_-]|[0-9a-f:]+[0-9a-f:.]*")
REF = re.compile(r"[\w.@+][\w./@+-]*")
OPTIONS = (
    "core.hooksPath=/dev/null", "credential.helper=", "http.followRedirects=false", "fetch.recurseSubmodules=false",
    "gc.autoDetach=false", "gc.pruneExpire=now",
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
        entries = await self._entries()
        seen, files = Seen(self._limits), KnownFiles(known, self._limits)
        when = float(await self._git("log", "-1", "--format=%ct", HEAD)) if known else None
        async with self._objects() as objects:
            for entry in entries[: self._limits.articles]:
                async for event in self._file(entry, files, seen, objects, when):
                    for one in files.spread(event):
                        yield one
        if (more := len(entries) - self._limits.articles) > 0:
            yield Trouble(self._under, f"too_many:{more}")

    async def _file(
        self, entry: _Entry, files: KnownFiles, seen: Seen, objects: Process, when: float | None
    ) -> AsyncIterator[Event]:  # fmt: skip
        key = entry.path
        if twin := seen.twin(entry.blob, key):
            yield Trouble(key, f"same:{twin}")
        elif files.validators(key).get("blob") == entry.blob:
            for event in files.unchanged(key, seen):
                yield event
        elif entry.size > self._limits.file:
            yield Trouble(key, "too_long")
        else:
            seen.add(entry.size)
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

    async def _entries(self) -> list[_Entry]:
        """The files, sorted by their paths."""
        where = ("--", f"{self._under}/") if self._under else ()
        listed = await self._git("ls-tree", "-r", "-z", "--long", "--full-tree", HEAD, *where)
        found = []
        for line in filter(None, listed.split("\0")):
            (mode, _, blob, size), path = line.partition("\t")[0].split(), line.partition("\t")[2]
            parts = PurePosixPath(path).parts
            hidden = any(part.startswith(".") or part in SKIPPED for part in parts)
            if mode in FILES and not hidden and can_read(path):
                found.append(_Entry(path, blob, int(size)))
        if not found:
            raise self._failed("empty", folder=self._under or "/")
        return sorted(found)

    async def _git(self, *arguments: str) -> str:
        """What git says. Raises `SourceFailed` with its own last words."""
        process = await self._started(*arguments)
        try:
            async with asyncio.timeout(SECONDS):
                out, error = await process.communicate()
        except TimeoutError:
            raise self._failed("slow", minutes=round(SECONDS / 60)) from None
        finally:
            await _end(process)
        if process.returncode:
            lines = error.decode("utf-8", "replace").strip().splitlines() or [f"status {process.returncode}"]
            raise self._failed("says", line=lines[-1])
        return out.decode("utf-8", "replace")

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
        limited = ("sh", "-c", 'ulimit -f "$0"; exec "$@"', str(LARGEST_PACK // 512))
        try:
            return await asyncio.create_subprocess_exec(
                *limited, "git", *options, *arguments, cwd=self._folder, env=environment, start_new_session=True,
                stdin=PIPE if arguments[0] == "cat-file" else DEVNULL, stdout=PIPE, stderr=PIPE,
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
    size: int


async def _object(process: Process, blob: str) -> bytes:
    """The bytes of a file, by its hash."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  both are pipes
    process.stdin.write(f"{blob}\n".encode())
    await process.stdin.drain()
    try:
        size = int((await process.stdout.readline()).split()[2])
        return (await process.stdout.readexactly(size + 1))[:-1]
    except (IndexError, ValueError, asyncio.IncompleteReadError):
        raise failure("git_clone") from None


async def _end(process: Process) -> None:
    """Kill git and what it has started, if it still runs."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
