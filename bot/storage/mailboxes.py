"""The inbox and the outbox of a transport (`ports.Inbox`, `ports.Outbox`) on a `Store`: each call is one transaction.

Only `accept` raises `StorageUnavailable`, because Telegram keeps the updates that were not accepted. All other calls
wait until the database works again: an update or a delivery whose state was lost would be done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from bot.ports import Delivery, Left, Received
from bot.storage.store import Store, Tx
from bot.types import Address, Outgoing

T = TypeVar("T")


class Box:
    """Transactions that are repeated until the database has done them."""

    def __init__(self, *, store: Store) -> None:
        self.store = store

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await self.store.patiently(lambda: self.store.write(work))

    async def ask(self, question: Callable[[Tx], T]) -> T:
        return await self.store.patiently(lambda: self.store.ask(question))


class StoredInbox(Box):
    """`ports.Inbox`. `interrupted(tx, bot, rows)` is called with the updates that a process left half done."""

    def __init__(self, *, store: Store, interrupted: Callable[[Tx, int, Sequence[int]], None]) -> None:
        super().__init__(store=store)
        self.interrupted = interrupted

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str, str]]) -> Sequence[Received]:
        def work(tx: Tx) -> list[Received]:
            added = [tx.updates.add(bot, *update) for update in updates]
            return [row for row in added if row is not None]

        return await self.store.write(work)

    async def open(self, bot: int) -> Sequence[Received]:
        def work(tx: Tx) -> Sequence[Received]:
            tx.updates.count_attempts(bot)
            return tx.updates.open(bot)

        return await self.write(work)

    async def take(self, bot: int, place: str, known: Collection[int], *, interrupted: bool) -> Sequence[Received]:
        def take_over(tx: Tx) -> Sequence[Received]:
            self.interrupted(tx, bot, tx.updates.count_attempts(bot, place))
            return tx.updates.open(bot, place)

        rows = await (self.write(take_over) if interrupted else self.ask(lambda tx: tx.updates.open(bot, place)))
        return [row for row in rows if row.id not in known]

    async def done(self, ids: Sequence[int]) -> None:
        await self.write(lambda tx: tx.updates.done(ids))

    async def quarantine(self, id: int, reason: str) -> None:
        await self.write(lambda tx: tx.updates.bury(id, reason))

    async def find(self, bot: int, once: str) -> int | None:
        return await self.ask(lambda tx: tx.updates.find(bot, once))


class StoredOutbox(Box):
    """`ports.Outbox`. `fallback` makes what a group is shown where an answer can't be shown to one user alone."""

    def __init__(self, *, store: Store, fallback: Callable[[Tx, Address], Outgoing]) -> None:
        super().__init__(store=store)
        self.fallback = fallback

    async def left(self, bot: int, place: str | None = None) -> Left:
        return await self.ask(lambda tx: tx.deliveries.left(bot, place))

    async def waiting(self, bot: int, place: str) -> Sequence[Address]:
        return await self.ask(lambda tx: tx.deliveries.waiting(bot, place))

    async def next(self, address: Address) -> Delivery | None:
        return await self.ask(lambda tx: tx.deliveries.next(address))

    async def place(self, key: str, address: Address, message_id: int = 0, marker: int = 0) -> None:
        await self.write(lambda tx: tx.deliveries.place(key, address, message_id, marker))

    async def ours(self, address: Address, *, but: int = 0) -> set[int]:
        return await self.ask(lambda tx: tx.deliveries.known_ids(address.bot, address.chat, but=but))

    async def highest(self, bot: int, first: int, last: int) -> int:
        return await self.ask(lambda tx: tx.deliveries.highest(bot, first, last))

    async def begin(self, delivery: Delivery, marker: int) -> None:
        await self.write(lambda tx: tx.deliveries.begin(delivery.id, marker))

    async def progress(self, delivery: Delivery, message_ids: Sequence[int], *, done: int, sent: bool) -> None:
        await self.write(lambda tx: tx.deliveries.progress(delivery.id, message_ids, done=done, sent=sent))

    async def postpone(self, delivery: Delivery, due: float, *, begun: bool = False) -> None:
        await self.write(lambda tx: tx.deliveries.postpone(delivery.id, due, begun=begun))

    async def bury(self, delivery: Delivery, reason: str) -> None:
        await self.write(lambda tx: tx.deliveries.bury(delivery.id, reason))

    async def publish(self, delivery: Delivery) -> None:
        await self.write(lambda tx: tx.deliveries.publish(delivery.id, self.fallback(tx, delivery.address)))

    async def gone(self, bot: int, chat: int) -> None:
        def work(tx: Tx) -> None:
            tx.deliveries.gone(bot, chat)
            tx.chats.gone(bot, chat, gone=True)

        await self.write(work)

    async def move(self, bot: int, old: int, new: int) -> None:
        await self.write(lambda tx: tx.chats.move(bot, old, new))
