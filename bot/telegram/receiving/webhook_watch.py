"""Watches the webhook: does it bring updates, and is it still ours? Unlike a poll, a dead webhook raises no error.

Begin with `WebhookWatch.run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiogram.methods import GetWebhookInfo

from bot.errors import TransportError
from bot.telegram.client.api import Api
from bot.telegram.receiving.intake import Intake
from bot.telemetry.outage import Outage

EVERY = 20.0  # seconds
LONGEST_REASON = 200  # characters
STOLEN = (
    "the webhook leads to {host}, which we did not set: somebody else has BOT_TOKEN. Revoke it in @BotFather, set the "
    "new one and start again"
)
REMOVED = "the webhook was removed, by a bot with this BOT_TOKEN that polls for one; it is set again"
SILENT = "updates wait at Telegram and none comes: {reason}"


class WebhookWatch:
    """Checks `getWebhookInfo` every 20 s. Health checks read `outage`, and `looked`: the monotonic time of the last
    check.

    `repair` sets the webhook again if another program with this token has removed it.
    """

    def __init__(self, *, api: Api, intake: Intake, url: str, repair: Callable[[], Awaitable[None]]) -> None:
        self.api = api
        self.intake = intake
        self.url = url
        self._repair = repair
        self.clock = intake.clock
        self.looked = self.clock.monotonic()
        self.outage = Outage("the webhook", self.clock)
        self._waited = False  # updates were waiting when we last looked

    async def run(self) -> None:
        """Check every 20 s until cancelled."""
        while True:
            await self.clock.sleep(EVERY)
            try:
                info = await self.api.call(GetWebhookInfo())
            except (TransportError, TimeoutError) as error:
                self.outage.failed(str(error) or "no answer")
            else:
                self._judge(info)
                if isinstance(info, dict) and not info.get("url"):
                    await self._repair()

    def _judge(self, info: Any) -> None:
        told = info if isinstance(info, dict) else {}
        pending, url = bool(told.get("pending_update_count")), str(told.get("url", ""))
        silent = self._waited and pending and self.intake.last < self.looked
        self._waited = pending
        self.looked = self.clock.monotonic()
        if not url:
            self.outage.failed(REMOVED)
        elif url != self.url:
            self.outage.failed(STOLEN.format(host=_host(url)), grave=True)
        elif silent:
            reason = str(told.get("last_error_message") or "it does not say why")
            self.outage.failed(SILENT.format(reason=reason[:LONGEST_REASON]), grave=True)
        else:
            self.outage.over()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "nowhere"
    except ValueError:
        return "an address that is none"
