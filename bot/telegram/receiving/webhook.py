"""The webhook: answers 200 only after the update is in the inbox, and never a 5xx to bad input.

After a 5xx or a timeout Telegram sends the update again and holds up its chat meanwhile. So a body that can't be an
update is refused for good, and only an update that can't be stored now gets a 503.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiogram.methods import DeleteWebhook, GetWebhookInfo, SetWebhook

from bot.concurrency.retry import Backoff, Retry
from bot.config.validators import is_this_machine
from bot.errors import ConfigError, Refused, StorageUnavailable, TransportUnavailable
from bot.telegram.client import safe_json
from bot.telegram.client.api import Api, NoMethod
from bot.telegram.receiving.intake import Intake
from bot.telegram.receiving.kinds import UpdateKinds
from bot.telegram.receiving.parsing import number
from bot.telegram.receiving.webhook_server import WebhookServer
from bot.telemetry.outage import Outage

if TYPE_CHECKING:  # see `telegram/receiving/webhook_server.py`
    from aiohttp import web

log = logging.getLogger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  the header's name
# Headers of requests that a proxy, or a page in a browser, relays from elsewhere.
RELAYED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Origin")
READ_DEADLINE = 10.0  # seconds that a body may take
MOST_CONNECTIONS = 40
BACKOFF = Backoff(1.0, 30.0)  # between tries to set the webhook: Telegram takes one a second


class Webhook:
    """Receives updates over HTTP. `url` is what Telegram calls, `hooks` the listener of this process, usually behind a
    proxy that ends TLS.
    """

    def __init__(self, *, api: Api, intake: Intake, hooks: WebhookServer, url: str, secret: str) -> None:
        self.api = api
        self.intake = intake
        self.url = url
        self.is_open = not secret and is_this_machine(urlsplit(url).hostname or "")
        self.secret = secret or secrets.token_urlsafe(32)
        self.hooks = hooks
        self.path = urlsplit(url).path or "/"
        self._listening: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Start to take updates at the path of `url`. Raises `ConfigError` when the address can't be listened on."""
        await self.hooks.open(self.path, self.receive)
        self._listening = self.intake.tasks.create_task(self._listen())

    async def tell(self) -> None:
        """Tell Telegram to use the webhook (`setWebhook`), again and again until it answers. Raises `ConfigError` if
        Telegram refuses `url`.
        """
        method = SetWebhook(url=self.url, secret_token=self.secret, max_connections=MOST_CONNECTIONS)
        kinds = UpdateKinds(api=self.api, kinds=self.intake.wanted)
        clock = self.intake.clock
        outage, retry = Outage("setting the webhook", clock), Retry(clock, BACKOFF, on=TransportUnavailable)
        try:
            await retry.call(lambda: kinds.ask(method), failed=lambda error, _: outage.failed(str(error)))
        except Refused as error:
            raise ConfigError(f"WEBHOOK_URL: Telegram refuses {self.url}: {error}") from None
        outage.over()

    async def close(self) -> None:
        """Stop taking updates and wait for the requests under way."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    async def _listen(self) -> None:
        """Keep the path open until this task is cancelled, then close the path."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.hooks.shut(self.path)

    async def receive(self, request: web.Request) -> web.Response:
        """Take one request of Telegram: store its update and answer 200, or 4xx for what is no update, or 503."""
        from aiohttp import web

        given = request.headers.get(SECRET_HEADER)
        if given is None and self._is_neighbour(request):
            log.debug("an update came without the secret, from this machine")
        elif not hmac.compare_digest((given or "").encode("utf-8", "surrogateescape"), self.secret.encode()):
            return web.Response(status=401)
        if request.content_type != "application/json":
            return web.Response(status=400)
        try:
            async with asyncio.timeout(READ_DEADLINE):
                body = await request.read()
            update = safe_json.loads(body)
        except TimeoutError:
            return web.Response(status=408)
        except (ValueError, web.RequestPayloadError):
            return web.Response(status=400)
        if number(update) is None:
            return web.Response(status=400)
        try:
            await self.intake.accept([update])
        except StorageUnavailable as error:
            log.error("an update is left at Telegram: %s", error)
            return web.Response(status=503, headers={"Retry-After": "5"})
        return web.Response()

    def _is_neighbour(self, request: web.Request) -> bool:
        """Return whether a request without the secret may be trusted: some local servers send none.

        It must come directly from this machine, at an address that no other machine reaches.
        """
        is_relayed = any(name in request.headers for name in RELAYED)
        return self.is_open and is_this_machine(request.remote or "") and not is_relayed


async def remove(api: Api) -> None:
    """Delete a webhook, because Telegram refuses `getUpdates` while one is set. Its host is logged first."""
    try:
        info = await api.call(GetWebhookInfo())
    except NoMethod:  # delete the webhook unseen
        await api.call(DeleteWebhook(drop_pending_updates=False))
        return
    if url := info.get("url"):
        log.warning("the webhook to %s is removed: this bot polls (WEBHOOK_URL is empty)", urlsplit(url).hostname)
        await api.call(DeleteWebhook(drop_pending_updates=False))
