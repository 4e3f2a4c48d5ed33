"""What was said: conversations, their messages, what is remembered and shown of them, what came with them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnClause,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
)

from bot.storage.tables.base import Addressed, Base, Id, column


class Conversation(Addressed, Base):
    """What one prompt may remember: a tree of messages, of which the branch that ends in `head` is shown.

    `/new` begins another one at the same address; the one that was begun or chosen last (`chosen`) counts.
    """

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_address", "bot", "chat", "thread", "connection", "chosen", "id"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    at: ColumnClause[float] = column(Float)
    chosen: ColumnClause[float] = column(Float, server_default="0")
    head: ColumnClause[int | None] = column(BigInteger, nullable=True)
    title: ColumnClause[str] = column(String(128), server_default="")
    named_by: ColumnClause[str] = column(String(8), server_default="")  # model, user; "" for no name yet
    is_pinned: ColumnClause[bool] = column(Boolean, server_default=false())
    is_archived: ColumnClause[bool] = column(Boolean, server_default=false())


class Message(Base):
    """History. An answer is added in the commit that puts it into the outbox.

    `parent` is the message that this one goes on from; messages with the same parent are versions of each other.
    `place` is the transport's number of a question, `sources` what an answer rests on (JSON).
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "turn", "role"),
        Index("ix_messages_history", "conversation_id", "id"),
        Index("ix_messages_versions", "conversation_id", "parent"),
        Index("ix_messages_place", "bot", "chat", "place"),
    )
    id: ColumnClause[int] = column(Id, primary_key=True)
    conversation_id: ColumnClause[int] = column(ForeignKey("conversations.id", ondelete="CASCADE"))
    bot: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    turn: ColumnClause[str] = column(String(64))
    role: ColumnClause[str] = column(String(16))
    parts: ColumnClause[str] = column(Text)
    ending: ColumnClause[str] = column(String(16))  # of an answer: stop, length, stopped, cut
    at: ColumnClause[float] = column(Float)
    parent: ColumnClause[int | None] = column(BigInteger, nullable=True)
    user: ColumnClause[int] = column(BigInteger, server_default="0")
    place: ColumnClause[int] = column(BigInteger, server_default="0")
    model: ColumnClause[str] = column(String(200), server_default="")
    sources: ColumnClause[str] = column(Text, server_default="[]")


class Summary(Base):
    """What an older part of a conversation said, up to the message `upto`: the newest version counts."""

    __tablename__ = "summaries"
    __table_args__ = (UniqueConstraint("conversation_id", "version"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    conversation_id: ColumnClause[int] = column(ForeignKey("conversations.id", ondelete="CASCADE"))
    version: ColumnClause[int] = column(Integer)
    text: ColumnClause[str] = column(Text)
    upto: ColumnClause[int] = column(BigInteger)
    author: ColumnClause[str] = column(String(8))  # model, user
    at: ColumnClause[float] = column(Float)


class Fact(Base):
    """What a conversation never forgets: pinned by hand, with every prompt."""

    __tablename__ = "facts"
    __table_args__ = (Index("ix_facts_conversation", "conversation_id", "id"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    conversation_id: ColumnClause[int] = column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user: ColumnClause[int] = column(BigInteger)
    text: ColumnClause[str] = column(Text)
    at: ColumnClause[float] = column(Float)


class Blob(Base):
    """A file that came with a question or was made for an answer."""

    __tablename__ = "blobs"
    __table_args__ = (Index("ix_blobs_chat", "bot", "chat", "id"), Index("ix_blobs_user", "bot", "user", "id"))
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    user: ColumnClause[int] = column(BigInteger)
    mime: ColumnClause[str] = column(String(100))
    name: ColumnClause[str] = column(String(255))
    data: ColumnClause[bytes] = column(LargeBinary)
    at: ColumnClause[float] = column(Float)


class Document(Base):
    """A document that was asked about; its text stands in `passages`."""

    __tablename__ = "documents"
    __table_args__ = (Index("ix_documents_conversation", "conversation_id", "id"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    conversation_id: ColumnClause[int] = column(ForeignKey("conversations.id", ondelete="CASCADE"))
    turn: ColumnClause[str] = column(String(64))
    user: ColumnClause[int] = column(BigInteger)
    name: ColumnClause[str] = column(String(255))
    pages: ColumnClause[int] = column(Integer)
    characters: ColumnClause[int] = column(Integer)
    at: ColumnClause[float] = column(Float)


class Passage(Base):
    """A piece of a document: `page` counts from 1, `vector` is float32 (little endian), empty where there is none."""

    __tablename__ = "passages"
    __table_args__ = (Index("ix_passages_document", "document_id", "id"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    document_id: ColumnClause[int] = column(ForeignKey("documents.id", ondelete="CASCADE"))
    page: ColumnClause[int] = column(Integer)
    text: ColumnClause[str] = column(Text)
    vector: ColumnClause[bytes | None] = column(LargeBinary, nullable=True)


class Feedback(Base):
    """What somebody thought of an answer: `message_id` is its row in `messages`, `value` 1, -1 or 0 (unclear).

    `prompt` is what the model was asked (JSON), so that the judgement can be understood later.
    """

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("message_id", "user"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    message_id: ColumnClause[int] = column(ForeignKey("messages.id", ondelete="CASCADE"))
    bot: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    user: ColumnClause[int] = column(BigInteger)
    value: ColumnClause[int] = column(Integer)
    sign: ColumnClause[str] = column(String(64))
    model: ColumnClause[str] = column(String(200))
    prompt: ColumnClause[str] = column(Text)
    at: ColumnClause[float] = column(Float)
