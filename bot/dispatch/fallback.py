"""Third-party handlers (aiogram routers of `Extension.routers`) for updates that no feature handles.

Begin with `Fallback.take`. The limits of the throttle and the inbox apply here, too: an update is done when its handler
has returned, and is handled again if the process dies before.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from bot.errors import Lost, StorageUnavailable
from bot.outbox import dead_letter, finish, finish_turn
from bot.ports import Reply, RouterRows
from bot.storage.store import Store, Tx
from bot.types import Incoming

log = logging.getLogger(__name__)

Feed = Callable[[str], Awaitable[bool]]


class Changed(Protocol):
    """What handlers have changed of their dialogues, to be stored with the end of the turn."""

    @property
    def rows(self) -> RouterRows:
        """The states and data of dialogues."""
        ...


async def _nothing(_: Incoming) -> bool:
    """What routers expect that are not there."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Offers to the programmer's aiogram routers what the bot itself does not handle.

    `feed` passes a raw update (JSON) to them and returns whether one has handled it; None if there are no routers.
    `expects` says whether a message is for them before it is for the model. `gathering` keeps what they change of their
    dialogues for the transaction that ends the turn.
    """

    store: Store
    feed: Feed | None = None
    expects: Callable[[Incoming], Awaitable[bool]] = _nothing
    gathering: Callable[[], AbstractContextManager[Changed | None]] = nullcontext

    async def take(self, incoming: Incoming, reply: Reply) -> bool:
        """Offer the update to the routers, and end its turn if one handled it. Raises what the handler raises."""
        if self.feed is None:
            return False
        with self.gathering() as changed:
            handled = await self._feed(incoming)
            if handled:
                await self._finish(incoming, reply, changed)
            elif changed is not None and changed.rows:
                await self.store.write(lambda tx: tx.router_states.write(changed.rows))
        return handled

    async def take_expected(self, incoming: Incoming, reply: Reply) -> bool:
        """Offer the routers a message that is for them before it is for the model. Raises what the handler raises."""
        return await self.expects(incoming) and await self.take(incoming, reply)

    async def other(self, incoming: Incoming, reply: Reply) -> None:
        """Offer the routers an update that the bot can't read. A handler's error makes the update a dead letter."""
        with self.gathering() as changed:
            try:
                await self._feed(incoming)
            except (StorageUnavailable, Lost):
                raise
            except Exception as error:  # the boundary around code that is not ours
                log.exception("turn %s: a router failed; its update is set aside", incoming.id)
                await dead_letter(self.store, incoming, f"a router failed: {type(error).__name__}")
                return
            await self._finish(incoming, reply, changed)

    async def _finish(self, incoming: Incoming, reply: Reply, changed: Changed | None) -> None:
        def work(tx: Tx) -> None:
            if changed is not None:
                tx.router_states.write(changed.rows)
            finish_turn(tx, incoming)

        await finish(self.store, reply, work)

    async def _feed(self, incoming: Incoming) -> bool:
        def begin(tx: Tx) -> list[str]:
            tx.inbox.mark_begun(incoming.ids)
            return [tx.inbox.read_raw(row) for row in incoming.ids]

        handled = [self.feed is not None and await self.feed(raw) for raw in await self.store.write(begin) if raw]
        return any(handled)
