"""Failures of all servers of the sandbox, in one table: planned ones (tests), random ones (the sliders of the page) and
lasting ones (its switches). Begin with `Faults.take`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from aiohttp import web

Cut = Literal["", "reset", "fin", "clean", "short"]
GrpcStatus = Literal["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAUTHENTICATED", "HANG"]
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
class Fault:
    """A failure of one call instead of its answer.

    `status` is the HTTP status; inside a stream, which began with 200, it is the code of an error line; a gRPC call
    gets the status that belongs to it. `cut` breaks the connection: `reset` (RST), `fin` (closed in the middle of a
    chunked body), `short` (closed before Content-Length was reached) or `clean` (a complete body without the end of the
    answer). `hang`: nothing more is sent. `raw` sends exactly these bytes instead of an HTTP answer and closes. A text
    `body` is sent as it is, a mapping as JSON. `apply` carries the request out first, so that only its answer is lost;
    of a stream the last piece is lost. With `after_chunks` the failure comes after so many pieces of the body, -1
    meaning all but the last.

    `delay` (seconds) comes first, or with `apply` after the call was carried out. `about` leaves out calls in whose
    parameters this text does not stand. `description` and `parameters` are those of the Bot API's errors, and
    `description` the message of gRPC's.
    """

    status: int = 0
    body: str | bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_chunks: int | None = None
    cut: Cut = ""
    hang: bool = False
    apply: bool = False
    raw: bytes = b""
    delay: float = 0.0
    about: str = ""
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fails(self) -> bool:
        """Whether the call fails; False for a fault that only delays."""
        return bool(self.status or self.cut or self.raw or self.hang or self.body)


@dataclass(slots=True)
class PlannedFault:
    """A fault of the next `times` calls of a route, in one chat or in any (None). `times` None: until `remove`.

    `hits` is how many calls it has met.
    """

    route: str
    fault: Fault
    times: int | None = 1
    chat_id: int | None = None
    hits: int = field(default=0, init=False)

    def remove(self) -> None:
        """End the fault."""
        self.times = self.hits

    @property
    def spent(self) -> bool:
        """Whether the fault has met as many calls as it should."""
        return self.times is not None and self.hits >= self.times


class Faults:
    """Decides which call gets which fault: planned ones in the order in which they were added, then random ones.

    `shares` are the probabilities of random faults, `latency_ms` and `slow` apart. `lasting` are the names of failures
    that are switched on. What was created in the last `list_lag` seconds is not in lists yet. Routes are methods of
    the Bot API, paths of AI Studio ("completion") or methods of gRPC ("DatasetService.Create").
    """

    def __init__(self, shares: Mapping[str, float], chance: random.Random) -> None:
        self.shares = dict(shares)
        self.lasting: set[str] = set()
        self.list_lag = 0.0
        self._chance = chance
        self._planned: list[PlannedFault] = []

    def add(self, planned: PlannedFault) -> PlannedFault:
        """Add a planned failure and return it."""
        self._planned.append(planned)
        return planned

    def fail_next(
        self, method: str, status: GrpcStatus = "UNAVAILABLE", *, applied: bool = False, times: int = 1
    ) -> PlannedFault:
        """Make the next `times` calls of a method of gRPC ("*": of any route) fail with a status by its name, or "HANG"
        for no answer at all. `applied`: the call takes effect first, so that only its answer is lost.
        """
        fault = Fault(GRPC_STATUSES.get(status, 0), hang=status == "HANG", apply=applied)
        return self.add(PlannedFault(method, fault, times))

    @property
    def planned(self) -> int:
        """How many calls the planned failures have not met yet."""
        return sum(one.times - one.hits for one in self._planned if one.times is not None)

    def clear(self) -> None:
        """Forget the planned failures and set all shares to 0."""
        self._planned.clear()
        self.shares = dict.fromkeys(self.shares, 0.0)

    def set_shares(self, given: Mapping[str, Any]) -> dict[str, float]:
        """Change some of the shares and return all. Raises `ValueError` for an unknown name or a wrong number."""
        for name, value in given.items():
            top = MAX_SHARES.get(name, 1.0)
            if name not in self.shares:
                raise ValueError(f"there is no fault {name!r}; known: {', '.join(self.shares)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
                raise ValueError(f"{name} must be a number from 0 to {top:g}")
        self.shares |= given
        return dict(self.shares)

    def switch(self, name: Lasting, *, on: bool = True) -> None:
        """Begin or end a lasting failure. Raises `ValueError` for an unknown name."""
        if name not in get_args(Lasting):
            raise ValueError(f"there is no failure {name!r}; known: {', '.join(get_args(Lasting))}")
        (self.lasting.add if on else self.lasting.discard)(name)

    def take(
        self,
        route: str,
        chat_id: int | None = None,
        given: object = "",
        *,
        streams: bool = False,
        chance: bool = True,
    ) -> Fault | None:
        """The fault that a call with the parameters `given` gets, or None. A planned failure counts the call as one of
        its hits. `streams`: the answer is a stream, which can be cut in the middle.
        """
        self._planned = [planned for planned in self._planned if not planned.spent]
        for planned in self._planned:
            is_meant = planned.route.lower() in {route.lower(), "*"} and planned.chat_id in {None, chat_id}
            if is_meant and planned.fault.about in str(given):
                planned.hits += 1
                return replace(planned.fault, after_chunks=-1) if planned.fault.apply and streams else planned.fault
        return self._draw(streams=streams) if chance else None

    def happens(self, name: str) -> bool:
        """Decide by chance whether a random fault happens now, with the probability that its share sets."""
        share = self.shares.get(name, 0.0)
        return share > 0 and self._chance.random() < share

    def _draw(self, *, streams: bool) -> Fault | None:
        for name, fault in CHANCES.items():
            if self.happens(name):
                wait, chunks = self._chance.randint(1, 3), self._chance.randrange(1, 12)
                return replace(
                    fault,
                    parameters={"retry_after": wait} if fault.status == 429 else {},
                    after_chunks=chunks if fault.cut and streams else None,
                )
        return None


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection with RST: data that was sent and not yet read is lost."""
    if transport is not None and (raw := transport.get_extra_info("socket")) is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def reset_all(runner: web.BaseRunner | None) -> int:
    """Reset all connections of a server, with requests in progress too. Returns how many there were."""
    server = runner.server if runner else None
    found = [one.transport for one in (server.connections if server else ()) if one.transport is not None]
    for transport in found:
        reset(transport)
    return len(found)


GRPC_STATUSES = {
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAUTHENTICATED": 401,
}
MAX_SHARES = {"latency_ms": 60_000.0, "slow": 1e6}  # of what is no probability
# The random faults by the names of the sliders; each server has some of them.
CHANCES = {
    "flood": Fault(429),
    "quota429": Fault(429),
    "error500": Fault(500),
    "reset": Fault(cut="reset"),
    "cut": Fault(cut="reset"),
}
TELEGRAM_SHARES = {"flood": 0.0, "error500": 0.0, "reset": 0.0, "latency_ms": 0.0}
STUDIO_SHARES = {"quota429": 0.0, "error500": 0.0, "cut": 0.0, "latency_ms": 0.0, "slow": 1.0, "filter": 0.0}
