"""The inbox and the outbox of a transport (`ports.Inbox`, `ports.Outbox`) on a `Store`: each call is one transaction.

Only `accept` raises `StorageUnavailable`, because Telegram keeps the updates that were not accepted. All other calls
wait until the database works again: an update or a delivery whose state was lost would be done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.ports import Delivery, Received, RouterKey, RouterRows, Unfinished, UnmadeTopic
from bot.storage.store import Store, Tx
from bot.types import Address, Outgoing


@dataclass(slots=True, kw_only=True)
class StoredInbox:
    """`ports.Inbox` on a `Store`.

    `interrupted(tx, bot, rows)` is called with the row ids of the updates that a process has begun and not ended.
    """

    store: Store
    interrupted: Callable[[Tx, int, Sequence[int]], None]

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str, str]]) -> Sequence[Received]:
        """Store new updates in one commit. Raises `StorageUnavailable`. See `ports.Inbox`."""

        def work(tx: Tx) -> list[Received]:
            added = [tx.inbox.add_update(bot, *update) for update in updates]
            return [row for row in added if row is not None]

        return await self.store.write(work)

    async def open(self, bot: int) -> Sequence[Received]:
        """Return the open updates of a bot at its start, and count an attempt for those that had been begun."""

        def work(tx: Tx) -> Sequence[Received]:
            tx.inbox.count_attempts(bot)
            return tx.inbox.list_open(bot)

        return await self.store.write_until_stored(work)

    async def take(self, bot: int, place: str, known: Collection[int], *, interrupted: bool) -> Sequence[Received]:
        """Return the open updates of one chat. With `interrupted`, first count an attempt for those that a dead process
        had begun.
        """

        def take_over(tx: Tx) -> Sequence[Received]:
            self.interrupted(tx, bot, tx.inbox.count_attempts(bot, place))
            return tx.inbox.list_open(bot, place)

        if interrupted:
            rows = await self.store.write_until_stored(take_over)
        else:
            rows = await self.store.ask_until_answered(lambda tx: tx.inbox.list_open(bot, place))
        return [row for row in rows if row.id not in known]

    async def done(self, ids: Sequence[int]) -> None:
        """Mark updates as done."""
        await self.store.write_until_stored(lambda tx: tx.inbox.mark_done(ids))

    async def quarantine(self, id: int, reason: str) -> None:
        """Turn an update into a dead letter, with the reason."""
        await self.store.write_until_stored(lambda tx: tx.inbox.dead_letter(id, reason))

    async def find(self, bot: int, once: str) -> int | None:
        """Return the row id of the update with the idempotency key `once`, or None."""
        return await self.store.ask_until_answered(lambda tx: tx.inbox.find_by_once(bot, once))

    async def answers_all(self, address: Address) -> bool:
        """Return whether the bot answers every message of a topic."""
        return await self.store.ask_until_answered(lambda tx: tx.chats.answers_all(address))


@dataclass(frozen=True, slots=True)
class StoredRouterStates:
    """`ports.RouterStates` on a `Store`."""

    store: Store

    async def read(self, key: RouterKey) -> tuple[str | None, str]:
        """Return the state of a dialogue and its data. Raises `StorageUnavailable`."""
        return await self.store.read(lambda tx: tx.router_states.read(key))

    async def write(self, rows: RouterRows) -> None:
        """Replace what is stored of dialogues. Raises `StorageUnavailable`."""
        await self.store.write(lambda tx: tx.router_states.write(rows))


class RelayWatch(Protocol):
    """Tells both sides of the support desk (customer and operators) what became of the messages that they wrote.

    Each method stores messages about that in the transaction, and returns the addresses that have something to deliver.
    """

    def refused(self, tx: Tx, delivery: Delivery, reason: str) -> Sequence[Address]:
        """Tell the writer that a message can't be delivered, and the `reason`."""

    def left_out(self, tx: Tx, delivery: Delivery, *, whole: bool) -> Sequence[Address]:
        """Tell the writer that a message (`whole`), or a part of an album, could not be brought to the other side."""

    def blocked(self, tx: Tx, bot: int, chat: int) -> Sequence[Address]:
        """Tell the other side that nothing can be delivered to a chat any more."""

    def topic_lost(self, tx: Tx, where: Address) -> None:
        """Note that the topic at this address was deleted; it is made again for the next message."""


@dataclass(slots=True, kw_only=True)
class StoredOutbox:
    """`ports.Outbox`. `fallback` makes the sentence for a group if an answer can't be shown to one user alone. `watch`
    belongs to the support desk; None without one.
    """

    store: Store
    fallback: Callable[[Tx, Address], Outgoing]
    watch: RelayWatch | None = None

    async def unfinished(self, bot: int, place: str | None = None) -> Unfinished:
        """Return what an earlier run left in the outbox of a chat, or of all chats."""
        return await self.store.ask_until_answered(lambda tx: tx.outbox.list_unfinished(bot, place))

    async def waiting(self, bot: int, place: str) -> Sequence[Address]:
        """Return the addresses in a chat that have something to deliver."""
        return await self.store.ask_until_answered(lambda tx: tx.outbox.list_waiting_addresses(bot, place))

    async def next(self, address: Address) -> Delivery | None:
        """Return the oldest finished delivery to an address that is not sent, or None."""
        return await self.store.ask_until_answered(lambda tx: tx.outbox.next_unsent(address))

    async def note_streaming_message(self, key: str, address: Address, message_id: int = 0, marker: int = 0) -> None:
        """Remember in which message the answer of a turn is being written."""
        await self.store.write_until_stored(lambda tx: tx.outbox.claim_message(key, address, message_id, marker))

    async def claimed_ids(self, address: Address, first: int, last: int, *, but: int) -> set[tuple[int, int]]:
        """Return (chat id, message id) of recent messages that are not the delivery `but`; see `ports.Outbox`."""

        def work(tx: Tx) -> set[tuple[int, int]]:
            here = tx.outbox.list_message_ids(address, address.chat, address.chat, but=but)
            if address.connection:
                return here
            theirs = {one for one in tx.inbox.list_message_ids(address.bot) if first <= one[0] <= last}
            topics = {(address.chat, topic) for topic in tx.seats.list_newest_topics(address.bot, address.chat)}
            return here | tx.outbox.list_message_ids(address, first, last, but=but) | theirs | topics

        return await self.store.retry_until_stored(lambda: self.store.read(work))

    async def highest_message_id(self, address: Address, first: int, last: int) -> int:
        """Return the highest message id known in the chats with ids from `first` to `last`; see `ports.Outbox`."""

        def work(tx: Tx) -> int:
            theirs = tx.messages.highest_place(address) if address.connection else 0
            return max(theirs, tx.outbox.highest_message_id(address, first, last))

        return await self.store.ask_until_answered(work)

    async def begin(self, delivery: Delivery, marker: int) -> bool:
        """Mark a delivery as being sent: until `progress` is called its outcome is unknown.

        Returns False if it was withdrawn or rewritten since it was read.
        """
        said = delivery.outgoing
        read = said if said.keeps_place or said.relays[1] or said.over else None  # others are never rewritten
        return await self.store.write_until_stored(lambda tx: tx.outbox.mark_sending(delivery.id, marker, read))

    async def progress(
        self, delivery: Delivery, message_ids: Sequence[int], *, done: int, sent: bool, left_out: str = ""
    ) -> Sequence[Address]:
        """Store which messages of a delivery stand in the chat, and whether that is all. See `ports.Outbox`."""

        def work(tx: Tx) -> Sequence[Address]:
            tx.outbox.record_progress(delivery.id, message_ids, done=done, sent=sent)
            if not left_out or self.watch is None:
                return ()
            return self.watch.left_out(tx, delivery, whole=left_out == "whole")

        return await self.store.write_until_stored(work)

    async def postpone(self, delivery: Delivery, due: float, *, begun: bool = False, reason: str = "") -> None:
        """Put a delivery off until `due` (Unix time), with the `reason` if its group can't be reached."""
        await self.store.write_until_stored(
            lambda tx: tx.outbox.postpone_until(delivery.id, due, begun=begun, reason=reason)
        )

    async def dead_letter(self, delivery: Delivery, reason: str) -> Sequence[Address]:
        """Give a delivery up for good, with the reason. Returns the addresses for which a message about that was
        stored.
        """

        def work(tx: Tx) -> Sequence[Address]:
            tx.outbox.dead_letter(delivery.id, reason)
            told = self.watch is not None and (delivery.outgoing.relays[1] or delivery.address.connection)
            return self.watch.refused(tx, delivery, reason) if told and self.watch is not None else ()

        return await self.store.write_until_stored(work)

    async def with_old_buttons(self, address: Address) -> Sequence[Delivery]:
        """Return the answers that show a button of the newest answer and are not the newest."""
        return await self.store.ask_until_answered(lambda tx: tx.outbox.list_with_old_buttons(address))

    async def replace_buttons(self, delivery: Delivery) -> None:
        """Store the buttons of an answer that was delivered."""
        await self.store.write_until_stored(lambda tx: tx.outbox.replace_outgoing(delivery.id, delivery.outgoing))

    async def make_public(self, delivery: Delivery) -> None:
        """Replace a delivery that can't be shown to one user alone by the sentence of `fallback`."""
        await self.store.write_until_stored(
            lambda tx: tx.outbox.replace_for_everybody(delivery.id, self.fallback(tx, delivery.address))
        )

    async def join(self, delivery: Delivery) -> None:
        """Add to a delivery the texts that wait behind it and may be joined with it."""

        def work(tx: Tx) -> None:
            keys = tx.outbox.join_waiting(delivery.address, delivery.id)
            if keys:
                tx.relays.join(delivery.address.bot, keys, delivery.key)

        await self.store.write_until_stored(work)

    async def find_topic(self, address: Address) -> UnmadeTopic | None:
        """Return the topic in which operators see the customer of this address, None if the address is
        no such topic.
        """

        def work(tx: Tx) -> UnmadeTopic | None:
            seat = tx.seats.find_seat(address)
            if seat is None:
                return None
            head = tx.outbox.newest_ids(address, "case.") if seat.flat else ()
            return UnmadeTopic(seat.title, seat.flat, head[0] if head else 0)

        return await self.store.ask_until_answered(work)

    async def topic_changed(self, address: Address, topic: int) -> Address:
        """Move the seat of a customer (see `repositories/desk/seats.py`), and all that waits for it, to another topic.

        A `topic` of 0 means that the topic was deleted and is to be made again.
        """

        def work(tx: Tx) -> Address:
            moved = tx.seats.move_topic(address, topic)
            if self.watch is not None and not topic:
                self.watch.topic_lost(tx, moved)
            return moved

        return await self.store.write_until_stored(work)

    async def no_topics(self, address: Address) -> None:
        """Note that a chat has no topics, so that what waits for a topic in it goes to the chat itself."""

        def work(tx: Tx) -> None:
            if (seat := tx.seats.find_seat(address)) is not None:
                tx.change(seat, flat=True)

        await self.store.write_until_stored(work)

    async def chat_blocked(self, bot: int, chat: int) -> Sequence[Address]:
        """Mark a chat as unreachable, and give up everything that waits for it.

        Returns the addresses for which a message about that was stored.
        """

        def work(tx: Tx) -> Sequence[Address]:
            tx.outbox.dead_letter_chat(bot, chat)
            tx.chats.set_unreachable(bot, chat, gone=True)
            return self.watch.blocked(tx, bot, chat) if self.watch is not None else ()

        return await self.store.write_until_stored(work)

    async def chat_migrated(self, bot: int, old: int, new: int) -> None:
        """Give a chat its new id in all rows."""

        await self.store.write_until_stored(lambda tx: tx.chats.change_id(bot, old, new))
