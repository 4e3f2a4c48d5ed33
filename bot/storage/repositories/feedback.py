"""What people thought of answers, with what the model was asked: one judgement of each person for each answer."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select

from bot.storage.engines.dialects import connector, insert
from bot.storage.repositories.mapping import Subject, load_parts
from bot.storage.repositories.messages import Remembered
from bot.storage.tables.history import Feedback as Table
from bot.storage.tables.history import Message
from bot.types import Address
from bot.types import Message as Words

KEEP = insert(Table)
KEEP = KEEP.on_conflict_do_update(
    index_elements=["message_id", "user"],
    set_={name: KEEP.excluded[name] for name in ("value", "sign", "model", "prompt", "at")},
)


class Opinions(Subject):
    def keep(
        self, where: Address, answer: Remembered, user: int, value: int, sign: str, asked: Sequence[Words]
    ) -> None:
        """This is what `user` thinks of the answer now."""
        messages = [{"role": said.role, "text": said.text} for said in asked]
        row = {
            "message_id": answer.id, "bot": where.bot, "chat": where.chat, "user": user, "value": value,
            "sign": sign[:64], "model": answer.model, "prompt": json.dumps(messages, ensure_ascii=False),
            "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(KEEP, row)

    def forget(self, bot: int, message_id: int, user: int) -> None:
        here = (Table.bot == bot, Table.message_id == message_id, Table.user == user)
        self.connection.execute(delete(Table).where(*here))


def exported(url: str, bots: Collection[int]) -> Iterator[dict[str, Any]]:
    """Every judgement of answers of these bots, the oldest first; they may run meanwhile."""
    query = (
        select(Table.__table__, Message.parts, Message.sources, Message.turn, Message.conversation_id)
        .join(Message, Message.id == Table.message_id)
        .where(Table.bot.in_(bots))
        .order_by(Table.id)
    )
    with connector(url, writer=False).connect() as connection:
        for row in connection.execute(query):
            text = "\n".join(part.text for part in load_parts(row.parts) if hasattr(part, "text"))
            yield {
                "at": datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds"), "value": row.value,
                "sign": row.sign, "model": row.model, "bot": row.bot, "chat": row.chat, "user": row.user,
                "turn": row.turn, "conversation": row.conversation_id, "prompt": json.loads(row.prompt),
                "answer": text, "sources": json.loads(row.sources),
            }  # fmt: skip
