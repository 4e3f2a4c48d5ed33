"""A notice that messages wait behind an answer: one a conversation, with the buttons "answer now" and "drop".

The notice is sent when a message has waited for a while, and deleted when no message waits any more. A job deletes the
notices that a restart has left behind. In a group it has no button "answer now", which would end the answer for another
person, and comes at most once a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.dispatch.lanes import Lanes
from bot.feature import Again, Feature, Turn, job, press
from bot.outbox import ALONE, Answer, with_choices
from bot.ports import Reply, Transport
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Kind, Outgoing

KIND = "waiting"
LOOK = 10.0  # seconds between two runs of the job
GROUP_PAUSE = 60.0  # seconds between two notices in a conversation of a group


@dataclass(slots=True, kw_only=True)
class QueueNotice(Feature):
    """Sends a notice that messages wait, `after` seconds (0: never), and deletes it. `stop` stops the answer in a
    conversation, given its key.
    """

    store: Store
    lanes: Lanes
    transport: Transport
    tasks: asyncio.TaskGroup
    after: float
    stop: Callable[[str], bool]
    wake_jobs: Callable[[], None]
    # By conversation: the key of the notice's delivery, "" until it is made.
    _notices: dict[str, str] = field(default_factory=dict, init=False)
    # By conversation of a group: the monotonic time of its last notice.
    _group_notices: dict[str, float] = field(default_factory=dict, init=False)

    @property
    def clock(self) -> Clock:
        """The clock of the store."""
        return self.store.clock

    def deliver(self, turn: str, chats: Sequence[Address]) -> None:
        """Send what was stored in the background."""
        for where in chats:
            self.tasks.create_task(self.transport.reply(where, turn).finish())

    def queued(self, incoming: Incoming) -> None:
        """A message waits: send a notice after a while, unless the conversation has one."""
        key = incoming.address.key
        if not self.after or incoming.kind is not Kind.MESSAGE or incoming.address.visible_to or key in self._notices:
            return
        if not incoming.private:
            now = self.clock.monotonic()
            self._group_notices = {of: at for of, at in self._group_notices.items() if now - at < GROUP_PAUSE}
            if key in self._group_notices:
                return
            self._group_notices[key] = now
        self._notices[key] = ""
        self.tasks.create_task(self._tell(incoming))

    def empty(self, address: Address) -> None:
        """Delete the notice of a conversation in which no message waits any more."""
        if notice := self._notices.pop(address.key, ""):
            self.tasks.create_task(self._remove(address, notice))

    async def _tell(self, incoming: Incoming) -> None:
        where, user, key = incoming.address, incoming.user.id, f"{incoming.id}.wait"
        await self.clock.sleep(self.after)
        if not self.lanes.waits(incoming):
            self._notices.pop(where.key, None)
            self._group_notices.pop(where.key, None)
            return

        def show(tx: Tx) -> str:
            if left := _jobs(tx, where):  # a notice of an earlier process
                return left[0].key
            known = with_choices(tx, incoming)
            if known.chat.notices == ALONE:  # the group wants to see no notices for single members
                return ""
            language = known.language
            actions = ("queue.now", "queue.drop") if incoming.private else ("queue.drop",)
            row = tuple(tx.buttons.add_button(where, key, user, say(language, action), action) for action in actions)
            text = say(language, "queue.waits" if incoming.private else "queue.waits.group")
            notice = Outgoing(text, plain=True, buttons=(row,), reply_to=incoming.message_id)
            tx.outbox.add_answer(key, where, notice)
            tx.jobs.add_job(Job(KIND, key, where, due=self.clock.time() + LOOK))
            return key

        notice = await self.store.write_until_stored(show)
        if not notice:
            return
        self.wake_jobs()
        if where.key in self._notices:
            self._notices[where.key] = notice
        await self.transport.reply(where, incoming.id).finish()
        if where.key not in self._notices:  # the wait ended while the notice was being sent
            await self._remove(where, notice)

    async def _remove(self, address: Address, notice: str) -> None:
        await self.store.write_until_stored(lambda tx: _end(tx, address, notice))
        await self.transport.reply(address, notice).finish()

    @job(KIND)
    def look(self, tx: Tx, due: Job) -> Again | None:
        """Delete a notice that a restart has left behind, once no message waits in its conversation."""
        where = due.address
        is_over = not tx.inbox.has_new(where.bot, where.chat_key) and _end(tx, where, due.key)
        return None if is_over else Again(tx.clock.time() + LOOK)

    @press("queue.now")
    async def answer_now(self, turn: Turn, _reply: Reply) -> None:
        """Stop the answer that is being written, so that the next message is answered."""
        self.stop(turn.address.key)

    @press("queue.drop")
    async def drop(self, turn: Turn, _reply: Reply) -> Callable[[Tx], Answer]:
        """Drop the waiting messages of this user, and say so in place of the notice."""
        dropped = self.lanes.drop(turn.address, turn.user.id)
        self._notices.pop(turn.address.key, None)

        def end(tx: Tx) -> Answer:
            for one in dropped:
                tx.inbox.mark_done(one.ids)
            for left in _jobs(tx, turn.address):
                tx.jobs.delete_done(left)
            return Answer(turn.say("queue.dropped", count=len(dropped)), over=True)

        return end


def _jobs(tx: Tx, where: Address) -> Sequence[Job]:
    """The jobs of a conversation's notices: one, or none."""
    return [job for job in tx.jobs.list_of_chat(where, KIND) if job.address == where]


def _end(tx: Tx, where: Address, notice: str) -> bool:
    """Delete a notice, unless its message shows something else by now. False: it is still being sent."""
    if tx.outbox.is_unsent(where, notice):
        return False
    ids = tx.outbox.message_ids(where, notice)
    shown = tx.outbox.find_shown(where, ids[0]) if ids else None
    if shown is not None and shown.key == notice:
        tx.outbox.claim_messages(f"{notice}.gone", where, ids)
        tx.outbox.add_answer(f"{notice}.gone", where, Outgoing(gone=True))
    tx.jobs.delete_done(Job(KIND, notice, where))
    return True
