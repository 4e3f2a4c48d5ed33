"""A part of many cases, another one with each commit: what is too long for every push is tried over several."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def turn(parts: int) -> int:
    """Whose turn it is, 0 to `parts` - 1: the hash of the checked-out commit decides, so that a run can be repeated.

    `TEST_TURN` (a number) chooses one.
    """
    return _number() % parts


def by_turns(cases: Sequence[T], parts: int) -> Sequence[T]:
    """Every n-th case, beginning with the one whose turn it is; with `TEST_TURN=all` each of them."""
    return cases if everything() else cases[turn(parts) :: parts]


def everything() -> bool:
    """Whether all parts are wanted at once: `TEST_TURN=all`, which is what `make long` gives."""
    return os.environ.get("TEST_TURN") == "all"


@cache
def _number() -> int:
    chosen = os.environ.get("TEST_TURN", "")
    command = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False).stdout
    return int(chosen) if chosen.isdecimal() else int(found.strip() or "0", 16)
