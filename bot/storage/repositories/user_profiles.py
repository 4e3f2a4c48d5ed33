"""What a person has told about himself."""

from __future__ import annotations

from sqlalchemy import select, update

from bot.storage.repositories.mapping import Subject
from bot.storage.tables.people import users


class People(Subject):
    def timezone(self, bot: int, user: int) -> str:
        """An IANA name or an offset; "" where it was never told."""
        query = select(users.c.timezone).where(users.c.bot == bot, users.c.id == user)
        return self.connection.scalar(query) or ""

    def live_in(self, bot: int, user: int, timezone: str) -> None:
        self.connection.execute(update(users).where(users.c.bot == bot, users.c.id == user).values(timezone=timezone))
