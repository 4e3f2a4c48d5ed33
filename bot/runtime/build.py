"""Build a `Bot` from settings: opens what it needs, and closes it again. Next read `wiring.py`, which connects the
parts.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from bot.clock import Clock, SystemClock
from bot.concurrency.lease import Tasks
from bot.config.settings import Settings, has_key
from bot.errors import BotError, ConfigError
from bot.extension import Extension, Running
from bot.llm.routing import Routing
from bot.ports import ProcessRole
from bot.prompts.library import Library
from bot.providers.yandex.service import YandexStudio
from bot.runtime import cluster, models
from bot.runtime.bot import Bot, Placement
from bot.runtime.models import AsyncModels, Models
from bot.runtime.optional.evaluation import evaluation_watch, instance_watch
from bot.runtime.optional.model_watch import model_watch
from bot.runtime.optional.program import rehearsing
from bot.runtime.parts import Answering, Given, Ground
from bot.runtime.resources import SharedResources
from bot.runtime.wiring import answering_of, ground_of, wire
from bot.storage.engines.urls import is_sqlite
from bot.storage.mailboxes import StoredRouterStates
from bot.storage.store import Store
from bot.telegram.client.api import Api
from bot.telegram.receiving.aiogram_routers import Routers, mounted
from bot.texts import added
from bot.texts.catalog import spoken
from bot.tools import mcp
from bot.tools.tool import Tool

if TYPE_CHECKING:
    from bot.storage.cluster.shared_semaphore import SharedSemaphore


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """What a test uses instead of AI Studio's models and of random numbers. `tools` are added to those of the settings;
    `later` replaces the asynchronous models.
    """

    routing: Routing | None = None
    later: AsyncModels | None = None
    tools: Sequence[Tool] = ()
    seed: int | None = None


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    extension: Extension | None = None,
    role: ProcessRole = ProcessRole.ALL,
    shared: bool | None = None,
    process: SharedResources | None = None,
    instead: Instead | None = None,
) -> AsyncIterator[Bot]:
    """Open everything that a bot is made of, and close it when the block is left. Raises `ConfigError`.

    Leaving the block cancels whatever still runs; `Bot.run` inside it is the orderly way to stop. `extension`: what a
    programmer has added. `shared`: other processes may work for the same bot; by default True on PostgreSQL. `process`:
    what this bot shares with other bots of this process.
    """
    mcp.check(settings.mcp_servers)
    extension, instead = extension or Extension(), instead or Instead()
    shared = not is_sqlite(settings.database_url) if shared is None else shared
    if extension.ai.only_models or not (role.works or has_key(settings)):  # no request is sent with the key
        settings = settings.model_copy(update={"yc_api_key": SecretStr("none")})
    texts = added.read(extension.texts)
    async with AsyncExitStack() as stack:
        stack.enter_context(spoken(texts))
        added.report(texts)
        if process is None:
            process = await stack.enter_async_context(SharedResources.open(settings, clock or SystemClock()))
        places = cluster.places(settings, process.clock) if shared else None
        chosen = _models(settings, process, extension, instead, places)
        # The database comes after all that may be wrong in the settings: a start that is refused changes nothing.
        store = await process.store()
        if (own := extension.program.data).metadata is not None:
            from bot.runtime.optional import own_tables

            await own_tables.prepare(store, own.metadata, own.migrations)
        async with _client(settings, process) as api, _tasks() as tasks:
            given = Given(
                settings=settings,
                store=store,
                process=process,
                api=api,
                models=chosen,
                added=extension.with_tools(instead.tools),
                placement=Placement(tasks=tasks, role=role, shared=shared),
            )
            bot = wire(given, await _routers(api, store, extension, role, stack))
            if settings.check_at_start and role.works and not extension.ai.only_models:
                tasks.create_task(model_watch(bot, given).run(), name="models of the folder")
            if settings.has_instances and role.works:
                tasks.create_task(instance_watch(bot, given).run(), name="instances")
            if settings.eval_cases is not None and role.works:
                apart = partial(_apart, process=process, extension=extension, instead=instead, beside=bot.running)
                watch = evaluation_watch(bot, given, Library(settings.prompts_dir, settings.system_prompt), apart)
                bot.led["evaluation"] = watch.run
            if places is not None and role.works:
                bot.background.append(tasks.create_task(places.run(), name="places at the model"))
            await bot.joining.open(partial(cluster.first_code, settings) if shared else None)
            async with bot.around():
                yield bot


def _apart(
    settings: Settings,
    bot: int,
    *,
    process: SharedResources,
    extension: Extension,
    instead: Instead,
    beside: Running[Any],
) -> AbstractAsyncContextManager[tuple[Ground, Answering]]:
    return answering_apart(settings, bot, process, extension, instead, beside)


@asynccontextmanager
async def answering_apart(
    settings: Settings,
    bot: int,
    process: SharedResources,
    extension: Extension | None = None,
    instead: Instead | None = None,
    beside: Running[Any] | None = None,
) -> AsyncIterator[tuple[Ground, Answering]]:
    """The parts with which a bot answers, beside the bot itself: for cases that are asked again. They take no updates,
    run no jobs and send nothing, nor does `App.current`. `beside`: the bot that runs in this process, if one does.
    Raises `ConfigError`.
    """
    extension = extension or Extension()
    if extension.ai.only_models:
        settings = settings.model_copy(update={"yc_api_key": SecretStr("none")})
    nobody = settings.model_copy(update={"bot_token": SecretStr(f"{bot}:nobody")})
    try:
        async with _client(nobody, process) as api, _tasks() as tasks:
            given = Given(
                settings=settings,
                store=await process.store(),
                process=process,
                api=api,
                models=_models(settings, process, extension, instead or Instead(), None),
                added=extension,
                placement=Placement(tasks=tasks, role=ProcessRole.WEBHOOK),
            )
            ground = ground_of(given)
            await ground.people.directory.load()
            answering = answering_of(given, ground)
            async with rehearsing(given, ground, beside):
                yield ground, answering
    except BaseExceptionGroup as group:  # what the block raises is its own, and no failure of a task
        if len(group.exceptions) == 1 and isinstance(group.exceptions[0], BotError):
            raise group.exceptions[0] from None
        raise


def _models(
    settings: Settings, process: SharedResources, extension: Extension, instead: Instead, places: SharedSemaphore | None
) -> Models:
    chance = random.Random(instead.seed)  # noqa: S311  seeds of pictures and jitter, no secrets
    studio = YandexStudio(
        settings=models.for_studio(settings, extension),
        http=process.http,
        clock=process.clock,
        random=chance,
        metrics=process.metrics,
        gauge=places,
    )
    routing = models.offered(settings, studio, process.clock, extension, instead.routing)
    return Models(
        studio=studio,
        routing=routing,
        helper=models.helper_model(settings, studio, extension),
        async_models=instead.later or models.async_models(studio, extension),
        images={} if extension.ai.only_models else studio.image_models(),
        chance=chance,
    )


@asynccontextmanager
async def _client(settings: Settings, process: SharedResources) -> AsyncIterator[Api]:
    token, proxy = settings.bot_token.get_secret_value(), settings.telegram_proxy.get_secret_value()
    api = Api(
        token=token,
        url=settings.telegram_api_url,
        proxy=proxy,
        metrics=process.metrics,
        tracer=process.tracer,
    )
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def _tasks() -> AsyncIterator[Tasks]:
    """A task group that at its end cancels what was not stopped: every state that matters is in the database.

    What is wrong in the settings or in a programmer's code (`ConfigError`) is raised as it is, not in a group.
    """
    try:
        async with Tasks() as tasks:
            yield tasks
            raise _End
    except BaseExceptionGroup as group:
        if (wrong := group.subgroup(ConfigError)) is not None:
            raise _first(wrong) from None
        if (failed := group.split(_End)[1]) is not None:
            raise failed from None


def _first(group: BaseExceptionGroup[ConfigError]) -> ConfigError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _routers(
    api: Api, store: Store, extension: Extension, role: ProcessRole, stack: AsyncExitStack
) -> Routers | None:
    own = extension.handlers
    if not own.routers:
        return None
    own.dispatcher = own.dispatcher or mounted(own.routers, own.router_states)
    routers = Routers(api=api, dispatcher=own.dispatcher, states=StoredRouterStates(store))
    stack.push_async_callback(routers.close)
    if role.works:
        await routers.start()
    return routers


class _End(Exception):
    """Ends a task group: what still runs in it is cancelled."""
