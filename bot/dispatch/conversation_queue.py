"""One queue a conversation: its updates are handled one after the other, while other conversations do not wait."""

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

CONFIRM_AFTER = 2.0  # seconds after which a press that waits behind an answer is acknowledged


def _ignore(_: object) -> None:
    """The callback of a queue without an observer."""


@dataclass(slots=True, kw_only=True)
class ConversationQueue:
    """A layer that puts each update into a lane and returns; one task a lane passes the updates on in order.

    Presses and reactions have a lane of their own, so that users can change settings while an answer is being written.
    `outdate` is called with an edit of a message that does not wait: its answer may be being written. `queued` is
    called with a message that has to wait, `empty` with the address of a conversation in which none waits any more.
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
        if self._is_draining:  # the rows of all waiting updates stay open, in order, for the next process
            return
        key = lane_of(incoming)
        lane = self.lanes.by_key.get(key)
        if incoming.kind is Kind.EDIT and not incoming.text.startswith("/"):
            if self.lanes.amend(incoming):
                return
            self.outdate(incoming)
        if lane is None:
            lane = self.lanes.by_key[key] = deque()
            # A callback, as a task that is cancelled before its first step does not run its `finally`.
            self._start(self._work(lane, handler)).add_done_callback(lambda _: self.lanes.remove(lane))
        elif incoming.kind is Kind.BUTTON and not key.endswith(TOUCHED):
            self._start_beside(self._confirm(reply))
        else:
            if incoming.kind is Kind.MESSAGE and not incoming.quotes:  # other messages stand between it and its answer
                incoming = replace(incoming, quotes=incoming.message_id)
            self.queued(incoming)
        lane.append((incoming, reply))
        if incoming.kind is Kind.MIGRATED:  # an update from the chat's new id must find its conversation there
            self.lanes.by_key.setdefault(replace(incoming.address, chat=int(incoming.data)).key, lane)

    async def drain(self, seconds: float) -> None:
        """Let running turns end, and cancel them after `seconds`: their inbox rows stay open for the next process.

        No other turn begins meanwhile, except those that never wait, such as Stop.
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
        """Acknowledge a press that has to wait for an answer, so that its button does not look dead."""
        await self.turns.clock.sleep(CONFIRM_AFTER)
        await reply.acknowledge()

    async def _work(self, lane: Lane, handler: Handler) -> None:
        try:
            while lane:
                incoming, reply = lane[0]  # the head of the lane: edits do not amend it any more
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
