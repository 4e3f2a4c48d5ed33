"""Follows the routing file while the bot runs: learns its examples, and tells the owners what is wrong with it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.llm.topics.live import Topics
from bot.llm.topics.routing_file import KnownNames, unknown_names
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Outgoing

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds between two looks at the file and the corrections
SHOWN = 10  # problems in one message


@dataclass(slots=True, kw_only=True)
class TopicWatch:
    """Follows the routing file of one bot. `known` reads the names that the file may use.

    `deliver` sends the messages that were stored. `changed` is set when an operator has corrected a topic.
    """

    store: Store
    bot: int
    topics: Topics
    rights: Rights
    known: Callable[[Tx], KnownNames]
    deliver: Callable[[str, Sequence[Address]], None]
    changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _told: str = field(default="", init=False)

    async def run(self) -> None:
        """Read the routing file again and again until cancelled. An error is logged, and the next round tries again."""
        while True:
            self.changed.clear()
            try:
                await self.topics.refresh()
                await self._tell()
            except Exception as error:
                log.warning("the routing file can't be followed now: %s", str(error) or type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), EVERY)

    async def _tell(self) -> None:
        """Tell each owner once what is wrong with the file as it is now."""
        problems = await self.store.read(self._problems)
        key = hashlib.sha256("\n".join(problems).encode()).hexdigest()[:12] if problems else ""
        if key == self._told:
            return
        for line in problems:
            log.warning("%s", line)
        chats = await self.store.write(lambda tx: self._tell_owners(tx, key, problems)) if problems else []
        self._told = key
        self.deliver("", chats)

    def _problems(self, tx: Tx) -> list[str]:
        if problem := self.topics.problem:
            return [problem]
        table = self.topics.table
        return unknown_names(table, self.known(tx)) if table is not None else []

    def _tell_owners(self, tx: Tx, key: str, problems: Sequence[str]) -> list[Address]:
        chats = []
        for owner in sorted(self.rights.with_role(tx, self.bot, Role.OWNER)):
            where, language = Address("telegram", self.bot, owner), tx.chats.read_language(self.bot, owner)
            lines = [say(language, "topic.problem", problems="\n".join(problems[:SHOWN]))]
            if self.topics.problem:
                lines.append(say(language, f"topic.problem.{'kept' if self.topics.table is not None else 'none'}"))
            text = "\n".join(lines)
            tx.outbox.add_answer(f"topics-{key}.o{owner}", where, Outgoing(text, plain=True))
            chats.append(where)
        return chats
