"""The inbox and the outbox as a transport sees them (`types.Inbox`, `types.Outbox`): each call is a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from bot.storage.store import Store, Tx
from bot.types import Address, Delivery, Received


class StoredInbox:
    def __init__(self, store: Store) -> None:
        self.store = store

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str]]) -> Sequence[Received]:
        async def work(tx: Tx) -> list[Received]:
            added = [await tx.updates.add(bot, *update) for update in updates]
            return [row for row in added if row is not None]

        return await self.store.write(work)

    async def open(self, bot: int) -> Sequence[Received]:
        async def work(tx: Tx) -> Sequence[Received]:
            await tx.updates.count_attempts(bot)
            return await tx.updates.open(bot)

        return await self.store.write(work)

    async def done(self, ids: Sequence[int]) -> None:
        await self.store.write(lambda tx: tx.updates.done(ids))

    async def quarantine(self, id: int, reason: str) -> None:
        await self.store.write(lambda tx: tx.updates.bury(id, reason))


class StoredOutbox:
    def __init__(self, store: Store) -> None:
        self.store = store

    async def waiting(self, bot: int) -> Sequence[Address]:
        async with self.store.read() as tx:
            return await tx.deliveries.waiting(bot)

    async def next(self, address: Address) -> Delivery | None:
        async with self.store.read() as tx:
            return await tx.deliveries.next(address)

    async def place(self, key: str, address: Address, message_id: int) -> None:
        await self.store.write(lambda tx: tx.deliveries.place(key, address, message_id))

    async def placed(self, key: str, address: Address) -> int:
        async with self.store.read() as tx:
            return await tx.deliveries.placed(key, address)

    async def ours(self, address: Address) -> set[int]:
        async with self.store.read() as tx:
            return await tx.deliveries.known_ids(address.bot, address.chat)

    async def newest(self, bot: int) -> int:
        async with self.store.read() as tx:
            return await tx.deliveries.newest(bot)

    async def begin(self, delivery: Delivery, marker: int) -> None:
        await self.store.write(lambda tx: tx.deliveries.begin(delivery.id, marker))

    async def progress(self, delivery: Delivery, message_ids: Sequence[int], *, done: int, sent: bool) -> None:
        await self.store.write(lambda tx: tx.deliveries.progress(delivery.id, message_ids, done=done, sent=sent))

    async def postpone(self, delivery: Delivery, due: float, *, begun: bool = False) -> None:
        await self.store.write(lambda tx: tx.deliveries.postpone(delivery.id, due, begun=begun))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        await self.store.write(lambda tx: tx.deliveries.bury(delivery.id, reason))

    async def gone(self, bot: int, chat: int) -> None:
        async def work(tx: Tx) -> None:
            await tx.deliveries.gone(bot, chat)
            await tx.chats.gone(bot, chat, gone=True)

        await self.store.write(work)

    async def move(self, bot: int, old: int, new: int) -> None:
        await self.store.write(lambda tx: tx.chats.move(bot, old, new))
