"""Messages that wait behind an answer, made visible: one notice a conversation, with "send now" and "drop".

The notice is a convenience: it is made when a message has waited for a while, deleted when nothing waits any more, and
not kept over a restart. What waits is in the inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.clock import Clock
from bot.features import Feature, Press
from bot.outbox import put_over, settle
from bot.storage.buttons import Action
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Kind, Outgoing, Reply, Transport


class Queue(Protocol):
    """What `middleware.InOrder` knows."""

    def waits(self, incoming: Incoming) -> bool: ...

    def drop(self, address: Address, user: int) -> Sequence[Incoming]: ...


@dataclass(slots=True)
class Waiting:
    """`after`: seconds that a message waits before its notice; 0: there is none. `stop` ends an address's answer."""

    store: Store
    clock: Clock
    transport: Transport
    tasks: asyncio.TaskGroup
    after: float
    stop: Callable[[str], bool]
    queue: Queue | None = None
    _notices: dict[str, str] = field(default_factory=dict)  # the keys of their deliveries, "" until they are made

    def feature(self) -> Feature:
        return Feature(presses={"queue.now": Press(self.press_now), "queue.drop": Press(self.press_drop)})

    def queued(self, incoming: Incoming) -> None:
        """A message stands behind an answer."""
        tells = self.after and incoming.private and incoming.kind is Kind.MESSAGE
        if tells and incoming.address.key not in self._notices:
            self._notices[incoming.address.key] = ""
            self.tasks.create_task(self._tell(incoming))

    def empty(self, address: Address) -> None:
        """Nothing waits there any more."""
        if notice := self._notices.pop(address.key, ""):
            self.tasks.create_task(self._remove(address, notice))

    async def _tell(self, incoming: Incoming) -> None:
        where, user, key = incoming.address, incoming.user.id, f"{incoming.id}.wait"
        await self.clock.sleep(self.after)
        if self.queue is None or not self.queue.waits(incoming):
            self._notices.pop(where.key, None)
            return

        def work(tx: Tx) -> None:
            language = tx.chats.choices(where).language_for(incoming.user)
            labels = (("queue.now", "queue.now"), ("queue.drop", "queue.drop"))
            row = tuple(tx.buttons.add(where, key, user, say(language, label), act) for label, act in labels)
            notice = Outgoing(say(language, "queue.waits"), plain=True, buttons=(row,), reply_to=incoming.message_id)
            tx.deliveries.add(key, where, notice)

        await self.store.patiently(lambda: self.store.write(work))
        if where.key in self._notices:
            self._notices[where.key] = key
        await self.transport.reply(where, incoming.id).finish()
        if where.key not in self._notices:  # it was over while the notice was on its way
            await self._remove(where, key)

    async def _remove(self, address: Address, notice: str) -> None:
        def work(tx: Tx) -> None:
            if ids := tx.deliveries.ids(address, notice):
                tx.deliveries.over(f"{notice}.gone", address, ids)
                tx.deliveries.add(f"{notice}.gone", address, Outgoing(gone=True))

        await self.store.patiently(lambda: self.store.write(work))
        await self.transport.reply(address, notice).finish()

    async def press_now(self, incoming: Incoming, reply: Reply, _action: Action) -> None:
        """What is being written ends here, with what there is of it; what waits is next."""
        self.stop(incoming.address.key)
        await settle(self.store, incoming, reply)

    async def press_drop(self, incoming: Incoming, reply: Reply, _action: Action) -> None:
        dropped = self.queue.drop(incoming.address, incoming.user.id) if self.queue is not None else ()
        self._notices.pop(incoming.address.key, None)

        def work(tx: Tx) -> None:
            language = tx.chats.choices(incoming.address).language_for(incoming.user)
            for one in dropped:
                tx.updates.done(one.ids)
            put_over(tx, incoming, Outgoing(say(language, "queue.dropped", count=len(dropped)), plain=True))

        await self.store.write(work)
        await reply.finish()
