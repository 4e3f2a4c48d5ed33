"""The queue of updates and long polling, with the rules by which the real server confirms updates. Begin with
`UpdateQueue.poll`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from bot.sandbox.event_stream import Hub
from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import ApiError

KINDS = frozenset(
    """
    message edited_message channel_post edited_channel_post business_connection business_message
    edited_business_message deleted_business_messages guest_message message_reaction message_reaction_count
    inline_query chosen_inline_result callback_query shipping_query pre_checkout_query purchased_paid_media poll
    poll_answer my_chat_member chat_member chat_join_request chat_boost removed_chat_boost managed_bot subscription
    stopped_message_generation
    """.split()
)
DEFAULT_KINDS = KINDS - {"chat_member", "message_reaction", "message_reaction_count"}

DAY = 86_400.0
LIVES = {
    "callback_query": 150.0,
    "shipping_query": 150.0,
    "pre_checkout_query": 150.0,
    "inline_query": 30.0,
    "chosen_inline_result": 600.0,
}
MAX_POLL = 50
FIRST_UPDATE = 100_000_001
BATCH_BYTES = 4 * 1024 * 1024

WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
OTHER_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_SET = "Conflict: terminated by setWebhook request"


@dataclass(slots=True)
class PendingUpdate:
    """An update that the bot has not confirmed.

    `lane` is the webhook queue it belongs to: a chat for messages, a user for button presses. `expires` is a Unix time.
    A `forced` update, which a test queued, is delivered once even if the bot's offset is past it.
    """

    update_id: int
    kind: str
    lane: str
    body: Json
    expires: float
    forced: bool = False


class UpdateQueue:
    """The updates that wait for the bot.

    `careful` slows down a bot that polls with one offset again and again (a crash loop). `polled` is the monotonic time
    of the last getUpdates.
    """

    def __init__(self, clock: Clock, hub: Hub) -> None:
        self._clock = clock
        self._hub = hub
        self.careful = False
        self._pending: list[PendingUpdate] = []
        self._poll: asyncio.Future[str] | None = None
        self._last_offset: int | None = None
        self._next_conflict = 0.0
        self._stopping = False
        self.polled = 0.0
        self.next_id = FIRST_UPDATE
        self.allowed: frozenset[str] = DEFAULT_KINDS
        self.webhook_active = False

    # --- adding -------------------------------------------------------------------------------------------------------

    def add(self, kind: str, payload: Json, *, lane: str = "") -> int | None:
        """Queue an update and return its id, or None if the bot did not ask for this kind."""
        if kind not in self.allowed:
            return None
        return self._queue(self.next_id, kind, {kind: payload}, lane)

    def add_raw(self, body: Json) -> int:
        """Queue any object as an update and return its id. An update id in it is kept, even one that was
        used before.
        """
        given = body.get("update_id")
        update_id = given if isinstance(given, int) else self.next_id
        content = {name: value for name, value in body.items() if name != "update_id"}
        return self._queue(update_id, next(iter(content), ""), content, f"raw {update_id}", forced=True)

    def _queue(self, update_id: int, kind: str, content: Json, lane: str, *, forced: bool = False) -> int:
        body = {"update_id": update_id, **content}
        expires = self._clock.time() + LIVES.get(kind, DAY)
        self._pending.append(PendingUpdate(update_id, kind, lane, body, expires=expires, forced=forced))
        self.next_id = max(self.next_id, update_id + 1)
        payload = content.get(kind)
        chat = payload.get("chat") if isinstance(payload, dict) else None
        chat_id = chat.get("id") if isinstance(chat, dict) else None
        self._hub.journal("update", kind, chat_id=chat_id, summary=f"update {update_id}", detail=body)
        self._wake("")
        return update_id

    # --- looking ------------------------------------------------------------------------------------------------------

    def waiting(self) -> list[PendingUpdate]:
        """The updates that are neither confirmed nor expired, oldest first."""
        now = self._clock.time()
        self._pending = [item for item in self._pending if item.expires > now]
        return list(self._pending)

    def confirm(self, done: Iterable[PendingUpdate]) -> None:
        """Remove updates from the queue: the bot has them."""
        gone = {id(item) for item in done}
        self._pending = [item for item in self._pending if id(item) not in gone]
        self._hub.touch()

    def drop_all(self) -> None:
        """Remove all updates from the queue."""
        self.confirm(self.waiting())

    def dump(self) -> Json:
        """The queue and the next update id as JSON."""
        names = ("update_id", "kind", "lane", "body", "expires")
        pending = [{name: getattr(item, name) for name in names} for item in self.waiting()]
        return {"pending": pending, "next_id": self.next_id}

    def load(self, data: Json) -> None:
        """Replace the queue by what `dump` returned."""
        self._pending = [PendingUpdate(**item) for item in data["pending"]]
        self.next_id = data["next_id"]

    def ask(self, names: Any) -> None:
        """Remember `allowed_updates`. Unknown names are ignored; an empty list, or one without known names, means the
        default.
        """
        if isinstance(names, list):
            self.allowed = frozenset(name for name in names if isinstance(name, str) and name in KINDS) or DEFAULT_KINDS

    # --- polling ------------------------------------------------------------------------------------------------------

    async def poll(self, offset: int, limit: int, timeout: int) -> list[Json]:
        """Answer getUpdates. Updates below `offset` are confirmed first. Raises 409 if a webhook or another poll is
        active.
        """
        if self.webhook_active:
            raise await self._conflict(WEBHOOK_ACTIVE)
        limit, timeout = self._guard(offset, min(max(limit, 1), 100), min(max(timeout, 0), MAX_POLL))
        self._confirm_below(offset)
        found = self._batch(limit)
        if found or not timeout or self._stopping:
            return found
        self._wake(OTHER_POLL)
        return await self._wait(limit, timeout)

    async def _wait(self, limit: int, timeout: int) -> list[Json]:
        poll: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._poll = poll
        sleep = asyncio.ensure_future(self._clock.sleep(timeout))
        sleep.add_done_callback(lambda _: _answer(poll, ""))
        try:
            await poll
        finally:
            sleep.cancel()
            if self._poll is poll:
                self._poll = None
        if conflict := poll.result():
            raise await self._conflict(conflict)
        return self._batch(limit)

    def stop(self, stopping: bool = True) -> None:
        """Answer the poll that waits and let no other poll wait, until `stop(False)` is called."""
        self._stopping = stopping
        self._wake("")

    def interrupt(self) -> None:
        """End the poll that waits with 409, because a webhook was set."""
        self._wake(WEBHOOK_SET)

    def _wake(self, conflict: str) -> None:
        if self._poll:
            _answer(self._poll, conflict)

    async def _conflict(self, reason: str) -> ApiError:
        """An error 409. Within 3 s after another one it is held back for 3 s, as the real server does."""
        now = self._clock.monotonic()
        if now < self._next_conflict and not self._stopping:
            await self._clock.sleep(3)
        else:
            self._next_conflict = now + 3
        return ApiError(409, reason)

    def _guard(self, offset: int, limit: int, timeout: int) -> tuple[int, int]:
        now = self._clock.monotonic()
        if self.careful and offset == self._last_offset:
            if now < self.polled + 3:
                timeout = max(timeout, 3)
            if now < self.polled + 0.5:
                limit = 1
        self._last_offset, self.polled = offset, now
        return limit, timeout

    def _confirm_below(self, offset: int) -> None:
        if offset < 0:
            self.confirm(self._pending[:offset])
        elif 0 < offset <= self.next_id:
            self.confirm(item for item in self._pending if item.update_id < offset and not item.forced)

    def _batch(self, limit: int) -> list[Json]:
        found: list[Json] = []
        size = 0
        for item in self.waiting()[:limit]:
            size += len(json.dumps(item.body, ensure_ascii=False).encode("utf-8", "replace"))
            if found and size > BATCH_BYTES:
                break
            item.forced = False
            found.append(item.body)
        return found


def _answer(poll: asyncio.Future[str], conflict: str) -> None:
    """End a waiting poll, unless it has ended already; `conflict` is the reason of a 409, or empty."""
    if not poll.done():
        poll.set_result(conflict)
