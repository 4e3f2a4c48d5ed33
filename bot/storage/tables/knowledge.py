"""The knowledge base (sources, their articles, the passages that are searched and their embeddings), and the topics of
questions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint, bindparam

from bot.storage.rows import AddressCol, Col, Query, Row, address_columns, column, dump_json
from bot.storage.schema import Id

EVERYONE = "everyone"
REMOVED = "removed"
LEARNED = "learned"  # the kind, and the name, of the source of what people teach the bot
PROPOSED, ADDED, DROPPED, WITHDRAWN = "proposed", "added", "dropped", "removed"  # states of a learned entry
REFUSED, DISLIKED = "refused", "disliked"  # reasons of a gap: the sources had no answer, or somebody disliked it;
PERSON = "person"  # ... or a person was called
WANTED, TOLD = "wanted", "told"  # states of `Gap.tell`


class KnowledgeSource(Row, table="kb_sources", having=(UniqueConstraint("bot", "name"),)):
    """A folder, a site, a repository, ... of a bot, from which its knowledge base is read.

    `audience` lists the groups of people who may read it: nobody, if it is empty. `every` is the time between
    two syncs in seconds, 0 for none by itself. `tried` and `synced` (Unix seconds) are its last sync and the last one
    that reached the end, `error` is what went wrong in the last one. `paid` is in millionths of the currency.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int] = column(default=0)
    name: Col[str] = column(sa.String(64))
    kind: Col[str] = column(sa.String(16))  # folder, file, page, sitemap, git, faq
    address: Col[str]
    options: Col[Mapping[str, Any]] = column(  # what `govorun kb add` was given
        sa.Text, default={}, server_default="{}", load=json.loads, dump=dump_json
    )
    audience: Col[tuple[str, ...]] = column(
        sa.Text, default=(), server_default="[]", load=lambda stored: tuple(json.loads(stored)), dump=dump_json
    )
    state: Col[str] = column(
        sa.String(16), default="active", is_younger=True
    )  # active, paused, asks (see `error`), removed
    every: Col[int] = column(default=0, is_younger=True)
    added: Col[float] = column(default=0.0)
    tried: Col[float | None] = column(default=None)
    synced: Col[float | None] = column(default=None)
    error: Col[str] = column(default="", is_younger=True)
    paid: Col[int] = column(default=0, is_younger=True)


SOURCES = Query(KnowledgeSource, KnowledgeSource.state != REMOVED, order=[KnowledgeSource.name])


class SourceArticle(Row, table="kb_articles", having=(UniqueConstraint("source_id", "key"),)):
    """A file, a page, a row, ... of a source. `key` is its path or address there.

    `version` is the SHA-256 of its text, `validators` (JSON) are what tells cheaply whether it has changed (size and
    time of a file, ETag of a page). `fetched` is when it was last seen, `changed` the date of its text (Unix seconds).
    `audience` is a group who alone may read it, "" where all who may read the source may.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    source_id: Col[int] = column(Id, sa.ForeignKey("kb_sources.id", ondelete="CASCADE"))
    key: Col[str] = column(sa.String(1000))
    title: Col[str]
    url: Col[str] = column(default="", is_younger=True)
    language: Col[str] = column(sa.String(8), default="", is_younger=True)
    audience: Col[str] = column(sa.String(64), default="", is_younger=True)
    version: Col[str] = column(sa.String(64))
    validators: Col[str] = column(default="{}", is_younger=True)
    fetched: Col[float]
    changed: Col[float]


class PassageRow(
    Row,
    table="kb_passages",
    having=(
        Index("ix_kb_passages_article", "article_id", "ordinal"),
        Index("ix_kb_passages_source", "source_id"),
        Index("ix_kb_passages_added", "added", "id"),
        Index("ix_kb_passages_ended", "ended"),
        Index("ix_kb_passages_sha", "sha"),
    ),
):
    """A passage of an article. `sentences` are (start, end) in its text, as 32-bit numbers, little endian.

    `added` and `ended` are generations (`kb_generation`): a passage is read in those from `added` until before
    `ended`. One that ended (at `until`, Unix seconds) stays for a while, because an answer may quote it.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    source_id: Col[int] = column(Id, sa.ForeignKey("kb_sources.id", ondelete="CASCADE"))
    article_id: Col[int] = column(Id, sa.ForeignKey("kb_articles.id", ondelete="CASCADE"))
    ordinal: Col[int]
    place: Col[str]
    page: Col[int] = column(default=0, is_younger=True)
    anchor: Col[str] = column(default="", is_younger=True)
    text: Col[str]
    sentences: Col[bytes]
    sha: Col[bytes]
    added: Col[int]
    ended: Col[int | None]
    until: Col[float | None]


class Vector(Row, table="kb_vectors", having=(Index("ix_kb_vectors_added", "model", "added"),)):
    """The embedding of a text (`kb_passages.sha`) by a model, as `knowledge.search.matrix.pack` makes it.

    It has no reference to a passage, because a text that is moved or comes back is not paid for twice.
    """

    sha: Col[bytes] = column(primary_key=True)
    model: Col[str] = column(sa.String(200), primary_key=True)
    data: Col[bytes]
    added: Col[int]  # generation


class Quote(
    Row,
    table="kb_quotes",
    having=(
        Index("ix_kb_quotes_message", "message_id"),
        Index("ix_kb_quotes_passage", "passage_id"),
    ),
):
    """Which text of a passage, from `start` to `end` (characters), an answer quotes.

    `stale` is "" while it stands in the source, "gone" when it does not, "asked" once admins were asked whether to tell
    the chat what the source says now, and "told" or "left" after they have decided.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    message_id: Col[int] = column(Id, sa.ForeignKey("messages.id", ondelete="CASCADE"))
    passage_id: Col[int] = column(Id, sa.ForeignKey("kb_passages.id", ondelete="CASCADE"))
    start: Col[int]
    end: Col[int]
    stale: Col[str] = column(sa.String(8), default="", is_younger=True)


class Generation(Row, table="kb_generation"):
    """One row with a counter: every transaction that changes passages or embeddings adds 1 to it. Its value is called a
    generation.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)  # 1
    number: Col[int]


class StoredGate(Row, table="kb_gates"):
    """A gate, fitted on the operator's own questions: it decides whether the passages found for a question are about
    that question.

    `model` is the embedding model that it was fitted with, "" for a search by words alone. `gate` is the JSON of a
    `knowledge.search.gate.Gate`.
    """

    bot: Col[int] = column(primary_key=True)
    model: Col[str] = column(sa.String(200), primary_key=True)
    gate: Col[str]
    at: Col[float]


class TopicChoice(
    Row, table="topic_choices", having=(Index("ix_topic_choices_conversation", "conversation_id", "question_id"),)
):
    """The topic of a question (`topic`, its key in the routing file), how sure that is (0 to 1), and what decided it.

    If the person was asked to choose between two topics, `rivals` has the keys of both, with a space between. `flags`
    has the keys of flags. `holds` is the topic that the conversation kept after the question; `rival` is another topic
    that has won `wins` questions in a row against it.
    """

    question_id: Col[int] = column(Id, sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Col[int] = column(Id)
    topic: Col[str] = column(sa.String(48))
    score: Col[float] = column(default=0.0)
    way: Col[str] = column(sa.String(16), default="other")  # words, near, fewshot, tuned, other, held, guess, person
    rivals: Col[str] = column(sa.String(100), default="", is_younger=True)
    flags: Col[str] = column(default="", is_younger=True)
    holds: Col[str] = column(sa.String(48), default="", is_younger=True)
    rival: Col[str] = column(sa.String(48), default="", is_younger=True)
    wins: Col[int] = column(default=0, is_younger=True)


NEWEST_CHOICE = Query(TopicChoice, order=[TopicChoice.question_id.desc()])


class TopicSample(Row, table="topic_samples", having=(UniqueConstraint("bot", "mark"),)):
    """A question whose topic an operator has corrected, used as an example since then. Names are removed from it, and
    each digit is 0.

    `user` is who asked it. `mark` is the SHA-256 of its words, so that a question asked twice counts once.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    user: Col[int]
    topic: Col[str] = column(sa.String(48))
    text: Col[str]
    mark: Col[str] = column(sa.String(64))
    at: Col[float]


SAMPLES = Query(TopicSample, order=[TopicSample.id])
NEWEST_SAMPLES = Query(TopicSample, order=[TopicSample.id.desc()])


class LearnedEntry(Row, table="kb_learned", having=(Index("ix_kb_learned_review", "bot", "state", "review"),)):
    """A question with the answer that a person gave. Once it is `added`, it is an article of the source `learned`.

    `author` is the person (0 once that person was forgotten), `audience` the group who may read it. `state` is
    proposed, added, dropped or removed. `review` (Unix seconds) is when admins are asked whether it is still true.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    author: Col[int]
    question: Col[str]
    answer: Col[str]
    audience: Col[str] = column(sa.String(64))
    state: Col[str] = column(sa.String(16), default=PROPOSED)
    at: Col[float] = column(default=0.0)
    review: Col[float] = column(default=0.0)


LEARNED_ENTRIES = Query(LearnedEntry, LearnedEntry.state == ADDED, order=[LearnedEntry.id])
REVIEWS = Query(LearnedEntry, LearnedEntry.state == ADDED, order=[LearnedEntry.review, LearnedEntry.id])
DUE_REVIEWS = Query(
    LearnedEntry,
    LearnedEntry.state == ADDED,
    LearnedEntry.review <= bindparam("now"),
    order=[LearnedEntry.review, LearnedEntry.id],
)


class Gap(
    Row,
    table="kb_gaps",
    having=(
        Index("ix_kb_gaps_at", "bot", "at"),
        Index("ix_kb_gaps_tell", "bot", "tell"),
        Index("ix_kb_gaps_learned_id", "learned_id"),
    ),
):
    """A gap: a question that the sources did not answer (`reason` refused), or whose answer was disliked. Each message
    has at most one.

    `question` is the text without names and with 0 for each digit. `audience` is the group of people for whom an answer
    would be meant. `vector` is the embedding as `knowledge.search.matrix.pack` makes it, empty if there is none.
    `learned_id` is the learned entry that answers it. `tell` is "wanted" while the person wants to be told the answer,
    and "told" afterwards. `checked` is the generation of the knowledge base in which an answer was sought last, and
    `seen` identifies the passages that were found then (`Evidence.mark`).
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    address: AddressCol = address_columns()
    message_id: Col[int | None] = column(Id, sa.ForeignKey("messages.id", ondelete="SET NULL"), unique=True)
    learned_id: Col[int | None] = column(Id, sa.ForeignKey("kb_learned.id", ondelete="SET NULL"), default=None)
    user: Col[int]
    question: Col[str]
    reason: Col[str] = column(sa.String(16))
    audience: Col[str] = column(sa.String(64))
    language: Col[str] = column(sa.String(8))
    topic: Col[str] = column(sa.String(64), default="", is_younger=True)
    vector: Col[bytes] = column(default=b"")
    at: Col[float] = column(default=0.0)
    tell: Col[str] = column(sa.String(8), default="", is_younger=True)
    checked: Col[int] = column(default=0, is_younger=True)
    seen: Col[str] = column(sa.String(64), default="", is_younger=True)


GAPS = Query(Gap, order=[Gap.id])
UNTOLD_GAPS = Query(Gap, Gap.tell != TOLD)
WANTED_GAPS = Query(Gap, Gap.tell == WANTED, Gap.checked < bindparam("generation"), order=[Gap.id])
