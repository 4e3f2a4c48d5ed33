"""What is asked of services and what they say: answers (`Model`), at once or later, pictures, the web, vectors, speech.

The words are values, the services protocols; `models/` has the adapters and raises only the errors of `errors.py`.
Money is `Decimal`, durations are seconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from bot.errors import ModelError
from bot.types import Message, ToolCall

# --- answers ----------------------------------------------------------------------------------------------------------


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
class ToolSpec:
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
    tools: tuple[ToolSpec, ...] = ()
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
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    activity: str = ""
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


# --- answers that come later ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pending:
    pass


@dataclass(frozen=True, slots=True)
class Finished:
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of a model that was asked to answer later."""

    text: str
    finish: Finish = Finish.STOP
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The operation ended without a result. `refused`: by the rules of the service, so trying again is no use."""

    reason: str
    refused: bool = False


class AsyncModel(Protocol):
    """A model that answers later, for less: `submit` costs money each time it is accepted, `poll` costs nothing.

    Both raise the `ModelError`s of `errors.py`; `submit` may raise `OutcomeUnknown`.
    """

    async def submit(self, request: Request) -> str:
        """Return the operation id."""
        ...

    async def poll(self, operation: str) -> Pending | Answered | Failed: ...

    async def cancel(self, operation: str) -> bool:
        """Whether the service has taken it back; what it did until then may be paid."""
        ...


# --- pictures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What a picture is made from. The same prompt, seed and ratio give the same picture.

    `prompt` has at most 500 characters (YandexART); `width` and `height` are a ratio, not pixels.
    """

    prompt: str
    seed: int
    width: int = 1
    height: int = 1


class ImageModel(Protocol):
    """Draws pictures as operations: `submit` costs money each time it is accepted, `poll` costs nothing."""

    async def submit(self, drawing: ImageRequest) -> str:
        """Return the operation id. Raises `ModelRefused`, `ModelUnavailable`, `OutcomeUnknown`, ..."""
        ...

    async def poll(self, operation: str) -> Pending | Finished | Failed:
        """`Finished.data` is a JPEG."""
        ...


# --- the web ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search came to: an answer whose marks [1], [2] count `sources`."""

    text: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a page says about a query, in a few sentences."""

    source: Source
    text: str


class Searcher(Protocol):
    """Searches the web. Both raise the `ModelError`s of `errors.py`; each costs money whenever it is asked."""

    async def search(self, query: str) -> Findings:
        """An answer that the service has written from what it found."""
        ...

    async def pages(self, query: str) -> tuple[Excerpt, ...]:
        """The pages themselves, best first."""
        ...


# --- vectors ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vector:
    """A text's place, and the tokens that were paid for it (0 where that is not told)."""

    numbers: Sequence[float]
    tokens: int = 0


class Embedder(Protocol):
    """Gives texts their place in a space where near means alike; questions and what is kept share it."""

    @property
    def longest(self) -> int:
        """The most tokens of one text."""
        ...

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        """A vector for each text, or why there is none. Each vector is paid for, whatever became of the others."""
        ...


# --- speech -----------------------------------------------------------------------------------------------------------


class SpeechToText(Protocol):
    """Understands speech. A short note (`short`) is one request, a longer one an operation. Each is paid for.

    All raise the `ModelError`s of `errors.py`; `hear` and `submit` may raise `OutcomeUnknown`.
    """

    def short(self, size: int, seconds: int) -> bool: ...

    async def hear(self, sound: bytes, language: str) -> str:
        """The words of a short OggOpus note; "" where nothing was said."""
        ...

    async def submit(self, sound: bytes, mime: str, language: str) -> str:
        """Return the operation id. `mime` is audio/ogg (Opus), audio/mpeg or audio/wav."""
        ...

    async def poll(self, operation: str) -> Pending | Answered | Failed: ...


class TextToSpeech(Protocol):
    """Speaks. Costs money each time."""

    @property
    def longest(self) -> int:
        """The most characters of one text."""
        ...

    async def speak(self, text: str, language: str) -> bytes:
        """OggOpus. Raises the `ModelError`s of `errors.py`; `OutcomeUnknown` too."""
        ...
