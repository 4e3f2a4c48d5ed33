"""Settings that code has given: they count more than the environment. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

# The settings of the App that a command of `govorun` works for.
of_app: ContextVar[Callable[[], Mapping[str, Any]]] = ContextVar("of_app", default=dict)
