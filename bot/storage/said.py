"""What was said in a turn, and what an answer in a chat rests on. Queries over `messages` for those who look back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from bot.storage.rows import Subject, load_outgoing, load_parts
from bot.storage.tables import Conversation, Delivery, Message
from bot.types import Message as Words

LOOKED_AT = 500  # deliveries of a chat in which a message of the bot is sought
LONGEST = 60  # messages of a prompt that are kept with a judgement


@dataclass(frozen=True, slots=True)
class Said:
    """A row of the history."""

    id: int
    conversation: int
    turn: str
    message: Words
    model: str = ""
    place: int = 0
    sources: Sequence[Any] = ()
    parent: int | None = None


class History(Subject):
    def question(self, bot: int, chat: int, turn: str) -> Said | None:
        """The question of a turn."""
        return self._one(Message.bot == bot, Message.chat == chat, Message.turn == turn, Message.role == "user")

    def answer(self, bot: int, chat: int, turn: str) -> Said | None:
        """The answer of a turn."""
        return self._one(Message.bot == bot, Message.chat == chat, Message.turn == turn, Message.role == "assistant")

    def shown(self, bot: int, chat: int, message_id: int) -> Said | None:
        """The answer that stands in the chat as that message; None for what is no answer of a model."""
        query = (
            select(Delivery.key, Delivery.outgoing, Delivery.message_ids)
            .where(Delivery.bot == bot, Delivery.chat == chat, Delivery.only == 0)  # others have ids of their own
            .order_by(Delivery.id.desc())
            .limit(LOOKED_AT)
        )
        for key, outgoing, ids in self.connection.execute(query):
            if message_id in json.loads(ids):
                shown = load_outgoing(outgoing, None)
                return None if shown.plain else self.answer(bot, chat, shown.of or key.partition(".")[0])
        return None

    def prompt(self, answer: Said) -> list[Words]:
        """What came before an answer in its branch, oldest first."""
        path: list[Words] = []
        parent = answer.parent
        while parent is not None and len(path) < LONGEST:
            row = self._one(Message.id == parent)
            if row is None:
                break
            path.append(row.message)
            parent = row.parent
        return path[::-1] if path else self._before(answer)

    def goes_on(self, conversation: int) -> bool:
        """Whether a conversation is still there."""
        return self.connection.scalar(select(Conversation.id).where(Conversation.id == conversation)) is not None

    def _before(self, answer: Said) -> list[Words]:
        """The same for rows that know no parent: in the order in which they were said."""
        query = (
            select(Message.__table__)
            .where(Message.conversation_id == answer.conversation, Message.id < answer.id)
            .order_by(Message.id.desc())
            .limit(LONGEST)
        )
        return [_said(row).message for row in self.connection.execute(query)][::-1]

    def _one(self, *where: ColumnElement[bool]) -> Said | None:
        query = select(Message.__table__).where(*where).order_by(Message.id.desc()).limit(1)
        row = self.connection.execute(query).first()
        return _said(row) if row else None


def _said(row: Row[Any]) -> Said:
    return Said(
        row.id, row.conversation_id, row.turn, Words(row.role, load_parts(row.parts)), row.model, row.place,
        json.loads(row.sources), row.parent,
    )  # fmt: skip
