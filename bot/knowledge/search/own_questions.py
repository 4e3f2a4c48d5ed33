"""The questions on which a gate is fitted (`Questions.collect`), and what a search tells about each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from random import Random

from bot.billing.metering import BillTo
from bot.knowledge.formats.tidying import language_of
from bot.knowledge.passages import BETWEEN
from bot.knowledge.search.calibration import FEWEST, SEED
from bot.knowledge.search.cases import Case, gold_articles, gold_passages
from bot.knowledge.search.gate import Signals
from bot.knowledge.search.retrieval import Retrieval
from bot.storage.repositories.knowledge.articles import ArticleRow
from bot.storage.repositories.knowledge.gaps import REFUSED
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.repositories.knowledge.sources import LEARNED
from bot.storage.store import Tx
from bot.types import Address

MOST = 300  # questions of a kind: more say little, and cost time
COMMON = 0.1  # share of the questions that a language needs, to be one that people ask in


@dataclass(frozen=True, slots=True)
class Question:
    """A question on which a gate is fitted. The search for it leaves out the passages `without` (ids). `own` are the
    passages that answer it, empty if they are unknown.
    """

    text: str
    without: frozenset[int] = frozenset()
    own: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Questions on which a gate is fitted and tried.

    They are questions that the sources answer, questions about something else (`others`, of which `general` come with
    Govorun), and those to which the bot said that the sources do not have the answer, which may belong to either kind.
    `lost` are questions whose expected page or text is in no source.
    """

    answerable: Sequence[Question]
    others: Sequence[Question]
    general: int
    refused: Sequence[Question] = ()
    lost: Sequence[str] = ()

    @property
    def texts(self) -> list[str]:
        """All that is searched for, each text once."""
        return list(dict.fromkeys(one.text for one in (*self.answerable, *self.others, *self.refused)))

    @classmethod
    def collect(cls, tx: Tx, bot: int, cases: Collection[Case] = ()) -> Questions:
        """The questions of `cases`. Without them those that stand in the sources as headings, in an FAQ or among what
        people have taught: the passage below such a heading is left out, because it would be found by its own words.
        """
        sources = {one.id: one for one in tx.sources.list_sources(bot)}
        articles = tx.articles.list_articles(sources)
        passages = tx.articles.list_passages([one.id for one in articles])
        taught = {one.id for one in articles if sources[one.source_id].kind == LEARNED}
        lost: list[str] = []
        if cases:
            names = {id_: source.name for id_, source in sources.items()}
            located = [(case, _located(case, articles, passages, names)) for case in cases if case.is_answered]
            answerable = [one for case, one in located if one.own or not case.says_where]
            lost = [case.question for case, one in located if case.says_where and not one.own]
        else:
            answerable = _headings(passages, taught)
        own = [Question(case.question) for case in cases if not case.is_answered]
        general = foreign(_languages(one.text for one in answerable)) if len(own) < FEWEST else ()
        gaps = dict.fromkeys(gap.question for gap in tx.gaps.list_open(bot, 0.0) if gap.reason == REFUSED)
        return cls(
            answerable=_some(answerable), others=[*_some(own), *map(Question, general)], general=len(general),
            refused=_some([Question(text) for text in gaps]), lost=lost,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """Searches all sources of a bot, whoever may read them, and tells the signals."""

    retrieval: Retrieval
    sources: Collection[int]
    groups: Collection[str]
    payer: BillTo

    @classmethod
    async def of(cls, retrieval: Retrieval, bot: int) -> Searching:
        """Search all that there is now. What is paid is booked on nobody."""

        def read(tx: Tx) -> tuple[Collection[int], Collection[str]]:
            sources = frozenset(one.id for one in tx.sources.list_sources(bot))
            return sources, {one.audience for one in tx.articles.list_articles(sources)}

        sources, groups = await retrieval.store.read(read)
        payer = BillTo(Address("telegram", bot, 0), 0, "kb")
        return cls(retrieval=retrieval, sources=sources, groups=groups, payer=payer)

    async def signals(self, questions: Collection[Question], *, missing: bool = False) -> list[Signals]:
        """The signals of each question, in order. `missing`: also without the passages that answer it."""
        found = []
        for one in questions:
            without = one.without | one.own if missing else one.without
            search = self.retrieval.search
            answer = await search(one.text, self.sources, self.payer, groups=self.groups, without=without)
            found.append(answer.signals)
        return found


def foreign(languages: Collection[str]) -> list[str]:
    """Questions of general knowledge in these languages ("ru", "en"), about which few sources say anything."""
    lines = Path(__file__).with_name("foreign.txt").read_text("utf-8").splitlines()
    return [line for line in lines if language_of(line) in languages]


def _located(
    case: Case, articles: Sequence[ArticleRow], passages: Sequence[StoredPassage], names: dict[int, str]
) -> Question:  # fmt: skip
    if not case.says_where:
        return Question(case.question)
    gold = gold_articles(case, articles, names)
    return Question(case.question, own=gold_passages(case, [one for one in passages if one.article_id in gold]))


def _headings(passages: Sequence[StoredPassage], taught: Collection[int]) -> list[Question]:
    found = []
    for (article, place), below in groupby(passages, key=lambda one: (one.article_id, one.place)):
        heading = place.rpartition(BETWEEN)[2]
        if heading.endswith("?") or article in taught:
            found.append(Question(heading, without=frozenset(one.id for one in below)))
    return found


def _languages(texts: Iterable[str]) -> Collection[str]:
    counts = Counter(filter(None, map(language_of, texts)))
    return [language for language, count in counts.items() if count >= COMMON * counts.total()] or ("ru", "en")


def _some(questions: Sequence[Question]) -> list[Question]:
    """At most `MOST` of them, the same in every run."""
    return Random(SEED).sample(questions, MOST) if len(questions) > MOST else list(questions)  # noqa: S311
