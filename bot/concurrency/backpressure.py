"""How a view that shows a few frames a second holds back what a model writes meanwhile. Begin with `Flow`.

A piece that is read by itself wakes the event loop twice and goes through ten layers, fifty times a second; a third of
an answer's CPU. So what arrives between two frames stays where it arrived and is read at once when the next is made.
"""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """Where something arrives. `hold` keeps it from who reads, `release` returns for how many seconds it did so."""

    def hold(self) -> None: ...

    def release(self) -> float: ...


class Flow:
    """Between the view of a turn and the streams that are read for it."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._holds = False

    def attach(self, source: Source) -> None:
        self._sources.append(source)
        if self._holds:
            source.hold()

    def detach(self, source: Source) -> None:
        self._sources.remove(source)
        source.release()

    def hold(self) -> None:
        """Nothing more can be shown for now."""
        self._holds = True
        for source in self._sources:
            source.hold()

    def want(self) -> float:
        """Something can be shown again: who reads goes on. Returns for how many seconds the first of it has waited."""
        self._holds = False
        return max((source.release() for source in self._sources), default=0.0)
