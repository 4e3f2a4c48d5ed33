"""One queue a conversation: its updates are worked on one after the other, and other conversations do not wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from bot.dispatch.lanes import AT_ONCE, TOUCHED, Lane, Lanes, lane_of
from bot.ports import Handler, Reply
from bot.telemetry.turn_log import TurnLogs
from bot.types import Address, Incoming, Kind

CONFIRM_AFTER = 2.0  # seconds after which a press that waits for an answer is acknowledged


def _ignore(_: object) -> None:
    """Nobody wants to know."""


@dataclass(slots=True, kw_only=True)
class ConversationQueue:
    """Puts each update into its lane and returns; a task a lane hands the updates on, in their order.

    Most buttons have a lane of their own beside the conversation's, so that a setting can be changed while an answer
    is being written. `outdate` is called with an edit that replaces nothing that waits: the answer being written may
    be to what the message said before. `queued` is called with a message that stands behind another, `empty` with the
    address where nothing waits any more.
    """

    lanes: Lanes
    tasks: asyncio.TaskGroup
    turns: TurnLogs
    outdate: Callable[[Incoming], None] = _ignore
    queued: Callable[[Incoming], None] = _ignore
    empty: Callable[[Address], None] = _ignore
    _workers: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _is_draining: bool = field(default=False, init=False)

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.kind in AT_ONCE:
            self._start_beside(self._at_once(incoming, reply, handler))
            return
        if self._is_draining:  # its row stays open, like those that waited: handled now, it would overtake them
            return
        key = lane_of(incoming)
        lane = self.lanes.by_key.get(key)
        if incoming.kind is Kind.EDIT and not incoming.text.startswith("/"):
            if self.lanes.amend(incoming):
                return
            self.outdate(incoming)
        if lane is None:
            lane = self.lanes.by_key[key] = deque()
            # A task that is cancelled before its first step runs nothing: its `finally` would leave the lane behind.
            self._start(self._work(lane, handler)).add_done_callback(lambda _: self.lanes.remove(lane))
        elif incoming.kind is Kind.BUTTON and not key.endswith(TOUCHED):
            self._start_beside(self._confirm(reply))
        else:
            self.queued(incoming)
        lane.append((incoming, reply))
        if incoming.kind is Kind.MIGRATED:  # an update from the chat's new id must find its conversation there
            self.lanes.by_key.setdefault(replace(incoming.address, chat=int(incoming.data)).key, lane)

    async def drain(self, seconds: float) -> None:
        """Let what is being worked on end, and cancel it after so many seconds: its rows stay open for a restart.

        Nothing new is begun but what never waits: Stop ends an answer that is being written.
        """
        self._is_draining = True
        self.lanes.keep_heads()
        if self._workers:
            await asyncio.wait(self._workers, timeout=seconds)
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    async def _at_once(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        with self.turns.open(incoming):
            await handler(incoming, reply)

    async def _confirm(self, reply: Reply) -> None:
        """A press may have to wait for an answer to end: its button must not look dead meanwhile."""
        await self.turns.clock.sleep(CONFIRM_AFTER)
        await reply.acknowledge()

    async def _work(self, lane: Lane, handler: Handler) -> None:
        try:
            while lane:
                incoming, reply = lane[0]  # it stays in the lane while it is worked on, but can't be amended
                with self.turns.open(incoming):
                    await handler(incoming, reply)
                lane.popleft()
                if len(lane) < 2 and lane_of(incoming) == incoming.address.key:
                    self.empty(incoming.address)
        finally:
            self.lanes.remove(lane)

    def _start_beside(self, work: Coroutine[Any, Any, None]) -> None:
        self.lanes.beside += 1
        self._start(work).add_done_callback(self._end_beside)

    def _end_beside(self, _task: asyncio.Task[None]) -> None:
        self.lanes.beside -= 1

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.tasks.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)
        return task
