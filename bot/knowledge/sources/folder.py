"""A folder, or one file, as a source: `Folder`. A file is known by its time and size, and proven by its SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

from bot.knowledge.sources.files import FileReader, KnownFiles, found_in
from bot.knowledge.sources.reading import can_read
from bot.knowledge.sources.source import Event, Known, Seen, SourceLimits, Trouble, failure

SKIPPED = ("node_modules", "__pycache__")


class Folder:
    """The files of a folder and of the folders in it, or one file.

    Hidden ones and those of unknown formats are left out. A symbolic link is followed to a file inside the folder
    only, so that what stands elsewhere on the machine never gets into answers.
    """

    def __init__(self, path: Path, files: FileReader, limits: SourceLimits) -> None:
        self._path = path
        self._files = files
        self._limits = limits

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        """Read the files in the order of their names. Raises `SourceFailed`, also for a folder without any file."""
        entries, more = await asyncio.to_thread(self._entries)
        seen, files = Seen(self._limits), KnownFiles(known, self._limits)
        for entry in entries:
            async for event in self._file(entry, files, seen):
                for one in files.spread(event):
                    yield one
        if more:
            yield Trouble(self._path.name, f"too_many:{more}")

    async def _file(self, entry: _Entry, files: KnownFiles, seen: Seen) -> AsyncIterator[Event]:
        key, known = entry.key, files.validators(entry.key)
        if entry.problem:
            for name in files.below(key) or [key]:
                yield Trouble(name, entry.problem)
            return
        loaded: _Loaded | None = None
        if entry.stamp and entry.stamp == known.get("stamp"):
            sha, validators = known["sha"], dict(known)
        else:
            try:
                loaded = await asyncio.to_thread(_load, entry, self._limits.file)
            except OSError as error:
                yield Trouble(key, "denied" if isinstance(error, PermissionError) else "not_found")
                return
            if loaded.data is None:
                yield Trouble(key, "too_long")
                return
            seen.add(len(loaded.data))
            sha, validators = loaded.sha, {"stamp": loaded.stamp, "sha": loaded.sha}
        if twin := seen.twin(sha, key):
            yield Trouble(key, f"same:{twin}")
        elif loaded is None or loaded.data is None or sha == known.get("sha"):
            for event in files.unchanged(key, seen, validators):
                yield event
        else:
            articles = await self._files.read(loaded.data, key)
            if isinstance(articles, str):
                yield Trouble(key, articles)
                return
            for event in found_in(articles, key, seen, validators, changed=loaded.changed):
                yield event

    def _entries(self) -> tuple[list[_Entry], int]:
        """The files to read, sorted by their paths, and how many there are beside them."""
        try:
            root = self._path.resolve(strict=True)
            if not root.is_dir():
                if not can_read(root.name):
                    raise failure("format", path=str(self._path))
                return [_entry(self._path.name, root)], 0
            count = itertools.count()
            found = heapq.nsmallest(
                self._limits.articles, (entry for entry, _ in zip(_walk(root), count, strict=False))
            )
        except OSError as error:
            why = {FileNotFoundError: "missing", PermissionError: "denied"}.get(type(error), "other")
            raise failure(f"path_{why}", path=str(self._path)) from None
        if not found:
            raise failure("no_file", path=str(self._path))
        return found, next(count) - len(found)


class _Entry(NamedTuple):
    key: str
    path: str
    stamp: str
    problem: str


class _Loaded(NamedTuple):
    data: bytes | None  # None: too long
    sha: str
    stamp: str
    changed: float


def _walk(root: Path) -> Iterator[_Entry]:
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        try:
            inside = os.scandir(folder)
        except PermissionError:
            if folder == str(root):
                raise
            yield _Entry(_key(folder, root), folder, "", "denied")
            continue
        for one in inside:
            if one.name.startswith(".") or one.name in SKIPPED:
                continue
            if one.is_dir(follow_symlinks=False):
                waiting.append(one.path)
            elif one.is_symlink():
                if entry := _linked(one.path, root):
                    yield entry
            elif one.is_file(follow_symlinks=False) and can_read(one.name):
                yield _entry(_key(one.path, root), Path(one.path))


def _linked(path: str, root: Path) -> _Entry | None:
    """A symbolic link: the file that it leads to, a problem, or None where it is left out."""
    key = _key(path, root)
    try:
        target = Path(path).resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or to itself
        return _Entry(key, path, "", "not_found") if can_read(path) else None
    if not target.is_relative_to(root):
        return _Entry(key, path, "", "outside")
    return _entry(key, target) if target.is_file() and can_read(target.name) else None


def _entry(key: str, path: Path) -> _Entry:
    try:
        return _Entry(key, str(path), _stamp(path.stat()), "")
    except OSError:  # it went meanwhile
        return _Entry(key, str(path), "", "not_found")


def _load(entry: _Entry, most: int) -> _Loaded:
    """The bytes of a file, which may have been replaced by a link or a pipe since it was listed."""
    with open(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        before = os.fstat(file.fileno())
        data = file.read(most + 1) if stat.S_ISREG(before.st_mode) else b""
        is_steady = _stamp(before) == _stamp(os.fstat(file.fileno()))
    return _Loaded(
        data if len(data) <= most else None, hashlib.sha256(data).hexdigest(), _stamp(before) if is_steady else "",
        before.st_mtime,
    )  # fmt: skip


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}"


def _key(path: str, root: Path) -> str:
    """The path in the folder; a byte that is no UTF-8 can't be stored."""
    return os.fsencode(os.path.relpath(path, root)).decode("utf-8", "replace")
