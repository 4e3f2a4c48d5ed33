"""The protocols between the parts of Govorun: each is used by one package and implemented by another.

`Handler`, `Reply` and `Transport` are what features see of a messenger. `Inbox` and `Outbox` are what a transport needs
from storage: updates are on disk before they are confirmed, answers before they are sent. A `Dispatcher` brings stored
updates to the handler, in one process or in many; it sees the transport as a `ChatHost`. A `place` is a chat of the bot
(`Address.chat_key`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from bot.errors import Refused
from bot.types import Address, Attachment, Incoming, Outgoing

Say = Callable[[str], None]  # prints a line on the terminal of a command
Agree = Callable[[str], bool]  # asks a yes-or-no question there


@dataclass(frozen=True, slots=True)
class Received:
    """A row of the inbox: an update as the messenger sent it (`raw` JSON).

    `attempts` counts how often a process died while it worked on the update.
    """

    id: int
    bot: int
    update_id: int
    raw: str
    attempts: int
    at: datetime


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    STREAMING = "streaming"  # the answer is being written; `message_ids` hold what already stands in the chat
    PENDING = "pending"  # finished, to be delivered
    SENDING = "sending"  # a send was started and its outcome is not known
    SENT = "sent"
    DEAD = "dead"  # can't be delivered: blocked, gone, refused


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox. The first `done` parts of its message stand in the chat as `message_ids`, in order.

    `last_known_id` is the highest message id that was known in the chat before a send whose outcome is unknown: a
    message that this send left there has a higher id. `due` (Unix time): do not try earlier.
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
    """Deliveries that an earlier process of the bot did not finish, because it stopped or died.

    `newest` is the highest id of those deliveries. `growing`: by turn id, the message in which its answer was being
    written (0: it is not known whether there is one). `waiting`: the addresses with something to deliver. `busy`:
    the groups to which something was perhaps sent in the last minute, and the private chats to which several messages
    were in the last seconds.
    """

    newest: int
    growing: Mapping[str, int]
    waiting: Sequence[Address]
    busy: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class UnmadeTopic:
    """A topic that is to be made. `flat`: the chat has no topics, and what is for this one goes to the chat itself, as
    replies to the message `head` (0: there is none yet).
    """

    title: str
    flat: bool = False
    head: int = 0


class Inbox(Protocol):
    """Updates on disk. The transport confirms an update to the messenger only after `accept` has returned."""

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str, str]]) -> Sequence[Received]:
        """Commit updates, given as (update id, idempotency key, raw JSON, `chat_key`). Returns the new rows, in order.

        An update whose id or idempotency key is known is not stored again. Other processes are told in the same commit.
        Raises `StorageUnavailable`; nothing is stored then.
        """

    async def open(self, bot: int) -> Sequence[Received]:
        """Return the updates of a bot that are not done, oldest first.

        An update that an earlier process had begun gets one more attempt, because that process died while working on
        it.
        """

    async def take(self, bot: int, place: str, known: Collection[int], *, interrupted: bool) -> Sequence[Received]:
        """Return the rows of a chat that are not done and whose ids are not in `known`, oldest first.

        `interrupted`: the process that worked on the chat is gone, so an attempt is counted for each row it had begun.
        """

    async def done(self, ids: Sequence[int]) -> None:
        """Mark rows as done: they are not worked on again."""

    async def quarantine(self, id: int, reason: str) -> None:
        """Put an update aside as a dead letter, with the reason, for the operator."""

    async def find(self, bot: int, once: str) -> int | None:
        """Return the row id of the update with the idempotency key `once`, or None if there is none (any more)."""

    async def answers_all(self, address: Address) -> bool:
        """Return whether every message in a topic of a group is a question for the bot, also one that does not mention
        it.
        """


RouterKey = tuple[int, int, int, int, str, str]  # bot, chat, user, topic, business connection; aiogram's "destiny"
RouterRows = Mapping[RouterKey, tuple[str | None, str]]  # the state of each dialogue, and its data as JSON
NO_STATE: tuple[None, str] = (None, "{}")


class RouterStates(Protocol):
    """The states of dialogues that a programmer's aiogram routers lead."""

    async def read(self, key: RouterKey) -> tuple[str | None, str]:
        """Return the state of a dialogue and its data; `NO_STATE` where nothing is stored."""
        ...

    async def write(self, rows: RouterRows) -> None:
        """Replace what is stored of dialogues."""
        ...


class Outbox(Protocol):
    """Finished answers on disk. Every change is committed when the call returns."""

    async def unfinished(self, bot: int, place: str | None = None) -> Unfinished:
        """Return the deliveries that an earlier process left unfinished, in the chat `place` or (None) in all chats."""

    async def waiting(self, bot: int, place: str) -> Sequence[Address]:
        """Return the addresses in a chat (its topics, its members) that have something to deliver."""

    async def next(self, address: Address) -> Delivery | None:
        """Return the oldest finished delivery to an address that is not sent, or None."""

    async def note_streaming_message(self, key: str, address: Address, message_id: int = 0, marker: int = 0) -> None:
        """Remember the message in which the answer of turn `key` is being written (0: it is about to be sent). `marker`
        becomes `Delivery.last_known_id`.
        """

    async def claimed_ids(self, address: Address, first: int, last: int, *, but: int) -> set[tuple[int, int]]:
        """Return (chat id, message id) of recent messages that are known to be something else than the delivery `but`.

        They are the bot's other messages and those of stored updates, in the chat of `address` and, unless that is a
        business chat, in all chats with ids from `first` to `last`.
        """

    async def highest_message_id(self, address: Address, first: int, last: int) -> int:
        """Return the highest message id known in the chats with ids from `first` to `last`; 0: none is known. In a
        business chat it is that of the chats of the account.
        """

    async def begin(self, delivery: Delivery, marker: int) -> bool:
        """Set the state SENDING: until `progress` is called the outcome of the send is unknown. `marker` becomes
        `Delivery.last_known_id`. False: the delivery was withdrawn or rewritten since it was read, and is not sent so.
        """
        ...

    async def progress(
        self, delivery: Delivery, message_ids: Sequence[int], *, done: int, sent: bool, left_out: str = ""
    ) -> Sequence[Address]:
        """Store that the first `done` parts of a delivery stand in the chat as `message_ids`; `sent`: that is all of
        it.

        `left_out` says what could not be copied: a "part" of the message, or the "whole" of it. Returns the addresses
        for which a message about that was stored.
        """
        ...

    async def postpone(self, delivery: Delivery, due: float, *, begun: bool = False, reason: str = "") -> None:
        """Do not deliver it before `due` (Unix time). `begun`: part of it may already stand in the chat. `reason`: why
        its group can't be reached now, "" if it can.
        """

    async def dead_letter(self, delivery: Delivery, reason: str) -> Sequence[Address]:
        """Give a delivery up for good; the reason is kept for the operator."""

    async def with_old_buttons(self, address: Address) -> Sequence[Delivery]:
        """Return the delivered answers that show a button of the newest answer though a newer one stands below them,
        with the buttons that they are to keep.
        """

    async def replace_buttons(self, delivery: Delivery) -> None:
        """Store the buttons of a delivered answer."""

    async def make_public(self, delivery: Delivery) -> None:
        """Replace a delivery that can't be shown to one user alone by a sentence for everybody that says so."""

    async def join(self, delivery: Delivery) -> None:
        """Append the texts that wait behind a delivery and may be joined with it (`Outgoing.joins`) to its own text.

        Nobody has begun to send the delivery yet. The joined texts count as sent when it is.
        """

    async def find_topic(self, address: Address) -> UnmadeTopic | None:
        """Return the topic of an address that is not made yet (its number is negative), None if the address is not in
        use any more.
        """
        ...

    async def no_topics(self, address: Address) -> None:
        """Note that no topic can be made for an address, because its chat has no topics."""

    async def topic_changed(self, address: Address, topic: int) -> Address:
        """Move everything that waits for an address to the topic that was made for it. Returns the new address.

        A `topic` of 0 means that the topic was deleted and has to be made again.
        """
        ...

    async def chat_blocked(self, bot: int, chat: int) -> Sequence[Address]:
        """The bot can't write to the chat any more: give up everything that waits for it."""

    async def chat_migrated(self, bot: int, old: int, new: int) -> None:
        """The chat has a new id: change it in all rows, in one transaction."""


class Reply(Protocol):
    """The way back to where an `Incoming` came from. The transport cares for rate limits, splitting and markup.

    A live view shows an answer while it is written; what it shows is not promised to arrive. The promised answer is the
    `Outgoing` in the outbox, which `finish` delivers.
    """

    @property
    def address(self) -> Address:
        """The address to which the answer goes."""

    def begin(self, mode: str = "", over: int = 0, quote: int = 0) -> None:
        """Open the live view. `mode`: "draft", "edit" or "off"; "": the operator's choice. `over`: write over this
        message of the bot (0: none). `quote`: the message that the answer replies to (0: as usual in the chat).
        """

    def append(self, text: str) -> None:
        """Add text to the live view. Never waits and never fails."""

    def replace(self, text: str) -> None:
        """Replace the whole text of the live view. Never waits and never fails."""

    def show(self, doing: str) -> None:
        """Show below the text what is being done ("searching the web…"), until the next text comes."""

    def complete(self) -> None:
        """The text is complete and `finish` follows after its commit, so the live view need not be updated any more."""

    @property
    def shown(self) -> str:
        """The part of the answer that a message of the live view shows; "" while only drafts, or nothing, was shown."""

    async def finish(self) -> None:
        """End the live view, then deliver everything that the outbox has for this address, in order."""

    async def close(self) -> None:
        """End the live view without an answer."""

    async def acknowledge(self, text: str = "") -> None:
        """Answer a button press: its spinner ends, and `text` is shown for a moment. Does nothing for other kinds."""

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None:
        """Show for some seconds that the bot is typing, recording or uploading. May be skipped."""

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment. Raises `TooLarge` (before the download, if the size is known), `Refused` if the file
        is gone, and `TransportUnavailable` if the messenger does not hand it over now.
        """

    def show_only_to(self, user: int) -> None:
        """Show everything that follows to this member of the group only: changes `address`."""

    async def open_ephemeral(self) -> bool:
        """Open the message that only the user of the address sees; the answer is written into it. False: that is
        impossible here, and nothing was sent.
        """

    async def is_admin(self, user: int) -> bool:
        """Whether the user administers this chat. Asks the messenger each time: rights change."""


@dataclass(slots=True, kw_only=True)
class PlainReply:
    """What a `Reply` is in a private chat without a live view: it shows nothing before the answer is whole."""

    address: Address
    shown: str = ""

    def begin(self, mode: str = "", over: int = 0, quote: int = 0) -> None:
        """Do nothing: nothing is shown before the answer is whole."""

    def append(self, text: str) -> None:
        """Do nothing: nothing is shown before the answer is whole."""

    def replace(self, text: str) -> None:
        """Do nothing: nothing is shown before the answer is whole."""

    def show(self, doing: str) -> None:
        """Do nothing: nothing is shown before the answer is whole."""

    def complete(self) -> None:
        """Do nothing: there is no draft that a whole answer would have to replace."""

    async def finish(self) -> None:
        """Do nothing: nothing is sent."""

    async def close(self) -> None:
        """Do nothing: this reply has started nothing that goes on after the turn."""

    async def acknowledge(self, text: str = "") -> None:
        """Do nothing: nobody sees a notice."""

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None:
        """Do nothing: nobody sees what the bot is doing."""

    async def fetch(self, attachment: Attachment) -> bytes:
        """Raise `Refused`: there are no files."""
        raise Refused("there are no files")

    def show_only_to(self, user: int) -> None:
        """Do nothing: in a private chat nobody else sees the answer."""

    async def open_ephemeral(self) -> bool:
        """Return False: only in groups a message is shown to one member."""
        return False

    async def is_admin(self, user: int) -> bool:
        """Return False: a private chat has no administrators."""
        return False


@dataclass(frozen=True, slots=True)
class Menu:
    """The commands (name, description) that the messenger offers in all private chats, or in all groups.

    `language` is the language of the user's app, "" for every other one. `ephemeral` are the names of commands that in
    groups are sent so that only the bot sees them.
    """

    language: str
    commands: Sequence[tuple[str, str]]
    of_groups: bool = False
    ephemeral: Collection[str] = ()


class Transport(Protocol):
    """The messenger, for parts without an `Incoming` at hand: jobs whose results come later."""

    def reply(self, address: Address, turn: str) -> Reply:
        """Return a `Reply` to an address; `turn` is the id of the turn whose answer it delivers."""

    async def rename(self, address: Address, title: str) -> None:
        """Give the topic of an address a name. Does nothing if the topic is gone or can't be named."""

    async def set_menu(self, address: Address, menu: Sequence[tuple[str, str]]) -> None:
        """Show these commands (name, description) in the menu of one chat. Raises `TransportUnavailable`."""
        ...


Handler = Callable[[Incoming, Reply], Awaitable[None]]
"""What handles a message: an `async (incoming, reply)`. Commands, layers around them and tests have this type."""


class ProcessRole(StrEnum):
    """What a process does: takes updates by webhook (`webhook`), works on them (`worker`), or both (`all`)."""

    ALL = "all"
    WEBHOOK = "webhook"
    WORKER = "worker"

    @property
    def takes(self) -> bool:
        """Whether the process takes updates from the messenger."""
        return self is not ProcessRole.WORKER

    @property
    def works(self) -> bool:
        """Whether the process works on updates and sends answers."""
        return self is not ProcessRole.WEBHOOK


class ChatHost(Protocol):
    """What a `Dispatcher` asks of the transport: to begin, to continue and to stop the work on a chat."""

    async def recover(self) -> None:
        """At a start: work on all updates that are not done, deliver all answers that are not sent."""

    async def adopt(self, place: str, known: set[int], *, interrupted: bool) -> None:
        """Begin to work on one chat: its open updates and unsent answers. Adds the ids of the rows to `known`.
        `interrupted`: the process that worked on the chat before is gone.
        """

    @property
    def newest(self) -> int:
        """The highest message id known in private chats, which share one sequence of ids."""

    def saw(self, message_id: int) -> None:
        """Raise `newest` to a message id that another process has seen in a private chat."""

    async def take(self, place: str, known: set[int]) -> None:
        """Work on the updates of a chat that are not in `known` (row ids) yet, and deliver what other processes put
        into its outbox.
        """

    def leave(self, place: str) -> None:
        """Forget a chat: another process works on it from now on."""


class SendQuota(Protocol):
    """The limit of messages a second that all processes of a bot share."""

    async def permit(self) -> None:
        """Wait until one message may be sent."""

    def spent(self) -> None:
        """Count against the limit a message that was sent without `permit`: a frame of a growing answer."""


class Dispatcher(Protocol):
    """Brings stored updates to the handler and due jobs to the worker: in this process, or shared among many."""

    @property
    def at_once(self) -> bool:
        """Whether the process that accepts an update also handles it, without telling other processes."""

    async def begin(self, chats: ChatHost) -> None:
        """Begin to work, first on what an earlier run has left."""

    async def run(self) -> None:
        """Do the background work (jobs, leases) until cancelled."""

    async def lead(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` in only one process at a time: wait for the leadership called `what`, then run it. Returns when
        `work` has returned.
        """

    async def drain(self, seconds: float) -> None:
        """Let running turns end for this many seconds; then put the rest back, for whichever process works next."""
