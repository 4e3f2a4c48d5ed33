"""The ledger of what models were paid for, in tokens."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, insert, select

from bot.storage.rows import Subject
from bot.storage.tables import UsageRow
from bot.types import Address, Usage

ADD = insert(UsageRow)


class Ledger(Subject):
    def add(self, address: Address, user: int, turn: str, model: str, usage: Usage, *, mode: str = "sync") -> None:
        row = {
            "bot": address.bot, "chat": address.chat, "user": user, "turn": turn, "model": model, "mode": mode,
            "prompt": usage.prompt, "completion": usage.completion, "reasoning": usage.reasoning,
            "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(ADD, row)

    def total(self, bot: int, chat: int) -> Usage:
        """What a chat has cost in all."""
        return self._sum(UsageRow.bot == bot, UsageRow.chat == chat)

    def since(self, bot: int, at: float) -> Usage:
        """What all chats have cost since a time."""
        return self._sum(UsageRow.bot == bot, UsageRow.at >= at)

    def _sum(self, *where: ColumnElement[bool]) -> Usage:
        query = select(
            func.coalesce(func.sum(UsageRow.prompt), 0),
            func.coalesce(func.sum(UsageRow.completion), 0),
            func.coalesce(func.sum(UsageRow.reasoning), 0),
        ).where(*where)
        return Usage(*self.connection.execute(query).one())
