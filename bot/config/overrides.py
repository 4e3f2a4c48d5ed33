"""Settings that code has given: they count more than the environment. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any


class Given(dict[str, Any]):
    """Settings by their names. `place` is where the code gives them, as "shop.py:12: "; "" if nobody knows."""

    place: str = ""


# The settings of the App that a command of `govorun` works for, or that is started.
of_app: ContextVar[Callable[[], Given]] = ContextVar("of_app", default=Given)
