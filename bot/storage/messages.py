"""Conversations and what was said in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from bot.storage.blobs import Blobs
from bot.storage.rows import Subject, at, columns, dump_parts, here, load_parts, spot
from bot.storage.tables import Conversation, Message
from bot.types import Address, Image, Part, Role, Text
from bot.types import Message as Said

CURRENT = select(Conversation.id).where(here(Conversation)).order_by(Conversation.id.desc()).limit(1)
HISTORY = (
    select(Message.turn, Message.role, Message.parts, Message.ending)
    .where(Message.conversation_id == bindparam("conversation"))
    .order_by(Message.id.desc())
    .limit(bindparam("most"))
)
ADD = insert(Message).prefix_with("OR IGNORE", dialect="sqlite")


@dataclass(frozen=True, slots=True)
class Remembered:
    """`ending` is how an answer ended: stop, length, stopped, cut."""

    turn: str
    message: Said
    ending: str = ""


class Messages(Subject):
    def current(self, address: Address) -> int | None:
        """The id of the conversation that goes on at an address."""
        return self.connection.execute(CURRENT, spot(address)).scalar_one_or_none()

    def conversation(self, address: Address) -> int:
        """The same; it is begun when there is none."""
        found = self.current(address)
        return found if found is not None else self.begin(address)

    def begin(self, address: Address) -> int:
        """Begin a new conversation: the next prompt remembers nothing of the old one."""
        row = {**columns(address), "at": self.clock.time()}
        return int(self.connection.execute(insert(Conversation).returning(Conversation.id), row).scalar_one())

    def add(
        self,
        conversation: int,
        address: Address,
        turn: str,
        role: Role,
        parts: tuple[Part, ...],
        *,
        ending: str = "",
        user: int = 0,
    ) -> None:
        """Add what was said, pictures as blobs. The same role of the same turn is added once, however often tried."""
        if any(isinstance(part, Image) for part in parts):
            if self._is_there(conversation, turn, role):
                return
            parts = Blobs(self.connection, self.clock).keep(address, user, parts)
        row = {
            "conversation_id": conversation, "bot": address.bot, "chat": address.chat, "turn": turn, "role": role,
            "parts": dump_parts(parts), "ending": ending, "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(ADD, row)

    def replace(self, conversation: int, turn: str, text: str) -> None:
        """A question was edited: these are its words now. What came with it, which stands after them, stays."""
        here = (Message.conversation_id == conversation, Message.turn == turn, Message.role == "user")
        old = self.connection.execute(select(Message.parts).where(*here)).scalar_one_or_none()
        others = load_parts(old or "[]")[1:]
        self.connection.execute(update(Message).where(*here).values(parts=dump_parts((Text(text), *others))))

    def answer(self, address: Address, turn: str) -> str:
        """The answer of a turn, "" where there is none."""
        here = select(Conversation.id).where(at(Conversation, address))
        query = select(Message.parts).where(
            Message.conversation_id.in_(here), Message.turn == turn, Message.role == "assistant"
        )
        found = self.connection.execute(query.order_by(Message.id.desc()).limit(1)).scalar_one_or_none()
        return Said("assistant", load_parts(found or "[]")).text

    def has(self, address: Address, turn: str) -> bool:
        """Whether a turn was ever a question here, in this conversation or one before."""
        here = select(Conversation.id).where(at(Conversation, address))
        query = select(Message.id).where(Message.conversation_id.in_(here), Message.turn == turn)
        return self.connection.execute(query.limit(1)).first() is not None

    def _is_there(self, conversation: int, turn: str, role: Role) -> bool:
        here = (Message.conversation_id == conversation, Message.turn == turn, Message.role == role)
        return self.connection.execute(select(Message.id).where(*here)).first() is not None

    def forget(self, address: Address, turn: str, role: Role) -> None:
        here = select(Conversation.id).where(at(Conversation, address))
        self.connection.execute(
            delete(Message).where(Message.conversation_id.in_(here), Message.turn == turn, Message.role == role)
        )

    def last(self, conversation: int, most: int) -> Sequence[Remembered]:
        """The newest messages of a conversation, oldest first."""
        rows: Iterable[Any] = self.connection.execute(HISTORY, {"conversation": conversation, "most": most})
        return [Remembered(turn, Said(role, load_parts(parts)), ending) for turn, role, parts, ending in rows][::-1]
