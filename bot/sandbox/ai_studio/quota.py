"""The quotas of a folder: how many texts may be written at once and how often all else may be called.

Begin with `Quotas.session` and `Quotas.take`. `enabled` switches all quotas off, `limits` changes them. The texts of
the errors are the real ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from bot.clock import Clock
from bot.sandbox.ai_studio.wire import Problem

Limit = tuple[str, int, float]


class Quotas:
    """`sessions` texts may be written at once; `limits` maps a route to rows of (quota, calls, seconds)."""

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.sessions = 10
        self.in_flight = 0
        self.limits: dict[str, tuple[Limit, ...]] = dict(LIMITS)
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold one of the slots for synchronous generation. Raises `Problem` 8 if all are in use."""
        if self.enabled and self.in_flight >= self.sessions:
            raise Problem(8, session_quota(self.sessions))
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def take(self, route: str) -> None:
        """Count a call of a route. Raises `Problem` 8 if the quota is used up."""
        rows = self.limits.get(route, ()) if self.enabled else ()
        for row in rows:
            name, calls, seconds = row
            if len(self._recent(name, seconds)) >= calls:
                raise Problem(8, rate_quota(row))
        for name, _, _ in rows:
            self._calls[name].append(self._clock.monotonic())

    def _recent(self, name: str, seconds: float) -> deque[float]:
        calls = self._calls.setdefault(name, deque())
        while calls and self._clock.monotonic() - calls[0] >= seconds:
            calls.popleft()
        return calls


def session_quota(allowed: int) -> str:
    """The text of the error for too many texts at once; `allowed` is the quota."""
    return f"ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed {allowed} requests"


def rate_quota(limit: Limit) -> str:
    """The error for too many calls in a time."""
    name, calls, _ = limit
    return f"ai.{name}.rate rate quota limit exceed: allowed {calls} requests"


DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
# Recorded are the name of the session quota and the form of the rates' names; the rates' names here follow that form.
LIMITS: dict[str, tuple[Limit, ...]] = {
    "completionAsync": (
        ("textGenerationAsyncRequestsPerSecond", 10, 1.0),
        ("textGenerationAsyncRequestsPerHour", 5_000, HOUR),
    ),
    "imageGenerationAsync": (
        ("imageGenerationRequestsPerMinute", 500, MINUTE),
        ("imageGenerationRequestsPerDay", 5_000, DAY),
    ),
    "textEmbedding": (("textEmbeddingRequestsPerSecond", 10, 1.0),),
    "embeddings": (("textEmbeddingRequestsPerSecond", 10, 1.0),),
    "fewShotTextClassification": (("textClassificationRequestsPerSecond", 1, 1.0),),
    "textClassification": (("textClassificationRequestsPerSecond", 1, 1.0),),
    "tokenize": (("tokenizerRequestsPerSecond", 50, 1.0),),
    "tokenizeCompletion": (("tokenizerRequestsPerSecond", 50, 1.0),),
    "batch": (("textGenerationBatchRunsPerHour", 10, HOUR), ("textGenerationBatchRunsPerDay", 100, DAY)),
    "tuning": (("tuningRunsPerHour", 3, HOUR), ("tuningRunsPerDay", 10, DAY)),
    "operation": (("operationRequestsPerSecond", 50, 1.0),),
}
