"""The knowledge base (sources, their articles, the passages that are searched and their embeddings), and the topics of
questions.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns, UniqueConstraint

from bot.storage.schema import Id
from bot.storage.tables.base import Addressed, declare_table


class SourceColumns(TypedColumns):
    """A folder, a site, a repository, ... of a bot, from which its knowledge base is read.

    `audience` (JSON) lists the groups of people who may read it: nobody, if it is empty. `every` is the time between
    two syncs in seconds, 0 for none by itself. `tried` and `synced` (Unix seconds) are its last sync and the last one
    that reached the end, `error` is what went wrong in the last one. `paid` is in millionths of the currency.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    name: Named[str] = Column(sa.String(64))
    kind: Named[str] = Column(sa.String(16))  # folder, file, page, sitemap, git, faq
    address: Named[str] = Column(sa.Text)
    options: Named[str] = Column(sa.Text, server_default="{}")  # JSON: what `govorun kb add` was given
    audience: Named[str] = Column(sa.Text, server_default="[]")
    state: Named[str] = Column(sa.String(16), server_default="active")  # active, paused, asks (see `error`), removed
    every: Named[int] = Column(sa.BigInteger, server_default="0")
    added: Named[float] = Column(sa.Float)
    tried: Named[float | None] = Column(sa.Float)
    synced: Named[float | None] = Column(sa.Float)
    error: Named[str] = Column(sa.Text, server_default="")
    paid: Named[int] = Column(sa.BigInteger, server_default="0")


kb_sources = declare_table("kb_sources", SourceColumns, UniqueConstraint("bot", "name"))


class ArticleColumns(TypedColumns):
    """A file, a page, a row, ... of a source. `key` is its path or address there.

    `version` is the SHA-256 of its text, `validators` (JSON) are what tells cheaply whether it has changed (size and
    time of a file, ETag of a page). `fetched` is when it was last seen, `changed` the date of its text (Unix seconds).
    `audience` is a group who alone may read it, "" where all who may read the source may.
    """

    id: Named[int] = Column(Id, primary_key=True)
    source_id: Named[int] = Column(Id, sa.ForeignKey("kb_sources.id", ondelete="CASCADE"))
    key: Named[str] = Column(sa.String(1000))
    title: Named[str] = Column(sa.Text)
    url: Named[str] = Column(sa.Text, server_default="")
    language: Named[str] = Column(sa.String(8), server_default="")
    audience: Named[str] = Column(sa.String(64), server_default="")
    version: Named[str] = Column(sa.String(64))
    validators: Named[str] = Column(sa.Text, server_default="{}")
    fetched: Named[float] = Column(sa.Float)
    changed: Named[float] = Column(sa.Float)


kb_articles = declare_table("kb_articles", ArticleColumns, UniqueConstraint("source_id", "key"))


class PassageColumns(TypedColumns):
    """A passage of an article. `sentences` are (start, end) in its text, as 32-bit numbers, little endian.

    `added` and `ended` are generations (`kb_generation`): a passage is read in those from `added` until before
    `ended`. One that ended (at `until`, Unix seconds) stays for a while, because an answer may quote it.
    """

    id: Named[int] = Column(Id, primary_key=True)
    source_id: Named[int] = Column(Id, sa.ForeignKey("kb_sources.id", ondelete="CASCADE"))
    article_id: Named[int] = Column(Id, sa.ForeignKey("kb_articles.id", ondelete="CASCADE"))
    ordinal: Named[int] = Column(sa.BigInteger)
    place: Named[str] = Column(sa.Text)
    page: Named[int] = Column(sa.BigInteger, server_default="0")
    anchor: Named[str] = Column(sa.Text, server_default="")
    text: Named[str] = Column(sa.Text)
    sentences: Named[bytes] = Column(sa.LargeBinary)
    sha: Named[bytes] = Column(sa.LargeBinary)
    added: Named[int] = Column(sa.BigInteger)
    ended: Named[int | None] = Column(sa.BigInteger)
    until: Named[float | None] = Column(sa.Float)


kb_passages = declare_table(
    "kb_passages",
    PassageColumns,
    Index("ix_kb_passages_article", "article_id", "ordinal"),
    Index("ix_kb_passages_source", "source_id"),
    Index("ix_kb_passages_added", "added", "id"),
    Index("ix_kb_passages_ended", "ended"),
    Index("ix_kb_passages_sha", "sha"),
)


class VectorColumns(TypedColumns):
    """The embedding of a text (`kb_passages.sha`) by a model, as `knowledge.search.matrix.pack` makes it.

    It has no reference to a passage, because a text that is moved or comes back is not paid for twice.
    """

    sha: Named[bytes] = Column(sa.LargeBinary, primary_key=True)
    model: Named[str] = Column(sa.String(200), primary_key=True)
    data: Named[bytes] = Column(sa.LargeBinary)
    added: Named[int] = Column(sa.BigInteger)  # generation


kb_vectors = declare_table("kb_vectors", VectorColumns, Index("ix_kb_vectors_added", "model", "added"))


class QuoteColumns(TypedColumns):
    """Which text of a passage, from `start` to `end` (characters), an answer quotes.

    `stale` is "" while it stands in the source, "gone" when it does not, "asked" once admins were asked whether to tell
    the chat what the source says now, and "told" or "left" after they have decided.
    """

    id: Named[int] = Column(Id, primary_key=True)
    message_id: Named[int] = Column(Id, sa.ForeignKey("messages.id", ondelete="CASCADE"))
    passage_id: Named[int] = Column(Id, sa.ForeignKey("kb_passages.id", ondelete="CASCADE"))
    start: Named[int] = Column(sa.BigInteger)
    end: Named[int] = Column(sa.BigInteger)
    stale: Named[str] = Column(sa.String(8), server_default="")


kb_quotes = declare_table(
    "kb_quotes",
    QuoteColumns,
    Index("ix_kb_quotes_message", "message_id"),
    Index("ix_kb_quotes_passage", "passage_id"),
)


class GenerationColumns(TypedColumns):
    """One row with a counter: every transaction that changes passages or embeddings adds 1 to it. Its value is called a
    generation.
    """

    id: Named[int] = Column(Id, primary_key=True)  # 1
    number: Named[int] = Column(sa.BigInteger)


kb_generation = declare_table("kb_generation", GenerationColumns)


class GateColumns(TypedColumns):
    """A gate, fitted on the operator's own questions: it decides whether the passages found for a question are about
    that question.

    `model` is the embedding model that it was fitted with, "" for a search by words alone. `gate` is the JSON of a
    `knowledge.search.gate.Gate`.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    model: Named[str] = Column(sa.String(200), primary_key=True)
    gate: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


kb_gates = declare_table("kb_gates", GateColumns)


class TopicChoiceColumns(TypedColumns):
    """The topic of a question (`topic`, its key in the routing file), how sure that is (0 to 1), and what decided it.

    If the person was asked to choose between two topics, `rivals` has the keys of both, with a space between. `flags`
    has the keys of flags. `holds` is the topic that the conversation kept after the question; `rival` is another topic
    that has won `wins` questions in a row against it.
    """

    question_id: Named[int] = Column(Id, sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Named[int] = Column(Id)
    topic: Named[str] = Column(sa.String(48))
    score: Named[float] = Column(sa.Float)
    way: Named[str] = Column(sa.String(16))  # words, near, fewshot, tuned, other, held, guess, person
    rivals: Named[str] = Column(sa.String(100), server_default="")
    flags: Named[str] = Column(sa.Text, server_default="")
    holds: Named[str] = Column(sa.String(48), server_default="")
    rival: Named[str] = Column(sa.String(48), server_default="")
    wins: Named[int] = Column(sa.BigInteger, server_default="0")


topic_choices = declare_table(
    "topic_choices",
    TopicChoiceColumns,
    Index("ix_topic_choices_conversation", "conversation_id", "question_id"),
)


class TopicSampleColumns(TypedColumns):
    """A question whose topic an operator has corrected, used as an example since then. Names are removed from it, and
    each digit is 0.

    `user` is who asked it. `mark` is the SHA-256 of its words, so that a question asked twice counts once.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    topic: Named[str] = Column(sa.String(48))
    text: Named[str] = Column(sa.Text)
    mark: Named[str] = Column(sa.String(64))
    at: Named[float] = Column(sa.Float)


topic_samples = declare_table("topic_samples", TopicSampleColumns, UniqueConstraint("bot", "mark"))


class LearnedColumns(TypedColumns):
    """A question with the answer that a person gave. Once it is `added`, it is an article of the source `learned`.

    `author` is the person (0 once that person was forgotten), `audience` the group who may read it. `state` is
    proposed, added, dropped or removed. `review` (Unix seconds) is when admins are asked whether it is still true.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    author: Named[int] = Column(sa.BigInteger)
    question: Named[str] = Column(sa.Text)
    answer: Named[str] = Column(sa.Text)
    audience: Named[str] = Column(sa.String(64))
    state: Named[str] = Column(sa.String(16))
    at: Named[float] = Column(sa.Float)
    review: Named[float] = Column(sa.Float)


kb_learned = declare_table("kb_learned", LearnedColumns, Index("ix_kb_learned_review", "bot", "state", "review"))


class GapColumns(Addressed):
    """A gap: a question that the sources did not answer (`reason` refused), or whose answer was disliked. Each message
    has at most one.

    `question` is the text without names and with 0 for each digit. `audience` is the group of people for whom an answer
    would be meant. `vector` is the embedding as `knowledge.search.matrix.pack` makes it, empty if there is none.
    `learned_id` is the learned entry that answers it. `tell` is "wanted" while the person wants to be told the answer,
    and "told" afterwards. `checked` is the generation of the knowledge base in which an answer was sought last, and
    `seen` identifies the passages that were found then (`Evidence.mark`).
    """

    id: Named[int] = Column(Id, primary_key=True)
    message_id: Named[int | None] = Column(Id, sa.ForeignKey("messages.id", ondelete="SET NULL"), unique=True)
    learned_id: Named[int | None] = Column(Id, sa.ForeignKey("kb_learned.id", ondelete="SET NULL"))
    user: Named[int] = Column(sa.BigInteger)
    question: Named[str] = Column(sa.Text)
    reason: Named[str] = Column(sa.String(16))
    audience: Named[str] = Column(sa.String(64))
    language: Named[str] = Column(sa.String(8))
    topic: Named[str] = Column(sa.String(64), server_default="")
    vector: Named[bytes] = Column(sa.LargeBinary)
    at: Named[float] = Column(sa.Float)
    tell: Named[str] = Column(sa.String(8), server_default="")
    checked: Named[int] = Column(sa.BigInteger, server_default="0")
    seen: Named[str] = Column(sa.String(64), server_default="")


kb_gaps = declare_table(
    "kb_gaps",
    GapColumns,
    Index("ix_kb_gaps_at", "bot", "at"),
    Index("ix_kb_gaps_tell", "bot", "tell"),
    Index("ix_kb_gaps_learned_id", "learned_id"),
)
