"""Conversations, messages, facts and summaries, files and documents, feedback, versions of personas, templates."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns

from bot.storage.rows import Col, Query, Row, column
from bot.storage.schema import Id
from bot.storage.tables.base import Addressed, declare_table


class ConversationColumns(Addressed):
    """A tree of messages, of which the branch that ends in `head` is shown and goes into prompts.

    `/new` begins another conversation at an address. The one with the highest `chosen` (Unix seconds) is the current
    one.
    """

    id: Named[int] = Column(Id, primary_key=True)
    at: Named[float] = Column(sa.Float)
    chosen: Named[float] = Column(sa.Float, server_default="0")
    head: Named[int | None] = Column(sa.BigInteger)
    title: Named[str] = Column(sa.String(128), server_default="")
    named_by: Named[str] = Column(sa.String(8), server_default="")  # model, user; "" for no name yet
    is_pinned: Named[bool] = Column(sa.Boolean, server_default=sa.false())
    is_archived: Named[bool] = Column(sa.Boolean, server_default=sa.false())


conversations = declare_table(
    "conversations",
    ConversationColumns,
    Index("ix_conversations_address", "bot", "chat", "thread", "connection", "chosen", "id"),
)


class MessageColumns(TypedColumns):
    """A message of a conversation. An answer is added in the commit that puts it into the outbox.

    `parent` is the message before it; messages with one parent are versions of each other. `place` is the transport's
    id of a question, `sources` what an answer rests on (JSON), `request` what the model was asked for an answer
    (`repositories.mapping.dump_request`; NULL if it is not known). `persona` names the version of the persona that
    wrote an answer, such as "teacher@1a2b3c4d" (`persona_versions`); "" if it is not known. `response` is the id under
    which the model's server remembers the branch that ends in an answer; NULL if it does not, or as something else.
    """

    id: Named[int] = Column(Id, primary_key=True)
    conversation_id: Named[int] = Column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    turn: Named[str] = Column(sa.String(64))
    role: Named[str] = Column(sa.String(16))
    parts: Named[str] = Column(sa.Text)
    ending: Named[str] = Column(sa.String(16))  # of an answer: stop, length, stopped, cut
    at: Named[float] = Column(sa.Float)
    parent: Named[int | None] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger, server_default="0")
    place: Named[int] = Column(sa.BigInteger, server_default="0")
    model: Named[str] = Column(sa.String(200), server_default="")
    sources: Named[str] = Column(sa.Text, server_default="[]")
    request: Named[bytes | None] = Column(sa.LargeBinary)
    persona: Named[str] = Column(sa.String(64), server_default="")
    response: Named[str | None] = Column(sa.Text)


messages = declare_table(
    "messages",
    MessageColumns,
    sa.UniqueConstraint("conversation_id", "turn", "role"),
    Index("ix_messages_history", "conversation_id", "id"),
    Index("ix_messages_versions", "conversation_id", "parent"),
    Index("ix_messages_place", "bot", "chat", "place"),
)


class SummaryColumns(TypedColumns):
    """A version of the summary of a conversation up to the message `upto`. The newest version counts."""

    id: Named[int] = Column(Id, primary_key=True)
    conversation_id: Named[int] = Column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    version: Named[int] = Column(sa.Integer)
    text: Named[str] = Column(sa.Text)
    upto: Named[int] = Column(sa.BigInteger)
    author: Named[str] = Column(sa.String(8))  # model, user
    at: Named[float] = Column(sa.Float)


summaries = declare_table("summaries", SummaryColumns, sa.UniqueConstraint("conversation_id", "version"))


class FactColumns(TypedColumns):
    """A fact that was pinned to a conversation and goes into each of its prompts."""

    id: Named[int] = Column(Id, primary_key=True)
    conversation_id: Named[int] = Column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    user: Named[int] = Column(sa.BigInteger)
    text: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


facts = declare_table("facts", FactColumns, Index("ix_facts_conversation", "conversation_id", "id"))


class BlobColumns(TypedColumns):
    """A file that came with a question or was made for an answer."""

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    mime: Named[str] = Column(sa.String(100))
    name: Named[str] = Column(sa.String(255))
    data: Named[bytes] = Column(sa.LargeBinary)
    at: Named[float] = Column(sa.Float)


blobs = declare_table(
    "blobs",
    BlobColumns,
    Index("ix_blobs_chat", "bot", "chat", "id"),
    Index("ix_blobs_user", "bot", "user", "id"),
)


class DocumentColumns(TypedColumns):
    """A document that was asked about. Its text is stored in `passages`."""

    id: Named[int] = Column(Id, primary_key=True)
    conversation_id: Named[int] = Column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    turn: Named[str] = Column(sa.String(64))
    user: Named[int] = Column(sa.BigInteger)
    name: Named[str] = Column(sa.String(255))
    pages: Named[int] = Column(sa.Integer)
    characters: Named[int] = Column(sa.Integer)
    at: Named[float] = Column(sa.Float)


documents = declare_table("documents", DocumentColumns, Index("ix_documents_conversation", "conversation_id", "id"))


class PassageColumns(TypedColumns):
    """A piece of a document. `page` counts from 1, `place` names its sheet, slide or chapter; `vector` is float32,
    little endian, NULL if there is none.
    """

    id: Named[int] = Column(Id, primary_key=True)
    document_id: Named[int] = Column(Id, sa.ForeignKey("documents.id", ondelete="CASCADE"))
    page: Named[int] = Column(sa.Integer)
    text: Named[str] = Column(sa.Text)
    vector: Named[bytes | None] = Column(sa.LargeBinary)
    place: Named[str] = Column(sa.String(64), server_default="")


passages = declare_table("passages", PassageColumns, Index("ix_passages_document", "document_id", "id"))


class Judgement(Row, table="feedback", having=[sa.UniqueConstraint("message_id", "user")]):
    """What a user thought of an answer: `message_id` is its row in `messages`, `value` 1, -1 or 0 (unclear).

    `prompt` is what the model was asked (JSON), so that the judgement can be understood later.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    message_id: Col[int] = column(Id, sa.ForeignKey("messages.id", ondelete="CASCADE"))
    bot: Col[int]
    chat: Col[int]
    user: Col[int]
    value: Col[int] = column(sa.Integer)
    sign: Col[str] = column(sa.String(64))
    model: Col[str] = column(sa.String(200))
    prompt: Col[str]
    at: Col[float]


feedback = Judgement.table


class PersonaVersionColumns(TypedColumns):
    """A version of a persona that has answered. `text` is its file, `version` the beginning of the text's SHA-256."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    key: Named[str] = Column(sa.String(48), primary_key=True)
    version: Named[str] = Column(sa.String(8), primary_key=True)
    text: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)  # of its first answer


persona_versions = declare_table("persona_versions", PersonaVersionColumns)


class SavedTemplate(Row, table="templates", having=[Index("ix_templates_user", "bot", "user", "id")]):
    """A question that a user keeps under a name to ask it again. {words} in it are asked for each time."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    user: Col[int]
    name: Col[str] = column(sa.String(64))
    text: Col[str]
    at: Col[float]


TEMPLATES = Query(SavedTemplate, order=[SavedTemplate.id])
