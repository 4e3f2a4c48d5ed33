"""The code of a programmer that runs beside conversations: `Program`, which `Extension` holds."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.extension.jobs import OwnJob
from bot.extension.running import Running

Lifespan = Callable[[Running[Any]], AsyncIterator[Any]]


@dataclass(slots=True)
class Program:
    """What runs beside conversations: what is opened at the start (`lifespans`), and jobs by their names."""

    lifespans: list[Lifespan] = field(default_factory=list)
    jobs: dict[str, OwnJob] = field(default_factory=dict)


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
