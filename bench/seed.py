"""Make a chat old: `python -m bench.seed CHAT MESSAGES` multiplies the last turn that is there, in DATABASE_URL.

The bot must be stopped. History, outbox and ledger grow together, as they would if people had talked; only columns
that must be unique are changed, so this knows little of the schema.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from sqlalchemy import Table, insert, select, text

from bot.clock import SystemClock
from bot.config.settings import load
from bot.ports import DeliveryState
from bot.storage.store import Store, Tx
from bot.storage.tables import METADATA

GROWING = {"messages": "turn", "deliveries": "key", "usage": "turn"}  # table: what names the turn in it

# What was copied stands in a row, each message after the one before.
CHAIN = text(
    "UPDATE messages SET parent = (SELECT max(before.id) FROM messages AS before"
    " WHERE before.conversation_id = messages.conversation_id AND before.id < messages.id) WHERE chat = :chat"
)
TIP = text(
    "UPDATE conversations SET head = (SELECT max(id) FROM messages WHERE conversation_id = conversations.id)"
    " WHERE chat = :chat"
)


async def seed(url: str, chat: int, messages: int) -> None:
    """Raises `LookupError` when nothing was ever said in the chat."""

    def work(tx: Tx) -> None:
        for name, column in GROWING.items():
            table = METADATA.tables[name]
            rows = _last_turn(tx, table, chat)
            copies = [_copy(row, column, number) for number in range(messages // 2) for row in rows]
            tx.connection.execute(insert(table), copies)
        tx.connection.execute(CHAIN, {"chat": chat})
        tx.connection.execute(TIP, {"chat": chat})

    async with Store.open(url, SystemClock()) as store:
        await store.write(work)


def _last_turn(tx: Tx, table: Table, chat: int) -> list[dict[str, Any]]:
    """A question and its answer, or the one row that a turn has in another table."""
    count = 2 if table.name == "messages" else 1
    query = select(table).where(table.c.chat == chat).order_by(table.c.id.desc()).limit(count)
    if "state" in table.c:  # nothing that would be sent again
        query = query.where(table.c.state == DeliveryState.SENT.value)
    rows = [dict(row._mapping) for row in tx.connection.execute(query)]
    if len(rows) < count:
        raise LookupError(f"there is no turn of chat {chat} in {table.name}")
    return rows[::-1]


def _copy(row: dict[str, Any], column: str, number: int) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"} | {column: f"{row[column]}-{number}"}


if __name__ == "__main__":
    asyncio.run(seed(load().database_url, int(sys.argv[1]), int(sys.argv[2])))
