"""What is asked of services besides an answer: pictures, answers that come later, vectors, speech, the web.

The words are values, the services protocols; `models/` has the adapters and raises only the errors of `errors.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.errors import ModelError
from bot.types import Finish, Request, Source, Usage


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a picture is made from. The same prompt, seed and ratio give the same picture.

    `prompt` has at most 500 characters (YandexART); `width` and `height` are a ratio, not pixels.
    """

    prompt: str
    seed: int
    width: int = 1
    height: int = 1


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


class Later(Protocol):
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


class Painter(Protocol):
    """Draws pictures as operations: `submit` costs money each time it is accepted, `poll` costs nothing."""

    async def submit(self, drawing: Drawing) -> str:
        """Return the operation id. Raises `ModelRefused`, `ModelUnavailable`, `OutcomeUnknown`, ..."""
        ...

    async def poll(self, operation: str) -> Pending | Finished | Failed:
        """`Finished.data` is a JPEG."""
        ...


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


class Listener(Protocol):
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


class Speaker(Protocol):
    """Speaks. Costs money each time."""

    @property
    def longest(self) -> int:
        """The most characters of one text."""
        ...

    async def speak(self, text: str, language: str) -> bytes:
        """OggOpus. Raises the `ModelError`s of `errors.py`; `OutcomeUnknown` too."""
        ...
