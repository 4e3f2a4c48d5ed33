"""Errors become replies: the one place where every exception of a handler ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bot.errors import Lost, StorageUnavailable, UserError
from bot.outbox import as_notice, dead_letter, finish_with, finish_with_notice, for_notice
from bot.ports import Handler, Reply
from bot.storage.store import Store
from bot.telemetry import turn_log
from bot.telemetry.incidents import IncidentLog
from bot.types import Incoming, Kind

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3  # crashes while working on one update before it is given up
MOST_OF_MANY = 10  # crashes where many processes work, which are stopped and moved by others all the time
LAST_TRIES_APART = 2.0  # seconds between the last tries of several updates: only one of them may end the process


@dataclass(slots=True, kw_only=True)
class ErrorBoundary:
    """Answers the errors of a handler, and gives up an update that has ended the process `most` times.

    A `UserError` is told as it is. Any other error goes to the log with its traceback under a code, and the user is
    told that code. Where the disk fails nothing was changed, so the turn is begun anew until the disk is back.
    """

    store: Store
    incidents: IncidentLog
    most: int = MOST_ATTEMPTS
    _last_try: float = float("-inf")  # when the newest of the last tries begins or began

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.attempts == self.most - 1:
            await self._stand_apart()
        await self.store.retry_until_stored(lambda: self._handle(incoming, reply, handler))

    async def _stand_apart(self) -> None:
        """Wait until the other updates of those crashes have had time to end the process again.

        An update that waits has not begun, so that no crash is counted for it.
        """
        now = self.store.clock.monotonic()
        self._last_try = max(now, self._last_try + LAST_TRIES_APART)
        await self.store.clock.sleep(self._last_try - now)

    async def _handle(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.attempts >= self.most:
            await self._give_up(incoming, reply)
            return
        try:
            await handler(incoming, reply)
        except (StorageUnavailable, Lost):
            raise
        except UserError as error:
            await reply.acknowledge()
            notice = as_notice(await for_notice(self.store, incoming), reply)
            await finish_with(self.store, notice, reply, str(error))
        except Exception as error:
            turn_log.current.get().mark_failed(error)
            code = self.incidents.record(error, incoming.id)
            log.exception("turn %s failed: code %s", incoming.id, code)
            await reply.acknowledge()
            await finish_with_notice(self.store, incoming, reply, "error.bug", code=code)

    async def _give_up(self, incoming: Incoming, reply: Reply) -> None:
        log.error("turn %s: given up after %d crashes", incoming.id, incoming.attempts)
        if incoming.kind is Kind.UNHANDLED:
            await dead_letter(self.store, incoming, f"given up after {incoming.attempts} crashes")
            return
        await reply.acknowledge()
        await finish_with_notice(self.store, incoming, reply, "error.crashed")
