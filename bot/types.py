"""The words of Govorun: frozen values, and the protocols between its rooms. Read this, then `app.py`, then `chat.py`.

Values have no identity and no date of their own; storage adds those. What must survive a restart is made of plain data,
so that it can be a row. Durations are seconds, sizes are bytes, lengths of text are characters (code points) unless a
name says otherwise; datetimes are aware and UTC; money is `Decimal`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol

# --- who and where ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes. Storable: a picture finds its way to the user after a restart.

    `bot` is the bot's own numeric id, `connection` a Telegram business connection id ("" for none), `thread` a topic
    id (0 for none), `only` the one member of a group who sees what is said there (0: everybody). All together are the
    key of a conversation, everywhere: what one person alone has seen is never in the prompt of another.
    """

    transport: str
    bot: int
    chat: int
    thread: int = 0
    connection: str = ""
    only: int = 0

    @property
    def key(self) -> str:
        place = f"{self.bot}/{self.connection}/{self.chat}/{self.thread}"
        return f"{place}/{self.only}" if self.only else place

    @property
    def place(self) -> str:
        """The chat among those of the bot, with all its topics: one process works on it at a time."""
        return f"{self.connection}/{self.chat}"

    @staticmethod
    def of_place(place: str) -> tuple[str, int]:
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
    GONE = "gone"  # the user blocked the bot, or the bot was removed from the chat
    BACK = "back"
    MOVED = "moved"  # the chat has a new id
    TOPIC = "topic"  # a topic was made or renamed; `data` is its name, "" where nobody has given it one yet
    REACTION = "reaction"  # somebody put an emoji on a message, or took it away
    OTHER = "other"  # it means nothing to us; handlers that are mounted beside ours may know it


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
    called, as far as that is told. `opens` is the transport's word for what lets it answer this user alone for a
    moment, "" for none.
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

    @property
    def rest(self) -> str:
        """What stands after the first word: what a command was told."""
        return "".join(self.text.split(maxsplit=1)[1:]).strip()


# --- what goes out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Button:
    """A button under an answer. `data` is a key of a stored row (see `storage.buttons`), never the parameters."""

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
    alone (`Address.only`): `opens` as in `Incoming`, and `aloud` is what everybody is told where it can't be shown so.
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
    aloud: str = ""


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

    def aside(self, user: int) -> None:
        """From now on the address is that of one member of the group alone."""
        ...

    async def confide(self) -> bool:
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

# --- models -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Profile:
    """What a model can do and costs, as data. An unknown model gets the defaults, which are safe for all.

    `window` is in tokens, prompt and answer together. Prices are of 1,000 tokens; `async_share` is
    the part of them that an answer given later costs where the model is `asynchronous`. `price_search` is of one
    search of the web that the model makes by itself.
    """

    window: int = 8_192
    max_tokens: int = 2_000
    vision: bool = False
    tools: bool = False
    reasoning: bool = False
    asynchronous: bool = False
    native: bool = True
    price_in: Decimal = Decimal(0)
    price_out: Decimal = Decimal(0)
    currency: str = "RUB"
    async_share: Decimal = Decimal("0.5")
    price_search: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ability:
    """A tool as a model sees it: `parameters` is the JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked. `max_tokens` limits the answer; None leaves it to the server.

    `choice` says which of the `tools` is to be called: "" leaves it to the model, "none", "required" (some), or a name.
    `schema` is the JSON schema that the answer has to follow. `reasoning`: "" is the model's own way, else "none",
    "low", "medium" or "high"; a model without it answers as always.
    """

    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Ability, ...] = ()
    choice: str = ""
    schema: Mapping[str, Any] | None = None
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them. `reasoning` tokens are part of `completion`.

    `searches` of the web that the model made by itself: they are paid beside the tokens.
    """

    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    searches: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


class Finish(StrEnum):
    """How an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    FILTERED = "filtered"
    TOOLS = "tools"


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer rests on: a page of the web (`url`), or a page of a document (`page`, from 1)."""

    title: str
    url: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer: `text` is what is new. With `replaces`, `text` is the whole answer so far instead.

    `thought` is new text of a reasoning that the model shows; `doing` names what it does meanwhile by itself
    ("web_search").

    The last chunk of every complete stream has `finish`; a stream that ends without it raises `StreamCut`.
    """

    text: str = ""
    replaces: bool = False
    finish: Finish | None = None
    usage: Usage | None = None
    calls: tuple[ToolCall, ...] = ()
    thought: str = ""
    doing: str = ""
    sources: tuple[Source, ...] = ()


class Model(Protocol):
    """Who answers. A whole answer is a joined stream.

    `stream` raises only the `ModelError`s of `errors.py`; closing the iterator closes the connection.
    """

    @property
    def name(self) -> str: ...

    @property
    def profile(self) -> Profile: ...

    def stream(self, request: Request) -> AsyncGenerator[Chunk, None]: ...


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
