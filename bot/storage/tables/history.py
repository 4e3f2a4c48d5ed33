"""Conversations, messages, facts and summaries, files and documents, feedback, versions of personas, templates."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Index

from bot.storage.rows import AddressCol, Col, Query, Row, address_columns, column
from bot.storage.schema import Id


class Conversation(
    Row,
    table="conversations",
    having=(Index("ix_conversations_address", "bot", "chat", "thread", "connection", "chosen", "id"),),
):
    """A tree of messages, of which the branch that ends in `head` is shown and goes into prompts.

    `/new` begins another conversation at an address. The one with the highest `chosen` (Unix seconds) is the current
    one.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    address: AddressCol = address_columns()
    at: Col[float]
    chosen: Col[float] = column(default=0.0, is_younger=True)
    head: Col[int | None]
    title: Col[str] = column(sa.String(128), default="", is_younger=True)
    named_by: Col[str] = column(sa.String(8), default="", is_younger=True)  # model, user; "" for no name yet
    is_pinned: Col[bool] = column(sa.Boolean, default=False, is_younger=True)
    is_archived: Col[bool] = column(sa.Boolean, default=False, is_younger=True)


class StoredMessage(
    Row,
    table="messages",
    having=(
        sa.UniqueConstraint("conversation_id", "turn", "role"),
        Index("ix_messages_history", "conversation_id", "id"),
        Index("ix_messages_versions", "conversation_id", "parent"),
        Index("ix_messages_place", "bot", "chat", "place"),
    ),
):
    """A message of a conversation. An answer is added in the commit that puts it into the outbox.

    `parent` is the message before it; messages with one parent are versions of each other. `place` is the transport's
    id of a question, `sources` what an answer rests on (JSON), `request` what the model was asked for an answer
    (`repositories.mapping.dump_request`; NULL if it is not known). `persona` names the version of the persona that
    wrote an answer, such as "teacher@1a2b3c4d" (`persona_versions`); "" if it is not known. `response` is the id under
    which the model's server remembers the branch that ends in an answer; NULL if it does not, or as something else.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    conversation_id: Col[int] = column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    bot: Col[int]
    chat: Col[int]
    turn: Col[str] = column(sa.String(64))
    role: Col[str] = column(sa.String(16))
    parts: Col[str]
    ending: Col[str] = column(sa.String(16))  # of an answer: stop, length, stopped, cut
    at: Col[float]
    parent: Col[int | None]
    user: Col[int] = column(default=0, is_younger=True)
    place: Col[int] = column(default=0, is_younger=True)
    model: Col[str] = column(sa.String(200), default="", is_younger=True)
    sources: Col[str] = column(default="[]", is_younger=True)
    request: Col[bytes | None]
    persona: Col[str] = column(sa.String(64), default="", is_younger=True)
    response: Col[str | None]


class Summary(Row, table="summaries", having=(sa.UniqueConstraint("conversation_id", "version"),)):
    """A version of the summary of a conversation up to the message `upto`. The newest version counts."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    conversation_id: Col[int] = column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    version: Col[int] = column(sa.Integer)
    text: Col[str]
    upto: Col[int]
    author: Col[str] = column(sa.String(8))  # model, user
    at: Col[float]


NEWEST_SUMMARY = Query(Summary, order=[Summary.version.desc()])
SUMMARIES = Query(Summary, order=[Summary.version])


class Fact(Row, table="facts", having=(Index("ix_facts_conversation", "conversation_id", "id"),)):
    """A fact that was pinned to a conversation and goes into each of its prompts."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    conversation_id: Col[int] = column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    user: Col[int]
    text: Col[str]
    at: Col[float]


FACTS = Query(Fact, order=[Fact.id])


class Blob(
    Row,
    table="blobs",
    having=(
        Index("ix_blobs_chat", "bot", "chat", "id"),
        Index("ix_blobs_user", "bot", "user", "id"),
    ),
):
    """A file that came with a question or was made for an answer."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    chat: Col[int]
    user: Col[int]
    mime: Col[str] = column(sa.String(100))
    name: Col[str] = column(sa.String(255))
    data: Col[bytes]
    at: Col[float]


class StoredDocument(Row, table="documents", having=(Index("ix_documents_conversation", "conversation_id", "id"),)):
    """A document that was asked about. Its text is stored in `passages`."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    conversation_id: Col[int] = column(Id, sa.ForeignKey("conversations.id", ondelete="CASCADE"))
    turn: Col[str] = column(sa.String(64))
    user: Col[int]
    name: Col[str] = column(sa.String(255))
    pages: Col[int] = column(sa.Integer)
    characters: Col[int] = column(sa.Integer)
    at: Col[float]


class DocumentPassage(Row, table="passages", having=(Index("ix_passages_document", "document_id", "id"),)):
    """A piece of a document. `page` counts from 1, `place` names its sheet, slide or chapter; `vector` is float32,
    little endian, NULL if there is none.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    document_id: Col[int] = column(Id, sa.ForeignKey("documents.id", ondelete="CASCADE"))
    page: Col[int] = column(sa.Integer)
    text: Col[str]
    vector: Col[bytes | None]
    place: Col[str] = column(sa.String(64), default="", is_younger=True)


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


class PersonaText(Row, table="persona_versions"):
    """A version of a persona that has answered. `text` is its file, `version` the beginning of the text's SHA-256."""

    bot: Col[int] = column(primary_key=True)
    key: Col[str] = column(sa.String(48), primary_key=True)
    version: Col[str] = column(sa.String(8), primary_key=True)
    text: Col[str]
    at: Col[float]  # of its first answer


class SavedTemplate(Row, table="templates", having=[Index("ix_templates_user", "bot", "user", "id")]):
    """A question that a user keeps under a name to ask it again. {words} in it are asked for each time."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    user: Col[int]
    name: Col[str] = column(sa.String(64))
    text: Col[str]
    at: Col[float]


TEMPLATES = Query(SavedTemplate, order=[SavedTemplate.id])
