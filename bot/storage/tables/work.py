"""Open work: updates, deliveries, operations, jobs, buttons, and answers that the bot waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Index

from bot.storage.rows import AddressCol, Col, Query, Row, address_columns, column, dump_json
from bot.storage.schema import Id


class StoredUpdate(
    Row,
    table="updates",
    having=(
        sa.UniqueConstraint("bot", "update_id"),
        sa.UniqueConstraint("bot", "once"),
        Index("ix_updates_open", "bot", "state", "id"),
    ),
    sqlite_autoincrement=True,
):
    """The inbox. `once` is the event's idempotency key: equal if the event comes again under another update id; `raw`
    is emptied when it is done.

    `chat` is `Address.chat_key`: one process at a time works on the updates of a chat. `reason` says why a row is dead,
    or what a process does with a row that it has begun (`inbox.WORKED`, `inbox.OPENED`).
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    update_id: Col[int]
    once: Col[str | None] = column(sa.String(255))
    raw: Col[str]
    state: Col[str] = column(sa.String(8), default="new")  # new, begun, done, dead
    attempts: Col[int] = column(sa.Integer, default=0)
    at: Col[float]
    reason: Col[str] = column(sa.String(500), default="")
    chat: Col[str] = column(sa.String(160), default="", is_younger=True)


class StoredDelivery(
    Row,
    table="deliveries",
    having=(
        sa.UniqueConstraint("bot", "key"),
        Index("ix_deliveries_open", "bot", "state", "chat", "id"),
        Index("ix_deliveries_chat", "bot", "chat", "id"),
        Index("ix_deliveries_of", "bot", "of"),
    ),
):
    """A delivery in the outbox: an answer from the moment it is finished until it is sent.

    `key` names the turn and the number of the answer in it; `of` is `Outgoing.of`, the turn whose answer it is a
    version of. The bytes of a photo are deleted once it is sent.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    address: AddressCol = address_columns()
    key: Col[str] = column(sa.String(80))
    state: Col[str] = column(sa.String(10))
    outgoing: Col[str]
    photo: Col[bytes | None]
    message_ids: Col[str] = column(default="[]")
    done: Col[int] = column(sa.Integer, default=0)
    marker: Col[int] = column(default=0)
    attempts: Col[int] = column(sa.Integer, default=0)
    due: Col[float] = column(default=0.0)
    at: Col[float]
    reason: Col[str] = column(sa.String(500), default="")
    of: Col[str] = column(sa.String(80), default="", is_younger=True)


class Placed(Row, table="placed", having=(Index("ix_placed_delivery", "delivery"),), sqlite_with_rowid=False):
    """Which messages of the chat a delivery stands in, or has stood in. One message can have several rows, because a
    later delivery may be written over an earlier one.
    """

    bot: Col[int] = column(primary_key=True)
    connection: Col[str] = column(sa.String(128), primary_key=True)
    chat: Col[int] = column(primary_key=True)
    only: Col[int] = column(primary_key=True)
    message: Col[int] = column(primary_key=True)
    delivery: Col[int] = column(Id, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True)


class Operation(
    Row,
    table="operations",
    having=(
        sa.UniqueConstraint("bot", "turn"),
        Index("ix_operations_open", "bot", "state"),
    ),
):
    """An operation of a service that takes minutes, or an action that waits for the user's approval.

    `state` is asked, submitting (it is unknown whether the service has it), running, done or failed. `operation` is the
    service's id, stored before it is first polled, `submits` how often it was submitted, `at` when the user asked.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    address: AddressCol = address_columns()
    kind: Col[str] = column(sa.String(16))
    turn: Col[str] = column(sa.String(64))
    user: Col[int]
    request: Col[Mapping[str, Any]] = column(sa.Text, load=json.loads, dump=dump_json)
    state: Col[str] = column(sa.String(12), default="asked")
    operation: Col[str] = column(sa.String(128), default="")
    submits: Col[int] = column(sa.Integer, default=0)
    at: Col[float]


OPEN_OPERATIONS = Query(Operation, Operation.state.in_(("asked", "submitting", "running")), order=[Operation.id])


class StoredJob(
    Row,
    table="jobs",
    having=(
        sa.UniqueConstraint("bot", "kind", "key"),
        Index("ix_jobs_due", "bot", "due"),
    ),
):
    """Work that is due at a time. A job that is done is deleted; one that is to run again gets a later `due`."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    address: AddressCol = address_columns()
    kind: Col[str] = column(sa.String(32))
    key: Col[str] = column(sa.String(80))
    payload: Col[str]
    due: Col[float] = column(default=0.0)
    attempts: Col[int] = column(sa.Integer, default=0)


class ProgramKey(Row, table="program_keys"):
    """Idempotency keys of a programmer's code, kept for ever: a message or a job that had one is not made again.

    Only the hash of a key is stored, so a row tells nothing of a person.
    """

    bot: Col[int] = column(primary_key=True)
    hash: Col[str] = column(sa.String(64), primary_key=True)
    at: Col[float]


class RouterState(
    Row,
    table="router_states",
    having=(sa.UniqueConstraint(*("bot", "chat", "user", "thread", "connection", "destiny")),),
):
    """The state and the data (JSON) of a dialogue that a programmer's aiogram routers lead with a user.

    `destiny` is aiogram's name for one of several dialogues at a place.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    chat: Col[int]
    user: Col[int]
    thread: Col[int]
    connection: Col[str] = column(sa.String(64))
    destiny: Col[str] = column(sa.String(64))
    state: Col[str | None] = column(sa.String(255))
    data: Col[str]
    at: Col[float]


class StoredButton(Row, table="buttons"):
    """The action of a button. Telegram's callback data can be forged, so it is only the random `key` of this row.

    `delivery` is the key of the answer below which the button stands: a press below another message does nothing.
    """

    key: Col[str] = column(sa.String(64), primary_key=True)
    bot: Col[int]
    chat: Col[int]
    delivery: Col[str] = column(sa.String(80), default="", is_younger=True)
    user: Col[int]  # 0: anybody in the chat
    action: Col[str] = column(sa.String(32))
    payload: Col[str]
    expires: Col[float] = column(index=True)


class AwaitedAnswer(Row, table="awaited"):
    """A question of the bot to a user, whose next message is the answer."""

    bot: Col[int] = column(primary_key=True)
    key: Col[str] = column(sa.String(200), primary_key=True)  # the address
    user: Col[int] = column(primary_key=True)
    action: Col[str] = column(sa.String(32))
    payload: Col[str]
    expires: Col[float]
