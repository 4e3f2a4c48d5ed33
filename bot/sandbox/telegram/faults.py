"""Failures of the sandbox's Telegram: random ones of a share of all calls (the sliders of the page), and exact ones of
the next calls (tests). Begin with `Faults.take`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from bot.sandbox.fault_shares import changed_shares
from bot.sandbox.telegram.call import ApiError, too_many

DESCRIPTIONS = {status.value: status.phrase for status in HTTPStatus} | {
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    413: "Request Entity Too Large",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """How a call fails.

    `apply` carries the call out first, so that only the answer is lost. `reset` cuts the connection instead of
    answering. `raw` sends exactly these bytes instead of an HTTP answer and closes. `body` answers with status `code`
    and these bytes. `delay` (seconds) comes first; with `apply` it comes after the call was carried out. With `code` 0
    the call is only delayed. `about` leaves out calls in whose parameters this text does not stand.
    """

    code: int = 500
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    apply: bool = False
    reset: bool = False
    body: bytes = b""
    raw: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    about: str = ""

    @property
    def status(self) -> int:
        """The HTTP status of the answer; 0 if there is none."""
        return 0 if self.reset or self.raw else self.code

    @property
    def fails(self) -> bool:
        """Whether the call fails; False for a fault that only delays."""
        return bool(self.code or self.reset or self.raw)

    @property
    def error(self) -> ApiError:
        """The answer with `ok: false`."""
        parameters = dict(self.parameters)
        if self.code == 429 and not self.description:
            description = too_many(parameters.get("retry_after", 3)).description
            return ApiError(429, description, parameters or {"retry_after": 3})
        description = self.description or DESCRIPTIONS.get(self.code, DESCRIPTIONS[500])
        return ApiError(self.code, description, parameters)


@dataclass(slots=True)
class PlannedFault:
    """A fault of the next `times` calls of a method, in one chat or in any (None). `times` None: until `remove`.

    `hits` is how many calls it has met.
    """

    method: str
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
    """The exact failures in the order in which they were added, and `shares`: 0..1 of all calls, `latency_ms` for each
    call.
    """

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._exact: list[PlannedFault] = []
        self.shares: dict[str, float] = {"flood": 0.0, "error500": 0.0, "reset": 0.0, "latency_ms": 0}

    def add(self, planned: PlannedFault) -> PlannedFault:
        """Add an exact failure and return it."""
        self._exact.append(planned)
        return planned

    def clear(self) -> None:
        """Forget the exact failures and set all shares to 0."""
        self._exact.clear()
        self.shares = dict.fromkeys(self.shares, 0.0)

    def set_shares(self, given: Mapping[str, Any]) -> None:
        """Change some of the shares. Raises `ValueError` for an unknown name or a number out of range."""
        self.shares = changed_shares(self.shares, given, {"latency_ms": 60_000.0})

    def take(self, method: str, chat_id: int | None, given: object = "") -> Fault | None:
        """Return the fault that a call with the parameters `given` gets, or None. An exact failure counts this call as
        one of its hits.
        """
        self._exact = [planned for planned in self._exact if not planned.spent]
        for planned in self._exact:
            is_meant = planned.method.lower() in {method.lower(), "*"} and planned.chat_id in {None, chat_id}
            if is_meant and planned.fault.about in str(given):
                planned.hits += 1
                return planned.fault
        return self._by_chance(method)

    def _by_chance(self, method: str) -> Fault | None:
        throw = self._random.random()
        for name, code in (("flood", 429), ("error500", 500), ("reset", 0)):
            if throw < self.shares[name]:
                wait = {"retry_after": self._random.randint(1, 3)} if name == "flood" else {}
                return Fault(code, parameters=wait, reset=name == "reset")
            throw -= self.shares[name]
        return None
