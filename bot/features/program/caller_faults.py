"""Tells what the caller of an endpoint has broken from what its function has: `fault_of`; counts it: `Refusals`."""

from __future__ import annotations

import json
import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.clock import Clock
from bot.errors import UserError
from bot.telemetry.metrics import Metrics

if TYPE_CHECKING:  # 2 MB, loaded with the first request
    from aiohttp import web

log = logging.getLogger(__name__)

MINUTE = 60.0
JSON_TYPES = ("json", "text/plain", "application/octet-stream")  # of bodies that may be JSON, as far as their type says


@dataclass(slots=True, kw_only=True)
class Refusals:
    """Counts requests that were refused for what their callers did, and writes a line about them at most once a
    minute: strangers can't fill the log.
    """

    metrics: Metrics
    clock: Clock
    _waiting: Counter[int] = field(init=False, default_factory=Counter)
    _next_line: float = field(init=False, default=0.0)

    def add(self, status: int) -> None:
        """Count a request that is answered with this status."""
        self.metrics.endpoint_refusals.labels(str(status)).inc()
        self._waiting[status] += 1
        now = self.clock.monotonic()
        if now >= self._next_line:
            told = ", ".join(f"{count} with {status}" for status, count in sorted(self._waiting.items()))
            log.warning("requests to App.http were refused: %s", told)
            self._waiting.clear()
            self._next_line = now + MINUTE


def fault_of(error: Exception, request: web.Request) -> tuple[int, str]:
    """The status and the sentence for an error that the caller has made; status 0 for one of the function.

    The caller's are `UserError` and `ValueError`, and all that was raised while the request was read.
    """
    if not _in_reading(error):
        return (400, str(error)) if isinstance(error, UserError | ValueError) else (0, "")
    if isinstance(error, TimeoutError):
        return 408, "the body did not come in time"
    if type(error) is LookupError:
        return 415, "the encoding of the body is not known: send UTF-8"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) and not _may_be_json(request.content_type):
        return 415, f"the body is read as JSON and its Content-Type is {request.content_type}: send application/json"
    if isinstance(error, AssertionError):  # aiohttp's, of a body that is no multipart
        return 415, f"the body is read in parts: send multipart/form-data, not {request.content_type}"
    if isinstance(error, UserError | ValueError):
        return 400, str(error)
    return 400, "the body can't be read: it is broken, was cut off, or nests too deep"


def _may_be_json(content_type: str) -> bool:
    return any(part in content_type for part in JSON_TYPES)


def _in_reading(error: BaseException) -> bool:
    """Whether an error comes out of code that reads requests."""
    from aiohttp import multipart, web_request

    from bot.http import asgi

    reading = {module.__file__ for module in (multipart, web_request, asgi, json, json.decoder)}
    return any(name in reading for name in _files(error))


def _files(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from (frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
        error = error.__cause__
