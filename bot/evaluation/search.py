"""The search as what is measured. Begin with `Search.rank`, the ranks of what cases expect; `locate` says what that is,
by the page and the text of a case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.billing.metering import BillTo
from bot.evaluation.cases import Case
from bot.evaluation.checks import is_named
from bot.evaluation.statistics import Changes, gain, rank_of
from bot.knowledge.search.gate import Signals
from bot.knowledge.search.retrieval import Found, Retrieval
from bot.storage.repositories.knowledge.articles import ArticleRow
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Tx
from bot.storage.tables.knowledge import SOURCES
from bot.types import Address


@dataclass(frozen=True, slots=True)
class Ranked:
    """A case with the rank at which the search found what it expects, from 1; None if it was not found.

    `source` is the name of the source that has it. It is "" if the page or the text is gone: then there is nothing to
    find, and nothing was asked.
    """

    case: Case
    source: str
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question on which a gate is fitted. The search for it leaves out the passages `without` (ids). `own` are the
    passages that answer it, empty if they are unknown.
    """

    text: str
    without: frozenset[int] = frozenset()
    own: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Searches these sources (ids) of a bot with the rights of these groups. What is paid is booked on nobody."""

    retrieval: Retrieval
    bot: int
    sources: Collection[int]
    groups: Collection[str]

    @classmethod
    async def everything(cls, retrieval: Retrieval, bot: int) -> Search:
        """Search all that there is now, whoever may read it."""

        def read(tx: Tx) -> tuple[Collection[int], Collection[str]]:
            sources = frozenset(one.id for one in tx.all(SOURCES, bot=bot))
            return sources, {one.audience for one in tx.articles.list_articles(sources)}

        sources, groups = await retrieval.store.read(read)
        return cls(retrieval=retrieval, bot=bot, sources=sources, groups=groups)

    async def rank(self, cases: Sequence[Case]) -> list[Ranked]:
        """The rank of each case that says what should be found: an article if it names only a page, a passage if it
        names a text.
        """

        def read(tx: Tx) -> list[tuple[Case, str, frozenset[int]]]:
            names = {one.id: one.name for one in tx.all(SOURCES, bot=self.bot)}
            articles = [one for one in tx.articles.list_articles(self.sources) if one.audience in ("", *self.groups)]
            source_of = {one.id: names[one.source_id] for one in articles}
            return [
                (case, source_of[min(pages)] if pages else "", passages if case.text else pages)
                for case, pages, passages in locate(tx, cases, articles, names)
            ]

        ranked = []
        for case, source, wanted in await self.retrieval.store.read(read):
            rank = None
            if source:
                found = await self.retrieval.rank(case.question, self.sources, self._payer, groups=self.groups)
                rank = rank_of((one.id if case.text else one.article_id for one in found), wanted)
            ranked.append(Ranked(case, source, rank))
        return ranked

    async def search(self, question: str, without: Collection[int] = ()) -> Found:
        """What is found for a question, without these passages (ids)."""
        return await self.retrieval.search(question, self.sources, self._payer, groups=self.groups, without=without)

    async def signals(self, questions: Collection[Question], *, missing: bool = False) -> list[Signals]:
        """The signals of each question, in order. `missing`: also without the passages that answer it."""
        return [
            (await self.search(one.text, one.without | one.own if missing else one.without)).signals
            for one in questions
        ]

    @property
    def _payer(self) -> BillTo:
        return BillTo(Address("telegram", self.bot, 0), 0, "kb")


def compare_ranks(before: Mapping[str, int | None], now: Mapping[str, int | None]) -> Changes[str]:
    """Compare the ranks of two runs by the keys of their questions. Only those of both runs count."""
    gains = {key: gain(rank) - gain(before[key]) for key, rank in now.items() if key in before}
    better, worse = ([key for key, more in gains.items() if more * sign > 0] for sign in (1, -1))
    return Changes(better=better, worse=worse)


def find_articles(case: Case, articles: Iterable[ArticleRow], sources: Mapping[int, str]) -> frozenset[int]:
    """Return the articles that a case expects, by its page; all articles if it names no page. `sources` are the names
    of sources by id.
    """
    return frozenset(one.id for one in articles if not case.page or is_named(case.page, names_of(one, sources)))


def locate(
    tx: Tx, cases: Iterable[Case], articles: Sequence[ArticleRow], sources: Mapping[int, str]
) -> Iterator[tuple[Case, frozenset[int], frozenset[int]]]:
    """Yield each case that says what should be found, with the articles and the passages (ids) that have it: none if
    its page or its text is gone.
    """
    pages = [(case, find_articles(case, articles, sources)) for case in cases if case.says_where]
    below: dict[int, list[StoredPassage]] = defaultdict(list)
    for one in tx.articles.list_passages(frozenset().union(*(found for _, found in pages))):
        below[one.article_id].append(one)
    for case, found in pages:
        text = _fold(case.text)
        there = [one for id_ in found for one in below[id_] if not text or text in _fold(f"{one.place} {one.text}")]
        holding = frozenset(one.article_id for one in there) if text else found
        yield case, holding, frozenset(one.id for one in there)


def names_of(article: ArticleRow, sources: Mapping[int, str]) -> tuple[str, ...]:
    """The names by which a case can mean an article: title, address, key, source."""
    return article.title, article.url, article.key, sources.get(article.source_id, "")


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
