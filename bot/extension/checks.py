"""Mistakes in the functions of a programmer, told at the line that adds the function."""

from __future__ import annotations

import inspect
from typing import Any


def check_function(run: Any, what: str, *arguments: str) -> None:
    """Raise `TypeError` unless `run` is an async function that can be called with these arguments."""
    expected = f"async def {getattr(run, '__name__', 'name')}({', '.join(arguments)})"
    if not callable(run):
        raise TypeError(f"{what} is made of a function: {expected}, and not of {run!r}")
    called = run if inspect.isroutine(run) else type(run).__call__
    if not (inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called)):
        raise TypeError(f"{what} must be async: {expected}")
    try:
        inspect.signature(run).bind(*arguments)
    except TypeError:
        raise TypeError(f"{what} takes {len(arguments)} argument(s): {expected}") from None
