"""Opens what a command of `govorun` works with, beside a bot that may run. Begin with `open_workspace`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bot.access.policy import Access
from bot.billing.budget import BotBudget, Everybody
from bot.billing.metering import Meter
from bot.billing.pricing import shown
from bot.clock import Clock, SystemClock
from bot.concurrency.allocator import return_freed_memory
from bot.concurrency.child_pool import ChildPool
from bot.config.settings import Settings, has_key
from bot.errors import ConfigError
from bot.extension import Extension
from bot.http.client import Http
from bot.knowledge.base import KnowledgeBase
from bot.ports import Agree, Say
from bot.providers.yandex.service import YandexStudio
from bot.runtime.models import Embedders
from bot.runtime.resources import SharedResources
from bot.storage.engines.sqlite_files import alone
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations
from bot.storage.store import Store

if TYPE_CHECKING:
    from bot.evaluation.evaluation import Evaluation
    from bot.runtime.build import Instead
    from bot.runtime.optional.evaluation import Apart, Beside


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a command asks over the network."""

    settings: Settings
    http: Http
    clock: Clock

    @cached_property
    def is_keyed(self) -> bool:
        """Whether there is a key of AI Studio."""
        return has_key(self.settings)

    @cached_property
    def studio(self) -> YandexStudio:
        """AI Studio. Raises `ConfigError` without a key."""
        return self._studio(self.settings)

    @cached_property
    def embedders(self) -> Embedders:
        """Makes embedders; without a key those of other servers and of this machine."""
        keyless = self.settings.model_copy(update={"yc_api_key": SecretStr("none")})
        studio = self.studio if self.is_keyed else self._studio(keyless)
        return Embedders(settings=self.settings, studio=studio, is_keyed=self.is_keyed)

    def _studio(self, settings: Settings) -> YandexStudio:
        return YandexStudio(settings=settings, http=self.http, clock=self.clock, random=Random())  # noqa: S311


@dataclass(frozen=True, kw_only=True)
class Workspace(Services):
    """What a command works with for one bot, which may run meanwhile, and the terminal of whoever has called it."""

    bot: int
    store: Store
    files: ChildPool
    say: Say
    agree: Agree

    def format_price(self, amount: int) -> str:
        """Return an amount (millionths) in the currency of the settings."""
        return shown("en", amount, self.settings.currency)

    @cached_property
    def budget(self) -> BotBudget:
        """The budgets of the whole bot: what a command spends is no person's."""
        return BotBudget.from_settings(self.settings, Access(), Everybody())

    @cached_property
    def knowledge(self) -> KnowledgeBase:
        """The knowledge base of the bot. Raises `ConfigError` where the embedder of the settings can't be had."""
        return_freed_memory()
        embedder, prices = self.embedders.chosen()
        base = KnowledgeBase(
            store=self.store,
            bot=self.bot,
            files=self.files,
            cache=self.settings.knowledge_cache,
            embedder=embedder,
            meter=Meter(store=self.store, tariffs=prices, budget=self.budget),
            former=self.embedders.others(),
        )
        base.reads_hidden = self.settings.read_hidden
        base.vector_stores = self.studio.vector_stores() if self.is_keyed else None
        return base


@asynccontextmanager
async def open_services(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Services]:
    """Open what needs no database. Raises `ConfigError` for a proxy that can't be used."""
    async with Http(direct=[settings.yc_metadata_addr]) as http:
        yield Services(settings=settings, http=http, clock=clock or SystemClock())


@asynccontextmanager
async def open_workspace(
    settings: Settings, bot: int, say: Say, agree: Agree, clock: Clock | None = None
) -> AsyncIterator[Workspace]:
    """Open the database too, beside the bot if it runs. Raises `ConfigError` for another schema than its."""
    async with _beside(settings, clock) as (process, _):
        yield Workspace(
            settings=settings,
            http=process.http,
            clock=process.clock,
            bot=bot,
            store=await process.store(),
            files=process.files,
            say=say,
            agree=agree,
        )


@asynccontextmanager
async def open_evaluation(
    settings: Settings, bot: int, beside: Beside, extension: Extension | None = None, clock: Clock | None = None
) -> AsyncIterator[Evaluation]:
    """Open the parts with which a bot answers, for cases that are asked again. Raises as `open_workspace`."""
    from bot.runtime.optional import own_tables
    from bot.runtime.optional.evaluation import evaluation_of

    own = (extension or Extension()).program.data
    async with _beside(settings, clock) as (process, is_alone):
        if is_alone and own.metadata is not None:
            await own_tables.prepare(await process.store(), own.metadata, own.migrations)
        async with evaluation_of(settings, bot, beside, apart(process, extension)) as evaluation:
            yield evaluation


def apart(process: SharedResources, extension: Extension | None = None, instead: Instead | None = None) -> Apart:
    """What makes the parts that answer, beside a bot that may run in this process. `instead` is for tests."""
    from bot.runtime.build import answering_apart

    return lambda settings, bot: answering_apart(settings, bot, process, extension, instead)


@asynccontextmanager
async def _beside(settings: Settings, clock: Clock | None) -> AsyncIterator[tuple[SharedResources, bool]]:
    """What a process shares, and whether no other one works with its SQLite file. A schema that a running bot does not
    know would end it: then `ConfigError` is raised.
    """
    url = settings.database_url
    async with AsyncExitStack() as stack:
        is_alone = is_sqlite(url)
        try:
            stack.enter_context(alone(url))
        except ConfigError:
            is_alone = False
            await migrations.insist(url)
        process = await stack.enter_async_context(SharedResources.open(settings, clock or SystemClock()))
        yield process, is_alone
