"""Documents that were asked about. They belong to a conversation, and their text is stored as passages."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, case, delete, func, insert, select, update

from bot.storage.repositories.mapping import Repository
from bot.storage.tables.history import DocumentPassage, StoredDocument

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
            select(func.sum(func.length(DocumentPassage.text) + func.length(StoredDocument.name) + PLACE))
            .join(StoredDocument.table, StoredDocument.id == DocumentPassage.document_id)
            .where(StoredDocument.conversation_id == conversation)
        )
        return self.connection.execute(query).scalar_one() or 0

    def text_sizes(self, conversation: int) -> tuple[int, int]:
        """Return the characters of all passages of a conversation, and of those without a vector."""
        length = func.length(DocumentPassage.text)
        bare = case((DocumentPassage.vector.is_(None), length), else_=0)
        query = select(func.coalesce(func.sum(length), 0), func.coalesce(func.sum(bare), 0))
        query = query.join(StoredDocument.table, StoredDocument.id == DocumentPassage.document_id).where(
            StoredDocument.conversation_id == conversation
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
        same = (StoredDocument.conversation_id == conversation, StoredDocument.name == name)
        for (old,) in self.connection.execute(select(StoredDocument.id).where(*same)).all():
            if self._is(old, pieces):
                return
            self.connection.execute(delete(DocumentPassage.table).where(DocumentPassage.document_id == old))
            self.connection.execute(delete(StoredDocument.table).where(StoredDocument.id == old))
        row = {
            "conversation_id": conversation, "turn": turn, "user": user, "name": name, "pages": pages,
            "characters": sum(len(text) for _, _, text in pieces), "at": self.clock.time(),
        }  # fmt: skip
        id_ = self.connection.execute(insert(StoredDocument.table).returning(StoredDocument.id), row).scalar_one()
        rows = [
            {"document_id": id_, "page": page, "place": place, "text": text, "vector": None}
            for page, place, text in pieces
        ]
        self.connection.execute(insert(DocumentPassage.table), rows)

    def list_documents(self, conversation: int) -> Sequence[Document]:
        """Return the documents of a conversation, oldest first."""
        query = select(*StoredDocument.table.c["id", "name", "characters"]).where(
            StoredDocument.conversation_id == conversation
        )
        return [Document(*row) for row in self.connection.execute(query.order_by(StoredDocument.id))]

    def delete_document(self, conversation: int, document: int) -> None:
        """Delete a document of a conversation with its passages."""
        here = (StoredDocument.conversation_id == conversation, StoredDocument.id == document)
        if self.connection.execute(select(StoredDocument.id).where(*here)).one_or_none() is not None:
            self.connection.execute(delete(DocumentPassage.table).where(DocumentPassage.document_id == document))
            self.connection.execute(delete(StoredDocument.table).where(*here))

    def _is(self, document: int, pieces: Sequence[tuple[int, str, str]]) -> bool:
        fields = DocumentPassage.table.c["page", "place", "text"]
        query = select(*fields).where(DocumentPassage.document_id == document).order_by(DocumentPassage.id)
        return [tuple(row) for row in self.connection.execute(query)] == list(pieces)

    def list_passages(self, conversation: int) -> list[Passage]:
        """Return the passages of all documents of a conversation, in their order."""
        query = (
            select(
                DocumentPassage.text,
                DocumentPassage.page,
                DocumentPassage.vector,
                StoredDocument.name,
                DocumentPassage.id,
                DocumentPassage.place,
            )
            .join(StoredDocument.table, StoredDocument.id == DocumentPassage.document_id)
            .where(StoredDocument.conversation_id == conversation)
            .order_by(DocumentPassage.document_id, DocumentPassage.id)
        )
        return [
            Passage(text, page, _vector(vector), name=name, id=id_, place=place)
            for text, page, vector, name, id_, place in self.connection.execute(query)
        ]

    def store_vectors(self, vectors: Mapping[int, Sequence[float]]) -> None:
        """Store the vectors of passages, by the ids of the passages."""
        change = (
            update(DocumentPassage.table)
            .where(DocumentPassage.id == bindparam("row"))
            .values(vector=bindparam("found"))
        )
        rows = [{"row": id_, "found": array("f", vector).tobytes()} for id_, vector in vectors.items()]
        if rows:
            self.connection.execute(change, rows)


def _vector(data: bytes | None) -> tuple[float, ...]:
    found = array("f")
    found.frombytes(data or b"")
    return tuple(found)
