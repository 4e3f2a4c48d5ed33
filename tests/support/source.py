"""The source of the project as syntax trees, for tests about the code itself. Begin with `parsed`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, read once a process: all of `bot/` takes a second. Change nothing in it."""
    return ast.parse(path.read_text())
