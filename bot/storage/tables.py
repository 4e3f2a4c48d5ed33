"""The tables. Every row belongs to a bot and a chat; times are Unix seconds; JSON is kept as text.

Statements elsewhere are Core on these tables: an ORM append costs 1.1 ms, a Core one 0.4 ms, and a turn makes nine.
"""

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

from bot.storage.declarative import Base as Base
from bot.storage.declarative import column

# SQLite numbers rows by itself only in a column that is called INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


class Addressed:
    transport: ColumnClause[str] = column(String(16))
    bot: ColumnClause[int] = column(BigInteger)
    connection: ColumnClause[str] = column(String(128))
    chat: ColumnClause[int] = column(BigInteger)
    thread: ColumnClause[int] = column(BigInteger)
    only: ColumnClause[int] = column(BigInteger, server_default="0")  # who alone sees it


class Update(Base):
    """The inbox. `once` is the same for the same thing under another update id; `raw` is emptied when it is done.

    `chat` is the place of the chat (`Address.place`), of which one process works on the rows at a time.
    """

    __tablename__ = "updates"
    __table_args__ = (
        UniqueConstraint("bot", "update_id"),
        UniqueConstraint("bot", "once"),
        Index("ix_updates_open", "bot", "state", "id"),
    )
    __table_options__ = {"sqlite_autoincrement": True}  # a turn is named after its first row: ids never come back
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    update_id: ColumnClause[int] = column(BigInteger)
    once: ColumnClause[str | None] = column(String(255), nullable=True)
    raw: ColumnClause[str] = column(Text)
    state: ColumnClause[str] = column(String(8))  # new, begun, done, dead
    attempts: ColumnClause[int] = column(Integer)
    at: ColumnClause[float] = column(Float)
    reason: ColumnClause[str] = column(String(500))
    chat: ColumnClause[str] = column(String(160), server_default="")


class User(Base):
    __tablename__ = "users"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    id: ColumnClause[int] = column(BigInteger, primary_key=True)
    name: ColumnClause[str] = column(String(256))
    language: ColumnClause[str] = column(String(16))  # as Telegram tells it
    first_seen: ColumnClause[float] = column(Float)
    model: ColumnClause[str] = column(String(200), server_default="")
    timezone: ColumnClause[str] = column(String(64), server_default="")  # IANA name, as the user told


class Chat(Base):
    """A chat and what was chosen in it; an empty choice means the operator's default."""

    __tablename__ = "chats"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    id: ColumnClause[int] = column(BigInteger, primary_key=True)
    is_private: ColumnClause[bool] = column(Boolean)
    is_gone: ColumnClause[bool] = column(Boolean)
    language: ColumnClause[str] = column(String(16))
    model: ColumnClause[str] = column(String(200))
    streaming: ColumnClause[str] = column(String(8))
    first_seen: ColumnClause[float] = column(Float)
    persona: ColumnClause[str] = column(String(64), server_default="")
    reasoning: ColumnClause[str] = column(String(8), server_default="")
    mirrors: ColumnClause[bool] = column(Boolean, server_default=false())  # voice is answered with voice
    is_allowed: ColumnClause[bool] = column(Boolean, server_default=false())  # a group that an admin let in
    notices: ColumnClause[str] = column(String(8), server_default="")  # alone: only who asked sees them


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


class Member(Base):
    """Whom the bot knows with a role: admin, operator, user, or blocked. Owners stand in the settings or here."""

    __tablename__ = "members"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    user: ColumnClause[int] = column(BigInteger, primary_key=True)
    role: ColumnClause[str] = column(String(16))
    expires: ColumnClause[float | None] = column(Float, nullable=True)
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class Invite(Base):
    """A link that lets people in. Only the hash of its code is kept."""

    __tablename__ = "invites"
    __table_args__ = (UniqueConstraint("bot", "code"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    code: ColumnClause[str] = column(String(64))  # SHA-256, hex
    role: ColumnClause[str] = column(String(16))
    uses: ColumnClause[int] = column(Integer)  # that are left
    expires: ColumnClause[float] = column(Float)
    member_seconds: ColumnClause[float | None] = column(Float, nullable=True)  # how long those whom it let in may stay
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class Application(Base):
    """Somebody asked to be let in, or a group was: the admins decide once. `subject` is a user's or a chat's id."""

    __tablename__ = "applications"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    subject: ColumnClause[int] = column(BigInteger, primary_key=True)
    name: ColumnClause[str] = column(String(256))
    state: ColumnClause[str] = column(String(10))  # open, allowed, refused
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class Audit(Base):
    """What was done by somebody with rights: never changed, never deleted with a user."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "bot", "at"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    actor: ColumnClause[int] = column(BigInteger)
    action: ColumnClause[str] = column(String(40))
    subject: ColumnClause[str] = column(String(80))
    details: ColumnClause[str] = column(Text)
    at: ColumnClause[float] = column(Float)


class Delivery(Addressed, Base):
    """The outbox. `key` names the turn and the part of it; a photo's bytes are dropped when it was sent."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("bot", "key"),
        Index("ix_deliveries_open", "bot", "state", "chat", "id"),
        Index("ix_deliveries_chat", "bot", "chat", "id"),
    )
    id: ColumnClause[int] = column(Id, primary_key=True)
    key: ColumnClause[str] = column(String(80))
    state: ColumnClause[str] = column(String(10))
    outgoing: ColumnClause[str] = column(Text)
    photo: ColumnClause[bytes | None] = column(LargeBinary, nullable=True)
    message_ids: ColumnClause[str] = column(Text)
    done: ColumnClause[int] = column(Integer)
    marker: ColumnClause[int] = column(BigInteger)
    attempts: ColumnClause[int] = column(Integer)
    due: ColumnClause[float] = column(Float)
    at: ColumnClause[float] = column(Float)
    reason: ColumnClause[str] = column(String(500))


class Operation(Addressed, Base):
    """Something a service does for us over minutes: its id is here before it is first asked about."""

    __tablename__ = "operations"
    __table_args__ = (UniqueConstraint("bot", "turn"), Index("ix_operations_open", "bot", "state"))
    id: ColumnClause[int] = column(Id, primary_key=True)
    kind: ColumnClause[str] = column(String(16))
    turn: ColumnClause[str] = column(String(64))
    user: ColumnClause[int] = column(BigInteger)
    request: ColumnClause[str] = column(Text)
    state: ColumnClause[str] = column(String(12))  # asked, submitting, running, done, failed
    operation: ColumnClause[str] = column(String(128))
    submits: ColumnClause[int] = column(Integer)
    at: ColumnClause[float] = column(Float)


class Job(Addressed, Base):
    """What is done later. A job that is through is deleted; one that goes on is given a later `due`."""

    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("bot", "kind", "key"), Index("ix_jobs_due", "bot", "due"))
    id: ColumnClause[int] = column(Id, primary_key=True)
    kind: ColumnClause[str] = column(String(32))
    key: ColumnClause[str] = column(String(80))
    payload: ColumnClause[str] = column(Text)
    due: ColumnClause[float] = column(Float)
    attempts: ColumnClause[int] = column(Integer)


class UsageRow(Base):
    """The ledger: one row for each request that was paid for, in tokens, and in millionths of the currency (`cost`).

    What is not sold by the tokens of an answer has `units`: seconds of speech, characters of voice, searches, ...
    """

    __tablename__ = "usage"
    __table_args__ = (
        Index("ix_usage_chat", "bot", "chat", "at"),
        Index("ix_usage_day", "bot", "at"),
        Index("ix_usage_user", "bot", "user", "at"),
    )
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    user: ColumnClause[int] = column(BigInteger)
    turn: ColumnClause[str] = column(String(64))
    model: ColumnClause[str] = column(String(200))
    mode: ColumnClause[str] = column(String(16))
    prompt: ColumnClause[int] = column(BigInteger)
    completion: ColumnClause[int] = column(BigInteger)
    reasoning: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)
    cost: ColumnClause[int] = column(BigInteger, server_default="0")
    units: ColumnClause[int] = column(BigInteger, server_default="0")


class Spending(Base):
    """What was spent on a day (days since 1970, UTC) in a scope: by a user, in a chat, by the bot.

    What the bot has spent is the sum of several rows, numbered by `subject`.
    """

    __tablename__ = "spending"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    day: ColumnClause[int] = column(BigInteger, primary_key=True)
    kind: ColumnClause[str] = column(String(8), primary_key=True)  # tokens, images, money (millionths)
    scope: ColumnClause[str] = column(String(4), primary_key=True)
    subject: ColumnClause[int] = column(BigInteger, primary_key=True)
    amount: ColumnClause[int] = column(BigInteger)


class Reservation(Base):
    """Held back from a day's caps for what is under way, in a `turn`; what it really costs is settled when it ends."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_day", "bot", "day", "kind"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    day: ColumnClause[int] = column(BigInteger)
    kind: ColumnClause[str] = column(String(8))
    user: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    amount: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)
    turn: ColumnClause[str] = column(String(80), server_default="")


class Allowance(Base):
    """What an admin lets one user spend a day and a month (millionths) instead of what everybody may.

    0 is no limit, NULL as everybody.
    """

    __tablename__ = "allowances"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    user: ColumnClause[int] = column(BigInteger, primary_key=True)
    day: ColumnClause[int | None] = column(BigInteger, nullable=True)
    month: ColumnClause[int | None] = column(BigInteger, nullable=True)
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class ButtonRow(Base):
    """What a button does. Callback data can be forged, so it is only the random `key` of such a row.

    `delivery` is the key of the answer that it stands under: pressed anywhere else it does nothing.
    """

    __tablename__ = "buttons"
    key: ColumnClause[str] = column(String(64), primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    delivery: ColumnClause[str] = column(String(80), server_default="")
    user: ColumnClause[int] = column(BigInteger)  # 0: anybody in the chat
    action: ColumnClause[str] = column(String(32))
    payload: ColumnClause[str] = column(Text)
    expires: ColumnClause[float] = column(Float, index=True)


class Awaited(Base):
    """The bot asked this user something: the next message is the answer to it."""

    __tablename__ = "awaited"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    key: ColumnClause[str] = column(String(200), primary_key=True)  # the address
    user: ColumnClause[int] = column(BigInteger, primary_key=True)
    action: ColumnClause[str] = column(String(32))
    payload: ColumnClause[str] = column(Text)
    expires: ColumnClause[float] = column(Float)
