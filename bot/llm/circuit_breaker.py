"""A model that fails is left alone for a while: nobody waits for what is known, and nothing hammers a service in need.

`CircuitBreaker` is a `Model` around a `Model`. After five failures in a row, or one refused key, it refuses at once
with the last error; every half minute one request goes through, and the first that is answered ends it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.ai import Chunk, Model, Profile, Request
from bot.clock import Clock
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused, ModelUnavailable

log = logging.getLogger(__name__)

MOST_FAILURES = 5  # in a row
PROBE = 30.0  # seconds between tries of a model that fails
DENIED_PROBE = 60.0  # ... and of one whose key was refused: the operator needs longer


class CircuitBreaker:
    """Raises what the model raises; while it `rests`, that is the error after which it was left alone."""

    def __init__(self, model: Model, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._failures = 0
        self._error: ModelError | None = None  # set while it is left alone
        self._probe = 0.0  # when the next request may go through

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def profile(self) -> Profile:
        return self._model.profile

    @property
    def is_open(self) -> bool:
        """Whether a request would be refused now, without being sent."""
        return self._error is not None and self._clock.monotonic() < self._probe

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        if self._error is not None:
            if self.is_open:
                raise _again(self._error)
            self._probe = self._clock.monotonic() + PROBE  # this one goes through, those that come meanwhile don't
        try:
            async with aclosing(self._model.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (ModelUnavailable, ModelDenied) as error:
            self._failed(error)
            raise
        except (ModelRefused, ContextOverflow):
            self._worked()
            raise
        self._worked()

    def _failed(self, error: ModelError) -> None:
        self._failures += 1
        denied = isinstance(error, ModelDenied)
        if not denied and self._failures < MOST_FAILURES:
            return
        if self._error is None:
            log.error("model %s is left alone, apart from a try now and then: %s", self.name, error)
        self._error = error
        self._probe = self._clock.monotonic() + (DENIED_PROBE if denied else PROBE)

    def _worked(self) -> None:
        if self._error is not None:
            log.warning("model %s answers again", self.name)
        self._failures, self._error = 0, None


def _again(error: ModelError) -> ModelError:
    """The same once more: an error that is raised twice would carry both tracebacks."""
    if isinstance(error, ModelDenied):
        return ModelDenied(str(error), trace=error.trace)
    return ModelUnavailable(str(error), trace=error.trace)
