"""What AI services are asked and what they return: answers (`Model`), now or later, pictures, web search, embeddings,
labels, speech.

The values are plain data, the services are protocols; `providers/` implements them and raises only the errors of
`errors.py`. Money is `Decimal`, durations are seconds.
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
    """What a model can do and costs, as data. The defaults are for an unknown model, and safe for all.

    `window` is in tokens, prompt and answer together. Prices are for 1,000 tokens; `price_cached` and `price_tools` are
    those of `Usage.cached` and `Usage.tools` (None: `price_in`). `async_share` is the part of these
    prices that an answer of the asynchronous mode costs (`asynchronous`), `batch_share` that of one of a batch run of
    the service. `price_search` is for one web search that the
    model makes by itself. `native`: it also speaks AI Studio's own API. `remembers`: its server keeps conversations,
    so that a request may name the answer that it follows (`Request.previous`).
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
    price_cached: Decimal | None = None
    price_tools: Decimal | None = None
    currency: str = "RUB"
    async_share: Decimal = Decimal("0.5")
    batch_share: Decimal = Decimal(1)
    price_search: Decimal = Decimal(0)
    remembers: bool = False


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool: name, description, and `parameters`, the JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked. `max_tokens` limits the answer; None: the server decides.

    `choice` says which of the `tools` the model calls: "" is its own choice, "none", "required" (at least one), or a
    name. `schema` is the JSON schema of the answer. `reasoning`: "none", "low", "medium" or "high"; "" is the model's
    default. A model that can't reason ignores it.

    `previous` is the `Chunk.response` of an earlier answer: the server remembers the first `known` of the messages that
    are not the system's. A model whose server remembers nothing ignores it; all others raise `AnswerForgotten` when
    the server does not know it any more.
    """

    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[ToolSpec, ...] = ()
    choice: str = ""
    schema: Mapping[str, Any] | None = None
    reasoning: str = ""
    previous: str = ""
    known: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; `completion` includes the `reasoning` tokens, `prompt` those that were
    `cached` and those of the service's own `tools`. `searches`: web searches that the model made by itself, which are
    paid in addition.
    """

    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    searches: int = 0
    cached: int = 0
    tools: int = 0

    @property
    def total(self) -> int:
        """Tokens of prompt and answer together."""
        return self.prompt + self.completion


class Finish(StrEnum):
    """The reason why a model's answer ended."""

    STOP = "stop"
    LENGTH = "length"
    FILTERED = "filtered"
    TOOLS = "tools"


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer is based on: a web page (`url`), or a page of a document.

    `page` counts from 1, 0 for a web page; `place` names a sheet, a slide or a chapter, "" for a page without a name.
    """

    title: str
    url: str = ""
    page: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed answer: `text` is new text, or with `replaces` the whole answer so far.

    `reasoning` is new text of the model's reasoning; `activity` names what the model is doing by itself ("web_search").
    Only the last chunk of a complete stream has `finish`; a stream that ends without it raises `StreamCut`. `version`
    is that of the model that answers, where the service tells it; `response` the id under which the service remembers
    the whole answer, "" where nothing can follow it.
    """

    text: str = ""
    replaces: bool = False
    finish: Finish | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    activity: str = ""
    sources: tuple[Source, ...] = ()
    version: str = ""
    response: str = ""


class Model(Protocol):
    """A language model. Every answer is a stream; a whole answer is its chunks joined."""

    @property
    def name(self) -> str:
        """The name or URI under which the service knows the model."""

    @property
    def profile(self) -> Profile:
        """What the model can do and costs."""

    def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Ask the model; yields the answer in pieces. Raises only `ModelError`s. Closing the iterator closes the
        connection.
        """


# --- answers that come later ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pending:
    """What `poll` returns while an operation is not finished: ask again later."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What `poll` returns when an operation is finished; `data` is its result, the bytes of a file."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What `poll` returns when an operation has produced a text: an asynchronous answer or a transcript."""

    text: str
    finish: Finish = Finish.STOP
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """What `poll` returns when an operation ended without a result. `refused`: the service's rules forbid it, so trying
    again is useless.
    """

    reason: str
    refused: bool = False


class AsyncModel(Protocol):
    """A model that answers within hours, for less money. An accepted `submit` costs money, `poll` costs nothing. All
    methods raise `ModelError`s.
    """

    async def submit(self, request: Request) -> str:
        """Start an operation; returns its id. Raises `OutcomeUnknown` if it may have been started."""

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        """Ask whether the operation is finished; `operation` is the id that `submit` returned."""

    async def cancel(self, operation: str) -> bool:
        """Ask the service to cancel the operation; returns whether it did. Work done until then may be charged."""


# --- pictures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A picture to draw: equal requests give equal pictures. `prompt` has at most 500 characters (YandexART); `width`
    and `height` are a ratio, not pixels.
    """

    prompt: str
    seed: int
    width: int = 1
    height: int = 1


class ImageModel(Protocol):
    """A model that draws, at once or as operations. An accepted `submit` costs money, `poll` costs nothing.

    `takes_seed`: equal requests give equal pictures; otherwise the seed is ignored.
    """

    @property
    def takes_seed(self) -> bool:
        """Whether the seed of a request decides about the picture."""

    async def submit(self, drawing: ImageRequest) -> str | Finished | Failed:
        """Draw: return the picture, or the id of the operation that draws it. Raises `ModelError`s; `OutcomeUnknown` if
        the request may have been accepted.
        """

    async def poll(self, operation: str) -> Pending | Finished | Failed:
        """Ask whether the picture is finished. `Finished.data` is a JPEG."""


# --- the web ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Findings:
    """The answer of a search service; its marks [1], [2] are the numbers of `sources`, from 1."""

    text: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The sentences of a web page that match a query."""

    source: Source
    text: str


class Searcher(Protocol):
    """Searches the web. Each call costs money and raises `ModelError`s."""

    async def search(self, query: str) -> Findings:
        """Return an answer that the service wrote from the pages it found."""

    async def pages(self, query: str) -> tuple[Excerpt, ...]:
        """Return excerpts of the pages found, best first."""


# --- vectors ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vector:
    """The embedding of a text, and the tokens that it cost (0: the service did not say)."""

    numbers: Sequence[float]
    tokens: int = 0


class Embedder(Protocol):
    """Turns texts into vectors (embeddings): the closer two texts are in meaning, the closer their vectors. Questions
    and stored texts share one vector space.
    """

    @property
    def name(self) -> str:
        """The name under which its vectors are stored: those of two models can't be compared."""

    @property
    def longest(self) -> int:
        """The most tokens that one text may have."""

    @property
    def pace(self) -> float:
        """About how many passages it embeds in a second; 0.0 if that is not known."""

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        """Return for each text, in order, its vector or its error. Every vector is paid for, even if other texts
        failed.

        `question`: the texts are questions, not passages to be found.
        """


# --- vector stores ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file of a vector store. `added` is a Unix time; `status` is "completed" once its text can be found."""

    id: str
    status: str
    added: float


@dataclass(frozen=True, slots=True)
class StoreChunk:
    """A piece of a file that a vector store has found, with the file's id and name; a better match scores higher."""

    file: str
    name: str
    text: str
    score: float


class VectorStores(Protocol):
    """Collections of files that a service keeps, cuts and searches by itself. Each call raises `ModelError`s."""

    async def search(self, store: str, question: str, *, within: float) -> Sequence[StoreChunk]:
        """Return the pieces of a store that fit a question best, best first, within so many seconds."""

    async def list_files(self, store: str) -> Sequence[StoreFile]:
        """Return the files of a store."""

    async def file_name(self, file: str) -> str:
        """Return the name of a file, "" where the service does not know it."""


# --- labels -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a classifier says of a text: the confidence of each label, from 0 to 1, and the tokens that the request
    cost.
    """

    confidences: Mapping[str, float]
    tokens: int = 0


class LabelModel(Protocol):
    """Says which labels fit a text. Each call costs money and raises `ModelError`s; it returns or fails within `within`
    seconds.
    """

    async def by_samples(
        self, text: str, labels: Sequence[str], *, task: str, samples: Sequence[tuple[str, str]] = (), within: float
    ) -> Labelled:
        """Return the confidences of 2 to 20 labels, which sum to about 1. `task` says what the labels mean; `samples`
        are texts with their labels.
        """

    async def tuned(self, name: str, text: str, *, within: float) -> Labelled:
        """Return the confidence of each label of the tuned classifier with this name or URI, for a text."""


# --- speech -----------------------------------------------------------------------------------------------------------


class SpeechToText(Protocol):
    """Recognises speech. A short voice note is one request (`hear`), a longer one an operation (`submit`, `poll`). Both
    cost money. All raise `ModelError`s; `hear` and `submit` also `OutcomeUnknown`.
    """

    def short(self, size: int, seconds: int) -> bool:
        """Whether a voice note of `size` bytes and `seconds` is short enough for `hear`."""

    async def hear(self, sound: bytes, language: str) -> str:
        """Return the words of a short OggOpus note; "" if nothing was said."""

    async def submit(self, sound: bytes, mime: str, language: str) -> str:
        """Start an operation for a long note; returns its id. `mime` is audio/ogg (Opus), audio/mpeg or audio/wav."""

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        """Ask whether the transcript is finished. `Answered.text` is the transcript."""


class TextToSpeech(Protocol):
    """Reads texts aloud. Each call costs money."""

    @property
    def longest(self) -> int:
        """The most characters that one text may have."""

    async def speak(self, text: str, language: str) -> bytes:
        """Return the spoken text as OggOpus. Raises `ModelError`s; `OutcomeUnknown` if it may have been charged."""
