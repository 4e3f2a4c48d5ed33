"""The events of the sandbox in one numbered stream, and a journal of calls. Begin with `Hub`.

All parts of the sandbox publish here; the page reads `after(seq)` and tests wait with `wait_for`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from bot.clock import Clock, SystemClock
from bot.sandbox.guard import Json

T = TypeVar("T")

RING = 2_000
JOURNAL = 500
MAX_LETTERS = 2_000
SECRETS = frozenset(
    """
    token secret_token authorization x-api-key api_key certificate jwt access_token iamtoken
    yandexpassportoauthtoken
    """.split()
)


class Hub:
    """Numbers events and keeps the last 2,000 of them, and the last 500 lines of the journal."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._ring: deque[Json] = deque(maxlen=RING)
        self._journal: deque[Json] = deque(maxlen=JOURNAL)
        self._waiters: set[asyncio.Future[None]] = set()
        self._entries = 0
        self.seq = 0

    def publish(self, type: str, **data: Any) -> int:
        """Add an event and wake all who wait. Returns its number."""
        self.seq += 1
        self._ring.append({"seq": self.seq, "type": type, **data})
        self.touch()
        return self.seq

    def journal(
        self,
        lane: str,
        name: str,
        *,
        chat_id: int | None = None,
        status: int = 200,
        ms: float = 0.0,
        summary: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one line of the journal. `lane` is "update", "call" or "model"; `ms` are milliseconds.

        Long strings in `detail` are cut and values named like a secret are replaced by "…".
        """
        self._entries += 1
        entry = {
            "n": self._entries,
            "at": self._clock.time(),
            "lane": lane,
            "name": name,
            "chat_id": chat_id,
            "status": status,
            "ms": round(ms, 1),
            "summary": summary[:200],
            "detail": presentable(detail or {}),
        }
        self._journal.append(entry)
        self.publish("journal", entry=entry)

    def entries(self) -> list[Json]:
        """The last 500 lines of the journal, oldest first."""
        return list(self._journal)

    def after(self, seq: int) -> list[Json] | None:
        """The events after number `seq`, oldest first; None if some of them are no longer kept."""
        if seq > self.seq or (self._ring and seq < self._ring[0]["seq"] - 1):
            return None
        missing = self.seq - seq
        return list(islice(self._ring, len(self._ring) - missing, None))

    def touch(self) -> None:
        """Wake all who wait without adding an event."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self) -> None:
        """Wait for the next event."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float = 60.0) -> T:
        """Call `predicate` after every event and return its first true value. Raises `TimeoutError` after `timeout`
        real seconds.
        """
        async with asyncio.timeout(timeout):
            while not (found := predicate()):
                await self.changed()
            return found


def presentable(value: Any, name: str = "") -> Any:
    """`value` for the journal: without secrets, with long strings cut and bytes counted. `name` is the name of the
    field.
    """
    if name.lower() in SECRETS:
        return "…"
    if isinstance(value, str):
        return value if len(value) <= MAX_LETTERS else f"{value[:MAX_LETTERS]}… ({len(value)} characters)"
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {str(key): presentable(item, str(key)) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [presentable(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
