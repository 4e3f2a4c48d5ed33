"""Back-pressure: the live view of an answer holds back what a model writes between two frames. Begin with `Flow`.

Reading every piece of a stream by itself wakes the event loop twice and goes through ten layers, fifty times a second:
a third of an answer's CPU. So what arrives between two frames of the view stays in the connection, and all of it is
read at once when the next frame is made.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Source(Protocol):
    """A connection that can keep what arrives from its reader."""

    def hold(self) -> None:
        """Hold arriving data back from the reader until `release`."""

    def release(self) -> float:
        """Give the reader what was held back. Returns for how many seconds the oldest byte was held back (0.0: there
        was none).
        """


class Flow:
    """Connects the live view of one answer with the connections over which models write it."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._holds = False

    def attach(self, source: Source) -> None:
        """Let the view hold back a source, from now until `detach`."""
        self._sources.append(source)
        if self._holds:
            source.hold()

    def detach(self, source: Source) -> None:
        """Release a source for good. Raises `ValueError` for one that is not attached."""
        self._sources.remove(source)
        source.release()

    def hold(self) -> None:
        """Hold back all sources: the view can show nothing new for now."""
        self._holds = True
        for source in self._sources:
            source.hold()

    def release(self) -> float:
        """Let all sources hand over what they held back, because the view makes a frame or ends. Returns the longest
        time (seconds) that data has waited.
        """
        self._holds = False
        return max((source.release() for source in self._sources), default=0.0)


# The flow of the live view that was begun last in this task or in the one that started it. A view that has ended has
# released its flow and never holds it again, so one that is left over is harmless.
current: ContextVar[Flow | None] = ContextVar("flow", default=None)
