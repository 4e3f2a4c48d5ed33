"""Failures of the sandbox's Telegram on purpose. Begin with `Faults.take`.

There are two kinds: random failures of a share of all calls (the sliders of the page), and exact failures of the next
calls (tests).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DESCRIPTIONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}


@dataclass(slots=True)
class Fault:
    """How calls of a method fail, and how many of them (`times` None: until `remove`).

    `apply` carries the call out first, so that only the answer is lost. `reset` cuts the connection instead of
    answering. `raw` sends exactly these bytes instead of an HTTP answer and closes. `body` answers with status `code`
    and these bytes. `delay` (seconds) comes first; with `apply` it comes after the call was carried out. With `code` 0
    the call is only delayed. `about` leaves out calls in whose parameters this text does not stand.
    """

    method: str
    code: int = 500
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1
    chat_id: int | None = None
    apply: bool = False
    reset: bool = False
    body: bytes = b""
    raw: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    about: str = ""
    hits: int = 0

    @property
    def fails(self) -> bool:
        """Whether the call fails; False for a fault that only delays."""
        return bool(self.code or self.reset or self.raw)

    def remove(self) -> None:
        """End the fault."""
        self.times = self.hits

    @property
    def spent(self) -> bool:
        """Whether the fault has met as many calls as it should."""
        return self.times is not None and self.hits >= self.times

    def answer(self) -> dict[str, Any]:
        """The JSON body with `ok: false`."""
        parameters = dict(self.parameters)
        description = self.description or DESCRIPTIONS.get(self.code, "Internal Server Error")
        if self.code == 429 and not self.description:
            parameters = parameters or {"retry_after": 3}
            description = f"Too Many Requests: retry after {parameters.get('retry_after', 3)}"
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": description}
        return {**body, "parameters": parameters} if parameters else body


class Faults:
    """The exact failures in the order in which they were added, and `shares`: 0..1 of all calls, `latency_ms` for each
    call.
    """

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._exact: list[Fault] = []
        self.shares: dict[str, float] = {"flood": 0.0, "error500": 0.0, "reset": 0.0, "latency_ms": 0}

    def add(self, fault: Fault) -> Fault:
        """Add an exact failure and return it."""
        self._exact.append(fault)
        return fault

    def clear(self) -> None:
        """Forget the exact failures and set all shares to 0."""
        self._exact.clear()
        self.shares = dict.fromkeys(self.shares, 0.0)

    def set_shares(self, given: Mapping[str, Any]) -> None:
        """Change some of the shares. Raises `ValueError` for an unknown name or a number out of range."""
        changed = dict(self.shares)
        for name, value in given.items():
            top = 60_000.0 if name == "latency_ms" else 1.0
            known = name in changed and isinstance(value, int | float) and not isinstance(value, bool)
            if not known or not 0 <= value <= top:
                raise ValueError(
                    f"{name} must be a number from 0 to {top:g}" if name in changed else f"no fault {name}"
                )
            changed[name] = value
        self.shares = changed

    def take(self, method: str, chat_id: int | None, given: object = "") -> Fault | None:
        """The fault that a call with the parameters `given` meets, or None. An exact failure counts the call as one of
        its hits.
        """
        self._exact = [fault for fault in self._exact if not fault.spent]
        for fault in self._exact:
            is_meant = fault.method.lower() in {method.lower(), "*"} and fault.chat_id in {None, chat_id}
            if is_meant and fault.about in str(given):
                fault.hits += 1
                return fault
        return self._by_chance(method)

    def _by_chance(self, method: str) -> Fault | None:
        throw = self._random.random()
        for name, code in (("flood", 429), ("error500", 500), ("reset", 0)):
            if throw < self.shares[name]:
                wait = {"retry_after": self._random.randint(1, 3)} if name == "flood" else {}
                return Fault(method, code, parameters=wait, reset=name == "reset")
            throw -= self.shares[name]
        return None
