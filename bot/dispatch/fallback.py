"""Handlers that are not ours, for updates that mean nothing to us: mounted beside, behind the same door and inbox.

Begin with `Fallback.take`. An update is done when its handler has returned; one that was being handled when the process
died is handled again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.errors import Lost, StorageUnavailable
from bot.outbox import dead_letter, finish_with
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.types import Incoming

log = logging.getLogger(__name__)

Feed = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """`feed` gives them a raw update and says whether one of them had a handler for it; None: there are none."""

    store: Store
    feed: Feed | None = None

    async def take(self, incoming: Incoming, reply: Reply) -> bool:
        """End the turn if one of them has a handler for it. Raises what the handler raises."""
        if self.feed is None or not await self._feed(incoming):
            return False
        await finish_with(self.store, incoming, reply)
        return True

    async def other(self, incoming: Incoming, reply: Reply) -> None:
        """What only they may have a meaning for: nobody waits for an answer, so a failure is for the operator."""
        try:
            await self._feed(incoming)
        except (StorageUnavailable, Lost):
            raise
        except Exception as error:  # the boundary around code that is not ours
            log.exception("turn %s: a router failed; its update is set aside", incoming.id)
            await dead_letter(self.store, incoming, f"a router failed: {type(error).__name__}")
            return
        await finish_with(self.store, incoming, reply)

    async def _feed(self, incoming: Incoming) -> bool:
        def begin(tx: Tx) -> list[str]:
            tx.inbox.mark_begun(incoming.ids)
            return [tx.inbox.read_raw(row) for row in incoming.ids]

        handled = [self.feed is not None and await self.feed(raw) for raw in await self.store.write(begin) if raw]
        return any(handled)
