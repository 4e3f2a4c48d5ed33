"""Turns of the addresses of a chat: one delivery at a time, and no address stands twice in the line."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from bot.types import Address


class Turns:
    """Lets one task at a time deliver to a chat, its topics included; its addresses come in the order of asking.

    A topic into which much is written would have a turn for each message otherwise, and the others would starve.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}  # by chat
        self._users: Counter[str] = Counter()  # tasks that deliver to each chat, or wait for that
        self._queued: dict[Address, asyncio.Future[bool]] = {}  # who waits for the address; True: it has delivered

    def is_busy(self, address: Address) -> bool:
        """Whether a delivery to the chat of an address is under way or waits for its turn."""
        return self._users[address.chat_key] > 0

    async def take(self, address: Address, deliver: Callable[[], Awaitable[None]]) -> None:
        """Call `deliver` when it is the turn of an address. If another task waits for the same turn, it delivers for
        both, and this returns when that is done; if it fails, this goes on in its place.
        """
        while (ahead := self._queued.get(address)) is not None:
            if await asyncio.shield(ahead):
                return
        key = address.chat_key
        turn = self._queued[address] = asyncio.get_running_loop().create_future()
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        is_delivered = False
        try:
            async with lock:
                del self._queued[address]
                await deliver()
                is_delivered = True
        finally:
            if self._queued.get(address) is turn:
                del self._queued[address]
            turn.set_result(is_delivered)
            self._users[key] -= 1
            if not self._users[key]:
                del self._locks[key], self._users[key]
