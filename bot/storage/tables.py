"""The tables. Every row belongs to a bot and a chat; times are Unix seconds; JSON is kept as text.

Statements elsewhere are Core on these tables: an ORM append costs 1.1 ms, a Core one 0.4 ms, and a turn makes nine.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite numbers rows by itself only in a column that is called INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Addressed:
    transport: Mapped[str] = mapped_column(String(16))
    bot: Mapped[int] = mapped_column(BigInteger)
    connection: Mapped[str] = mapped_column(String(128))
    chat: Mapped[int] = mapped_column(BigInteger)
    thread: Mapped[int] = mapped_column(BigInteger)
    only: Mapped[int] = mapped_column(BigInteger, server_default="0", sort_order=1)  # who alone sees it


class Update(Base):
    """The inbox. `once` is the same for the same thing under another update id; `raw` is emptied when it is done.

    `chat` is the place of the chat (`Address.place`), of which one process works on the rows at a time.
    """

    __tablename__ = "updates"
    __table_args__ = (
        UniqueConstraint("bot", "update_id"),
        UniqueConstraint("bot", "once"),
        Index("ix_updates_open", "bot", "state", "id"),
        {"sqlite_autoincrement": True},  # a turn is named after its first row: ids never come back
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    update_id: Mapped[int] = mapped_column(BigInteger)
    once: Mapped[str | None] = mapped_column(String(255))
    raw: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))  # new, begun, done, dead
    attempts: Mapped[int] = mapped_column(Integer)
    at: Mapped[float] = mapped_column(Float)
    reason: Mapped[str] = mapped_column(String(500))
    chat: Mapped[str] = mapped_column(String(160), server_default="")


class User(Base):
    __tablename__ = "users"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    language: Mapped[str] = mapped_column(String(16))  # as Telegram tells it
    first_seen: Mapped[float] = mapped_column(Float)
    model: Mapped[str] = mapped_column(String(200), server_default="")
    timezone: Mapped[str] = mapped_column(String(64), server_default="")  # IANA name, as the user told


class Chat(Base):
    """A chat and what was chosen in it; an empty choice means the operator's default."""

    __tablename__ = "chats"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    is_private: Mapped[bool]
    is_gone: Mapped[bool]
    language: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(200))
    streaming: Mapped[str] = mapped_column(String(8))
    first_seen: Mapped[float] = mapped_column(Float)
    persona: Mapped[str] = mapped_column(String(64), server_default="")
    reasoning: Mapped[str] = mapped_column(String(8), server_default="")
    mirrors: Mapped[bool] = mapped_column(server_default=false())  # voice is answered with voice
    is_allowed: Mapped[bool] = mapped_column(server_default=false())  # a group that an admin let in
    notices: Mapped[str] = mapped_column(String(8), server_default="")  # alone: only who asked sees them


class Conversation(Addressed, Base):
    """What one prompt may remember: a tree of messages, of which the branch that ends in `head` is shown.

    `/new` begins another one at the same address; the one that was begun or chosen last (`chosen`) counts.
    """

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_address", "bot", "chat", "thread", "connection", "chosen", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[float] = mapped_column(Float)
    chosen: Mapped[float] = mapped_column(Float, server_default="0")
    head: Mapped[int | None] = mapped_column(BigInteger)
    title: Mapped[str] = mapped_column(String(128), server_default="")
    named_by: Mapped[str] = mapped_column(String(8), server_default="")  # model, user; "" for no name yet
    is_pinned: Mapped[bool] = mapped_column(server_default=false())
    is_archived: Mapped[bool] = mapped_column(server_default=false())


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
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    bot: Mapped[int] = mapped_column(BigInteger)
    chat: Mapped[int] = mapped_column(BigInteger)
    turn: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    parts: Mapped[str] = mapped_column(Text)
    ending: Mapped[str] = mapped_column(String(16))  # of an answer: stop, length, stopped, cut
    at: Mapped[float] = mapped_column(Float)
    parent: Mapped[int | None] = mapped_column(BigInteger)
    user: Mapped[int] = mapped_column(BigInteger, server_default="0")
    place: Mapped[int] = mapped_column(BigInteger, server_default="0")
    model: Mapped[str] = mapped_column(String(200), server_default="")
    sources: Mapped[str] = mapped_column(Text, server_default="[]")


class Summary(Base):
    """What an older part of a conversation said, up to the message `upto`: the newest version counts."""

    __tablename__ = "summaries"
    __table_args__ = (UniqueConstraint("conversation_id", "version"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    version: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    upto: Mapped[int] = mapped_column(BigInteger)
    author: Mapped[str] = mapped_column(String(8))  # model, user
    at: Mapped[float] = mapped_column(Float)


class Fact(Base):
    """What a conversation never forgets: pinned by hand, with every prompt."""

    __tablename__ = "facts"
    __table_args__ = (Index("ix_facts_conversation", "conversation_id", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    user: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float)


class Blob(Base):
    """A file that came with a question or was made for an answer."""

    __tablename__ = "blobs"
    __table_args__ = (Index("ix_blobs_chat", "bot", "chat", "id"), Index("ix_blobs_user", "bot", "user", "id"))
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    chat: Mapped[int] = mapped_column(BigInteger)
    user: Mapped[int] = mapped_column(BigInteger)
    mime: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(255))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[float] = mapped_column(Float)


class Document(Base):
    """A document that was asked about; its text stands in `passages`."""

    __tablename__ = "documents"
    __table_args__ = (Index("ix_documents_conversation", "conversation_id", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    turn: Mapped[str] = mapped_column(String(64))
    user: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(255))
    pages: Mapped[int] = mapped_column(Integer)
    characters: Mapped[int] = mapped_column(Integer)
    at: Mapped[float] = mapped_column(Float)


class Passage(Base):
    """A piece of a document: `page` counts from 1, `vector` is float32 (little endian), empty where there is none."""

    __tablename__ = "passages"
    __table_args__ = (Index("ix_passages_document", "document_id", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    page: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)


class Feedback(Base):
    """What somebody thought of an answer: `message_id` is its row in `messages`, `value` 1, -1 or 0 (unclear).

    `prompt` is what the model was asked (JSON), so that the judgement can be understood later.
    """

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("message_id", "user"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    bot: Mapped[int] = mapped_column(BigInteger)
    chat: Mapped[int] = mapped_column(BigInteger)
    user: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[int] = mapped_column(Integer)
    sign: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(200))
    prompt: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float)


class Member(Base):
    """Whom the bot knows with a role: admin, operator, user, or blocked. Owners stand in the settings or here."""

    __tablename__ = "members"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    expires: Mapped[float | None] = mapped_column(Float)
    by: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Float)


class Invite(Base):
    """A link that lets people in. Only the hash of its code is kept."""

    __tablename__ = "invites"
    __table_args__ = (UniqueConstraint("bot", "code"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    code: Mapped[str] = mapped_column(String(64))  # SHA-256, hex
    role: Mapped[str] = mapped_column(String(16))
    uses: Mapped[int] = mapped_column(Integer)  # that are left
    expires: Mapped[float] = mapped_column(Float)
    member_seconds: Mapped[float | None] = mapped_column(Float)  # how long those whom it let in may stay
    by: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Float)


class Application(Base):
    """Somebody asked to be let in, or a group was: the admins decide once. `subject` is a user's or a chat's id."""

    __tablename__ = "applications"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    subject: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    state: Mapped[str] = mapped_column(String(10))  # open, allowed, refused
    by: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Float)


class Audit(Base):
    """What was done by somebody with rights: never changed, never deleted with a user."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "bot", "at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[int] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80))
    details: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float)


class Delivery(Addressed, Base):
    """The outbox. `key` names the turn and the part of it; a photo's bytes are dropped when it was sent."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("bot", "key"),
        Index("ix_deliveries_open", "bot", "state", "chat", "id"),
        Index("ix_deliveries_chat", "bot", "chat", "id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(10))
    outgoing: Mapped[str] = mapped_column(Text)
    photo: Mapped[bytes | None] = mapped_column(LargeBinary)
    message_ids: Mapped[str] = mapped_column(Text)
    done: Mapped[int] = mapped_column(Integer)
    marker: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    due: Mapped[float] = mapped_column(Float)
    at: Mapped[float] = mapped_column(Float)
    reason: Mapped[str] = mapped_column(String(500))


class Operation(Addressed, Base):
    """Something a service does for us over minutes: its id is here before it is first asked about."""

    __tablename__ = "operations"
    __table_args__ = (UniqueConstraint("bot", "turn"), Index("ix_operations_open", "bot", "state"))
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    turn: Mapped[str] = mapped_column(String(64))
    user: Mapped[int] = mapped_column(BigInteger)
    request: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12))  # asked, submitting, running, done, failed
    operation: Mapped[str] = mapped_column(String(128))
    submits: Mapped[int] = mapped_column(Integer)
    at: Mapped[float] = mapped_column(Float)


class Job(Addressed, Base):
    """What is done later. A job that is through is deleted; one that goes on is given a later `due`."""

    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("bot", "kind", "key"), Index("ix_jobs_due", "bot", "due"))
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(80))
    payload: Mapped[str] = mapped_column(Text)
    due: Mapped[float] = mapped_column(Float)
    attempts: Mapped[int] = mapped_column(Integer)


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
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    chat: Mapped[int] = mapped_column(BigInteger)
    user: Mapped[int] = mapped_column(BigInteger)
    turn: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(200))
    mode: Mapped[str] = mapped_column(String(16))
    prompt: Mapped[int] = mapped_column(BigInteger)
    completion: Mapped[int] = mapped_column(BigInteger)
    reasoning: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Float)
    cost: Mapped[int] = mapped_column(BigInteger, server_default="0")
    units: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Spending(Base):
    """What was spent on a day (days since 1970, UTC) in a scope: by a user, in a chat, by the bot.

    What the bot has spent is the sum of several rows, numbered by `subject`.
    """

    __tablename__ = "spending"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    day: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)  # tokens, images, money (millionths)
    scope: Mapped[str] = mapped_column(String(4), primary_key=True)
    subject: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)


class Reservation(Base):
    """Held back from a day's caps for something under way; what it really costs is settled when it ends."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_day", "bot", "day", "kind"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    day: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(8))
    user: Mapped[int] = mapped_column(BigInteger)
    chat: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Float)


class Allowance(Base):
    """What an admin lets one user spend a day and a month (millionths) instead of what everybody may.

    0 is no limit, NULL as everybody.
    """

    __tablename__ = "allowances"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    day: Mapped[int | None] = mapped_column(BigInteger)
    month: Mapped[int | None] = mapped_column(BigInteger)
    by: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Float)


class ButtonRow(Base):
    """What a button does. Callback data can be forged, so it is only the random `key` of such a row.

    `delivery` is the key of the answer that it stands under: pressed anywhere else it does nothing.
    """

    __tablename__ = "buttons"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    bot: Mapped[int] = mapped_column(BigInteger)
    chat: Mapped[int] = mapped_column(BigInteger)
    delivery: Mapped[str] = mapped_column(String(80), server_default="")
    user: Mapped[int] = mapped_column(BigInteger)  # 0: anybody in the chat
    action: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)
    expires: Mapped[float] = mapped_column(Float, index=True)


class Awaited(Base):
    """The bot asked this user something: the next message is the answer to it."""

    __tablename__ = "awaited"
    bot: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)  # the address
    user: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    action: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)
    expires: Mapped[float] = mapped_column(Float)
