"""A circuit breaker around a model: requests fail at once while the service is down, and don't add to its load.

`CircuitBreaker` is a `Model` around a `Model`. Five failures in a row, or one refused key, open the circuit: requests
raise the last error without being sent. Every half minute one request is sent, and an answer closes the circuit.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.ai import Chunk, Model, Profile, Request
from bot.clock import Clock
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused, ModelUnavailable, StreamCut

log = logging.getLogger(__name__)

MOST_FAILURES = 5  # in a row
PROBE = 30.0  # seconds between requests while the circuit is open
DENIED_PROBE = 60.0  # ... after a refused key, which the operator has to replace


class CircuitBreaker:
    """Raises the errors of `model`; while the circuit is open, the error that opened it.

    `most_failures` in a row open it. `answered` is when the model has answered last (Unix seconds; 0: not yet),
    `version` the version of it that did ("": it was not told).
    """

    def __init__(self, model: Model, clock: Clock, most_failures: int = MOST_FAILURES) -> None:
        self._model = model
        self._most = most_failures
        self.answered = 0.0
        self.version = ""
        self._clock = clock
        self._failures = 0
        self._error: ModelError | None = None  # set while the circuit is open
        self._probe = 0.0  # monotonic time at which the next request is sent

    @property
    def name(self) -> str:
        """The name of the model."""
        return self._model.name

    @property
    def profile(self) -> Profile:
        """The profile of the model."""
        return self._model.profile

    @property
    def is_open(self) -> bool:
        """Whether a request would raise the last error now, without being sent."""
        return self._error is not None and self._clock.monotonic() < self._probe

    @property
    def failure(self) -> str:
        """The error that has opened the circuit, until the model answers again; "" while it works."""
        return str(self._error) or type(self._error).__name__ if self._error is not None else ""

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        """Stream the model's answer, and learn from its errors whether the model works."""
        if self._error is not None:
            if self.is_open:
                raise _again(self._error)
            self._probe = self._clock.monotonic() + PROBE  # this request is sent, the next ones fail meanwhile
        try:
            async with aclosing(self._model.stream(request)) as chunks:
                async for chunk in chunks:
                    self.version = chunk.version or self.version
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
        most = MOST_FAILURES if isinstance(error, StreamCut) else self._most  # one broken stream says little
        if not denied and self._failures < most:
            return
        if self._error is None:
            log.error("model %s is left alone, apart from a try now and then: %s", self.name, error)
        self._error = error
        self._probe = self._clock.monotonic() + (DENIED_PROBE if denied else PROBE)

    def _worked(self) -> None:
        if self._error is not None:
            log.warning("model %s answers again", self.name)
        self._failures, self._error, self.answered = 0, None, self._clock.time()


def _again(error: ModelError) -> ModelError:
    """A copy of an error: an error that is raised twice would carry both tracebacks."""
    if isinstance(error, ModelDenied):
        return ModelDenied(str(error), trace=error.trace)
    return ModelUnavailable(str(error), trace=error.trace)
