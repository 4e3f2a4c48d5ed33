"""Makes the topics in which operators see customers, when the first message for one is sent, and again if one is
deleted.

A delivery whose address has a negative topic is for one that does not exist yet. After a call whose outcome is unknown
the topic is sought by its name, as a message by its text: `SendReconciler.find_topic`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiogram.methods import CreateForumTopic

from bot.clock import Clock
from bot.errors import Refused
from bot.ports import Delivery, Outbox
from bot.telegram.client.api import Api, Gone, NoThread
from bot.telegram.sending.flood_budget import Window
from bot.telegram.sending.progress import Progress
from bot.telegram.sending.unconfirmed import SendReconciler
from bot.types import Address

log = logging.getLogger(__name__)

WAIT = 60.0  # seconds until a chat is tried again that can't be reached, or in which the bot lacks a right
NAMELESS = "…"
NEW_TOPICS = ((6, 60.0),)  # in seconds, for each group: a crowd of strangers must leave room for those who are answered


@dataclass(slots=True, kw_only=True)
class TopicKeeper:
    """Makes the topics of deliveries that are bound to a topic (`keeps_place`). `acquire_slot` waits until the chat may
    get a message.
    """

    api: Api
    clock: Clock
    outbox: Outbox
    acquire_slot: Callable[[int], Awaitable[None]]
    unconfirmed: SendReconciler
    _returned: dict[int, asyncio.Event] = field(default_factory=dict, init=False)  # by group that can't be reached now
    _made: defaultdict[int, Window] = field(default_factory=lambda: defaultdict(lambda: Window(NEW_TOPICS)), init=False)

    async def wait_for_place(self, chat: int) -> bool:
        """Wait until a group can perhaps be reached again. True: the bot has got back in, or has got other rights."""
        returned = self._returned[chat] = asyncio.Event()
        async with asyncio.TaskGroup() as race:
            sleeper, waker = race.create_task(self.clock.sleep(WAIT)), race.create_task(returned.wait())
            await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
            sleeper.cancel()
            waker.cancel()
        del self._returned[chat]
        return returned.is_set()

    def note_returned(self, chat: int) -> None:
        """Have what waits for a group tried again at once: the bot has got back in, or has got other rights."""
        if (returned := self._returned.get(chat)) is not None:
            returned.set()

    def wait(self, where: Address) -> float:
        """Return the seconds until the topic of an address may be made; 0.0 if it may be now, or is there."""
        is_missing = where.thread < 0 and where.chat in self._made
        return max(0.0, self._made[where.chat].wait(self.clock.monotonic())) if is_missing else 0.0

    async def make(self, progress: Progress) -> Address | None:
        """Make the topic that a delivery goes to, and return the address of that topic, to which its deliveries have
        been moved. Returns None if the chat has no topics: the delivery goes to the chat itself. Raises `Outdated`.
        """
        where = progress.delivery.address
        found = await self.outbox.find_topic(where)
        if found is None:
            raise Refused("nobody is seen in this topic any more")
        if found.flat:
            progress.head = found.head
            return None
        name, topic = found.title or NAMELESS, 0
        await self.acquire_slot(where.chat)
        if progress.outcome_unknown:
            topic = await self.unconfirmed.find_topic(progress, name)
        try:
            topic = topic or await self._make(progress, name)
        except Refused as error:
            if where.chat < 0 or isinstance(error, Gone):
                raise
            log.info("chat %d: no topic, the case is shown in the chat itself: %s", where.chat, error)
            await self.outbox.no_topics(where)
            progress.stored = None  # the delivery is not on its way to the chat itself yet
            return None
        self.unconfirmed.note_id(where, topic)  # a search for a later message need not look at it
        return await self.outbox.topic_changed(where, topic)

    async def _make(self, progress: Progress, name: str) -> int:
        """Make a topic with this name in the chat of a delivery. Returns its number."""
        await self.unconfirmed.mark(progress)
        if progress.delivery.address.chat < 0:
            self._made[progress.delivery.address.chat].take(self.clock.monotonic())
        with self.unconfirmed.flying():
            made = await self.api.call(CreateForumTopic(chat_id=progress.delivery.address.chat, name=name))
        return int(made["message_thread_id"])

    async def heal(self, delivery: Delivery, error: Exception) -> Address | None:
        """Return the new address of a delivery whose topic was deleted; None if the error says something else."""
        where = delivery.address
        if not delivery.outgoing.keeps_place or not isinstance(error, NoThread) or where.thread <= 0:
            return None
        log.info("chat %d: topic %d is gone, and is made again", where.chat, where.thread)
        return await self.outbox.topic_changed(where, 0)


def waits_for_place(delivery: Delivery, error: Exception) -> bool:
    """Whether a delivery that Telegram refused should wait, because its group of operators can't be reached or its
    topic can't be made.

    In the private chat of an operator it is given up instead: the case gets a seat in the chat of another operator.
    """
    if delivery.address.chat > 0:
        return False
    return delivery.address.thread < 0 or (delivery.outgoing.keeps_place and isinstance(error, Gone))
