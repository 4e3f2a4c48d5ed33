"""The idempotency keys that a programmer's code has used."""

from __future__ import annotations

from sqlalchemy import select

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.work import ProgramKey, StoredDelivery

# PostgreSQL's driver counts no rows of an INSERT that met a conflict, so the inserted row is asked for.
USE = Prepared(lambda insert: insert(ProgramKey.table).on_conflict_do_nothing().returning(ProgramKey.at))


class ProgramKeys(Repository):
    """The idempotency keys that a programmer's code has used, each stored once, for ever; what became of messages."""

    def use(self, bot: int, hash_: str) -> bool:
        """Store the hash of a key. Returns False if it was there already."""
        row = {"bot": bot, "hash": hash_, "at": self.clock.time()}
        return self.execute(USE, row).first() is not None

    def is_used(self, bot: int, hash_: str) -> bool:
        """Return whether the hash of a key is stored."""
        here = (ProgramKey.bot == bot, ProgramKey.hash == hash_)
        return self.connection.execute(select(ProgramKey.at).where(*here)).first() is not None

    def find_outcome(self, bot: int, key: str) -> tuple[str, str] | None:
        """Return the state of a delivery, and why it was given up; None for one that is not there (any more)."""
        query = select(StoredDelivery.state, StoredDelivery.reason).where(
            StoredDelivery.address.bot == bot, StoredDelivery.key == key
        )
        row = self.connection.execute(query).one_or_none()
        return None if row is None else (row.state, row.reason)
