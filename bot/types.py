"""The values that all parts of Govorun pass to each other. Read this first, then `ports.py`, `runtime/wiring.py` and
`conversation/assistant.py`.

Values are frozen, made of plain data, and have no id or date of their own: storage adds those. Durations are seconds,
sizes are bytes, lengths of text are characters (code points) unless a name says otherwise; datetimes are aware and UTC.
What models and other services are asked is in `ai.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

FOLDED = "\u2063"  # begins a quotation in Markdown that is shown folded; nobody sees it where markup is not shown

# --- who and where ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes: a chat, a topic of it, or one member of a group. All fields together are the key of a
    conversation, so what only one person saw is never in the prompt of another. Plain data that can be stored.
    """

    transport: str  # "telegram"
    bot: int  # the bot's own numeric id
    chat: int
    thread: int = 0  # the topic; 0: none
    connection: str = ""  # the Telegram business connection; "": none
    visible_to: int = 0  # the only user who sees what is said here; 0: everybody in the chat

    MESSENGER: ClassVar = 1 << 53  # Telegram's ids are below it; each other messenger has as many of its own

    @property
    def messenger(self) -> int:
        """The number of the messenger that the chat is in; 0: Telegram."""
        return max(0, self.chat // self.MESSENGER)

    @property
    def key(self) -> str:
        """The conversation as one string: bot, business connection, chat, topic, and the user who alone sees it, if
        any.
        """
        chat = f"{self.bot}/{self.connection}/{self.chat}/{self.thread}"
        return f"{chat}/{self.visible_to}" if self.visible_to else chat

    @property
    def chat_key(self) -> str:
        """The chat with all its topics, as a string unique in its bot. One process at a time works on a chat."""
        return f"{self.connection}/{self.chat}"

    @staticmethod
    def of_chat_key(key: str) -> tuple[str, int]:
        """Split a `chat_key` into the business connection and the id of the chat."""
        connection, _, chat = key.rpartition("/")
        return connection, int(chat)


@dataclass(frozen=True, slots=True)
class User:
    """The sender of a message or a press. Trust only `id`: names are what people typed.

    `id` is 0 if no person has written (a channel), and the id of the group if one of its administrators writes
    anonymously.
    """

    id: int
    name: str = ""
    language: str = ""
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class ChatChoices:
    """What was chosen in a chat or in a topic of it, and by its user for all chats. "" means the operator's default.

    `own_model` is the model that the user chose for every chat, `zone` the user's time zone (IANA name), `reasoning` is
    "on" or "off", `temperature` "exact", "even" or "free". `notices` is "alone" in a group where answers to commands
    are shown only to the user who asked. `answers` is "all" in a topic of a group where every message is for the bot,
    also without a mention. `told_language` is the last one that the messenger has told of the user's app.
    """

    language: str = ""
    model: str = ""
    streaming: str = ""
    persona: str = ""
    reasoning: str = ""
    temperature: str = ""
    own_model: str = ""
    notices: str = ""
    zone: str = ""
    answers: str = ""
    told_language: str = ""


NOT_READ = ChatChoices()  # stands in an `Incoming` until a transaction has read the choices; compare with `is`


# --- what is said -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A text as a part of a `Message`. `is_task`: a command has made it out of a template, nobody has written it."""

    text: str
    is_task: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as a part of a `Message`. If storage returns it, `data` is empty and `blob` is the number of the stored
    bytes.
    """

    data: bytes
    mime: str = "image/jpeg"
    blob: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file, or something like one (a place, a contact), that came with a message. Its bytes are not here:
    `Reply.fetch` downloads them.
    """

    kind: str
    ref: str  # the messenger's own id of the file
    size: int = 0  # bytes; 0: unknown
    mime: str = ""  # "": unknown
    name: str = ""  # of the file; of a sticker, the emoji that it stands for
    duration: int = 0  # seconds of sound or video
    quoted: bool = False  # it came with the message that this message replies to
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)  # of a contact or a place: what it says


@dataclass(frozen=True, slots=True)
class Beside:
    """What came with a message beside its own text: words of others, and what its text does not show.

    `kind` is "reply" (the message that it replies to), "quote" (the part of that message which it quotes), "forward"
    (who wrote it first), "links" (the addresses behind its words) or "struck" (its words that are struck out).
    """

    kind: Literal["reply", "quote", "forward", "links", "struck"]
    text: str = ""
    author: str = ""  # "": nobody knows
    is_bots: bool = False  # the bot itself wrote it


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model asks to run a tool. `id` ties the call to its `ToolResult`."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned for the `ToolCall` with this `id`: text for the model."""

    id: str
    name: str
    content: str


Part = Text | Image | Attachment | ToolCall | ToolResult
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as the model gets it."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        """Make a message with one text."""
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """All texts of the message, one a line; other parts are left out."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


class Kind(StrEnum):
    """What an `Incoming` is: a message, a press, or an event of the chat."""

    MESSAGE = "message"
    EDIT = "edit"  # the user edited a message that they had sent
    BUTTON = "button"
    STOP = "stop"  # the user stops the answer that is being written; never waits behind it in the queue
    BLOCKED = "gone"  # the user blocked the bot, or the bot was removed from the chat
    UNBLOCKED = "back"  # the user unblocked the bot, or the bot was added to the chat
    LEFT = "left"  # the user has left a group of operators, or was removed from it
    MIGRATED = "moved"  # the chat has a new id
    TOPIC = "topic"  # a topic was made or renamed; `data` is its name, "" while it has none
    REACTION = "reaction"  # somebody put an emoji on a message, or took it away
    BUSINESS = "business"  # in a chat of somebody's account, or about that account; `data` says what
    UNHANDLED = "other"  # Govorun has no use for it; a programmer's aiogram routers may have


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message, a button press or an event of a chat, from any messenger. Handling it is one turn."""

    id: str  # unique for ever in its bot; names the turn and the delivery of its answer
    address: Address
    user: User
    kind: Kind = Kind.MESSAGE
    text: str = ""
    parts: tuple[Part, ...] = ()
    at: datetime | None = None  # when it was sent, as the messenger says
    ids: tuple[int, ...] = ()  # inbox rows that it was made from: several for an album or a long text in pieces
    data: str = ""  # BUTTON: its key; MIGRATED: the new chat id; TOPIC: its name; REACTION: the emoji, "": removed
    in_turn: bool = False  # a press that waits in the queue of its conversation, as a message does
    private: bool = True  # a chat of one person with the bot
    addressed: bool = True  # False: said in a topic to nobody: for the bot only where it answers everything
    message_id: int = 0  # the messenger's number of the message; 0: there is none
    reply_to: int = 0  # ... of the message that it replies or reacts to; 0: none
    attempts: int = 0  # how often a process died while working on it
    of: str = ""  # EDIT: the id of the turn whose message was edited; "": not remembered any more
    quotes: int = 0  # the message that the answer is to quote; 0: the one that the bot usually quotes
    relayed: bool = False  # forwarded, or put in by another bot: not the user's own words
    came: float | None = None  # when this process received it (`Clock.monotonic`)
    since: float | None = None  # when any process first stored it (Unix time)
    accepted: bool = False  # an earlier process had accepted it: rate limits do not apply again
    title: str = ""  # what the group is called; "": unknown
    opens: str = ""  # Telegram's token that allows a message for this user alone; "": none
    is_task: bool = False  # a command has made the text out of a template
    entities: tuple[Mapping[str, Any], ...] = ()  # the formatting of the text, as the messenger gave it
    beside: tuple[Beside, ...] = ()  # what came with the text
    left_out: str = ""  # what was not read of its documents, as a sentence for the user
    chat: ChatChoices = NOT_READ  # what was chosen in the chat: the first transaction of the turn reads it

    @property
    def language(self) -> str:
        """The language to answer in ("ru", "en", ...): chosen in the chat, otherwise that of the user's app."""
        return self.chat.language or self.user.language or self.chat.told_language

    @property
    def rest(self) -> str:
        """The text after the first word: the argument of a command."""
        return "".join(self.text.split(maxsplit=1)[1:]).strip()


# --- what goes out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Button:
    """A button as it stands under a message: what it shows (`label`), and what the bot gets back when it is pressed
    (`data`): the key of a stored row (`tx.buttons`) with the action and its parameters.

    A key that begins with `IN_TURN` belongs to a button whose press waits in the queue of the conversation: the queue
    must know that before anybody reads the row. One that begins with `NEWEST` waits, too, and is removed when a newer
    answer with such a button stands in the chat.
    """

    IN_TURN: ClassVar[str] = "q."
    NEWEST: ClassVar[str] = "q.n."

    label: str
    data: str
    dangerous: bool = False  # shown in red: what it does can't be undone


def check_rows(buttons: object) -> None:
    """Raise `TypeError` unless these are rows of buttons."""
    if not isinstance(buttons, Sequence) or any(not isinstance(row, Sequence) for row in buttons):
        raise TypeError("a row of buttons is a list: buttons=[[Button(...)]]")


@dataclass(frozen=True, slots=True)
class File:
    """A file to send: a picture (JPEG or PNG), a voice note (OggOpus), or anything else as a document."""

    data: bytes
    kind: Literal["photo", "voice", "document"] = "photo"
    name: str = "picture.jpg"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One finished message to deliver: a text in Markdown, or a file with the text as its caption."""

    text: str = ""
    plain: bool = False  # the text is shown as it is, not read as Markdown
    file: File | None = None
    buttons: Sequence[Sequence[Button]] = ()  # rows, from the top
    note: str = ""  # a line in the bot's own voice below the text ("stopped"), set apart from the model's words
    reply_to: int = 0  # the message to quote, if it still exists; 0: none
    instead: str = ""  # what to say where the file can't be delivered in any way
    of: str = ""  # the id of the turn whose answer this shows; "": this turn's own
    gone: bool = False  # send nothing, and delete the messages that this was to be written over
    thought: str = ""  # the model's reasoning, folded up above the text
    opens: str = ""  # as in `Incoming`, for an answer that one user alone sees
    is_task: bool = False  # a command has made the text out of a template
    entities: tuple[Mapping[str, Any], ...] = ()  # of a `plain` text: its formatting, as the messenger takes it
    copy: tuple[int, ...] = (0, 0)  # send copies of these messages (chat, message ids) instead of the text; 0: none
    captioned: bool = False  # the copies have `text` as their caption, not that of what is copied
    relays: tuple[int, int] = (0, 0)  # the operator's message (chat, message id) that is told how the delivery ends
    over: str = ""  # key of an earlier delivery to this address: its messages become this one, once they are known
    keeps_place: bool = False  # waits until its chat and topic can be reached: it is never given up
    refs: tuple[tuple[str, str, int], ...] = ()  # kind, file id and size of what is copied, to send it if that fails
    joins: tuple[str, ...] = ()  # the texts that it is made of; what waits behind it and has such texts may be added
    # The button of a reply keyboard: what it shares ("contact", "location") and its label; ("none", "") removes the
    # keyboard.
    reply_button: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        check_rows(self.buttons)

    @property
    def lasting_buttons(self) -> tuple[tuple[Button, ...], ...]:
        """The rows of buttons that stay when a newer answer follows."""
        rows = (tuple(one for one in row if not one.data.startswith(Button.NEWEST)) for row in self.buttons)
        return tuple(row for row in rows if row)


# --- what is done later -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """Work to be done later. `key` is unique within its `kind`: a job that is added twice runs once."""

    kind: str
    key: str
    address: Address
    payload: Mapping[str, Any] = field(default_factory=dict)
    due: float = 0.0  # Unix time; 0.0: at once
    attempts: int = 0  # how often it has failed


class Permission(StrEnum):
    """What a person may be allowed to do; `access/policy.py` says which role has which permission."""

    SIGNAL = "signal"  # events that the messenger reports: a chat moved, a draft was stopped
    TALK = "talk"  # ask questions, start tasks, press one's own buttons
    CHOOSE = "choose"  # change settings of the chat
    CORRECT = "correct"  # say which topic a question should have had
    SERVE = "serve"  # answer customers at the support desk
    CONNECT = "connect"  # let operators work in a group
    MANAGE = "manage"  # let people in and out
    EXCEED = "exceed"  # spend and send more than the limits of a user
    ADMINISTER = "administer"  # change the bot itself
