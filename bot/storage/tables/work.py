"""What is open: updates to answer, answers to deliver, what is under way or due, what may be pressed or is awaited."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnClause, Float, Index, Integer, LargeBinary, String, Text, UniqueConstraint

from bot.storage.tables.base import Addressed, Base, Id, column


class Update(Base):
    """The inbox. `once` is the same for the same thing under another update id; `raw` is emptied when it is done.

    `chat` is the place of the chat (`Address.place`), of which one process works on the rows at a time. `reason` says
    why a row is dead; of one that is begun it says what a process did with it (`updates.WORKED`, `OPENED`).
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
