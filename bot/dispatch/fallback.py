"""Third-party handlers (aiogram routers of `Extension.routers`) for updates that no feature handles.

Begin with `Fallback.take`. The limits of the throttle and the inbox apply here, too: an update is done when its handler
has returned, and is handled again if the process dies before.
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


async def _nothing(_: Incoming) -> bool:
    """What routers expect that are not there."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Offers to the programmer's aiogram routers what the bot itself does not handle.

    `feed` passes a raw update (JSON) to them and returns whether one has handled it; None if there are no routers.
    `expects` says whether a message is for them before it is for the model.
    """

    store: Store
    feed: Feed | None = None
    expects: Callable[[Incoming], Awaitable[bool]] = _nothing

    async def take(self, incoming: Incoming, reply: Reply) -> bool:
        """Offer the update to the routers, and end its turn if one handled it. Raises what the handler raises."""
        if self.feed is None or not await self._feed(incoming):
            return False
        await finish_with(self.store, incoming, reply)
        return True

    async def take_expected(self, incoming: Incoming, reply: Reply) -> bool:
        """Offer the routers a message that is for them before it is for the model. Raises what the handler raises."""
        return await self.expects(incoming) and await self.take(incoming, reply)

    async def other(self, incoming: Incoming, reply: Reply) -> None:
        """Offer the routers an update that the bot can't read. A handler's error makes the update a dead letter."""
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
