"""The check of an answer while a model writes it, between the model and the chat: `Citing`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.ai import Source
from bot.knowledge import rights
from bot.knowledge.answer.evidence import Evidence
from bot.prompts.catalog import instruct
from bot.storage.store import Tx
from bot.storage.tables.knowledge import SOURCES
from bot.texts.catalog import say
from bot.types import Message, ToolCall, ToolResult

if TYPE_CHECKING:
    from bot.knowledge.answer.across import Across
    from bot.knowledge.answer.checker import Checker, Piece
    from bot.knowledge.answer.presentation import Presentation
    from bot.knowledge.answer.shown import Quote, Shown


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer, and the texts of its quotes."""

    text: str
    quotes: tuple[str, ...]


@dataclass(slots=True)
class Citing:
    """Checks the answer of a model while it is written, and shows what may be shown (`feed`, `end`).

    `asked` is the question. `raw` is what the model has written since its last call of a tool. An answer without a
    model consists of the pieces of its evidence. An answer that is judged is held until `release`. `across` compares
    sentences with those in other languages: then `compare` is called before `feed` and before `end`.
    """

    evidence: Evidence
    asked: str = ""
    raw: str = field(default="", init=False)
    repaired: bool = False
    across: Across | None = None
    _first: Evidence = field(init=False)  # what was there before tools have said anything
    _heard: str = field(default="", init=False)
    _echoed: str = field(default="", init=False)  # facts of it may be repeated in what rests on a tool
    _done: list[Piece] = field(default_factory=list, init=False)  # what stood before calls of tools
    _kept: list[Piece] = field(default_factory=list, init=False)
    _held: list[Piece] = field(default_factory=list, init=False)
    _checker: Checker = field(init=False)
    _presentation: Presentation = field(init=False)

    def __post_init__(self) -> None:
        self._first = self.evidence
        self.hear(())
        self.restart()

    def restart(self) -> None:
        """Forget what the model has written since its last call of a tool: it begins that part of its answer anew."""
        from bot.knowledge.answer.checker import Checker
        from bot.knowledge.answer.presentation import Presentation

        evidence = self.evidence
        self.raw, self._kept, self._held = "", [], []
        self._checker = Checker(
            evidence.shown,
            nearest=self.across.nearest if self.across else None,
            heard=self._heard,
            asked=self._echoed,
            own=evidence.is_open,
            sure=evidence.sure,
        )
        self._presentation = Presentation(evidence.shown, evidence.language)
        if evidence.judged:
            self._held += self._done
        else:
            self._show(self._done)

    def hear(self, steps: Sequence[Message]) -> list[Message]:
        """Take what tools were asked and have said in the `steps` of a turn; return the steps as the model gets them.

        Call `restart` afterwards. Where each sentence needs a source, a result is one, and has a mark.
        """
        results = [part for message in steps for part in message.parts if isinstance(part, ToolResult)]
        calls = [part for message in steps for part in message.parts if isinstance(part, ToolCall)]
        given = self._first.given.passages
        self._heard = "\n".join((*given, *(one.content for one in results)))
        told = (json.dumps(dict(call.arguments), ensure_ascii=False, default=str) for call in calls)
        self._echoed = "\n".join((self.asked, *told))
        if self._first.is_open:
            return list(steps)
        shown = [_result(one, self._first.language) for one in results]
        self.evidence = replace(self._first, shown=(*self._first.shown, *shown))
        return [_marked(message, self.evidence, results) for message in steps]

    def pause(self) -> None:
        """The model calls a tool: what it has written stays, and a new paragraph follows."""
        from bot.knowledge.answer.checker import Piece

        written = self._held if self.evidence.judged else self._kept
        self._done = [*written, Piece("\n\n", "")] if len(written) > len(self._done) else [*written]

    async def compare(self, text: str = "", *, anew: bool = False, ended: bool = False) -> None:
        """Embed the sentences that must be compared across languages, before `text` is fed (or with `ended`, before
        `end` is called).

        `anew`: the model begins its answer again with this text.
        """
        if self.across is None:
            return
        if anew:
            self.restart()
        wanted = self._checker.to_compare(text, ended=ended)
        if wanted and not await self.across.learn(wanted):
            self.across = None
            self._checker.stop_comparing()

    async def take(self, said: str) -> str:
        """Check a whole answer; return what of it may be shown."""
        await self.compare(said)
        shown = self.feed(said)
        await self.compare(ended=True)
        return shown + self.end()

    def feed(self, text: str) -> str:
        """Take the next part of the answer; return what may be shown now."""
        self.raw += text
        return self._take(self._checker.feed(text))

    def end(self) -> str:
        """The answer has ended; return what may be shown of its rest."""
        return self._take(self._checker.end())

    @property
    def claims(self) -> Sequence[Claim]:
        """The sentences of a held answer that are to be judged. A sentence that stands in its quotes word for word is
        left out: it follows from them. So is one about a picture, which the judge does not see.
        """
        from bot.knowledge.answer.quotes import stands
        from bot.knowledge.answer.shown import PICTURE

        seen = {place for place, one in enumerate(self.evidence.shown) if one.origin == PICTURE}
        quoted = (
            Claim(one.text, tuple(map(self._text, one.quotes)))
            for one in self._held
            if one.quotes and seen.isdisjoint(quote.place for quote in one.quotes)
        )
        return [one for one in quoted if not any(stands(one.text.rstrip(".!?… "), text) for text in one.quotes)]

    def release(self, left_out: Collection[str] = ()) -> str:
        """Return what may be shown of the answer that was held, without these sentences."""
        from bot.knowledge.answer.presentation import without

        held, self._held = self._held, []
        return self._show(without(held, left_out)).lstrip()

    def extract(self) -> str:
        """Return the answer that sentences of the sources make, without a model; "" if the sources do not have it."""
        return self._show(self.evidence.pieces)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left that answers: no sentence with a source; in an open answer no sentence at all, or
        nothing but a greeting where others were left out.
        """
        if self.quotes or not self.evidence.is_open:
            return not self.quotes
        from bot.knowledge.answer.forms import is_closing, is_greeting

        lacks = bool(self._checker.dropped or self._checker.refused)
        said = (one.text for one in self._kept if one.text)
        return all(lacks and (is_greeting(one) or is_closing(one)) for one in said)

    @property
    def wants_repair(self) -> bool:
        """Whether so much has failed that the model is asked once more."""
        return not self.repaired and not self._checker.refused and self._checker.wants_repair

    def repair(self) -> str:
        """What the model is told about the sentences that failed."""
        return self._checker.repair(self.evidence.language)

    @property
    def left_out(self) -> Sequence[str]:
        """The sentences of the answer that the sources do not carry, so that they are not shown."""
        return [one.text for one in self._checker.dropped]

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """The quotes of the sentences that are shown, each once."""
        return tuple(dict.fromkeys(quote for piece in self._kept for quote in piece.quotes))

    @property
    def has_own(self) -> bool:
        """Whether a sentence is shown that rests on no source."""
        return self.evidence.is_open and any(one.text and not one.quotes for one in self._kept)

    @property
    def spans(self) -> Sequence[tuple[int, int, int]]:
        """The quotes of the sources as they are stored: (passage, start, end). Those of documents are not."""
        return [(one.passage, one.start, one.end) for one in self.quotes if _is_of_source(one)]

    @property
    def below(self) -> str:
        """The quotes and the list of sources, Markdown; "" without any. Without a model the quotes are the answer."""
        quotes = self._presentation.quotes() if self.evidence.block else ""
        return "\n\n".join(filter(None, (quotes, self._presentation.sources())))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The articles that the answer quotes, each page once, then the pages of documents."""
        quoted = {quote.passage for quote in self.quotes}
        named = (one for one in self.evidence.passages if one.id in quoted)
        pages = (one for one in self.evidence.documents if -one.id in quoted)
        return tuple(
            dict.fromkeys(
                (
                    *(Source(one.title, url=one.url, page=one.page) for one in named),
                    *(Source(one.name, page=one.page, place=one.place) for one in pages),
                )
            )
        )

    def without_withdrawn(self, tx: Tx, bot: int) -> str | None:
        """The answer without sentences and titles whose sources have changed, or may no longer be read; None if it can
        stay.
        """
        from bot.knowledge.answer.presentation import Presentation

        quoted, near = {quote.passage for quote in self.quotes if _is_of_source(quote)}, self.evidence.near
        if not quoted and self.evidence.block and not self.raw.strip():
            return None  # the model has written nothing
        readable = rights.readable(tx.all(SOURCES, bot=bot), self.evidence.groups)
        named = {*quoted, *near}
        stand = tx.knowledge.read_passages(named, readable, self.evidence.groups) if named else {}
        if (quoted or set(near)) <= stand.keys():
            return None
        left = {passage: title for passage, title in near.items() if passage in stand}
        self.evidence = replace(self.evidence, near=left)
        pieces = [
            piece
            for piece in self._kept
            if all(quote.passage in stand or not _is_of_source(quote) for quote in piece.quotes)
        ]
        self._presentation, self._kept = Presentation(self.evidence.shown, self.evidence.language), []
        text = self._show(pieces)
        return self.evidence.unknown if self.is_empty else text.lstrip()

    def _take(self, pieces: Collection[Piece]) -> str:
        if not self.evidence.judged:
            return self._show(pieces)
        self._held += pieces
        return ""

    def _text(self, quote: Quote) -> str:
        return self.evidence.shown[quote.place].text[quote.start : quote.end]

    def _show(self, pieces: Collection[Piece]) -> str:
        self._kept += pieces
        return "".join(map(self._presentation.show, pieces))


def _is_of_source(quote: Quote) -> bool:
    """Return whether a quote is from the knowledge base. Passages of documents have negative ids, all else has 0."""
    return quote.passage > 0


def _result(one: ToolResult, language: str) -> Shown:
    from bot.knowledge.answer.shown import TOOL, Shown

    told = one.content.removeprefix(f"{instruct(language, 'tool.data', tool=one.name)}\n")
    return Shown(0, say(language, "kb.from.tool", tool=one.name), "", (told,), origin=TOOL)


def _marked(message: Message, evidence: Evidence, results: Sequence[ToolResult]) -> Message:
    """A message of a turn's steps, each of whose results has the mark by which a model names it."""
    from bot.knowledge.answer.shown import letter_of

    first = len(evidence.shown) - len(results)

    def marked(one: ToolResult) -> ToolResult:
        place = first + next(number for number, other in enumerate(results) if other is one)
        mark = instruct(evidence.language, "knowledge.result", mark=f"{letter_of(place)}1")
        return replace(one, content=f"{mark}\n{one.content}")

    parts = tuple(marked(part) if isinstance(part, ToolResult) else part for part in message.parts)
    return Message(message.role, parts)
