"""Deletes data that is older than the operator keeps data. Begin with `Retention.sweep`, called by `runtime/bot.py`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

from bot.storage.repositories.money.budgets import DAY
from bot.storage.store import Store, Tx

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days messages are kept in private chats and in groups; 0 is for ever."""

    private_days: int = 0
    group_days: int = 0

    async def sweep(self, store: Store, bot: int) -> None:
        """Delete the older messages in small transactions, so that answers can be stored in between."""
        for days, private in ((self.private_days, True), (self.group_days, False)):
            if not days:
                continue
            before = store.clock.time() - days * DAY
            removed = False
            while await store.write(partial(_expired, bot=bot, before=before, private=private)):
                removed = True
            if removed:
                log.info("what is older than %d days was removed (%s)", days, "private chats" if private else "groups")


def _expired(tx: Tx, *, bot: int, before: float, private: bool) -> bool:
    return tx.personal_data.delete_expired(bot, before, private=private)
