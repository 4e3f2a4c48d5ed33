"""Delivers updates to a webhook on this machine, as the real server does. Begin with `Webhook.set`.

Updates of one chat (button presses: of one user) are delivered one after the other, each after the bot answered the
previous one with 2xx. A failed delivery is repeated at once, then after 2, 4, 8, ... seconds, until the update expires.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.clock import Clock
from bot.sandbox.event_stream import Hub
from bot.sandbox.guard import Json, loads
from bot.sandbox.telegram.call import bad
from bot.sandbox.telegram.updates import PendingUpdate, UpdateQueue

SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")
LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
HEADER = "X-Telegram-Bot-Api-Secret-Token"
ANSWER_DEADLINE = 60.0
MAX_PAUSE = (60.0, 120.0)
MAX_RETRY_AFTER = 3_600.0
GONE_FOR = 23 * 3_600.0

Execute = Callable[[Json], Awaitable[None]]


@dataclass(slots=True)
class Target:
    """Where updates are delivered. `reason` is the last failure, at `failed_at` (Unix time); `busy` are the lanes with
    a task.
    """

    url: str
    secret: str = ""
    connections: int = 40
    reason: str = ""
    failed_at: float = 0.0
    gone_since: float | None = None
    busy: set[str] = field(default_factory=set)


class Webhook:
    """The webhook of the bot. `execute` carries out a method that the bot wrote into its answer."""

    def __init__(self, clock: Clock, hub: Hub, updates: UpdateQueue, chance: random.Random) -> None:
        self.execute: Execute = _ignore
        self._clock = clock
        self._hub = hub
        self._updates = updates
        self._random = chance
        self._target: Target | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(40)

    async def set(self, url: str, secret: str, connections: int, *, drop_pending: bool = False) -> None:
        """Replace the webhook; an empty `url` removes it. Raises 400 for an address outside this machine."""
        parts = urlsplit(url)
        if url and (parts.scheme not in {"http", "https"} or not LOOPBACK.fullmatch(parts.hostname or "")):
            raise bad("bad webhook: the sandbox delivers only to this machine (127.0.0.1)")
        if not SECRET.fullmatch(secret):
            raise bad(f"secret token {'contains unallowed characters' if len(secret) <= 256 else 'is too long'}")
        await self.close()
        if drop_pending:
            self._updates.drop_all()
        self._updates.webhook_active = bool(url)
        if url:
            connections = min(max(connections, 1), 100)
            self._target = Target(url, secret, connections)
            self._slots = asyncio.Semaphore(connections)
            self._updates.interrupt()
            self._spawn(self._watch(self._target))

    def info(self) -> Json:
        """Return the state of the webhook as the Bot API's WebhookInfo."""
        target = self._target
        info: Json = {"url": target.url if target else "", "has_custom_certificate": False}
        info["pending_update_count"] = len(self._updates.waiting())
        if target:
            info |= {"max_connections": target.connections, "ip_address": "127.0.0.1"}
        if target and target.reason:
            info |= {"last_error_date": int(target.failed_at), "last_error_message": target.reason}
        return info

    async def close(self) -> None:
        """Stop delivering. Updates that were not delivered stay in the queue."""
        self._target = None
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()
            self._session = None

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, target: Target) -> None:
        """Start a task for each lane that has something to deliver and no task."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_DEADLINE))
        while True:
            for lane in dict.fromkeys(item.lane for item in self._updates.waiting()):
                if lane not in target.busy:
                    target.busy.add(lane)
                    self._spawn(self._drain(target, lane, self._session))
            await self._hub.changed()

    async def _drain(self, target: Target, lane: str, session: aiohttp.ClientSession) -> None:
        try:
            while item := next((item for item in self._updates.waiting() if item.lane == lane), None):
                await self._deliver(target, item, session)
        finally:
            target.busy.discard(lane)

    async def _deliver(self, target: Target, item: PendingUpdate, session: aiohttp.ClientSession) -> None:
        """Repeat the delivery of an update until the bot takes it or it expires."""
        failures = 0
        while item in self._updates.waiting():
            async with self._slots:
                pause = await self._attempt(target, item, session)
            if pause is None:
                self._updates.confirm([item])
                return
            longest = self._random.uniform(*MAX_PAUSE)
            backoff = 0.0 if failures == 0 else min(2.0**failures, longest)
            failures += 1
            self._hub.touch()
            await self._clock.sleep(max(pause, backoff))

    async def _attempt(self, target: Target, item: PendingUpdate, session: aiohttp.ClientSession) -> float | None:
        """Post an update once. Returns None if the bot took it, else for how many seconds it asked to wait."""
        headers = {HEADER: target.secret} if target.secret else {}
        try:
            async with session.post(target.url, json=item.body, headers=headers, allow_redirects=False) as response:
                await response.read()
                if 200 <= response.status < 300:
                    target.gone_since = None
                    await self._carry_out(response)
                    return None
                self._failed(target, f"Wrong response from the webhook: {response.status} {response.reason}")
                self._gone(target, response.status)
                return _retry_after(response.headers.get("Retry-After", ""))
        except TimeoutError:
            self._failed(target, "Read timeout expired")
        except aiohttp.ClientError as error:
            refused = isinstance(error, aiohttp.ClientConnectorError)
            self._failed(target, "Connection refused" if refused else "Connection reset by peer")
        return 0.0

    async def _carry_out(self, response: aiohttp.ClientResponse) -> None:
        """Carry out the method in the bot's answer, if there is one. Its result is not sent anywhere."""
        if response.content_type != "application/json":
            return
        try:
            body = loads(await response.read())
        except ValueError:
            return
        if isinstance(body, dict) and isinstance(body.get("method"), str):
            await self.execute(body)

    def _failed(self, target: Target, reason: str) -> None:
        target.reason, target.failed_at = reason, self._clock.time()

    def _gone(self, target: Target, status: int) -> None:
        """Remove the webhook after it answered 410 for 23 h."""
        now = self._clock.monotonic()
        if status != 410:
            target.gone_since = None
        elif target.gone_since is None:
            target.gone_since = now
        elif now - target.gone_since >= GONE_FOR:
            self._target = None
            self._updates.webhook_active = False
            self._spawn(self.close())


async def _ignore(_body: Json) -> None:
    pass


def _retry_after(header: str) -> float:
    return min(float(header), MAX_RETRY_AFTER) if header.isdigit() else 0.0
