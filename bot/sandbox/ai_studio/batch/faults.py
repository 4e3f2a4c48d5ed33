"""Failures of datasets, batch runs and tuning that a test or a person causes, by name. Begin with `BatchFaults`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Status = Literal["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAUTHENTICATED", "HANG"]
Lasting = Literal[
    "shuffled",  # a result has its rows in another order,
    "missing",  # lacks each third row,
    "doubled",  # has each third row twice,
    "unknown",  # has a row that nobody asked,
    "column",  # has its answers in a column of another name
    "failed_rows",  # each third row fails: a line error, and no row
    "stays_pending",  # a run never begins
    "new_status",  # a pending run has a status that no stub of today knows
    "fails",  # a run, or a tuning, fails in the middle
    "expired",  # addresses of uploads and downloads have expired when they are given
]


@dataclass(frozen=True, slots=True)
class CallFault:
    """A failure of one call: its gRPC status, or "HANG" for no answer at all. `applied`: the call takes effect first,
    so that only its answer is lost.
    """

    status: Status
    applied: bool = False
    message: str = "a failure on purpose"


class BatchFaults:
    """Decides which calls fail: single planned failures (`fail_next`), and failures that last until they are switched
    off (`lasting`, names of `Lasting`).

    What was created in the last `list_lag` seconds is not in lists yet.
    """

    def __init__(self) -> None:
        self.list_lag = 0.0
        self._lasting: set[str] = set()
        self._plan: list[tuple[str, CallFault]] = []

    @property
    def lasting(self) -> frozenset[str]:
        """The names of the failures that are switched on."""
        return frozenset(self._lasting)

    def switch(self, name: Lasting, *, on: bool = True) -> None:
        """Begin or end a lasting failure. Raises `ValueError` for an unknown name."""
        if name not in get_args(Lasting):
            raise ValueError(f"there is no failure {name!r}; known: {', '.join(get_args(Lasting))}")
        (self._lasting.add if on else self._lasting.discard)(name)

    def fail_next(
        self, method: str, status: Status = "UNAVAILABLE", *, applied: bool = False, times: int = 1, message: str = ""
    ) -> None:
        """Let the next `times` calls of a method ("DatasetService.Create", or "*" for any) fail."""
        fault = CallFault(status, applied)
        self._plan += [(method, replace(fault, message=message) if message else fault)] * times

    @property
    def planned(self) -> int:
        """How many planned failures no call has met yet."""
        return len(self._plan)

    def pick(self, method: str) -> CallFault | None:
        """Return the failure that this call of a method gets, None if it does not fail. A planned
        failure is used up.
        """
        for index, (name, fault) in enumerate(self._plan):
            if name in (method, "*"):
                del self._plan[index]
                return fault
        return None
