"""What a disk may look like after a power cut: begin with `Disk.after`.

A write is certainly there when its file was synced afterwards; before that, any subset of the writes may be there,
each whole or in some of its sectors. A new file's name, or a deleted one's absence, is certain when the folder was
synced. This is what POSIX promises, which is less than what file systems do.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEADER = struct.Struct("=c3xIQQd")  # `struct record` of disk.c
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Change:
    what: str
    name: str
    offset: int
    length: int
    data: bytes
    at: float  # monotonic seconds, when it was done


def changes(log: Path) -> Iterator[Change]:
    raw = log.read_bytes()
    place = 0
    while place < len(raw):
        what, name, offset, length, at = HEADER.unpack_from(raw, place)
        place += HEADER.size
        title = raw[place : place + name].decode()
        place += name
        data = raw[place : place + length] if what == b"W" else b""
        place += len(data)
        yield Change(what.decode(), title, offset, length, data, at)


@dataclass
class Disk:
    """`certain` are the contents that no power cut takes; `waiting` what was written since, by file."""

    folder: str
    certain: dict[str, bytes]
    names: set[str]  # that are certainly there
    waiting: dict[str, list[Change]] = field(default_factory=dict)
    unsure: list[Change] = field(default_factory=list)  # names made and taken away since the folder was synced
    told: bytes = b""

    def take(self, change: Change) -> None:
        if change.name.endswith("/told"):
            self.told += change.data
        elif change.what in "CU":
            self.unsure.append(change)
        elif change.what == "S" and change.name == self.folder:
            self.names = self._names(self.unsure)
            self.unsure.clear()
        elif change.what == "S":
            done = self.waiting.pop(change.name, [])
            self.certain[change.name] = _written(self.certain.get(change.name, b""), done, None)
        else:
            self.waiting.setdefault(change.name, []).append(change)

    def cut(self, chance: random.Random | None) -> dict[str, bytes]:
        """The files after a cut. Without `chance` only what is certain, else with some of the rest."""
        unsure = [change for change in self.unsure if chance and chance.random() < 0.5]
        found = {}
        for name in self._names(unsure):
            waiting = [change for change in self.waiting.get(name, []) if chance and chance.random() < 0.5]
            found[name] = _written(self.certain.get(name, b""), waiting, chance)
        return found

    def _names(self, changed: Sequence[Change]) -> set[str]:
        names = set(self.names)
        for change in changed:
            (names.add if change.what == "C" else names.discard)(change.name)
        return names


def _written(content: bytes, todo: Sequence[Change], chance: random.Random | None) -> bytes:
    whole = bytearray(content)
    for change in todo:
        if change.what == "T":
            del whole[change.offset :]
            whole.extend(bytes(change.offset - len(whole)))
            continue
        whole.extend(bytes(max(0, change.offset + len(change.data) - len(whole))))
        torn = chance is not None and chance.random() < 0.3
        for first in range(0, len(change.data), SECTOR if torn else len(change.data)):
            if torn and chance is not None and chance.random() < 0.5:
                continue
            piece = change.data[first : first + SECTOR] if torn else change.data
            whole[change.offset + first : change.offset + first + len(piece)] = piece
    return bytes(whole)
