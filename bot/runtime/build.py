"""The composition: settings -> `Bot`. The only place that chooses implementations; read it second.

Telegram (intake) -> door -> in order -> boundary -> admit -> commands -> chat -> model
                                                                    -> outbox -> Telegram (delivery)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr

from bot.access.directory import MemberDirectory
from bot.access.members import Members
from bot.access.onboarding import Joining
from bot.access.policy import Access
from bot.access.rights import Rights
from bot.ai import AsyncModel, ImageModel
from bot.billing.allowances import Allowances
from bot.billing.budget import Budget
from bot.billing.metering import Meter
from bot.billing.usage import Accounts
from bot.clock import Clock, SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.concurrency.lease import Tasks
from bot.config.settings import Settings, has_key
from bot.conversation.assistant import Assistant
from bot.conversation.conversation_list import ChatList
from bot.conversation.cost import Pricing
from bot.conversation.helper_model import HelperModel
from bot.conversation.memory import Context
from bot.conversation.price_confirmation import Confirming
from bot.conversation.request import RequestBuilder
from bot.conversation.tool_approval import Taps
from bot.conversation.turn_start import TurnStart
from bot.dispatch.custom_commands import Extending
from bot.dispatch.pipeline import MOST_ATTEMPTS, MOST_OF_MANY, Admission, ConversationQueue, ErrorBoundary, Throttle
from bot.dispatch.queue_notice import Waiting
from bot.dispatch.router import Commands
from bot.extension import Extension
from bot.feature import Feature, joined
from bot.features import web_search
from bot.features.deferred_answers import KIND as LATER
from bot.features.deferred_answers import DeferredAnswers
from bot.features.feedback import Opinions
from bot.features.image_generation import Images
from bot.features.personas import Personas
from bot.features.privacy import Privacy
from bot.features.prompt_improver import Improving
from bot.features.reminders import Reminders
from bot.features.settings_menu import Choosing
from bot.features.task_list import Orders
from bot.features.templates import Writing
from bot.features.web_search import Searching
from bot.jobs.worker import Jobs
from bot.knowledge.documents import Documents
from bot.llm.circuit_breaker import CircuitBreaker
from bot.llm.routing import ModelOption, Routing
from bot.media.attachments import Attached
from bot.media.voice import Voice
from bot.ports import ProcessRole
from bot.prompts.library import Library
from bot.providers import catalog
from bot.providers.yandex.service import YandexStudio
from bot.runtime import cluster, options
from bot.runtime.bot import Bot
from bot.runtime.resources import Process
from bot.storage.engines.sqlite_files import home
from bot.storage.engines.urls import is_sqlite
from bot.storage.mailboxes import StoredInbox, StoredOutbox
from bot.storage.store import Store
from bot.telegram.client.api import Api
from bot.telegram.receiving.aiogram_routers import Routers, mounted
from bot.telegram.receiving.webhook_server import Hooks
from bot.telegram.transport import Telegram
from bot.telemetry.incidents import IncidentLog, path_beside
from bot.telemetry.turn_log import TurnLogs
from bot.tools import calculator, current_time, mcp
from bot.tools.mcp import McpServer
from bot.tools.tool import Tool
from bot.tools.toolbox import Toolbox


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    seed: int | None = None,
    routing: Routing | None = None,
    tools: Sequence[Tool] = (),
    later: Callable[[str], AsyncModel | None] | None = None,
    extension: Extension | None = None,
    role: ProcessRole = ProcessRole.ALL,
    shared: bool | None = None,
    process: Process | None = None,
) -> AsyncIterator[Bot]:
    """Everything a bot is made of, opened; closed again when the block is left. Raises `ConfigError`.

    What runs in the background is cancelled when the block ends: `Bot.run` inside it is the orderly way to stop.
    `routing` offers other models than the settings name, `later` other asynchronous modes of them; `tools` are yours,
    beside those of the settings; `extension` is all that a programmer has added. `shared`: other processes may work for
    the same bot, as they always may on PostgreSQL. `process` is what it has together with other bots of this one.
    """
    mcp.check(settings.mcp_servers)
    extension = extension or Extension()
    chance = random.Random(seed)  # noqa: S311  seeds of pictures and jitter, no secrets
    shared = not is_sqlite(settings.database_url) if shared is None else shared
    if extension.only_models or not (role.works or has_key(settings)):  # nobody is asked with it
        settings = settings.model_copy(update={"yc_api_key": SecretStr("none")})
    async with AsyncExitStack() as stack:
        if process is None:
            process = await stack.enter_async_context(Process.open(settings, clock or SystemClock()))
        clock = process.clock
        gauge = cluster.places(settings, clock) if shared else None
        studio = YandexStudio(settings, process.http, clock, chance, process.metrics, gauge)
        routing = _routing(settings, studio, clock, extension, routing)
        painter = None if extension.only_models else studio.art()
        # The database comes after all that may be wrong in the settings: a start that is refused changes nothing.
        store = await process.store()
        async with _client(settings, process) as api, _tasks() as tasks:
            toolbox = _tools(settings, clock, tasks, [*tools, *extension.tools])
            routers = _routers(api, extension, stack)
            app = wire(
                Given(
                    settings, store, studio, routing, painter, api, clock, chance, tasks, process.hooks, process.files,
                    toolbox, later or _modes(studio, extension), extension, routers, role, shared,
                )
            )  # fmt: skip
            if gauge is not None and role.works:
                app.background.append(tasks.create_task(gauge.run(), name="gauge"))
            await app.joining.open(partial(cluster.first_code, settings) if shared else None)
            yield app


@asynccontextmanager
async def _client(settings: Settings, process: Process) -> AsyncIterator[Api]:
    token, proxy = settings.bot_token.get_secret_value(), settings.telegram_proxy.get_secret_value()
    api = Api(token, settings.telegram_api_url, proxy, process.metrics, process.tracer)
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def _tasks() -> AsyncIterator[Tasks]:
    """What was not stopped in order is cancelled: every state that matters is in the database."""
    try:
        async with Tasks() as tasks:
            yield tasks
            raise _End
    except* _End:
        pass


@dataclass(frozen=True, slots=True)
class Given:
    """What a bot is made from. `modes` are the asynchronous modes of the models, by name; `shared`: other processes may
    work for the same bot.
    """

    settings: Settings
    store: Store
    studio: YandexStudio
    routing: Routing
    painter: ImageModel | None
    api: Api
    clock: Clock
    chance: random.Random
    tasks: asyncio.TaskGroup
    hooks: Hooks
    files: ChildPool
    toolbox: Toolbox = field(default_factory=Toolbox)
    modes: Callable[[str], AsyncModel | None] = lambda _name: None
    extension: Extension = field(default_factory=Extension)
    routers: Routers | None = None
    role: ProcessRole = ProcessRole.ALL
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """What several features share."""

    telegram: Telegram
    roll: MemberDirectory
    access: Access
    budget: Budget
    purse: Meter
    jobs: Jobs
    library: Library
    incidents: IncidentLog
    joining: Joining
    voice: Voice
    documents: Documents
    opinions: Opinions
    chat: Assistant


def wire(given: Given) -> Bot:
    settings, store, clock = given.settings, given.store, given.clock
    turns = TurnLogs(clock, given.api.metrics, given.api.tracer, settings.log_content)
    parts = _parts(given)
    chat, jobs, incidents, joining, roll = parts.chat, parts.jobs, parts.incidents, parts.joining, parts.roll

    def works_for(user: int) -> bool:
        return handler.works_for(user)

    waiting = Waiting(store, clock, parts.telegram, given.tasks, settings.queue_notice, chat.stop, jobs.wake)
    features = [*_features(given, parts, works_for), waiting.feature()]
    jobs.kinds.update(joined(features).jobs)
    attached, feed = (
        Attached(store, chat, parts.documents, parts.voice, given.files),
        given.routers.feed if given.routers else None,
    )
    commands = Commands(store, chat, parts.access, attached, features, roll.load, parts.opinions.reaction, feed)
    admit = Admission(commands, parts.access, joining.refuse)
    boundary = ErrorBoundary(admit, store, incidents, MOST_OF_MANY if given.shared else MOST_ATTEMPTS)
    waiting.queue = handler = ConversationQueue(
        boundary, given.tasks, turns, chat.outdate, waiting.queued, waiting.empty
    )
    door = Throttle(handler, store, clock, given.tasks, parts.access, options.limits(settings), incidents)
    engine = cluster.engine(settings, store, handler, jobs, clock, given.api.id, joining.look, shared=given.shared)
    return Bot(
        settings, store, parts.telegram, commands, door, handler, jobs, clock, given.tasks, asyncio.Event(),
        engine, given.role, given.shared, given.api.metrics, turns, given.studio.outage, joining,
    )  # fmt: skip


def _parts(given: Given) -> Parts:
    settings, store, clock, studio, tasks = given.settings, given.store, given.clock, given.studio, given.tasks
    how = options.telegram(settings, given.routers)
    telegram = Telegram(given.api, StoredInbox(store), StoredOutbox(store), clock, tasks, given.hooks, how)
    roll, jobs = MemberDirectory(store, given.api.id), Jobs(store, clock, given.api.id, tracer=given.api.tracer)
    access = Access(settings.access == "open", frozenset(settings.owners), roll)
    budget, library = options.budget(settings, access, roll), Library(settings.prompts_dir)
    purse = Meter(store, budget, options.tariffs(settings))
    incidents = IncidentLog(clock, path_beside(home(settings.database_url)))
    documents = Documents(store, purse, studio.embeddings())
    how_to_answer = options.chat(settings)
    asking = RequestBuilder(how_to_answer, given.toolbox)
    pricing = Pricing(store, given.routing, asking, budget, documents, given.modes)
    questions = TurnStart(store, given.routing, pricing, how_to_answer, library)
    chat = Assistant(
        store, given.routing, clock, how_to_answer, given.toolbox, asking, pricing, questions, documents, jobs.wake,
        incidents,
    )  # fmt: skip
    return Parts(
        telegram, roll, access, budget, purse, jobs, library, incidents,
        Joining(store, access, roll, Rights(access), clock, telegram, tasks, settings.greeting, library),
        Voice(store, clock, telegram, studio.listener(), studio.speaker(), jobs.wake, purse, settings.speech_seconds),
        documents, Opinions(store, settings.system_prompt), chat,
    )  # fmt: skip


def _features(given: Given, parts: Parts, works_for: Callable[[int], bool]) -> list[Feature]:
    settings, store, clock, studio, extension = given.settings, given.store, given.clock, given.studio, given.extension
    telegram, chat, budget, library, wake = parts.telegram, parts.chat, parts.budget, parts.library, parts.jobs.wake
    helper = extension.models[0].model if extension.only_models else studio.text(settings.helper_model)
    aside = HelperModel(store, helper, budget)
    postponing = DeferredAnswers(
        store, given.routing, given.modes, clock, telegram, wake, parts.incidents, budget, options.later(settings)
    )
    titles = {offer.name: offer.title for offer in given.routing.offers}
    orders = Orders(store, clock, {LATER: postponing.withdraw})
    images = Images(
        store, given.painter, clock, telegram, given.chance, wake, budget, options.picture(settings),
        Improving(store, given.routing, budget), settings.image_improve,
    )  # fmt: skip
    reminders = Reminders(store, clock, telegram, wake)
    if "reminders" in settings.tools:
        given.toolbox.add(reminders.tool())
    searcher = studio.search() if "search" in settings.tools else None
    for tool in web_search.tools(searcher, parts.purse) if searcher else ():
        given.toolbox.add(tool)
    return [
        images.feature(),
        Choosing(store, given.routing, settings.streaming, library).feature(),
        ChatList(store, telegram, aside).feature(),
        Context(store, given.routing, aside, settings.system_prompt, chat.options.history, library).feature(),
        Personas(store, chat, library).feature(),
        Writing(store, chat, library).feature(),
        postponing.feature(),
        orders.feature(),
        parts.voice.feature(),
        Searching(store, searcher, parts.purse).feature(),
        Confirming(store, chat).feature(),
        Taps(store, chat).feature(),
        reminders.feature(),
        parts.opinions.feature(),
        Accounts(store, parts.access, clock, settings.currency, titles).feature(),
        Allowances(store, parts.access, parts.roll, budget, clock, settings.currency).feature(),
        Privacy(store, clock, telegram, wake, chat.leave, works_for, orders.leave).feature(),
        parts.joining.feature(),
        Members(store, parts.access, parts.roll, parts.joining.rights, telegram.link, parts.joining.deliver).feature(),
        Extending(store, extension.commands).feature(),
    ]


def _modes(studio: YandexStudio, extension: Extension) -> Callable[[str], AsyncModel | None]:
    """The asynchronous modes of AI Studio's models; a programmer's own have none."""
    own = {one.name for one in extension.models}
    return lambda name: None if extension.only_models or name in own else studio.later(name)


def _offers(settings: Settings, studio: YandexStudio, clock: Clock) -> Sequence[ModelOption]:
    names = [(entry.name, entry.title) for entry in catalog.choices(settings.models)]
    if settings.model not in [name for name, _ in names]:
        names = [(settings.model, settings.model), *names]
    names = sorted(names, key=lambda row: row[0] != settings.model)
    return [ModelOption(name, title, CircuitBreaker(studio.text(name), clock)) for name, title in names]


def _routing(
    settings: Settings, studio: YandexStudio, clock: Clock, extension: Extension, given: Routing | None
) -> Routing:
    """The programmer's own models first: code counts more than settings."""
    offered = given.offers if given else () if extension.only_models else _offers(settings, studio, clock)
    own = [ModelOption(one.name, one.title, CircuitBreaker(one.model, clock)) for one in extension.models]
    names = {offer.name for offer in own}
    return Routing([*own, *(offer for offer in offered if offer.name not in names)])


def _tools(settings: Settings, clock: Clock, tasks: asyncio.TaskGroup, own: Sequence[Tool]) -> Toolbox:
    """Those that need nothing; `_features` adds the others."""
    made: dict[str, Callable[[], list[Tool]]] = {
        "time": lambda: [current_time.tool()],
        "calculator": lambda: [calculator.tool()],
    }
    return Toolbox(
        [*(tool for name in dict.fromkeys(settings.tools) if name in made for tool in made[name]()), *own],
        [McpServer(entry, clock, tasks) for entry in settings.mcp_servers],
    )


def _routers(api: Api, extension: Extension, stack: AsyncExitStack) -> Routers | None:
    if not extension.routers:
        return None
    extension.dispatcher = extension.dispatcher or mounted(extension.routers)
    routers = Routers(api, extension.dispatcher)
    stack.push_async_callback(routers.close)
    return routers


class _End(Exception):
    """Ends a task group: what still runs in it is cancelled."""
