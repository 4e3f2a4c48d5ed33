"""The composition: settings -> `App`. The only place that chooses implementations; read it second.

Telegram (intake) -> in order -> boundary -> admit -> commands -> chat -> model
                                                                    -> outbox -> Telegram (delivery)
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.chat import Chat
from bot.chat import Options as ChatOptions
from bot.clock import Clock, SystemClock
from bot.commands import Commands, menu
from bot.errors import StorageUnavailable
from bot.http import Http
from bot.images import KIND, Images
from bot.jobs import Jobs
from bot.middleware import Admit, Boundary, InOrder
from bot.models.yandex.service import YandexStudio
from bot.routing import Offer, Routing
from bot.settings import Settings
from bot.storage.boxes import StoredInbox, StoredOutbox
from bot.storage.store import Store, Tx
from bot.telegram.api import Api
from bot.telegram.transport import Options as TelegramOptions
from bot.telegram.transport import Telegram
from bot.types import Painter

log = logging.getLogger(__name__)

SWEEP = 3600.0  # seconds between clean-ups


@dataclass(slots=True)
class App:
    """A bot that is built. `run` works until it is cancelled or `stop` was called; then it drains and returns."""

    settings: Settings
    store: Store
    telegram: Telegram
    handler: InOrder
    jobs: Jobs
    clock: Clock
    tasks: asyncio.TaskGroup
    stopping: asyncio.Event

    async def run(self) -> None:
        draws = bool(self.settings.image_model)
        menus = {"": menu("en", images=draws), "ru": menu("ru", images=draws)}
        background = [self.tasks.create_task(self.jobs.run()), self.tasks.create_task(self._sweep())]
        await self.telegram.start(self.handler, menus)
        await self.stopping.wait()
        await self.telegram.stop_intake()
        await self.handler.drain(self.settings.shutdown_grace)
        await self.store.write(lambda tx: tx.updates.park(self.telegram.api.id))
        for task in background:
            task.cancel()

    def stop(self) -> None:
        """Take nothing new, let running answers finish, park the rest in the database."""
        self.stopping.set()

    async def _sweep(self) -> None:
        while True:
            before = self.clock.time() - self.settings.update_days * 86_400

            async def work(tx: Tx, before: float = before) -> None:
                await tx.updates.forget(before)
                await tx.buttons.sweep()

            try:
                await self.store.write(work)
            except StorageUnavailable as error:  # it can wait for the next time
                log.warning("nothing was cleaned up: %s", error)
            await self.clock.sleep(SWEEP)


@asynccontextmanager
async def build(settings: Settings, *, clock: Clock | None = None, seed: int | None = None) -> AsyncIterator[App]:
    """Everything a bot is made of, opened; closed again when the block is left. Raises `ConfigError`.

    What runs in the background is cancelled when the block ends: `App.run` inside it is the orderly way to stop.
    """
    clock = clock or SystemClock()
    chance = random.Random(seed)  # noqa: S311  seeds of pictures and jitter, no secrets
    async with Store.open(settings.database_url, clock) as store, Http(direct=[settings.yc_metadata_addr]) as http:
        api = Api(
            settings.bot_token.get_secret_value(), settings.telegram_api_url, settings.telegram_proxy.get_secret_value()
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                app = _wire(settings, store, http, api, clock, chance, tasks)
                try:
                    yield app
                finally:  # what was not stopped in order is parked: every state that matters is in the database
                    tasks.create_task(_end())
        except* _End:
            pass
        finally:
            await api.close()


def _wire(
    settings: Settings,
    store: Store,
    http: Http,
    api: Api,
    clock: Clock,
    chance: random.Random,
    tasks: asyncio.TaskGroup,
) -> App:
    studio = YandexStudio(settings, http, clock, chance)
    telegram = Telegram(api, StoredInbox(store), StoredOutbox(store), clock, tasks, _telegram(settings))
    painter: Painter | None = studio.art()
    images = Images(store, painter, clock, telegram, chance)
    jobs = Jobs(store, clock, api.id, {KIND: images.draw})
    chat = Chat(store, _routing(settings, studio), clock, _chat(settings))
    commands = Commands(store, chat, images, settings.streaming, jobs.wake)
    admit = Admit(commands, store, is_open=settings.access == "open", owners=settings.owners)
    handler = InOrder(Boundary(admit, store, clock), tasks)
    return App(settings, store, telegram, handler, jobs, clock, tasks, asyncio.Event())


def _routing(settings: Settings, studio: YandexStudio) -> Routing:
    names = [(entry.name, entry.title or entry.name) for entry in settings.models] or DEFAULT_MODELS
    if settings.model not in [name for name, _ in names]:
        names = [(settings.model, settings.model), *names]
    names = sorted(names, key=lambda row: row[0] != settings.model)
    return Routing([Offer(name, title, studio.text(name)) for name, title in names])


def _chat(settings: Settings) -> ChatOptions:
    return ChatOptions(
        system=settings.system_prompt,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        deadline=settings.answer_deadline,
    )


def _telegram(settings: Settings) -> TelegramOptions:
    return TelegramOptions(
        streaming=settings.streaming,
        rich=settings.rich_messages,
        rate=settings.telegram_rate,
        chat_rate=settings.telegram_chat_rate,
        webhook_url=settings.webhook_url,
        webhook_secret=settings.webhook_secret.get_secret_value(),
        webhook_host=settings.webhook_host,
        webhook_port=settings.webhook_port,
    )


class _End(Exception):
    """Ends a task group: what still runs in it is cancelled."""


async def _end() -> None:
    raise _End


DEFAULT_MODELS = [("yandexgpt", "YandexGPT Pro"), ("yandexgpt-lite", "YandexGPT Lite")]
