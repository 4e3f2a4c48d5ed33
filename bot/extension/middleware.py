"""Middleware that a programmer adds: functions around everything that a person can do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.extension.commands import Answer, Reply
from bot.types import Incoming

# The rest of the way of an update: what it returns is to be returned.
Next = Callable[[Incoming, Reply], Awaitable[Answer]]
Middleware = Callable[[Incoming, Reply, Next], Awaitable[Answer]]
