"""Answers from the knowledge base: what the sources have about a question, before a model is asked.

Begin with `KnowledgeAnswers.look`. What an answer may rest on is `Evidence` (`answer/evidence.py`); `Citing`
(`answer/citing.py`) is then between the model and the chat. What these use is imported when a bot has sources.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from typing import TYPE_CHECKING, Protocol

from bot.ai import Embedder
from bot.billing.metering import BillTo
from bot.knowledge import rights
from bot.knowledge.answer.citing import Citing, Claim
from bot.knowledge.answer.evidence import EXTRACT, NOTHING_GIVEN, WHOLE, Evidence, Given, Scope
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.formats.tidying import language_of
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Tx
from bot.storage.tables.knowledge import SOURCES
from bot.texts.catalog import known, say
from bot.types import Incoming

if TYPE_CHECKING:
    from bot.knowledge.search.retrieval import Found

MOST_CHARACTERS = 14_000  # that the passages add to a prompt, with the instructions around them
NEAREST = 3  # titles that are named where nothing answers

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
class KnowledgeAnswers:
    """Answers of one bot from its knowledge base. `level` is that of its answers (`OPEN`, `CITED` ...), `role` names a
    sender's role; without a `judge` the level `JUDGED` is `CITED`. `local` makes an embedder on this machine, if there
    is one. Without a `ranker` passages stay in the order of the search. `heard_by` says in whose name the sources are
    read where nobody has asked: for a case that is asked again. `marks_own`: it is said below an open answer what of it
    is not from the sources.
    """

    base: KnowledgeBase
    level: str
    role: Callable[[Incoming], str]
    judge: Judge | None = None
    local: Callable[[], Embedder] | None = None
    ranker: Ranker | None = None
    heard_by: Callable[[Incoming], frozenset[str]] | None = None
    marks_own: bool = False

    def own_note(self, citing: Citing | None, language: str, *, beyond: bool) -> str:
        """The note below an answer that says what of it is not from the sources; "" for none."""
        if not self.marks_own or not (beyond or (citing is not None and citing.has_own)):
            return ""
        return say(language, "kb.own.some" if citing is not None and citing.quotes else "kb.own")

    def begin(self, evidence: Evidence, question: str) -> Citing:
        """Return the `Citing` that checks an answer to a question which rests on this evidence."""
        if self.local is None or not evidence.block:
            return Citing(evidence, question)
        from bot.knowledge.answer.across import Across

        return Citing(evidence, question, across=Across(self.local))

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
        sources = rights.readable(tx.all(SOURCES, bot=incoming.address.bot), groups)
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
        self, incoming: Incoming, question: str, language: str, scope: Scope = WHOLE,
        *, rewrite: Callable[[], Awaitable[str]] | None = None, given: Given = NOTHING_GIVEN,
    ) -> Evidence | None:  # fmt: skip
        """Search the sources in `scope` for a question that is answered in `language`; return the evidence for an
        answer. `given` is what there is beside the sources.

        `rewrite` returns a question to search for instead; it is called only if there is something to search. Returns
        None if the bot has no source that may be read here, or if the message is no question (a greeting, thanks). In a
        group everybody reads the answer, so it rests on what the group may read. If only sources that the asker alone
        may read have the answer, or something there fits best, the evidence is marked `for_asker` and has no passages.
        """
        if scope.free or not await self.base.sources():
            return None
        from bot.knowledge.answer.forms import is_small_talk

        groups, own = self._groups(incoming), self._groups_of_asker(incoming)
        if not await self.base.readable(own) or is_small_talk(question):
            return None
        question = await rewrite() if rewrite is not None and question.strip() else question
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
        near = _near(found, question, language)
        nothing = Evidence(language=language, groups=groups, level=level, given=given, near=near)
        return await asyncio.to_thread(self._evidence, nothing, found)

    async def _heard(self, found: Found, groups: frozenset[str]) -> frozenset[int]:
        """Return those of the found passages, by id, that these groups may read."""
        sources = await self.base.readable(groups)
        read = self.base.store.read_one
        return frozenset(await read(lambda tx: tx.knowledge.read_passages(_passages(found), sources, groups)))

    def _evidence(self, nothing: Evidence, found: Found) -> Evidence:
        """The evidence for an answer out of what was found: passages for a model, sentences without one, or nothing."""
        from bot.knowledge.search.matrix import pack

        nothing = replace(
            nothing, generation=found.generation, vector=pack(found.vector) if found.vector else b""
        )  # fmt: skip
        covers = bool(found.hits) and self.base.passes(found)
        doubtful = bool(found.hits) and not covers and self.base.doubts(found)
        passages = [hit.passage for hit in found.hits] if covers or doubtful else []
        if nothing.is_open:
            sure = covers and self.base.is_sure(found)
            return replace(nothing, doubtful=doubtful, sure=sure).shows(passages) if passages else nothing
        if covers and not nothing.given.called_for:  # what a source orders must find no tools
            nothing = replace(nothing, given=replace(nothing.given, tools=False))
        asks = bool(nothing.given) if nothing.level != EXTRACT else nothing.given.picture
        if not asks and (nothing.level == EXTRACT or doubtful):
            quoted = _extracted(nothing, found, passages, doubtful=doubtful)
            asks = not (quoted.pieces or covers) and bool(nothing.given)
            if not asks:
                return quoted
        return nothing.shows(passages) if asks or covers else nothing


def _extracted(nothing: Evidence, found: Found, passages: Sequence[StoredPassage], *, doubtful: bool) -> Evidence:
    """The evidence for an answer without a model: sentences of the sources, and of what a programmer's functions have
    given; nothing where none has a word of the question. `doubtful`: these may be about something else.
    """
    from bot.knowledge.answer.extract import extract

    told = nothing.shows(passages)
    doubtful = doubtful and not nothing.given.passages
    pieces = extract(told.shown, found.frequencies, found.size, nothing.language, doubtful=doubtful)
    if not pieces and doubtful:
        return nothing
    return replace(told, block="", pieces=tuple(pieces), doubtful=doubtful)


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


def _near(found: Found, question: str, language: str) -> Mapping[int, str]:
    """Return the titles of the nearest passages, by the ids of the passages; those in another language than the
    question say nothing to who asks. No title comes twice.
    """
    asked = language_of(question) or known(language)
    titles: dict[str, int] = {}
    for hit in found.hits:
        if language_of(hit.passage.text) not in ("", asked):
            continue
        titles.setdefault(hit.passage.title or hit.passage.place, hit.passage.id)
    titles.pop("", None)
    return {passage: title for title, passage in list(titles.items())[:NEAREST]}
