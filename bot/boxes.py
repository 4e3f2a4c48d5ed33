"""What a transport needs from storage: updates on disk before they are confirmed, answers before they are sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.types import Address, Outgoing


@dataclass(frozen=True, slots=True)
class Received:
    """A row of the inbox: an update as it came, already on disk."""

    id: int
    bot: int
    update_id: int
    raw: str
    attempts: int
    at: datetime


class DeliveryState(StrEnum):
    STREAMING = "streaming"  # the answer is being written; `message_ids` hold what already stands in the chat
    PENDING = "pending"  # finished, to be delivered
    SENDING = "sending"  # a send was started and its outcome is not known
    SENT = "sent"
    DEAD = "dead"  # can't be delivered: blocked, gone, refused


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox. `done` parts of it stand in the chat as `message_ids`, in order.

    `marker` is the highest message id that was known in the chat when the send in question began: what it may have
    left behind has a higher one.
    """

    id: int
    key: str
    address: Address
    outgoing: Outgoing
    state: DeliveryState = DeliveryState.PENDING
    message_ids: tuple[int, ...] = ()
    done: int = 0
    marker: int = 0
    attempts: int = 0
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Left:
    """What an earlier holder of the outbox, or of one chat in it, has left.

    Deliveries up to the id `newest` are from before. `growing` are the messages in which answers were being written, by
    the keys of their turns; 0 where it is only known that one may be there. `waiting` has something to deliver.
    """

    newest: int
    growing: Mapping[str, int]
    waiting: Sequence[Address]


class Inbox(Protocol):
    """Updates on disk. An update is confirmed to the sender only after `accept` returned."""

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str, str]]) -> Sequence[Received]:
        """Commit (update id, once-only key, raw JSON, place of the chat) and return the rows that were new, in order.

        Where several processes work, others are told in the same commit.
        """
        ...

    async def open(self, bot: int) -> Sequence[Received]:
        """The rows that are not done yet, oldest first. Counts an attempt for each that had been begun."""
        ...

    async def take(self, bot: int, place: str, known: Collection[int], *, interrupted: bool) -> Sequence[Received]:
        """The rows of one chat that are not done and not `known`, oldest first.

        `interrupted`: who had them is gone. An attempt is counted for each that had been begun.
        """
        ...

    async def done(self, ids: Sequence[int]) -> None: ...

    async def quarantine(self, id: int, reason: str) -> None: ...

    async def find(self, bot: int, once: str) -> int | None:
        """The id of the row that was accepted under a once-only key, while it is remembered."""
        ...


class Outbox(Protocol):
    """Finished answers on disk. Every change is committed when the call returns."""

    async def left(self, bot: int, place: str | None = None) -> Left:
        """What was there when the work on all chats, or on one, begins."""
        ...

    async def waiting(self, bot: int, place: str) -> Sequence[Address]:
        """The addresses of a chat with something to deliver."""
        ...

    async def next(self, address: Address) -> Delivery | None:
        """The oldest delivery of the address that is finished and not sent."""
        ...

    async def place(self, key: str, address: Address, message_id: int = 0, marker: int = 0) -> None:
        """Remember the message in which the answer of turn `key` is being written; 0: it is about to be sent.

        `marker`: see `Delivery`.
        """
        ...

    async def ours(self, address: Address, *, but: int = 0) -> set[int]:
        """The ids of the newest messages of the chat that are known to be ours, `but` not those of one delivery."""
        ...

    async def highest(self, bot: int, first: int, last: int) -> int:
        """The highest message id that was known in the chats with ids from `first` to `last`; 0 when there is none."""
        ...

    async def begin(self, delivery: Delivery, marker: int) -> None:
        """State SENDING: from here on the outcome is unknown until `progress`."""
        ...

    async def progress(self, delivery: Delivery, message_ids: Sequence[int], *, done: int, sent: bool) -> None: ...

    async def postpone(self, delivery: Delivery, due: float, *, begun: bool = False) -> None: ...

    async def bury(self, delivery: Delivery, reason: str) -> None: ...

    async def publish(self, delivery: Delivery) -> None:
        """It can't be shown to one person alone: everybody is told its `aloud` instead."""
        ...

    async def gone(self, bot: int, chat: int) -> None:
        """The chat can't be reached: everything for it is dead."""
        ...

    async def move(self, bot: int, old: int, new: int) -> None:
        """The chat has a new id: rename it everywhere, in one transaction."""
        ...
