"""The words of Govorun: frozen values, and the protocols between its rooms. Read this, then `runtime/wiring.py`, then
`conversation/assistant.py`.

Values have no identity and no date of their own; storage adds those. What must survive a restart is made of plain data,
so that it can be a row. Durations are seconds, sizes are bytes, lengths of text are characters (code points) unless a
name says otherwise; datetimes are aware and UTC. What models and other services are asked: `ai.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

# --- who and where ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes. Storable: a picture finds its way to the user after a restart.

    `bot` is the bot's own numeric id, `connection` a Telegram business connection id ("" for none), `thread` a topic
    id (0 for none), `visible_to` the one member of a group who sees what is said there (0: everybody). All together are
    the key of a conversation, everywhere: what one person alone has seen is never in the prompt of another.
    """

    transport: str
    bot: int
    chat: int
    thread: int = 0
    connection: str = ""
    visible_to: int = 0

    @property
    def key(self) -> str:
        place = f"{self.bot}/{self.connection}/{self.chat}/{self.thread}"
        return f"{place}/{self.visible_to}" if self.visible_to else place

    @property
    def chat_key(self) -> str:
        """The chat among those of the bot, with all its topics: one process works on it at a time."""
        return f"{self.connection}/{self.chat}"

    @staticmethod
    def of_chat_key(place: str) -> tuple[str, int]:
        """The connection and the chat of a `place`."""
        connection, _, chat = place.rpartition("/")
        return connection, int(chat)


@dataclass(frozen=True, slots=True)
class User:
    """Who speaks. Only `id` is trusted: names are what people typed. `id` 0: nobody in person (a channel).

    The id of the chat is the group itself: one of its administrators who speaks without a name.
    """

    id: int
    name: str = ""
    language: str = ""
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class ChatChoices:
    """What was chosen in a chat, and by its user for all chats; "" means the operator's default.

    `own_model` is the model that the user chose for every chat, `zone` the user's time zone (IANA name). `notices`:
    "alone" where only who asked sees what only they need (groups). `reasoning` is "on" or "off".
    """

    language: str = ""
    model: str = ""
    streaming: str = ""
    persona: str = ""
    reasoning: str = ""
    own_model: str = ""
    notices: str = ""
    zone: str = ""


NOT_READ = ChatChoices()  # of a message for which no transaction has read them yet; compare with `is`


# --- what is said -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. What storage gives back has no `data` but `blob`, the number under which it keeps them."""

    data: bytes
    mime: str = "image/jpeg"
    blob: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came with a message and stayed at the transport: `ref` is the transport's own name for it.

    `name` is the file's, of a sticker the emoji that it stands for. `duration` is in seconds. `quoted`: it came with
    the message that this one answers.
    """

    kind: str
    ref: str
    size: int = 0
    mime: str = ""
    name: str = ""
    duration: int = 0
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    id: str
    name: str
    content: str


Part = Text | Image | Attachment | ToolCall | ToolResult
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that was said, as the model sees it."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


class Kind(StrEnum):
    """What an `Incoming` is. `STOP` never waits behind the answer that it stops."""

    MESSAGE = "message"
    EDIT = "edit"
    BUTTON = "button"
    STOP = "stop"
    BLOCKED = "gone"  # the user blocked the bot, or the bot was removed from the chat
    UNBLOCKED = "back"
    MIGRATED = "moved"  # the chat has a new id
    TOPIC = "topic"  # a topic was made or renamed; `data` is its name, "" where nobody has given it one yet
    REACTION = "reaction"  # somebody put an emoji on a message, or took it away
    UNHANDLED = "other"  # it means nothing to us; handlers that are mounted beside ours may know it


@dataclass(frozen=True, slots=True)
class Incoming:
    """What arrived, from anywhere.

    `id` is unique for ever in its bot and names the turn (the answer's delivery carries it too). `ids` are all the
    inbox rows it was made of: several where Telegram split a long paste or an album. `data` is what a button
    carries, the new chat id of `MOVED`, the name of a `TOPIC`, or the emoji of a `REACTION` to `reply_to` ("": taken
    away). `private` is a chat of two; `addressed` says that in a group the bot
    itself was spoken to. `message_id` and `reply_to` are the transport's own numbers. `attempts` counts how often the
    process died while this was being worked on. `of` is the turn of the message that an edit changes ("": it is not
    known any more). `quotes`: the message that the answer should quote, 0 for the usual one. `relayed`: forwarded, or
    put in by another bot. `came` is when this process took it in (of the clock's `monotonic`), `since` when it was
    accepted, by whichever (Unix time); `accepted`: an earlier one had already taken it. `title` is what a group is
    called, as far as that is told. `opens` is the transport's word for what lets
    it answer this user alone for a moment, "" for none. `chat` is what
    was chosen in its chat, read in the first transaction of the turn.
    """

    id: str
    address: Address
    user: User
    kind: Kind = Kind.MESSAGE
    text: str = ""
    parts: tuple[Part, ...] = ()
    at: datetime | None = None
    ids: tuple[int, ...] = ()
    data: str = ""
    in_turn: bool = False
    private: bool = True
    addressed: bool = True
    message_id: int = 0
    reply_to: int = 0
    attempts: int = 0
    of: str = ""
    quotes: int = 0
    relayed: bool = False
    came: float | None = None
    since: float | None = None
    accepted: bool = False
    title: str = ""
    opens: str = ""
    chat: ChatChoices = NOT_READ

    @property
    def language(self) -> str:
        """The language to answer in: the one that was chosen in the chat, or the user's own."""
        return self.chat.language or self.user.language

    @property
    def rest(self) -> str:
        """What stands after the first word: what a command was told."""
        return "".join(self.text.split(maxsplit=1)[1:]).strip()


# --- what goes out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Button:
    """A button under an answer. `data` is a key of a stored row (`tx.buttons`), never the parameters.

    A key that begins with `IN_TURN` belongs to a button whose action waits for its turn in the conversation: what is
    done with a press is decided before the row is read.
    """

    IN_TURN: ClassVar[str] = "q."

    label: str
    data: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that is sent: a picture (JPEG, PNG), a voice note (OggOpus), or anything as a document."""

    data: bytes
    kind: Literal["photo", "voice", "document"] = "photo"
    name: str = "picture.jpg"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One finished thing to deliver: a text in Markdown (or, `plain`, just as it is) or a file with its caption.

    `instead` is what is said where a file can't be delivered in any way.
    `note` is a line in the bot's own voice below the text ("stopped", "cut short"): it can't be mistaken for the
    model's. `thought` is what the model thought before, folded up above the text.
    `reply_to` quotes that message of the chat where it still exists. `of` is the turn whose answer this shows, ""
    where that is its own. `gone`: the messages that it stands over are deleted, and nothing is sent. To one person
    alone (`Address.visible_to`): `opens` as in `Incoming`.
    """

    text: str = ""
    plain: bool = False
    file: File | None = None
    buttons: tuple[tuple[Button, ...], ...] = ()
    note: str = ""
    reply_to: int = 0
    ask_reply: bool = False
    instead: str = ""
    of: str = ""
    gone: bool = False
    thought: str = ""
    opens: str = ""


# --- what is done later -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """What is done later. `key` is unique in its `kind` and makes it run once; `due` is a Unix time."""

    kind: str
    key: str
    address: Address
    payload: Mapping[str, Any] = field(default_factory=dict)
    due: float = 0.0
    attempts: int = 0


class Permission(StrEnum):
    """What somebody may be allowed to do; `access/policy.py` says to whom."""

    SIGNAL = "signal"  # what the messenger tells of itself: a chat moved, a draft was stopped
    TALK = "talk"  # ask, order, press what is one's own
    CHOOSE = "choose"  # settings of the chat
    MANAGE = "manage"  # who is let in
    EXCEED = "exceed"  # go beyond the limits of a user
    ADMINISTER = "administer"  # the bot itself
