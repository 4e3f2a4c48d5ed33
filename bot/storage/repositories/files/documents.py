"""Documents that were asked about. They belong to a conversation, and their text is stored as passages."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, case, delete, func, insert, select, update

from bot.storage.repositories.mapping import Repository
from bot.storage.tables.history import documents, passages

LONGEST_NAME = 255  # SQLite would keep more, PostgreSQL refuses it
PLACE = 20  # characters around a name: brackets, page and blank lines


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document. `page` is 0 if the document has no pages, `vector` empty without an embedding.

    `place` is the name of its sheet, slide or chapter, "" for none.
    """

    text: str
    page: int = 0
    vector: tuple[float, ...] = ()
    name: str = ""
    id: int = 0
    place: str = ""

    @property
    def indexed(self) -> str:
        """The text that is embedded and whose words are indexed: the place in front of the passage."""
        return f"{self.place}\n{self.text}" if self.place else self.text


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a conversation, with the length of its text in characters."""

    id: int
    name: str
    characters: int


class Documents(Repository):
    """Documents of conversations, cut into passages."""

    def prompt_size(self, conversation: int) -> int:
        """Return how many characters all passages take in a prompt, with their headings; 0 for none."""
        query = (
            select(func.sum(func.length(passages.c.text) + func.length(documents.c.name) + PLACE))
            .join(documents, documents.c.id == passages.c.document_id)
            .where(documents.c.conversation_id == conversation)
        )
        return self.connection.execute(query).scalar_one() or 0

    def text_sizes(self, conversation: int) -> tuple[int, int]:
        """Return the characters of all passages of a conversation, and of those without a vector."""
        length = func.length(passages.c.text)
        bare = case((passages.c.vector.is_(None), length), else_=0)
        query = select(func.coalesce(func.sum(length), 0), func.coalesce(func.sum(bare), 0))
        query = query.join(documents, documents.c.id == passages.c.document_id).where(
            documents.c.conversation_id == conversation
        )
        whole, left = self.connection.execute(query).one()
        return int(whole), int(left)

    def store_document(
        self, conversation: int, turn: str, user: int, name: str, pages: int, pieces: Sequence[tuple[int, str, str]]
    ) -> None:
        """Store a document as passages, given as (page, place, text), instead of an earlier one with its name.

        If the earlier one has equal passages nothing changes, because their vectors were paid for.
        """
        name = name[:LONGEST_NAME]
        same = (documents.c.conversation_id == conversation, documents.c.name == name)
        for (old,) in self.connection.execute(select(documents.c.id).where(*same)).all():
            if self._is(old, pieces):
                return
            self.connection.execute(delete(passages).where(passages.c.document_id == old))
            self.connection.execute(delete(documents).where(documents.c.id == old))
        row = {
            "conversation_id": conversation, "turn": turn, "user": user, "name": name, "pages": pages,
            "characters": sum(len(text) for _, _, text in pieces), "at": self.clock.time(),
        }  # fmt: skip
        id_ = self.connection.execute(insert(documents).returning(documents.c.id), row).scalar_one()
        rows = [
            {"document_id": id_, "page": page, "place": place, "text": text, "vector": None}
            for page, place, text in pieces
        ]
        self.connection.execute(insert(passages), rows)

    def list_documents(self, conversation: int) -> Sequence[Document]:
        """Return the documents of a conversation, oldest first."""
        query = select(*documents.c["id", "name", "characters"]).where(documents.c.conversation_id == conversation)
        return [Document(*row) for row in self.connection.execute(query.order_by(documents.c.id))]

    def delete_document(self, conversation: int, document: int) -> None:
        """Delete a document of a conversation with its passages."""
        here = (documents.c.conversation_id == conversation, documents.c.id == document)
        if self.connection.execute(select(documents.c.id).where(*here)).one_or_none() is not None:
            self.connection.execute(delete(passages).where(passages.c.document_id == document))
            self.connection.execute(delete(documents).where(*here))

    def _is(self, document: int, pieces: Sequence[tuple[int, str, str]]) -> bool:
        fields = passages.c["page", "place", "text"]
        query = select(*fields).where(passages.c.document_id == document).order_by(passages.c.id)
        return [tuple(row) for row in self.connection.execute(query)] == list(pieces)

    def list_passages(self, conversation: int) -> list[Passage]:
        """Return the passages of all documents of a conversation, in their order."""
        query = (
            select(
                passages.c.text, passages.c.page, passages.c.vector, documents.c.name, passages.c.id, passages.c.place
            )
            .join(documents, documents.c.id == passages.c.document_id)
            .where(documents.c.conversation_id == conversation)
            .order_by(passages.c.document_id, passages.c.id)
        )
        return [
            Passage(text, page, _vector(vector), name=name, id=id_, place=place)
            for text, page, vector, name, id_, place in self.connection.execute(query)
        ]

    def store_vectors(self, vectors: Mapping[int, Sequence[float]]) -> None:
        """Store the vectors of passages, by the ids of the passages."""
        change = update(passages).where(passages.c.id == bindparam("row")).values(vector=bindparam("found"))
        rows = [{"row": id_, "found": array("f", vector).tobytes()} for id_, vector in vectors.items()]
        if rows:
            self.connection.execute(change, rows)


def _vector(data: bytes | None) -> tuple[float, ...]:
    found = array("f")
    found.frombytes(data or b"")
    return tuple(found)
