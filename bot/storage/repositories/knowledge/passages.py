"""The articles and passages of the knowledge base, and the embeddings of their texts.

A passage that is changed or removed is not deleted: it ends in a generation (a number that grows with each change of
the knowledge base), and its row stays while an answer may quote it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, func, insert, select, tuple_, update

from bot.storage.engines.prepared import Prepared, insert_or_update
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.history import StoredMessage
from bot.storage.tables.knowledge import Generation, KnowledgeSource, PassageRow, Quote, SourceArticle, Vector

BATCH = 500  # values of one IN list: SQLite allows 32,766 in a statement, PostgreSQL 65,535
INDEXED = PassageRow.table.c["id", "source_id", "place", "text", "sha", "added", "ended"]
VECTOR_STORE = "vector-store"  # the kind of what a service searches: its passages are those that were found once
STORE_VECTOR = Prepared(lambda insert: insert(Vector.table).on_conflict_do_nothing())
COUNT_UP = insert_or_update(Generation.table, ["id"], ["number"])


@dataclass(frozen=True, slots=True)
class Article:
    """An article as a sync stores it.

    `changed` is the date of its text in Unix seconds. With an `audience` only that group of people may read the
    article; with "" all readers of its source may.
    """

    key: str
    title: str
    version: str
    changed: float
    url: str = ""
    language: str = ""
    audience: str = ""
    validators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage as a sync stores it; see the table `kb_passages`, also for `sentences` (`pack_sentences`)."""

    place: str
    text: str
    sentences: bytes
    sha: bytes
    page: int = 0
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with what an answer tells about it. `changed` is the date of its article in Unix seconds."""

    id: int
    source_id: int
    article_id: int
    ordinal: int
    place: str
    page: int
    anchor: str
    text: str
    sentences: tuple[tuple[int, int], ...]
    title: str
    url: str
    changed: float


@dataclass(frozen=True, slots=True)
class QuotedPassage:
    """A passage that an answer quotes. `spans` are the quoted parts of its text, as (start, end).

    `until` is the Unix time since which the passage no longer stands in its source. `audience` is the only group that
    may read its article, "" for all readers of the source.
    """

    passage: StoredPassage
    spans: Sequence[tuple[int, int]]
    until: float | None
    audience: str


@dataclass(frozen=True, slots=True)
class IndexRow:
    """The fields of a passage that the search index needs. `sha` is the key of its embedding; `added` and `ended` are
    generations.
    """

    id: int
    source_id: int
    place: str
    text: str
    sha: bytes
    added: int
    ended: int | None

    @property
    def indexed(self) -> str:
        """The text that is embedded and whose words are indexed: the place in front of the passage."""
        return f"{self.place}\n{self.text}" if self.place else self.text


@dataclass(frozen=True, slots=True)
class NewVector:
    """An embedding with its key and generation, and the id of a passage that has its text (0: none has it now)."""

    added: int
    sha: bytes
    data: bytes
    passage: int
    source: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """How many passages were added and how many ended when an article was stored."""

    added: int = 0
    ended: int = 0


class Knowledge(Repository):
    """The articles and passages of the knowledge base, and the embeddings of their texts."""

    # --- what a sync stores -------------------------------------------------------------------------------------------

    def list_validators(self, source: int) -> Mapping[str, Mapping[str, str]]:
        """Return the validators of each article that a source has now, by its key."""
        query = select(SourceArticle.key, SourceArticle.validators)
        query = query.where(SourceArticle.source_id == source, SourceArticle.version != "")
        return {key: json.loads(validators) for key, validators in self.connection.execute(query)}

    def store_article(self, source: int, article: Article, passages: Sequence[NewPassage]) -> Replaced:
        """Store an article with its passages, in place of the article with its key.

        A passage whose text, place and sentences are unchanged keeps its row, so that quotes still point at it. Other
        old passages end in a new generation, in which the new passages begin.
        """
        id_, old_version = self._put_article(source, article)
        if old_version == article.version:
            return Replaced()
        here = and_(PassageRow.article_id == id_, PassageRow.ended.is_(None))
        columns = PassageRow.table.c["id", "sha", "sentences", "ordinal", "page", "anchor"]
        old: dict[tuple[bytes, bytes], list[Row[Any]]] = {}
        for row in self.connection.execute(select(*columns).where(here).order_by(PassageRow.ordinal)):
            old.setdefault((bytes(row.sha), bytes(row.sentences)), []).append(row)
        generation = self.count_up()
        new = []
        for ordinal, passage in enumerate(passages):
            about = {"ordinal": ordinal, "page": passage.page, "anchor": passage.anchor}
            if equal := old.get((passage.sha, passage.sentences)):
                kept = equal.pop(0)
                if (kept.ordinal, kept.page, kept.anchor) != tuple(about.values()):
                    self.connection.execute(update(PassageRow.table).where(PassageRow.id == kept.id).values(**about))
                continue
            new.append({
                "source_id": source, "article_id": id_, "place": passage.place, "text": passage.text,
                "sentences": passage.sentences, "sha": passage.sha, "added": generation, **about,
            })  # fmt: skip
        gone = [row.id for rows in old.values() for row in rows]
        self._end(gone, generation)
        if new:
            self.connection.execute(insert(PassageRow.table), new)
        return Replaced(len(new), len(gone))

    def add_passages(self, source: int, article: Article, passages: Sequence[NewPassage]) -> None:
        """Add passages to an article; add the article if there is none. Passages that the article has already stay as
        they are.
        """
        generation = self.count_up()  # first: two workers that have found the same wait for each other here
        here = and_(SourceArticle.source_id == source, SourceArticle.key == article.key, SourceArticle.version != "")
        id_ = self.connection.scalar(select(SourceArticle.id).where(here)) or self._put_article(source, article)[0]
        known = self.list_by_sha(source, article.key)
        new = [one for one in {one.sha: one for one in passages}.values() if one.sha not in known]
        if not new:
            return
        last = self.connection.scalar(
            select(func.max(PassageRow.ordinal)).where(PassageRow.article_id == id_)
        )  # fmt: skip
        first = 0 if last is None else last + 2  # what stands between two pieces is not known
        rows = [
            {
                "source_id": source, "article_id": id_, "ordinal": ordinal, "place": one.place, "text": one.text,
                "sentences": one.sentences, "sha": one.sha, "page": one.page, "anchor": one.anchor,
                "added": generation,
            }
            for ordinal, one in enumerate(new, first)
        ]  # fmt: skip
        self.connection.execute(insert(PassageRow.table), rows)

    def list_by_sha(self, source: int, key: str) -> Mapping[bytes, int]:
        """Return the ids of the passages that an article has now, by the keys of their embeddings (`Piece.sha`)."""
        query = (
            select(PassageRow.sha, PassageRow.id)
            .join(SourceArticle.table, SourceArticle.id == PassageRow.article_id)
            .where(SourceArticle.source_id == source, SourceArticle.key == key, PassageRow.ended.is_(None))
        )
        return {bytes(sha): id_ for sha, id_ in self.connection.execute(query)}

    def mark_seen(self, source: int, seen: Mapping[str, Mapping[str, str]]) -> None:
        """Note that a sync found these articles unchanged; store the validators that it got."""
        for key, validators in seen.items():
            here = and_(SourceArticle.source_id == source, SourceArticle.key == key)
            values = {"fetched": self.clock.time(), "validators": json.dumps(validators)}
            self.connection.execute(update(SourceArticle.table).where(here).values(**values))

    def count_passages(self, source: int, of: Collection[str] = ()) -> tuple[int, int]:
        """Return how many passages a source has now, and how many of them belong to the articles with the keys `of`."""
        query = (
            select(SourceArticle.key, func.count())
            .join(PassageRow.table, PassageRow.article_id == SourceArticle.id)
            .where(SourceArticle.source_id == source, PassageRow.ended.is_(None))
            .group_by(SourceArticle.key)
        )
        counts = dict(self.connection.execute(query).all())
        return sum(counts.values()), sum(count for key, count in counts.items() if key in of)

    def end_articles(self, source: int, keys: Sequence[str]) -> None:
        """End the passages of articles that are no longer at their source. The rows of the articles stay, in case they
        come back.
        """
        if not keys:
            return
        generation = self.count_up()
        for first in range(0, len(keys), BATCH):
            some = keys[first : first + BATCH]
            ids = select(SourceArticle.id).where(SourceArticle.source_id == source, SourceArticle.key.in_(some))
            alive = and_(PassageRow.article_id.in_(ids), PassageRow.ended.is_(None))
            self.connection.execute(
                update(PassageRow.table).where(alive).values(ended=generation, until=self.clock.time())
            )
            gone = and_(SourceArticle.source_id == source, SourceArticle.key.in_(some))
            self.connection.execute(update(SourceArticle.table).where(gone).values(version="", validators="{}"))

    def _put_article(self, source: int, article: Article) -> tuple[int, str]:
        """Store the row of an article; return its id and the version that it had before, "" for none."""
        here = and_(SourceArticle.source_id == source, SourceArticle.key == article.key)
        old = self.connection.execute(select(*SourceArticle.table.c["id", "version"]).where(here)).one_or_none()
        row = {
            "title": article.title, "url": article.url, "language": article.language, "version": article.version,
            "audience": article.audience,
            "validators": json.dumps(article.validators), "fetched": self.clock.time(), "changed": article.changed,
        }  # fmt: skip
        if old is None:
            added = {"source_id": source, "key": article.key, **row}
            return self.connection.execute(
                insert(SourceArticle.table).returning(SourceArticle.id), added
            ).scalar_one(), ""
        if old.version == article.version:
            del row["changed"]
        self.connection.execute(update(SourceArticle.table).where(SourceArticle.id == old.id).values(**row))
        return old.id, old.version

    def _end(self, ids: Sequence[int], generation: int) -> None:
        now = self.clock.time()
        self._in_batches(
            ids,
            lambda some: update(PassageRow.table).where(PassageRow.id.in_(some)).values(ended=generation, until=now),
        )

    # --- embeddings ---------------------------------------------------------------------------------------------------

    def texts_to_embed(self, bot: int, model: str, most: int) -> Sequence[IndexRow]:
        """Return at most `most` passages without an embedding of this model, by id. Passages of vector stores are left
        out: they need none.
        """
        embedded = exists().where(Vector.sha == PassageRow.sha, Vector.model == model)
        query = (
            select(*INDEXED)
            .join(KnowledgeSource.table, KnowledgeSource.id == PassageRow.source_id)
            .where(
                KnowledgeSource.bot == bot, KnowledgeSource.kind != VECTOR_STORE, PassageRow.ended.is_(None), ~embedded
            )
            .order_by(PassageRow.id)
            .limit(most)
        )
        return [made(IndexRow, row) for row in self.connection.execute(query)]

    def size_to_embed(self, bot: int, model: str) -> tuple[int, int]:
        """Return how many different texts have no embedding of this model, and how many characters they
        have together.
        """
        embedded = exists().where(Vector.sha == PassageRow.sha, Vector.model == model)
        length = func.length(PassageRow.place) + func.length(PassageRow.text) + 1
        texts = (
            select(func.max(length).label("length"))
            .join(KnowledgeSource.table, KnowledgeSource.id == PassageRow.source_id)
            .where(
                KnowledgeSource.bot == bot, KnowledgeSource.kind != VECTOR_STORE, PassageRow.ended.is_(None), ~embedded
            )
            .group_by(PassageRow.sha)
            .subquery()
        )
        number, size = self.connection.execute(select(func.count(), func.sum(texts.c.length)).select_from(texts)).one()
        return number, int(size or 0)

    def store_vectors(self, model: str, vectors: Mapping[bytes, bytes]) -> None:
        """Store embeddings by the keys of their texts. A text that has an embedding already keeps it."""
        if not vectors:
            return
        generation = self.count_up()
        rows = [{"sha": sha, "model": model, "data": data, "added": generation} for sha, data in vectors.items()]
        self.execute_many(STORE_VECTOR, rows)

    def vector_length(self, model: str) -> int | None:
        """Return how many bytes a stored embedding of this model has, None if there is none."""
        query = select(func.length(Vector.data)).where(Vector.model == model).limit(1)
        return self.connection.execute(query).scalar_one_or_none()

    # --- what the index reads -----------------------------------------------------------------------------------------

    def generation(self) -> int:
        """Return the number of the newest change; 0 for an empty knowledge base."""
        return self.connection.execute(select(Generation.number)).scalar_one_or_none() or 0

    def count_up(self) -> int:
        """Begin the next generation and return its number.

        The row of the counter stays locked until the commit, so generations become visible in their order.
        """
        number = self.generation() + 1
        self.execute(COUNT_UP, {"id": 1, "number": number})
        return number

    # Nothing here asks for one bot, or for what has not ended: the planner of SQLite would look through all of that
    # instead of the few rows that are new.

    def passages_added(self, since: tuple[int, int], most: int) -> Sequence[IndexRow]:
        """Return at most `most` passages, ended ones included, ordered by (generation, id); only those after the pair
        `since`.
        """
        began = tuple_(PassageRow.added, PassageRow.id)
        query = select(*INDEXED).where(began > tuple_(*since)).order_by(PassageRow.added, PassageRow.id).limit(most)
        return [made(IndexRow, row) for row in self.connection.execute(query)]

    def passages_ended(self, since: int) -> Sequence[int]:
        """Return the ids of passages that have ended after generation `since`."""
        return self.connection.execute(select(PassageRow.id).where(PassageRow.ended > since)).scalars().all()

    def vectors_added(self, model: str, since: tuple[int, bytes], most: int) -> Sequence[NewVector]:
        """Return at most `most` embeddings with their passages, ordered by (generation, key); only those after the pair
        `since`.
        """
        began = tuple_(Vector.added, Vector.sha)
        new = select(*Vector.table.c["added", "sha", "data"]).where(Vector.model == model, began > tuple_(*since))
        vectors = new.order_by(Vector.added, Vector.sha).limit(most).subquery()
        query = (
            select(*vectors.c["added", "sha", "data"], *PassageRow.table.c["id", "source_id", "ended"])
            .outerjoin(PassageRow.table, PassageRow.sha == vectors.c.sha)
            .order_by(vectors.c.added, vectors.c.sha)
        )
        return [_new_vector(row, row.id, row.source_id, row.ended) for row in self.connection.execute(query)]

    def vectors_of_added(self, model: str, since: int) -> Sequence[NewVector]:
        """Return the embeddings of passages that began after generation `since`. Some were bought earlier, for another
        passage with this text.
        """
        began = PassageRow.added > since
        # Not one query with a join: SQLite would begin it at all embeddings of the model.
        known = select(*Vector.table.c["sha", "added", "data"]).where(
            Vector.model == model, Vector.sha.in_(select(PassageRow.sha).where(began))
        )
        vectors = {bytes(row.sha): row for row in self.connection.execute(known)}
        passages = self.connection.execute(select(*PassageRow.table.c["id", "source_id", "ended", "sha"]).where(began))
        return [
            _new_vector(vectors[bytes(row.sha)], row.id, row.source_id, row.ended)
            for row in passages
            if bytes(row.sha) in vectors
        ]

    # --- what an answer reads -----------------------------------------------------------------------------------------

    def read_passages(
        self, ids: Collection[int], sources: Collection[int], groups: Collection[str] = ()
    ) -> Mapping[int, StoredPassage]:
        """Return those of the passages that still stand, belong to these sources, and may be read by these groups."""
        query = PASSAGE.where(
            PassageRow.id.in_(ids),
            PassageRow.source_id.in_(sources),
            PassageRow.ended.is_(None),
            SourceArticle.audience.in_(["", *groups]),
        )
        return {row.id: stored_passage(row) for row in self.connection.execute(query)}

    def list_by_id(self, ids: Collection[int]) -> Mapping[int, StoredPassage]:
        """Return passages by their ids, also ended ones, whoever may read them: for checks, never to be shown to a
        person.
        """
        rows = self.connection.execute(PASSAGE.where(PassageRow.id.in_(ids)))
        return {row.id: stored_passage(row) for row in rows}

    def store_quotes(self, message: int, quotes: Sequence[tuple[int, int, int]]) -> None:
        """Store what an answer quotes: passages with the beginning and the end of the quoted text."""
        rows = [
            {"message_id": message, "passage_id": passage, "start": start, "end": end} for passage, start, end in quotes
        ]
        if rows:
            self.connection.execute(insert(Quote.table), rows)

    def list_quoted(self, message: int) -> Sequence[QuotedPassage]:
        """Return the passages that an answer quotes, in the order of its quotes, also those that have ended."""
        query = (
            PASSAGE.add_columns(PassageRow.until, SourceArticle.audience, Quote.start, Quote.end)
            .join(Quote.table, Quote.passage_id == PassageRow.id)
            .where(Quote.message_id == message)
            .order_by(Quote.id)
        )
        rows: dict[int, list[Row[Any]]] = {}
        for row in self.connection.execute(query):
            rows.setdefault(row.id, []).append(row)
        return [
            QuotedPassage(
                stored_passage(some[0]), [(row.start, row.end) for row in some], some[0].until, some[0].audience
            )
            for some in rows.values()
        ]

    def list_quoting(self, conversation: int) -> Mapping[int, Collection[tuple[int, str]]]:
        """Return the answers of a conversation that quote sources, by id: each quoted source, and who alone may read
        the article ("" for all who may read the source).
        """
        query = (
            select(Quote.message_id, PassageRow.source_id, SourceArticle.audience)
            .join(StoredMessage.table, StoredMessage.id == Quote.message_id)
            .join(PassageRow.table, PassageRow.id == Quote.passage_id)
            .join(SourceArticle.table, SourceArticle.id == PassageRow.article_id)
            .where(StoredMessage.conversation_id == conversation)
            .distinct()
        )
        found: dict[int, set[tuple[int, str]]] = {}
        for message, source, audience in self.connection.execute(query):
            found.setdefault(message, set()).add((source, audience))
        return found

    def has_quotes(self, message: int) -> bool:
        """Return whether a message is an answer that quotes the knowledge base."""
        return bool(self.connection.scalar(select(exists().where(Quote.message_id == message))))

    def read_neighbour(self, passage: StoredPassage, step: int) -> StoredPassage | None:
        """Return the passage that stands `step` places after this one in its article, None where there is none."""
        values = {"article": passage.article_id, "ordinal": passage.ordinal + step}
        return self._find(stored_passage, NEIGHBOUR, values)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _in_batches(self, values: Sequence[Any], statement: Any) -> None:
        for first in range(0, len(values), BATCH):
            self.connection.execute(statement(values[first : first + BATCH]))


PASSAGE = select(
    *PassageRow.table.c["id", "source_id", "article_id", "ordinal", "place", "page", "anchor", "text", "sentences"],
    *SourceArticle.table.c["title", "url", "changed"],
).join(SourceArticle.table, SourceArticle.id == PassageRow.article_id)
NEIGHBOUR = Prepared(
    PASSAGE.where(
        PassageRow.article_id == bindparam("article"),
        PassageRow.ordinal == bindparam("ordinal"),
        PassageRow.ended.is_(None),
    )
)


def pack_sentences(sentences: Sequence[tuple[int, int]]) -> bytes:
    """Return pairs of numbers as bytes: each number as 32 bits, little endian."""
    return b"".join(number.to_bytes(4, "little") for pair in sentences for number in pair)


def unpack_sentences(data: bytes) -> tuple[tuple[int, int], ...]:
    """The pairs that `pack_sentences` has packed."""
    numbers = [int.from_bytes(data[place : place + 4], "little") for place in range(0, len(data), 4)]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def stored_passage(row: Row[Any]) -> StoredPassage:
    """Return the passage in a row of the query `PASSAGE`."""
    return made(StoredPassage, row, sentences=unpack_sentences(bytes(row.sentences)))


def _new_vector(row: Row[Any], passage: int | None, source: int | None, ended: int | None) -> NewVector:
    return NewVector(
        added=row.added,
        sha=bytes(row.sha),
        data=bytes(row.data),
        passage=0 if ended else passage or 0,
        source=source or 0,
    )
