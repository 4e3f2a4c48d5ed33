"""Long polling. An update is confirmed (a higher offset is asked for) only after it is in the inbox."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import bot.telegram.lazy  # noqa: F401  isort: skip  before aiogram

from aiogram.methods import TelegramMethod

from bot.clock import Clock
from bot.errors import Refused, StorageUnavailable, TransportError, TransportUnavailable, Unauthorized
from bot.telegram.api import Api, Conflict, Flood
from bot.telegram.intake import Intake
from bot.telegram.updates import ALLOWED, number

log = logging.getLogger(__name__)

TIMEOUT = 30  # seconds Telegram may keep a poll open
GRACE = 10.0  # seconds more, then the connection is taken for dead and the poll is begun anew
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0
CONFLICT_PAUSE = 5.0
TOKEN_PAUSE = 60.0  # seconds between tries while Telegram does not know our token
UNTOLD_WAIT = 5.0  # seconds, where Telegram refuses for flood and does not say how long
SAY_AGAIN = 60.0  # seconds between log lines about the same trouble


class GetUpdates(TelegramMethod[list[Any]]):
    """Updates as they come: one that aiogram can't read must not make the others unreadable."""

    __returning__ = list[Any]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int = 100
    timeout: int = TIMEOUT
    allowed_updates: list[str] | None = None


class Poller:
    def __init__(self, api: Api, intake: Intake, clock: Clock) -> None:
        self.api = api
        self.intake = intake
        self.clock = clock
        self.last_poll = clock.monotonic()  # when a poll last came back: the bot is deaf when this is long ago
        self._offset: int | None = None
        self._backoff = FIRST_BACKOFF
        self._said = float("-inf")

    async def run(self) -> None:
        """Poll until cancelled, whatever Telegram says meanwhile."""
        while True:
            try:
                await self._once(TIMEOUT)
                self._backoff = FIRST_BACKOFF
            except Flood as error:
                await self.clock.sleep(error.retry_after or UNTOLD_WAIT)
            except Unauthorized:
                log.error("Telegram does not know BOT_TOKEN any more: copy it anew from @BotFather")
                await self.clock.sleep(TOKEN_PAUSE)
            except Conflict as error:
                self._say(f"{error}. Another process uses this BOT_TOKEN: stop it, or revoke the token in @BotFather")
                await self.clock.sleep(CONFLICT_PAUSE)
            except (TransportUnavailable, Refused, TimeoutError) as error:
                self._say(f"can't get updates: {error or 'no answer'}")
                await self._pause()
            except StorageUnavailable as error:
                self._say(f"updates are left at Telegram: {error}")
                await self._pause()

    async def confirm(self) -> None:
        """Before a stop: tell Telegram what we have, so that the next start does not get it again."""
        if self._offset is not None:
            try:
                await self._get(0, limit=1)
            except (TransportError, TimeoutError) as error:
                log.info("the last updates were not confirmed and will come again: %s", error)

    async def _once(self, timeout: int) -> None:
        batch = await self._get(timeout)
        self.last_poll = self.clock.monotonic()
        if batch:
            await self.intake.accept(batch)
            known = [id_ for update in batch if (id_ := number(update)) is not None]
            if not known:
                raise TransportUnavailable("Telegram's updates have no numbers")
            self._offset = max(known) + 1

    async def _get(self, timeout: int, limit: int = 100) -> list[Any]:
        method = GetUpdates(offset=self._offset, limit=limit, timeout=timeout, allowed_updates=list(ALLOWED))
        async with asyncio.timeout(timeout + GRACE):
            return await self.api.call(method, deadline=timeout + GRACE)

    async def _pause(self) -> None:
        await self.clock.sleep(self._backoff)
        self._backoff = min(self._backoff * 2, LAST_BACKOFF)

    def _say(self, sentence: str) -> None:
        now = self.clock.monotonic()
        if now - self._said >= SAY_AGAIN:
            self._said = now
            log.warning(sentence)
