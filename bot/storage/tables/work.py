"""Open work: updates, deliveries, operations, jobs, buttons, and answers that the bot waits for."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns

from bot.storage.schema import Id
from bot.storage.tables.base import Addressed, declare_table


class UpdateColumns(TypedColumns):
    """The inbox. `once` is the event's idempotency key: equal if the event comes again under another update id; `raw`
    is emptied when it is done.

    `chat` is `Address.chat_key`: one process at a time works on the updates of a chat. `reason` says why a row is dead,
    or what a process does with a row that it has begun (`inbox.WORKED`, `inbox.OPENED`).
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    update_id: Named[int] = Column(sa.BigInteger)
    once: Named[str | None] = Column(sa.String(255))
    raw: Named[str] = Column(sa.Text)
    state: Named[str] = Column(sa.String(8))  # new, begun, done, dead
    attempts: Named[int] = Column(sa.Integer)
    at: Named[float] = Column(sa.Float)
    reason: Named[str] = Column(sa.String(500))
    chat: Named[str] = Column(sa.String(160), server_default="")


updates = declare_table(
    "updates",
    UpdateColumns,
    sa.UniqueConstraint("bot", "update_id"),
    sa.UniqueConstraint("bot", "once"),
    Index("ix_updates_open", "bot", "state", "id"),
    sqlite_autoincrement=True,  # ids are never used again: a turn is named after the id of its first update
)


class DeliveryColumns(Addressed):
    """A delivery in the outbox: an answer from the moment it is finished until it is sent.

    `key` names the turn and the number of the answer in it; `of` is `Outgoing.of`, the turn whose answer it is a
    version of. The bytes of a photo are deleted once it is sent.
    """

    id: Named[int] = Column(Id, primary_key=True)
    key: Named[str] = Column(sa.String(80))
    state: Named[str] = Column(sa.String(10))
    outgoing: Named[str] = Column(sa.Text)
    photo: Named[bytes | None] = Column(sa.LargeBinary)
    message_ids: Named[str] = Column(sa.Text)
    done: Named[int] = Column(sa.Integer)
    marker: Named[int] = Column(sa.BigInteger)
    attempts: Named[int] = Column(sa.Integer)
    due: Named[float] = Column(sa.Float)
    at: Named[float] = Column(sa.Float)
    reason: Named[str] = Column(sa.String(500))
    of: Named[str] = Column(sa.String(80), server_default="")


deliveries = declare_table(
    "deliveries",
    DeliveryColumns,
    sa.UniqueConstraint("bot", "key"),
    Index("ix_deliveries_open", "bot", "state", "chat", "id"),
    Index("ix_deliveries_chat", "bot", "chat", "id"),
    Index("ix_deliveries_of", "bot", "of"),
)


class PlacedColumns(TypedColumns):
    """Which messages of the chat a delivery stands in, or has stood in. One message can have several rows, because a
    later delivery may be written over an earlier one.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    connection: Named[str] = Column(sa.String(128), primary_key=True)
    chat: Named[int] = Column(sa.BigInteger, primary_key=True)
    only: Named[int] = Column(sa.BigInteger, primary_key=True)
    message: Named[int] = Column(sa.BigInteger, primary_key=True)
    delivery: Named[int] = Column(Id, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True)


placed = declare_table("placed", PlacedColumns, Index("ix_placed_delivery", "delivery"), sqlite_with_rowid=False
)  # fmt: skip


class OperationColumns(Addressed):
    """An operation of a service that takes minutes. Its id is stored before it is first polled."""

    id: Named[int] = Column(Id, primary_key=True)
    kind: Named[str] = Column(sa.String(16))
    turn: Named[str] = Column(sa.String(64))
    user: Named[int] = Column(sa.BigInteger)
    request: Named[str] = Column(sa.Text)
    state: Named[str] = Column(sa.String(12))  # asked, submitting, running, done, failed
    operation: Named[str] = Column(sa.String(128))
    submits: Named[int] = Column(sa.Integer)
    at: Named[float] = Column(sa.Float)


operations = declare_table(
    "operations",
    OperationColumns,
    sa.UniqueConstraint("bot", "turn"),
    Index("ix_operations_open", "bot", "state"),
)


class JobColumns(Addressed):
    """Work that is due at a time. A job that is done is deleted; one that is to run again gets a later `due`."""

    id: Named[int] = Column(Id, primary_key=True)
    kind: Named[str] = Column(sa.String(32))
    key: Named[str] = Column(sa.String(80))
    payload: Named[str] = Column(sa.Text)
    due: Named[float] = Column(sa.Float)
    attempts: Named[int] = Column(sa.Integer)


jobs = declare_table("jobs", JobColumns, sa.UniqueConstraint("bot", "kind", "key"), Index("ix_jobs_due", "bot", "due"))


class ProgramKeyColumns(TypedColumns):
    """Idempotency keys of a programmer's code, kept for ever: a message or a job that had one is not made again.

    Only the hash of a key is stored, so a row tells nothing of a person.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    hash: Named[str] = Column(sa.String(64), primary_key=True)
    at: Named[float] = Column(sa.Float)


program_keys = declare_table("program_keys", ProgramKeyColumns)


class RouterStateColumns(TypedColumns):
    """The state and the data (JSON) of a dialogue that a programmer's aiogram routers lead with a user.

    `destiny` is aiogram's name for one of several dialogues at a place.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    thread: Named[int] = Column(sa.BigInteger)
    connection: Named[str] = Column(sa.String(64))
    destiny: Named[str] = Column(sa.String(64))
    state: Named[str | None] = Column(sa.String(255))
    data: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


router_states = declare_table(
    "router_states",
    RouterStateColumns,
    sa.UniqueConstraint(*("bot", "chat", "user", "thread", "connection", "destiny")),
)


class ButtonColumns(TypedColumns):
    """The action of a button. Telegram's callback data can be forged, so it is only the random `key` of this row.

    `delivery` is the key of the answer below which the button stands: a press below another message does nothing.
    """

    key: Named[str] = Column(sa.String(64), primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    delivery: Named[str] = Column(sa.String(80), server_default="")
    user: Named[int] = Column(sa.BigInteger)  # 0: anybody in the chat
    action: Named[str] = Column(sa.String(32))
    payload: Named[str] = Column(sa.Text)
    expires: Named[float] = Column(sa.Float, index=True)


buttons = declare_table("buttons", ButtonColumns)


class AwaitedColumns(TypedColumns):
    """A question of the bot to a user, whose next message is the answer."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    key: Named[str] = Column(sa.String(200), primary_key=True)  # the address
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    action: Named[str] = Column(sa.String(32))
    payload: Named[str] = Column(sa.Text)
    expires: Named[float] = Column(sa.Float)


awaited = declare_table("awaited", AwaitedColumns)
