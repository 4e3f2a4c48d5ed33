"""Judgements of answers by users, each with the request that the model was sent."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select

from bot.storage.engines.dialects import connector, insert_or_update
from bot.storage.repositories.mapping import Repository, load_parts
from bot.storage.repositories.messages import Remembered
from bot.storage.tables.history import feedback, messages
from bot.types import Address

KEEP = insert_or_update(feedback, ("message_id", "user"), ("value", "sign", "model", "prompt", "at"))


class Feedback(Repository):
    """Judgements of answers: at most one of each user for an answer."""

    def store_judgement(
        self, where: Address, answer: Remembered, user: int, value: int, sign: str, request: Mapping[str, Any]
    ) -> None:
        """Store the judgement of a user (1, -1, 0 for unclear), with the request to the model, {} if it is unknown."""
        row = {
            "message_id": answer.id, "bot": where.bot, "chat": where.chat, "user": user, "value": value,
            "sign": sign[:64], "model": answer.model, "prompt": json.dumps(request, ensure_ascii=False),
            "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(KEEP(self.connection), row)

    def delete_judgement(self, bot: int, message_id: int, user: int) -> None:
        """Delete the judgement of a user."""
        here = (feedback.c.bot == bot, feedback.c.message_id == message_id, feedback.c.user == user)
        self.connection.execute(delete(feedback).where(*here))


def exported(url: str, bots: Collection[int]) -> Iterator[dict[str, Any]]:
    """Read all judgements of these bots, oldest first, while they may be running."""
    query = (
        select(feedback, *messages.c["parts", "sources", "turn", "conversation_id", "persona"])
        .join(messages, messages.c.id == feedback.c.message_id)
        .where(feedback.c.bot.in_(bots))
        .order_by(feedback.c.id)
    )
    with connector(url, writer=False).connect() as connection:
        for row in connection.execute(query):
            text = "\n".join(part.text for part in load_parts(row.parts) if hasattr(part, "text"))
            asked = json.loads(row.prompt)
            request = (
                asked if isinstance(asked, dict) else {"messages": asked}
            )  # earlier versions stored a list of messages
            yield {
                "at": datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds"), "value": row.value,
                "sign": row.sign, "model": row.model, "persona": row.persona, "bot": row.bot, "chat": row.chat,
                "user": row.user, "turn": row.turn, "conversation": row.conversation_id,
                "prompt": request.pop("messages", []), "request": request,
                "answer": text, "sources": json.loads(row.sources),
            }  # fmt: skip
