"""The C library's allocator: what is freed goes back to the system. Nothing happens where it is not glibc."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # M_MMAP_THRESHOLD and M_ARENA_MAX of mallopt(3)
LARGE = 128 << 10  # bytes: glibc's own threshold, before it grows


@cache
def return_freed_memory() -> None:
    """Have blocks of 128 KiB returned to the system when they are freed, and threads that begin now share one arena.

    By default glibc raises its threshold with the first large block and keeps the next ones: 30 MB after three files of
    14 MB. Each thread has an arena, which keeps what was freed there: 8 MB with 100,000 passages. Both together: a
    source of 30 files of 2 million characters takes 29 MB instead of 45.
    """
    _call("mallopt", MMAP_THRESHOLD, LARGE)
    _call("mallopt", ARENA_MAX, 1)


def trim() -> None:
    """Return what is free now: 8 MB after a search in 100,000 passages, for 1.5 ms."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    if (function := _function(name)) is not None:
        function(*arguments)


@cache
def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
