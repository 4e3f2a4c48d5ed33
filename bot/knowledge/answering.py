"""An answer from the knowledge base: what it may rest on, and how it is checked while it is written.

Begin with `KnowledgeAnswers.look`, which a turn calls before it asks a model. `Citing` is then between the model and
the chat. What these use is imported when a bot has sources.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import starmap
from typing import TYPE_CHECKING, Any, Protocol

from bot.ai import Embedder, Source
from bot.billing.metering import BillTo
from bot.knowledge import rights
from bot.knowledge.base import KnowledgeBase
from bot.storage.repositories.files.documents import Passage
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Incoming

if TYPE_CHECKING:
    from bot.knowledge.answer.across import Across
    from bot.knowledge.answer.checker import Checker, Piece
    from bot.knowledge.answer.presentation import Presentation
    from bot.knowledge.answer.shown import Quote, Shown
    from bot.knowledge.search.retrieval import Found

# Levels of an answer: the model's sentences with quotes; these, if another model says that they follow from the quotes;
# sentences of the sources.
CITED, JUDGED, EXTRACT = "cited", "judged", "extract"
MOST_CHARACTERS = 14_000  # that the passages add to a prompt, with the instructions around them
NEAREST = 3  # titles that are named where nothing answers


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer, and the texts of its quotes."""

    text: str
    quotes: tuple[str, ...]


# Returns those of the claims of an answer, by their texts, that do not follow from their quotes; the sender pays. The
# string is the language of the answer.
Judge = Callable[[Incoming, Sequence[Claim], str], Awaitable[Collection[str]]]


class Ranker(Protocol):
    """Another model that puts passages in order."""

    @property
    def most(self) -> int:
        """The number of passages that the model is given."""

    async def order(
        self, incoming: Incoming, question: str, passages: Sequence[StoredPassage], language: str
    ) -> Sequence[int]:
        """Return the places of the passages, best first: each once. The sender pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the sources have about a question of somebody in these `groups`.

    `block` is the part of the prompt with the passages; "" where no model is asked, and `pieces` are the answer: the
    sentences of the sources, or none. `near` are the titles that are named where these do not have it, by passage.
    `vector` is the question's embedding (b"": none), `generation` that of the knowledge base when it was searched.
    `documents` are passages of the conversation's documents, which are shown after the `passages` of the sources.
    `for_asker` is the question as it was searched for, if in a group chat only what the asker may read and the chat
    may not answers it: then nothing else is set, and the chat is told `said`. `judged`: each sentence of the answer
    is to be judged before it is shown. `doubtful`: the question may be about something else, so the `pieces` are quotes
    that may be an answer, and it counts as one that the sources do not answer.
    """

    language: str
    groups: frozenset[str]
    for_asker: str = ""
    near: Mapping[int, str] = field(default_factory=dict)
    shown: tuple[Shown, ...] = ()
    passages: tuple[StoredPassage, ...] = ()
    block: str = ""
    pieces: tuple[Piece, ...] = ()
    vector: bytes = b""
    generation: int = 0
    judged: bool = False
    documents: tuple[Passage, ...] = ()
    doubtful: bool = False

    def stored(self) -> Mapping[str, Any]:
        """What `restored` needs, as JSON."""
        return {
            "passages": [one.id for one in self.passages], "groups": sorted(self.groups), "judged": self.judged,
            "documents": [[one.name, one.page, one.text, one.place] for one in self.documents],
        }  # fmt: skip

    def beside(self, documents: Sequence[Passage]) -> Evidence:
        """The evidence with passages of documents, the most relevant first: they are quoted and checked as the others,
        as many as a model can name.
        """
        from bot.knowledge.answer.documents import shown
        from bot.knowledge.answer.shown import LETTERS, sources_block

        added = tuple(documents[: len(LETTERS) - len(self.shown)])
        all_ = (*self.shown, *shown(added, self.language))
        return replace(self, shown=all_, documents=added, block=sources_block(all_, self.language))

    @property
    def unknown(self) -> str:
        """The sentence that the sources do not have the answer, with the titles of the nearest passages."""
        near = "".join(f"\n- {title}" for title in self.near.values())
        return say(self.language, "kb.unanswered") + (f"\n\n{say(self.language, 'kb.nearest')}{near}" if near else "")

    @property
    def said(self) -> str:
        """The whole answer, if no model is asked and no sentence of the sources is quoted."""
        return say(self.language, "kb.alone") if self.for_asker else self.unknown

    @property
    def mark(self) -> str:
        """A value that is different when other passages are found: the hash of their ids. It is "" for none, and where
        it is doubtful whether they answer the question.
        """
        ids = () if self.doubtful else sorted(one.id for one in self.passages)
        return hashlib.sha256(repr(ids).encode()).hexdigest() if ids else ""


def restored(tx: Tx, stored: Mapping[str, Any], language: str) -> Evidence:
    """The evidence of a question that a model was asked earlier, as it was shown; empty if a passage is gone."""
    from bot.knowledge.answer.shown import of_passage, sources_block

    groups = frozenset(stored["groups"])
    known = tx.knowledge.list_by_id(stored["passages"])
    if len(known) < len(stored["passages"]):
        return Evidence(language=language, groups=groups)
    passages = tuple(known[id_] for id_ in stored["passages"])
    shown = tuple(map(of_passage, passages))
    block = sources_block(shown, language)
    found = Evidence(
        language=language, groups=groups, shown=shown, passages=passages, block=block,
        judged=stored.get("judged", False),
    )  # fmt: skip
    documents = [
        Passage(text, page, name=name, place=place, id=id_)
        for id_, (name, page, text, place) in enumerate(stored.get("documents", ()), 1)
    ]
    return found.beside(documents) if documents else found


@dataclass(slots=True)
class Citing:
    """Checks the answer of a model while it is written, and shows what may be shown (`feed`, `end`).

    `raw` is what the model has written. An answer without a model consists of the pieces of its evidence. An answer
    that is judged is held until `release`. `across` compares sentences with those in other languages: then `compare` is
    called before `feed` and before `end`.
    """

    evidence: Evidence
    raw: str = ""
    repaired: bool = False
    across: Across | None = None
    _kept: list[Piece] = field(default_factory=list)
    _held: list[Piece] = field(default_factory=list)
    _checker: Checker = field(init=False)
    _presentation: Presentation = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that the model has written: it begins its answer anew."""
        from bot.knowledge.answer.checker import Checker
        from bot.knowledge.answer.presentation import Presentation

        self.raw, self._kept, self._held = "", [], []
        self._checker = Checker(self.evidence.shown, nearest=self.across.nearest if self.across else None)
        self._presentation = Presentation(self.evidence.shown, self.evidence.language)

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
            self.across = self._checker.nearest = None

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
        left out: it follows from them.
        """
        from bot.knowledge.answer.quotes import stands

        quoted = (Claim(one.text, tuple(map(self._text, one.quotes))) for one in self._held if one.quotes)
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
        """Whether no sentence with a source is left."""
        return not self.quotes

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
        readable = rights.readable(tx.sources.list_sources(bot), self.evidence.groups)
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
    """Return whether a quote is from the knowledge base. Passages of documents have negative ids."""
    return quote.passage > 0


@dataclass(frozen=True, slots=True)
class Scope:
    """What the topic of a question says about its answer; it never lets anybody read a source.

    `sources` are the names of the sources that are searched (empty: all), `level` is the level of the answer ("": that
    of the bot).
    """

    sources: frozenset[str] = frozenset()
    level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeAnswers:
    """Answers of one bot from its knowledge base. `level` is `CITED`, `JUDGED` or `EXTRACT`, `role` names a sender's
    role; without a `judge` the level `JUDGED` is `CITED`. `local` makes an embedder on this machine, if there is one.
    Without a `ranker` passages stay in the order of the search. `heard_by` says in whose name the sources are read
    where nobody has asked: for a case that is asked again.
    """

    base: KnowledgeBase
    level: str
    role: Callable[[Incoming], str]
    judge: Judge | None = None
    local: Callable[[], Embedder] | None = None
    ranker: Ranker | None = None
    heard_by: Callable[[Incoming], frozenset[str]] | None = None

    def begin(self, evidence: Evidence) -> Citing:
        """Return the `Citing` that checks an answer which rests on this evidence."""
        if self.local is None or not evidence.block:
            return Citing(evidence)
        from bot.knowledge.answer.across import Across

        return Citing(evidence, across=Across(self.local))

    async def release(self, incoming: Incoming, citing: Citing) -> str:
        """Return what may be shown of an answer that has ended and was held until it is judged."""
        return citing.release(await self.left_out(incoming, citing))

    async def left_out(self, incoming: Incoming, citing: Citing) -> Collection[str]:
        """Ask the judge, and return the sentences of an answer, not sent yet, that do not follow from their quotes."""
        if self.judge is None or not (claims := citing.claims):
            return ()
        return await self.judge(incoming, claims, citing.evidence.language)

    def withdrawn(self, tx: Tx, incoming: Incoming, conversation: int) -> Collection[int]:
        """Return the ids of the answers of a conversation that quote sources which may not be read here any more."""
        if not self.base.may_have_sources or not (quoting := tx.knowledge.list_quoting(conversation)):
            return ()
        may_read = self.reader(tx, incoming)
        return [answer for answer, quoted in quoting.items() if not all(starmap(may_read, quoted))]

    def reader(self, tx: Tx, incoming: Incoming) -> Callable[[int, str], bool]:
        """Return a function that says whether an article may be read here now, given its source and its audience ("":
        all readers of the source).
        """
        groups = self._groups(incoming)
        sources = rights.readable(tx.sources.list_sources(incoming.address.bot), groups)
        return lambda source, audience: source in sources and audience in ("", *groups)

    def _groups(self, incoming: Incoming) -> frozenset[str]:
        if self.heard_by is not None:
            return self.heard_by(incoming)
        return rights.groups_of(
            self.role(incoming), incoming.user.id, incoming.address, private=incoming.private
        )  # fmt: skip

    def _groups_of_asker(self, incoming: Incoming) -> frozenset[str]:
        """Return the groups that would read an answer which only the sender sees."""
        if incoming.user.id <= 0:  # an anonymous administrator, a channel, or nobody
            return self._groups(incoming)
        alone = replace(incoming.address, visible_to=incoming.user.id)
        return self._groups(replace(incoming, address=alone))

    async def look(
        self, incoming: Incoming, question: str, language: str, scope: Scope = Scope(),
        *, rewrite: Callable[[], Awaitable[str]] | None = None,
    ) -> Evidence | None:  # fmt: skip
        """Search the sources in `scope` for a question that is answered in `language`; return the evidence for an
        answer.

        `rewrite` returns a question to search for instead; it is called only if there is something to search. Returns
        None if the bot has no source that may be read here, or if the message is no question (a greeting, thanks). In a
        group everybody reads the answer, so it rests on what the group may read. If only sources that the asker alone
        may read have the answer, or something there fits best, the evidence is marked `for_asker` and has no passages.
        """
        if not await self.base.sources():
            return None
        from bot.knowledge.answer.forms import is_small_talk

        groups, own = self._groups(incoming), self._groups_of_asker(incoming)
        if not await self.base.readable(own) or is_small_talk(question):
            return None
        question = question if rewrite is None else await rewrite()
        payer = BillTo.of(incoming, language)
        found = await self.base.search(question, own, payer, among=scope.sources)
        if own != groups and not (heard := await self._heard(found, groups)).issuperset(_passages(found)):
            best = found.hits[0].passage.id
            answers = self.base.passes(found)
            found = await self.base.search(question, groups, payer, among=scope.sources)
            if answers and not (best in heard and self.base.passes(found)):
                return Evidence(language=language, groups=groups, for_asker=question)
        if not await self.base.readable(groups):
            return None
        level = scope.level or self.level
        if level != EXTRACT and self.ranker is not None and self.base.passes(found):
            found = await _ranked(self.ranker, incoming, question, found, language)
        return await asyncio.to_thread(self._evidence, found, groups, language, level)

    async def _heard(self, found: Found, groups: frozenset[str]) -> frozenset[int]:
        """Return those of the found passages, by id, that these groups may read."""
        sources = await self.base.readable(groups)
        read = self.base.store.read_one
        return frozenset(await read(lambda tx: tx.knowledge.read_passages(_passages(found), sources, groups)))

    def _evidence(self, found: Found, groups: frozenset[str], language: str, level: str) -> Evidence:
        from bot.knowledge.answer.extract import extract
        from bot.knowledge.answer.shown import of_passage, sources_block
        from bot.knowledge.search.matrix import pack

        nothing = Evidence(
            language=language, groups=groups, near=_near(found), generation=found.generation,
            vector=pack(found.vector) if found.vector else b"",
        )  # fmt: skip
        doubtful = self.base.doubts(found)
        if not found.hits or not (doubtful or self.base.passes(found)):
            return nothing
        shown = tuple(of_passage(hit.passage) for hit in found.hits)
        cited = level != EXTRACT and not doubtful
        pieces = () if cited else extract(shown, found.frequencies, found.size, language, doubtful=doubtful)
        if doubtful and not pieces:
            return nothing
        return replace(
            nothing,
            shown=shown,
            passages=tuple(hit.passage for hit in found.hits),
            block=sources_block(shown, language) if cited else "",
            judged=level == JUDGED and not doubtful,
            pieces=tuple(pieces),
            doubtful=doubtful,
        )


async def _ranked(ranker: Ranker, incoming: Incoming, question: str, found: Found, language: str) -> Found:
    """Return what was found, with the first passages in the order in which another model puts them. As many are shown
    as before.
    """
    given = (*found.hits, *found.more)[: ranker.most]
    if len(given) < 2:
        return found
    order = await ranker.order(incoming, question, [hit.passage for hit in given], language)
    hits = (*(given[place] for place in order), *found.hits[len(given) :])
    return replace(found, hits=hits[: len(found.hits)])


def _passages(found: Found) -> Collection[int]:
    return [hit.passage.id for hit in found.hits]


def _near(found: Found) -> Mapping[int, str]:
    """Return the titles of the nearest passages, by the ids of the passages. No title comes twice."""
    titles: dict[str, int] = {}
    for hit in found.hits:
        titles.setdefault(hit.passage.title or hit.passage.place, hit.passage.id)
    titles.pop("", None)
    return {passage: title for title, passage in list(titles.items())[:NEAREST]}
