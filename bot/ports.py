"""The protocols between the parts of Govorun: what one part needs, and another one is.

`Reply`, `Transport` and `Handler` are what features see of a messenger. `Inbox` and `Outbox` are what a transport needs
from storage: updates on disk before they are confirmed, answers before they are sent. `Engine` brings what was accepted
to the handler, in one process or in many; `Chats` is the transport as an engine sees it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from bot.types import Address, Attachment, Incoming, Outgoing


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
    last_known_id: int = 0
    attempts: int = 0
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Unfinished:
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

    async def unfinished(self, bot: int, place: str | None = None) -> Unfinished:
        """What was there when the work on all chats, or on one, begins."""
        ...

    async def waiting(self, bot: int, place: str) -> Sequence[Address]:
        """The addresses of a chat with something to deliver."""
        ...

    async def next(self, address: Address) -> Delivery | None:
        """The oldest delivery of the address that is finished and not sent."""
        ...

    async def note_streaming_message(self, key: str, address: Address, message_id: int = 0, marker: int = 0) -> None:
        """Remember the message in which the answer of turn `key` is being written; 0: it is about to be sent.

        `marker`: see `Delivery`.
        """
        ...

    async def own_message_ids(self, address: Address, *, but: int = 0) -> set[int]:
        """The ids of the newest messages of the chat that are known to be ours, `but` not those of one delivery."""
        ...

    async def highest_message_id(self, bot: int, first: int, last: int) -> int:
        """The highest message id that was known in the chats with ids from `first` to `last`; 0 when there is none."""
        ...

    async def begin(self, delivery: Delivery, marker: int) -> None:
        """State SENDING: from here on the outcome is unknown until `progress`."""
        ...

    async def progress(self, delivery: Delivery, message_ids: Sequence[int], *, done: int, sent: bool) -> None: ...

    async def postpone(self, delivery: Delivery, due: float, *, begun: bool = False) -> None: ...

    async def dead_letter(self, delivery: Delivery, reason: str) -> None: ...

    async def make_public(self, delivery: Delivery) -> None:
        """It can't be shown to one person alone: replace it by a sentence for everybody that says so."""
        ...

    async def chat_blocked(self, bot: int, chat: int) -> None:
        """The chat can't be reached: everything for it is dead."""
        ...

    async def chat_migrated(self, bot: int, old: int, new: int) -> None:
        """The chat has a new id: rename it everywhere, in one transaction."""
        ...


class Reply(Protocol):
    """The way back to where an `Incoming` came from. The transport owns pacing, splitting and markup.

    `begin` opens a live view of the answer (`mode`: draft, edit or off; "" is the operator's choice; `over`: it is
    written over that message of ours); `append` and
    `replace` change it and never block or fail: it is shown as far as the transport can. What counts is the
    `Outgoing` in the outbox: `finish` ends the live view and delivers what the outbox holds for this address, in
    order, and returns when that is done. `close` ends the live view without an answer.
    """

    @property
    def address(self) -> Address: ...

    def begin(self, mode: str = "", over: int = 0) -> None: ...

    def append(self, text: str) -> None: ...

    def replace(self, text: str) -> None: ...

    def show(self, doing: str) -> None:
        """Say below what is written so far what is being done ("searching the web…"); the next text takes it away."""
        ...

    def complete(self) -> None:
        """All is written: `finish` follows as soon as it is kept, and showing more before is seldom worth it."""
        ...

    async def finish(self) -> None: ...

    async def close(self) -> None: ...

    async def acknowledge(self, text: str = "") -> None:
        """Answer a button press (the spinner goes away; `text` is a short toast). Does nothing for other kinds."""
        ...

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None:
        """Show for some seconds that something is being done. May be dropped."""
        ...

    async def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of what came with a message.

        Raises `TooLarge` before anything is asked where the size is known, `Refused` for what is not there any more,
        and `TransportUnavailable` where the messenger does not hand it over now.
        """
        ...

    def show_only_to(self, user: int) -> None:
        """From now on the address is that of one member of the group alone."""
        ...

    async def open_ephemeral(self) -> bool:
        """Open the message that only the user of the address sees: what is said next is written into it.

        False: it can't be done here, and nothing was said.
        """
        ...

    async def is_admin(self, user: int) -> bool:
        """Whether the user may change settings of this chat: asked anew each time, never remembered."""
        ...


class Transport(Protocol):
    """Where replies come from when there is no `Incoming` at hand: a job that ends after a restart."""

    def reply(self, address: Address, turn: str) -> Reply: ...

    async def rename(self, address: Address, title: str) -> None:
        """Name the topic of an address; one that is gone or can't be named stays as it is."""
        ...


Handler = Callable[[Incoming, Reply], Awaitable[None]]


class ProcessRole(StrEnum):
    """What a process does: it takes updates (`webhook`), works on them (`worker`), or both."""

    ALL = "all"
    WEBHOOK = "webhook"
    WORKER = "worker"

    @property
    def takes(self) -> bool:
        return self is not ProcessRole.WORKER

    @property
    def works(self) -> bool:
        return self is not ProcessRole.WEBHOOK


class ChatHost(Protocol):
    """The transport, seen by an engine. A `place` is a chat of the bot (`Address.chat_key`)."""

    async def recover(self) -> None:
        """Deliver and work on all that is left from before."""
        ...

    async def adopt(self, place: str, known: set[int], *, interrupted: bool) -> None:
        """The same for one chat. `known` gets the rows; `interrupted`: who had the chat is gone."""
        ...

    @property
    def newest(self) -> int:
        """The highest message id that is known in the line that private chats share."""
        ...

    def saw(self, message_id: int) -> None:
        """Another process knows of that one."""
        ...

    async def take(self, place: str, known: set[int]) -> None:
        """Work on what has come since, and deliver what others have put there."""
        ...

    def leave(self, place: str) -> None:
        """Forget the chat: it is another process's."""
        ...


class SendQuota(Protocol):
    """What all processes of a bot may send together, in messages a second."""

    async def permit(self) -> None:
        """Wait until one message may be sent."""
        ...

    def spent(self) -> None:
        """Count a message that was sent without asking: a frame of an answer that is being written."""
        ...


class Dispatcher(Protocol):
    """`at_once`: what is accepted is handed on by who accepted it."""

    @property
    def at_once(self) -> bool: ...

    async def begin(self, chats: ChatHost) -> None:
        """Work from now on, and first on what was left."""
        ...

    async def run(self) -> None:
        """What is done in the background, until cancelled."""
        ...

    async def lead(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process does at a time, in this one whenever its turn comes. Returns when `work` has."""
        ...

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end for so long, then leave the rest to who comes after."""
        ...
