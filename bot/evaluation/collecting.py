"""Collects the cases of a bot: from files, code, judged answers, gaps, the knowledge base and topics. Begin with
`collect`.

No case is left out silently: one whose source is gone is `stale`, and says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.evaluation.cases import ADDED, DISLIKED, GAP, GOLD, LIKED, ORIGINS, TOPIC, Case, of_code, read_folder, unique
from bot.evaluation.checks import is_named, numbers, reason
from bot.evaluation.search import locate, names_of
from bot.extension import OwnCase
from bot.knowledge.passages import BETWEEN
from bot.llm.topics.routing_file import RoutingTable
from bot.storage.repositories.evaluation import QuotedSentence
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Tx
from bot.storage.tables.evaluation import CASES
from bot.storage.tables.knowledge import LEARNED, LEARNED_ENTRIES, REFUSED, SAMPLES, SOURCES

MAX_HISTORY = 6  # messages of a private conversation that a case keeps
MAX_HEADINGS = 100  # questions among the headings of the sources: each costs an answer
GONE = reason("gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What cases are collected from: a folder of files (None: none), a table of topics (None: none), code (`own`).

    `only` are the origins that are wanted; empty: all.
    """

    folder: Path | None = None
    topics: RoutingTable | None = None
    own: Sequence[OwnCase] = ()
    only: frozenset[str] = frozenset()


def collect(tx: Tx, bot: int, sources: Sources) -> list[Case]:
    """All cases of a bot, each once, those of files first. Raises `BadInput` for a file that can't be read."""
    found = [
        *(read_folder(sources.folder) if sources.folder is not None else ()),
        *of_code(sources.own),
        *_added(tx, bot),
        *_judged(tx, bot),
        *_gaps(tx, bot),
        *_learned(tx, bot),
        *_headings(tx, bot),
        *(_topics(tx, bot, sources.topics) if sources.topics is not None else ()),
    ]
    wanted = [case for case in found if not sources.only or case.origin in sources.only]
    return _with_stale(tx, bot, unique(wanted))


def _added(tx: Tx, bot: int) -> list[Case]:
    """The cases that were added in chats."""
    rows = tx.all(CASES, bot=bot)
    return [replace(Case.from_row(row.body), user=row.user, asked_in=row.chat, place=f"/eval {row.id}") for row in rows]


def _judged(tx: Tx, bot: int) -> Iterable[Case]:
    """A case for each answer that was liked or disliked."""
    rows = tx.evaluations.list_judged(bot)
    quoted: dict[int, list[QuotedSentence]] = {}
    for one in tx.evaluations.list_quoted({row.message for row in rows}):
        quoted.setdefault(one.message, []).append(one)
    for row in rows:
        answer = tx.messages.find_message(row.message)
        question = tx.messages.find_message(row.parent) if row.parent is not None else None
        if answer is not None and question is not None and question.message.role == "user" and question.words.strip():
            case = make_case(tx, question, answer, quoted.get(row.message, ()), chat=row.chat, persona=row.persona)
            if row.value < 0:
                case = replace(
                    case, origin=DISLIKED, disliked=answer.text, quotes=(), numbers=(), stale="", is_hard=False
                )
            yield case


def make_case(
    tx: Tx,
    question: Remembered,
    answer: Remembered,
    quoted: Sequence[QuotedSentence],
    *,
    chat: int,
    persona: str,
) -> Case:
    """Return the case of an answer that is liked: its quotes and numbers must stay."""
    private = chat > 0
    before = tx.messages.list_branch(question.parent, MAX_HISTORY) if private and question.parent is not None else ()
    there = [one.text for one in quoted if one.is_there]
    return Case(
        question=question.words,
        history=_in_turn(before),
        origin=LIKED,
        place=f"answer {answer.id}",
        persona=persona.partition("@")[0],
        quotes=tuple(dict.fromkeys(there)),
        numbers=numbers(answer.text),
        stale=GONE if len(there) < len(quoted) else "",
        **_asker(question.user, chat),
    )


def _asker(user: int, chat: int) -> dict[str, Any]:
    """Return the fields of a case that say who has asked it where: a private chat is that of its person."""
    private = chat > 0
    reader = str(user or "") if private else ""
    return {"user": user, "asked_in": chat, "reader": reader, "chat": 0 if private else chat}


def _in_turn(said: Sequence[Remembered]) -> tuple[str, ...]:
    """Return messages as the history of a case, which begins with the person. Messages of one side in a row become one
    message.
    """
    texts: list[str] = []
    for one in said:
        if one.message.role == ("user", "assistant")[len(texts) % 2]:
            texts.append(one.text)
        elif texts:
            texts[-1] += f"\n{one.text}"
    return tuple(texts[: len(texts) // 2 * 2])


def _gaps(tx: Tx, bot: int) -> Iterable[Case]:
    """Return a case for each question that the sources did not answer: until they do, the bot must say that it does not
    know.
    """
    for gap in tx.gaps.list_open(bot, 0.0):
        if gap.reason == REFUSED:
            asked = tx.messages.find_message(gap.message_id) if gap.message_id is not None else None
            yield Case(
                question=asked.words if asked is not None and asked.words else gap.question,
                origin=GAP,
                place=f"gap {gap.id}",
                must_refuse=True,
                language=gap.language if gap.language in ("ru", "en") else "",
                generation=gap.checked,
                **_asker(gap.user, gap.address.chat),
            )


def _learned(tx: Tx, bot: int) -> Iterable[Case]:
    """Return a case for each answer that people have taught the bot: the search must find it, and the answer must quote
    it.
    """
    for one in tx.all(LEARNED_ENTRIES, bot=bot):
        place, reader = f"learned {one.id}", _reader(one.audience)
        yield Case(question=one.question, origin=GOLD, place=place, page=one.question, reader=reader, is_hard=False)


def _headings(tx: Tx, bot: int) -> Iterable[Case]:
    """Return a case for each heading of the sources that is a question: the search must find the text below it."""
    sources = {one.id: one for one in tx.all(SOURCES, bot=bot) if one.kind != LEARNED}
    articles = {one.id: one for one in tx.articles.list_articles(sources)}
    for passage in tx.articles.list_questions(sources, MAX_HEADINGS):
        article = articles[passage.article_id]
        audience = article.audience or next(iter(sources[article.source_id].audience), "")
        yield Case(
            question=passage.place.rpartition(BETWEEN)[2],
            origin=GOLD,
            place=article.title,
            page=article.key,
            text=passage.text,
            reader=_reader(audience),
            is_hard=False,
        )


def _reader(audience: str) -> str:
    role = {"members": "user", "operators": "operator", "admins": "admin", "owners": "owner"}.get(audience, "")
    return audience.removeprefix("user:") if audience.startswith("user:") else role


def _topics(tx: Tx, bot: int, table: RoutingTable) -> Iterable[Case]:
    """A case for each example of a topic, and for each question whose topic an operator corrected."""
    for key, topic in table.topics.items():
        for number, text in enumerate(topic.examples, 1):
            yield Case(question=text, origin=TOPIC, place=f"{key} {number}", topic=key, is_hard=False)
    for text, key in [(one.text, one.topic) for one in tx.all(SAMPLES, bot=bot)]:
        yield Case(question=text, origin=TOPIC, place=f"{key}, corrected", topic=key, is_hard=False)


def _with_stale(tx: Tx, bot: int, cases: Sequence[Case]) -> list[Case]:
    """Return the cases. One that names something of the sources that is not there any more is marked as stale."""
    sources = {one.id: one.name for one in tx.all(SOURCES, bot=bot)}
    articles = tx.articles.list_articles(sources)
    names = [names_of(one, sources) for one in articles]
    gone = {case for case, holding, _ in locate(tx, cases, articles, sources) if not holding}
    found = []
    for case in cases:
        stale = case.stale
        if case.origin == ADDED and not all(tx.evaluations.stands(bot, text) for text in case.quotes):
            stale = GONE
        if lost := [page for page in case.must_cite if not any(is_named(page, one) for one in names)]:
            stale = reason("page", text=lost[0])
        if case in gone and not stale:
            stale = reason("source", text=case.page or case.text)
        found.append(replace(case, stale=stale))
    return found


def count_by_origin(cases: Iterable[Case]) -> Mapping[str, int]:
    """Return the number of cases of each origin, in the order in which they are shown."""
    counts = Counter(case.origin for case in cases)
    return {origin: counts[origin] for origin in ORIGINS if counts[origin]}
