"""Errors become replies: every exception of a handler ends here."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bot.conversation.turn_state import apology_for
from bot.errors import Lost, ModelError, StorageUnavailable, UserError
from bot.outbox import as_notice, dead_letter, finish_with, finish_with_notice, for_notice, with_choices
from bot.ports import Handler, Reply
from bot.storage.store import Store
from bot.telemetry import turn_log
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import own, say
from bot.types import Incoming, Kind

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3  # crashes during one update after which the update is given up
MOST_OF_MANY = 10  # the limit in a cluster, where processes are stopped and restarted all the time
LAST_TRIES_APART = 2.0  # seconds between the first last tries of several updates, of which only one crashes the process
CLOSER = 0.6  # each that follows is nearer to the one before: however many there are, all begin within five seconds
# Sentences about a question that the bot keeps, and what they are of a command.
NOT_KEPT = {
    "error.unavailable": "error.command.unavailable",
    "error.denied": "error.command.denied",
    "error.hook": "error.command.hook",
}


@dataclass(slots=True, kw_only=True)
class ErrorBoundary:
    """A layer that answers the errors of handlers, and gives up an update that has crashed the process `most` times.

    The user is told the text of a `UserError`. Any other error is logged with its traceback under a code, and the user
    is told the code, and of a `ModelError` also why the model does not answer. A turn that fails with
    `StorageUnavailable` changed nothing and is repeated until storage works.
    """

    store: Store
    incidents: IncidentLog
    most: int = MOST_ATTEMPTS
    _last_try: float = float("-inf")  # monotonic time at which the newest last try begins
    _apart: float = LAST_TRIES_APART  # seconds until the one after it

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.attempts == self.most - 1:
            await self._stand_apart()
        await self.store.retry_until_stored(lambda: self._handle(incoming, reply, handler))

    async def _stand_apart(self) -> None:
        """Wait until other updates with as many crashes have had time to crash the process again.

        Meanwhile a crash does not count against this update, as its turn has not begun.
        """
        now = self.store.clock.monotonic()
        next_try = self._last_try + self._apart
        self._apart = LAST_TRIES_APART if next_try <= now else self._apart * CLOSER
        self._last_try = max(now, next_try)
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
            await finish_with(self.store, notice, reply, own(error.said, notice.language))
        except Exception as error:
            turn_log.current.get().mark_failed(error)
            code = self.incidents.record(error, incoming.id)
            log.exception("turn %s failed: code %s", incoming.id, code)
            if incoming.kind is Kind.BUSINESS:  # the bot does not speak of itself in somebody's account
                await dead_letter(self.store, incoming, code)
                return
            await reply.acknowledge()
            if isinstance(error, ModelError):
                await self._apologize(incoming, reply, error, code)
                return
            await finish_with_notice(self.store, incoming, reply, "error.bug", code=code)

    async def _apologize(self, incoming: Incoming, reply: Reply, error: ModelError, code: str) -> None:
        """Tell why a model has not answered a command. Nothing is kept of it, as it would be of a question."""
        known, key = await self.store.read(lambda tx: with_choices(tx, incoming)), apology_for(error)
        why, told = say(known.language, NOT_KEPT.get(key, key)), say(known.language, "error.code", code=code)
        await finish_with(self.store, as_notice(known, reply), reply, f"{why} {told}")

    async def _give_up(self, incoming: Incoming, reply: Reply) -> None:
        log.error("turn %s: given up after %d crashes", incoming.id, incoming.attempts)
        if incoming.kind in (Kind.UNHANDLED, Kind.BUSINESS):
            await dead_letter(self.store, incoming, f"given up after {incoming.attempts} crashes")
            return
        await reply.acknowledge()
        await finish_with_notice(self.store, incoming, reply, "error.crashed")
