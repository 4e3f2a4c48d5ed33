"""What a file may do to the process that opens it. These functions run in child processes."""

from __future__ import annotations

import ctypes
import os
import time


def size(data: bytes) -> dict[str, int]:
    return {"size": len(data), "process": os.getpid()}


def doubled(data: bytes, times: int = 2) -> bytes:
    return data * times


def raises(data: bytes) -> None:
    raise LookupError(data)


def spins(data: bytes) -> None:
    while data:
        pass


def waits(data: bytes, mark: str = "") -> None:
    if mark:
        os.mkfifo(mark)  # a file could not be written
    time.sleep(600)


def eats(data: bytes) -> int:
    kept = []
    while data:
        kept.append(bytearray(1 << 20))
    return len(kept)


def crashes(data: bytes) -> None:
    ctypes.string_at(0)


def leaves(data: bytes) -> None:
    os._exit(0)


def surroundings(data: bytes) -> list[str]:
    return sorted(os.environ)


def writes(data: bytes, path: str) -> None:
    with open(path, "wb") as file:
        file.write(data)
