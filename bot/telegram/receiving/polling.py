"""Long polling. An update is confirmed (a higher offset is asked for) only after it is in the inbox."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiogram.methods import GetWebhookInfo, TelegramMethod

from bot.clock import Clock
from bot.concurrency.retry import Backoff
from bot.errors import StorageUnavailable, TransportError, TransportUnavailable, Unauthorized
from bot.telegram.client.api import Api, Conflict, Flood, NotSent, Unknown
from bot.telegram.receiving.intake import Intake
from bot.telegram.receiving.kinds import UpdateKinds
from bot.telegram.receiving.parsing import number
from bot.telemetry.outage import Outage

log = logging.getLogger(__name__)

TIMEOUT = 30  # seconds Telegram may keep a poll open
GRACE = 10.0  # seconds more, then the connection is taken for dead and the poll is begun anew
BACKOFF = Backoff(0.5, 30.0)
CONFLICT_BACKOFF = Backoff(4.0, 15.0)  # the server answers a 409 at most once in 3 s
NUMBERLESS_PAUSE = 8.0  # seconds: those updates come again at once, together with new ones
TOO_SOON, SHORT_PAUSE = 0.3, 0.3  # seconds: a server that does not keep polls open is asked this often
RIVAL_MEMORY = 45.0  # seconds after the last 409 in which polls that succeed prove nothing
RIVAL_LEAD = 1.0  # seconds in which a rival confirms what it was given
TOKEN_PAUSE = 60.0  # seconds between tries while Telegram does not know our token
FLOOD_BACKOFF = Backoff(5.0, 80.0)  # where Telegram refuses for flood and does not say how long


class GetUpdates(TelegramMethod[list[Any]]):
    """The method `getUpdates`, with raw updates as its result: one that aiogram can't read must not lose the others."""

    __returning__ = list[Any]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int = 100
    timeout: int = TIMEOUT
    allowed_updates: list[str] | None = None


class Poller:
    """Polls `getUpdates`. Health checks read `outage`, and `last_poll`: the monotonic time of the last good poll."""

    def __init__(self, *, api: Api, intake: Intake, clock: Clock) -> None:
        self.api = api
        self.intake = intake
        self._kinds = UpdateKinds(api=api, kinds=intake.wanted)
        self.clock = clock
        self.last_poll = clock.monotonic()
        self.outage = Outage("taking updates", clock)
        self._offset: int | None = None
        self._failures = 0  # in a row
        self._contested = 0.0  # monotonic time until which a rival may still poll: now and then a poll of ours succeeds

    async def run(self) -> None:
        """Poll until cancelled, whatever Telegram says meanwhile."""
        while True:
            try:
                # After a failure Telegram is asked to answer at once, so that the end of an outage is seen soon.
                await self._once(0 if self._failures else TIMEOUT)
            except (TransportError, StorageUnavailable) as error:
                await self.clock.sleep(await self._failed(error))
                self._failures += 1
                if isinstance(error, NotSent | Unknown):
                    # The server may have restarted with lower update ids, and may give none below an offset.
                    # The inbox ignores updates that come twice.
                    self._offset = None
            else:
                self._failures = 0
                if self.clock.monotonic() >= self._contested:
                    self.outage.over()

    async def _failed(self, error: Exception) -> float:
        """Log what is wrong and return the seconds until the next try."""
        match error:
            case Flood():
                self.outage.failed("Telegram asks to wait")
                return error.retry_after or FLOOD_BACKOFF.pause(self._failures + 1)
            case Unauthorized():
                self.outage.failed(REVOKED, grave=True)
                return TOKEN_PAUSE
            case Conflict():
                self._contested = self.clock.monotonic() + RIVAL_MEMORY
                self.outage.failed(await self._rival(error))
                return CONFLICT_BACKOFF.pause(self._failures + 1)
            case TransportUnavailable(retry_after=wait) if wait:
                self.outage.failed(str(error))
                return wait
            case StorageUnavailable():
                self.outage.failed(f"they are left at Telegram: {error}")
            case _:
                self.outage.failed(str(error) or "no answer")
        return BACKOFF.pause(self._failures + 1)

    async def _rival(self, error: Conflict) -> str:
        """Return a message about who else takes the updates: the host of a webhook, or another process that polls."""
        host = ""
        if "webhook" in str(error).lower():
            with suppress(TransportError, ValueError):
                info = await self.api.call(GetWebhookInfo())
                host = urlsplit(str(info.get("url", ""))).hostname or "?" if isinstance(info, dict) else ""
        return RIVAL_WEBHOOK.format(host=host) if host else RIVAL_POLLER

    async def confirm(self) -> None:
        """Confirm the accepted updates to Telegram before a stop, so that the next start does not get them again."""
        if self._offset is not None:
            try:
                await self._get(0, limit=1)
            except TransportError as error:
                log.info("the last updates were not confirmed and will come again: %s", error)

    async def _once(self, timeout: int) -> None:
        asked = self.clock.monotonic()
        batch = await self._get(timeout)
        if timeout and not self._is_news(batch) and self.clock.monotonic() - asked < TOO_SOON:
            await self.clock.sleep(SHORT_PAUSE)
        if batch and not timeout and self.clock.monotonic() < self._contested:
            # After a 409 a rival may have got these updates too: take those that are left when it had time to
            # confirm them.
            await self.clock.sleep(RIVAL_LEAD)
            batch = await self._get(timeout)
        self.last_poll = self.clock.monotonic()
        if batch:
            await self.intake.accept(batch)
            known = [id_ for update in batch if (id_ := number(update)) is not None]
            if not known:
                raise TransportUnavailable("updates without numbers can't be confirmed", retry_after=NUMBERLESS_PAUSE)
            self._offset = max(known) + 1

    def _is_news(self, batch: list[Any]) -> bool:
        """Return whether a batch has an update that was not confirmed yet: some servers repeat confirmed ones."""
        return any((id_ := number(update)) is None or id_ >= (self._offset or 0) for update in batch)

    async def _get(self, timeout: int, limit: int = 100) -> list[Any]:
        method = GetUpdates(offset=self._offset, limit=limit, timeout=timeout)
        batch = await self._kinds.ask(method, deadline=timeout + GRACE)
        if not isinstance(batch, list):
            raise TransportUnavailable("Telegram's answer is no list of updates")
        return batch


REVOKED = "Telegram does not know BOT_TOKEN any more: copy it anew from @BotFather"
RIVAL_POLLER = (
    "409, another process asks for the updates of this BOT_TOKEN: stop it. If you know of none, somebody has your "
    "token: revoke it in @BotFather"
)
RIVAL_WEBHOOK = (
    "409, a webhook to {host} was set while this bot polls, and gets its updates. A restart removes it. If it is not "
    "yours, somebody has your token: revoke it in @BotFather"
)
