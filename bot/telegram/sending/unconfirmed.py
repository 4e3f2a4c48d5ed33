"""Searches for the message of a send whose outcome is unknown: the connection broke, or the process died.

Begin with `SendReconciler.find`. It edits the ids that the message can have got into exactly the text that it should
have; the message that already has this text answers "not modified". `SendReconciler.mark` is called before each send
and stores where such a search would have to begin.

Each try of an id is called a look. A look at an id that does not exist is not counted as an edit, since Telegram's
server reads a message before it edits it.

After a start many chats may search one sequence of ids (`Line`). First each search looks once, which is enough if no
other message was being sent; then the searches are completed one by one. An id that one search has found, or that is
above the first message of this process, is left out by the others.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiogram.methods import EditForumTopic

from bot.clock import Clock
from bot.errors import TransportUnavailable
from bot.ports import Outbox
from bot.telegram.client.api import Api, NoMessage, NoMethod, NoThread, NotModified
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Screen
from bot.telegram.sending.progress import Edit, Progress
from bot.types import Address

# How many message ids behind the newest known one an unconfirmed send may have got: other chats count in the same line.
LOOK_AHEAD, LOOK_AHEAD_AFTER_START = 3, 24
MOST_PROBES = 32
LANDING = 3.0  # seconds after a start in which what an earlier process sent may still arrive: the kernel sends on
SUPERGROUP = -1_000_000_000_000  # chats below have message ids of their own; all others of a bot share theirs


class Outdated(Exception):
    """The delivery was withdrawn or rewritten while it waited for its turn: what was read of it is not sent."""


@dataclass(slots=True)
class Line:
    """A sequence of message ids: a supergroup has its own, so have the chats of an account to which the bot is
    connected; all other chats of a bot share one.

    `newest` is the highest known id. `sends` are the newest sends of this process: when each began (monotonic), and the
    id that it got. `claimed` are chats and ids of known messages, kept while a search is under way.
    """

    newest: int = 0
    is_read: bool = False  # the highest id was read from the outbox
    sends: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=50))
    claimed: set[tuple[int, int]] = field(default_factory=set)
    searches: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one look at a time

    def first_sent(self, since: float) -> int:
        """Return the first id that this process got after the monotonic time `since`; earlier processes got
        lower ones.
        """
        return next((id_ for at, id_ in self.sends if at >= since), sys.maxsize)

    def is_shared(self) -> bool:
        """Return whether no id is claimed in two chats. Some emulators number the messages of each chat from 1."""
        return len(self.claimed) == len({id_ for _, id_ in self.claimed})


@dataclass(slots=True, kw_only=True)
class SendReconciler:
    """Finds the message that a send with unknown outcome may have left.

    The functions are methods of the `Deliverer`, so that a search keeps to the flood budget and edits as any delivery
    does: `acquire_slot` waits until a message may be sent to a chat, `acquire_look` until an id may be tried.
    """

    api: Api
    clock: Clock
    outbox: Outbox
    acquire_slot: Callable[[int], Awaitable[None]]
    acquire_look: Callable[[int], Awaitable[None]]
    edit: Edit
    _lines: defaultdict[tuple[str, int], Line] = field(default_factory=lambda: defaultdict(Line), init=False)
    _flying: int = field(default=0, init=False)  # sends under way: each may get the next id of its line
    # By key: when what a delivery that was cancelled had sent has arrived. Another task may deliver it anew.
    _cut: dict[str, float] = field(default_factory=dict, init=False)

    def note_newest(self, where: Address, message_id: int) -> None:
        """Note a message id of the sequence (`Line`) that the chat belongs to: later messages get higher ids."""
        line = self._line(where)
        line.newest = max(line.newest, message_id)

    def note_id(self, where: Address, message_id: int) -> None:
        """Note that a message of the chat exists."""
        self.note_newest(where, message_id)
        if (line := self._line(where)).searches:
            line.claimed.add((where.chat, message_id))

    def note_sent(self, where: Address, message_id: int, began: float) -> None:
        """Note the id of a message whose send began at a monotonic time.

        If the id can't be stored, a search may be looking for this very message.
        """
        self.note_newest(where, message_id)
        self._line(where).sends.append((began, message_id))

    def newest_id(self, where: Address) -> int:
        """Return the highest known message id of the sequence (`Line`) that the chat belongs to."""
        return self._line(where).newest

    @asynccontextmanager
    async def attempt(self, key: str) -> AsyncIterator[bool]:
        """Deliver in this context. Yields whether an earlier attempt of this process was cancelled: its send may have
        arrived, which is waited for.
        """
        landed = self._cut.pop(key, None)
        try:
            if landed is not None:
                await self.clock.sleep(max(landed - self.clock.monotonic(), 0.0))
            yield landed is not None
        except asyncio.CancelledError:  # a stop, for example: what was on its way may still arrive
            self._cut[key] = self.clock.monotonic() + LANDING
            raise

    @contextmanager
    def flying(self, parts: int = 1) -> Iterator[None]:
        """Count messages as under way inside the context: they may get any of the next ids until it has ended."""
        self._flying += parts
        try:
            yield
        finally:
            self._flying -= parts

    async def mark(self, progress: Progress) -> None:
        """Note the highest known id before a send. It is stored only if a search from the stored id would be long.

        Raises `Outdated`.
        """
        await self._load_newest(progress.delivery.address)
        progress.since = math.inf
        progress.last_known_id = max(progress.last_known_id, self.newest_id(progress.delivery.address))
        if progress.stored is None or progress.last_known_id >= progress.stored + LOOK_AHEAD_AFTER_START // 2:
            if not await self.outbox.begin(progress.delivery, progress.last_known_id):
                raise Outdated
            progress.stored = progress.last_known_id

    async def find(self, progress: Progress, part: Screen, *, last: bool) -> int:
        """Return the id of the message that an unconfirmed send has left in the chat; 0 when there is none."""
        await self.acquire_slot(progress.delivery.address.chat)  # for the edit that finds it
        return await self._search(progress, partial(self._is_there, progress, part, last=last))

    async def find_topic(self, progress: Progress, name: str) -> int:
        """Return the number of the topic called `name` that an unconfirmed call has made; 0 when there is none. It is
        the id of the message that says that it was made.
        """
        return await self._search(progress, partial(self._is_topic, progress, name))

    async def _search(self, progress: Progress, is_found: Callable[[int], Awaitable[bool]]) -> int:
        to = progress.delivery.address
        line = self._line(to)
        line.searches += 1
        try:
            # The message of its own live view is searched for too, though its id may have been stored meanwhile.
            line.claimed |= await self.outbox.claimed_ids(to, *_chats(to.chat), but=progress.delivery.id)
            for most in (1, MOST_PROBES):
                async with line.turn:
                    if id_ := await self._look(line, progress, is_found, most=most):
                        return id_
        finally:
            line.searches -= 1
            if not line.searches:
                line.claimed.clear()
        progress.outcome_unknown = False
        progress.cleared.clear()  # the next send may get one of these ids
        return 0

    async def _look(
        self, line: Line, progress: Progress, is_found: Callable[[int], Awaitable[bool]], *, most: int
    ) -> int:
        """Look at ids until the message is found or `most` were looked at in all. Returns its id, 0 for none."""
        to = progress.delivery.address
        while len(progress.cleared) < most and (id_ := self._next_id(line, progress)):
            # The server of a business chat edits without a look of its own.
            await (self.acquire_slot if to.connection else self.acquire_look)(to.chat)
            if await is_found(id_):
                self.note_id(to, id_)
                return id_
            progress.failures = 0  # Telegram answers
            progress.cleared.add(id_)  # after a broken connection the search goes on behind it
        return 0

    def _next_id(self, line: Line, progress: Progress) -> int:
        """Return the lowest id that the message can still have, 0 for none."""
        to = progress.delivery.address
        shared = not to.connection and line.is_shared()
        known = {id_ for chat, id_ in line.claimed if shared or chat == to.chat} | {*progress.ids} | progress.cleared
        end = max(line.newest, progress.last_known_id) + progress.ahead + self._flying + 1
        if shared and progress.was_left:
            end = min(end, line.first_sent(progress.since))
        return next((id_ for id_ in range(progress.last_known_id + 1, end) if id_ not in known), 0)

    async def _is_there(self, progress: Progress, part: Screen, message_id: int, *, last: bool) -> bool:
        """Return whether a message is this delivery's and stands in its topic. Edits the message into `part`.

        If it was the answer in another topic, the search for that answer edits it back.
        """
        to = progress.delivery.address
        looked = False
        try:
            try:
                edited = await self.edit(progress, part, message_id, last=last)
            except NotModified:
                if message_id not in progress.touched and not (progress.was_left and _may_have_topics(progress)):
                    return True
                looked = True  # perhaps a search has edited it into this
                edited = await self._read_message(progress, part, message_id)
        except (NoMessage, NoMethod) as error:
            # A forward can't be edited. Messages of people can't either, but theirs are known from their updates.
            return part.is_forward and "can't be edited" in str(error)
        except TransportUnavailable:
            progress.touched.add(message_id)
            raise
        if isinstance(edited, dict) and _thread(edited) == (to.thread if progress.thread else 0):
            if looked:
                await self.acquire_slot(to.chat)
                await self.edit(progress, part, message_id, last=last)
            return True
        await self.acquire_slot(to.chat)  # it was an edit; a server without such a message may answer alike
        return False

    async def _is_topic(self, progress: Progress, name: str, topic: int) -> bool:
        """Return whether a message is the one with which a topic of this name begins."""
        try:
            chat = progress.delivery.address.chat
            await self.api.call(EditForumTopic(chat_id=chat, message_thread_id=topic, name=name))
        except NotModified:
            return True
        except NoThread:
            return False
        await self.acquire_slot(chat)  # it was an edit of a topic that somebody has made at this very moment
        return False

    async def _read_message(self, progress: Progress, part: Screen, message_id: int) -> Any:
        """Return the message. Telegram returns it only when an edit changes it, so its button gets another label."""
        while True:
            progress.looks += 1
            button = messages.stop_keyboard("…" * progress.looks)
            await self.acquire_slot(progress.delivery.address.chat)
            with suppress(NotModified):  # a search before a crash may have set this label
                return await self.api.call(messages.edit(part, progress.delivery.address, message_id, button))

    async def _load_newest(self, to: Address) -> None:
        """Read the highest id known before the start from the outbox, once for each line."""
        line = self._line(to)
        if not line.is_read:
            self.note_newest(to, await self.outbox.highest_message_id(to, *_chats(to.chat)))
            line.is_read = True

    def _line(self, where: Address) -> Line:
        """Return the sequence that numbers the messages of a chat."""
        return self._lines[where.connection, where.chat if where.chat < SUPERGROUP else 0]


def _chats(chat: int) -> tuple[int, int]:
    """Return the first and the last chat whose messages are numbered together with those of a chat."""
    return (chat, chat) if chat < SUPERGROUP else (SUPERGROUP, Address.MESSENGER - 1)


def _may_have_topics(progress: Progress) -> bool:
    """Return whether the message may be another unknown one, with these very words, in another topic of the chat. What
    is sent to operators is sent one after the other, in all topics of their group: only one can be unknown.
    """
    to = progress.delivery.address
    return not progress.delivery.outgoing.keeps_place and (to.chat < 0 or to.thread != 0)


def _thread(message: dict[str, Any]) -> int:
    return (message.get("message_thread_id") or 0) if message.get("is_topic_message") else 0
