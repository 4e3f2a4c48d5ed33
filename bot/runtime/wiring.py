"""The composition: connects all parts of a bot, and is the only place that chooses implementations. Read it second.

Telegram (intake) -> throttle -> queue -> error boundary -> admission -> router -> a feature, or the assistant -> model
                                                                     -> outbox -> Telegram (delivery)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from bot.billing.budget import settle_interrupted
from bot.conversation.answer_writer import AnswerWriter
from bot.conversation.assistant import Assistant
from bot.conversation.commands import ConversationCommands
from bot.conversation.conversation_list import ConversationList
from bot.conversation.cost import AnswerCost
from bot.conversation.helper_model import HelperModel
from bot.conversation.memory import ConversationMemory, none_withdrawn
from bot.conversation.price_confirmation import PriceConfirmation
from bot.conversation.request import Options as AnswerOptions
from bot.conversation.request import RequestBuilder
from bot.conversation.tool_approval import ToolApproval
from bot.conversation.turn_start import TurnStart
from bot.core import Core
from bot.dispatch.admission import Admission
from bot.dispatch.chat_events import ChatEvents
from bot.dispatch.conversation_queue import ConversationQueue
from bot.dispatch.error_boundary import MOST_ATTEMPTS, MOST_OF_MANY, ErrorBoundary
from bot.dispatch.fallback import Fallback
from bot.dispatch.help import Help
from bot.dispatch.lanes import Lanes
from bot.dispatch.pipeline import Layer, pipeline
from bot.dispatch.questions import Questions
from bot.dispatch.queue_notice import QueueNotice
from bot.dispatch.router import Router, Take
from bot.dispatch.throttle import Throttle, TurnAway
from bot.dispatch.whispers import Whispers
from bot.features import web_search
from bot.features.broadcast import Broadcast
from bot.features.deferred_answers import KIND as LATER
from bot.features.feedback import Feedback
from bot.features.personas import Personas
from bot.features.reminders import Reminders
from bot.features.settings_panel import SettingsPanel
from bot.features.task_list import TaskList
from bot.features.templates import Templates
from bot.features.user_templates import UserTemplates
from bot.features.web_search import WebSearch
from bot.handlers import Handlers, joined
from bot.jobs.failures import FailureNotice
from bot.jobs.worker import JobWorker
from bot.knowledge.documents import Documents
from bot.media.attachments import Attachments
from bot.media.voice import Voice
from bot.outbox import public_fallback
from bot.ports import SendQuota
from bot.prompts.library import Library
from bot.runtime import cluster
from bot.runtime.bot import Bot, Inbound, Signs
from bot.runtime.knowledge import (
    answers_of_turns,
    dislikes,
    knowledge_base,
    knowledge_features,
    question_rewriter,
    topic_chooser,
    topic_features,
)
from bot.runtime.optional.batch import batch_watch
from bot.runtime.optional.custom import custom_parts, offered
from bot.runtime.optional.desk import DeskParts, desk_of, desk_parts, desk_tools, missed, ownership
from bot.runtime.optional.evaluation import evaluation_features
from bot.runtime.optional.operations import deferred_answers, image_generation
from bot.runtime.optional.program import host, naming, own_jobs, running_bot, transports
from bot.runtime.parts import Answering, Given, Ground, People
from bot.runtime.people import people_features, people_of
from bot.storage.engines.sqlite_files import home
from bot.storage.mailboxes import StoredInbox, StoredOutbox
from bot.telegram.receiving.aiogram_routers import Routers
from bot.telegram.receiving.router_states import gathering
from bot.telegram.sending.delivery import Deliverer
from bot.telegram.sending.flood_budget import FloodBudget
from bot.telegram.transport import Options as TelegramOptions
from bot.telegram.transport import Telegram
from bot.telemetry.incidents import IncidentLog, path_beside
from bot.telemetry.turn_log import TurnLogs
from bot.tools import calculator, current_time
from bot.tools.mcp import McpServer
from bot.tools.tool import Tool
from bot.tools.toolbox import Toolbox


def wire(given: Given, routers: Routers | None = None) -> Bot:
    """Connect all parts of a bot. `routers`: a programmer's aiogram routers (`Extension.routers`)."""
    settings, store, placement = given.settings, given.store, given.placement
    quota = cluster.quota(settings, store.clock, given.api.id) if placement.shared else None
    ground = ground_of(given, routers, quota)
    answering = answering_of(given, ground)
    assistant, people, lanes = answering.assistant, ground.people, ground.lanes
    notice = _queue_notice(given, ground, assistant)
    # The panel shows the sections of the features, the questions must know what each feature awaits, and the help lists
    # the commands of all: in this order.
    desk, custom = desk_parts(given, ground, assistant), custom_parts(given, ground)
    running = running_bot(given, ground, custom.answers.with_buttons)
    core = core_of(given, ground, assistant)
    own = [*_features(given, ground, answering, core), *desk.features, notice.feature()]
    theirs = (feature.of(core).feature() for feature in given.added.handlers.features)
    added = [*custom.features, *theirs, own_jobs(given, ground, running)]
    features = offered(own, added, partial(_settings_panel, given, ground), given.added.handlers)
    questions = Questions(store=store, assistant=assistant, attached=answering.attached, awaits=joined(features).awaits)
    help = _help(given, ground, assistant, questions, features)
    turns = TurnLogs(
        clock=store.clock, metrics=given.api.metrics, tracer=given.api.tracer, content=settings.log_content
    )
    queue = _queue(ground, assistant, turns, notice)
    router = _router(given, ground, questions, help, _fallback(given, routers), custom.takes)
    jobs = _job_worker(given, ground, router)
    inbound = Inbound(
        handler=pipeline([naming(running), *_layers(given, ground, queue), *custom.layers, *desk.layers], router),
        lanes=lanes,
        help=help,
        dispatcher=cluster.dispatcher(settings, store, queue, jobs, quota, partial(_look, people, desk)),
    )
    bot = Bot(
        settings=settings,
        store=store,
        placement=placement,
        telegram=ground.telegram,
        inbound=inbound,
        joining=people.joining,
        signs=Signs(
            turns=turns,
            model_outage=given.models.studio.outage,
            metrics=given.api.metrics,
            routing=given.models.routing,
            tools=(*assistant.writer.request_builder.toolbox.tools, *(one.name for one in settings.mcp_servers)),
        ),
    )
    host(bot, given, ground, running)
    if desk.load is not None:
        bot.loads.append(desk.load)
    bot.led.update(desk.led)
    bot.led["batch"] = batch_watch(given, people).run
    if ground.knowledge is not None and placement.role.works:
        bot.preparations.append(ground.knowledge.prepare)
    return bot


def _fallback(given: Given, routers: Routers | None) -> Fallback:
    if routers is None:
        return Fallback(store=given.store)
    return Fallback(store=given.store, feed=routers.feed, expects=routers.expects, gathering=gathering)


def _job_worker(given: Given, ground: Ground, router: Router) -> JobWorker:
    return JobWorker(
        store=given.store,
        bot=given.api.id,
        kinds=router.known.jobs,
        added=ground.added,
        tracer=given.api.tracer,
        tell=FailureNotice(store=given.store, incidents=ground.incidents, deliver=ground.people.joining.deliver),
    )


def _router(
    given: Given, ground: Ground, questions: Questions, help: Help, fallback: Fallback, takes: Sequence[Take]
) -> Router:
    """Finds the handler of a message among those of all features."""
    return Router(
        store=given.store,
        access=ground.people.access,
        known=joined([help.feature(), *help.features]),
        questions=questions,
        fallback=fallback,
        takes=(*takes, *([fallback.take_expected] if given.added.handlers.routers else [])),
    )


async def _look(people: People, desk: DeskParts) -> None:
    """Read again what another process has changed: the members, and the groups of operators."""
    await people.joining.look()
    if desk.load is not None:
        await desk.load()


def _settings_panel(given: Given, ground: Ground, features: Sequence[Handlers]) -> Handlers:
    return SettingsPanel(
        store=given.store,
        routing=given.models.routing,
        streaming=given.settings.streaming,
        others=joined(features).sections,
        wake_jobs=ground.wake_jobs,
        library=ground.library,
        hidden=given.added.handlers.without,
    ).feature()


def _help(
    given: Given, ground: Ground, assistant: Assistant, questions: Questions, features: Sequence[Handlers]
) -> Help:
    """/help and the menus, which know the commands of all features."""
    store = given.store
    return Help(
        store=store,
        access=ground.people.access,
        transport=ground.transport,
        features=[
            ConversationCommands(
                store=store,
                assistant=assistant,
                options=AnswerOptions.from_settings(given.settings),
                wake_jobs=ground.wake_jobs,
            ).feature(),
            Whispers(store=store, questions=questions).feature(),
            questions.feature(),
            *features,
        ],
    )


def _queue_notice(given: Given, ground: Ground, assistant: Assistant) -> QueueNotice:
    return QueueNotice(
        store=given.store,
        lanes=ground.lanes,
        transport=ground.transport,
        tasks=given.placement.tasks,
        after=given.settings.queue_notice,
        stop=assistant.writer.stop,
        wake_jobs=ground.wake_jobs,
    )


def _queue(ground: Ground, assistant: Assistant, turns: TurnLogs, notice: QueueNotice) -> ConversationQueue:
    return ConversationQueue(
        lanes=ground.lanes,
        tasks=notice.tasks,
        turns=turns,
        outdate=assistant.writer.outdate,
        queued=notice.queued,
        empty=notice.empty,
    )


def _layers(given: Given, ground: Ground, queue: ConversationQueue) -> Sequence[Layer]:
    """The layers that an update passes on its way to the router, the outermost first; see `pipeline`."""
    store, access, placement = given.store, ground.people.access, given.placement
    boundary = ErrorBoundary(
        store=store, incidents=ground.incidents, most=MOST_OF_MANY if placement.shared else MOST_ATTEMPTS
    )
    throttle = Throttle(
        lanes=ground.lanes,
        clock=store.clock,
        access=access,
        settings=given.settings,
        refuse=TurnAway(
            store=store, tasks=placement.tasks, turns=queue.turns, boundary=boundary, missed=missed(ground)
        ),
        attends=ground.telegram.attends,
        served=ground.desk.served if ground.desk is not None else (),
    )
    admission = Admission(access=access, refuse=ground.people.joining.refuse)
    # A flood is turned away before it fills the queue. The boundary is inside the queue, so that a failed turn lets the
    # next one begin, and around the admission, so that an error there is told to the user like any other.
    return [throttle, queue, boundary, admission]


def ground_of(given: Given, routers: Routers | None = None, quota: SendQuota | None = None) -> Ground:
    """What all features of a bot share. `quota`: the limit of messages that several processes share."""
    settings, store, api = given.settings, given.store, given.api
    desk = desk_of(given)
    outbox = StoredOutbox(store=store, fallback=public_fallback, watch=desk)
    deliverer = Deliverer(
        api=api,
        outbox=outbox,
        budget=FloodBudget(settings.telegram_rate, settings.telegram_chat_rate),
        clock=store.clock,
        tasks=given.placement.tasks,
        rich=settings.rich_messages,
        quota=quota,
    )
    telegram = Telegram(
        api=api,
        inbox=StoredInbox(store=store, interrupted=settle_interrupted),
        deliverer=deliverer,
        clock=store.clock,
        tasks=given.placement.tasks,
        hooks=given.process.hooks,
        options=TelegramOptions.from_settings(settings, routers),
    )
    library = Library(settings.prompts_dir, settings.system_prompt)
    transport = transports(given, telegram, outbox)
    people = people_of(given, transport, library)
    return Ground(
        telegram=telegram,
        transport=transport,
        people=people,
        knowledge=knowledge_base(given, people.budget),
        library=library,
        incidents=IncidentLog(store.clock, path_beside(home(settings.database_url))),
        lanes=Lanes(),
        added=asyncio.Event(),
        desk=desk,
    )


def core_of(given: Given, ground: Ground, assistant: Assistant) -> Core:
    """The parts of which features take what they name."""
    people = ground.people
    return Core(
        settings=given.settings,
        store=given.store,
        transport=ground.transport,
        access=people.access,
        budget=people.budget,
        meter=people.meter,
        assistant=assistant,
        library=ground.library,
        deliver=people.joining.deliver,
        wake_jobs=ground.wake_jobs,
    )


def answering_of(given: Given, ground: Ground) -> Answering:
    """The assistant, with what it needs."""
    settings, store, studio, routing = given.settings, given.store, given.models.studio, given.models.routing
    budget, meter = ground.people.budget, ground.people.meter
    reminders = Reminders(store=store, deliver=ground.people.joining.deliver, wake_jobs=ground.wake_jobs)
    documents = Documents(store=store, meter=meter, embedder=studio.embeddings())
    voice = _voice(given, ground)
    how = AnswerOptions.from_settings(settings)
    toolbox = Toolbox(
        list(_tools(given, ground, reminders)),
        [McpServer(entry, clock=store.clock, tasks=given.placement.tasks) for entry in settings.mcp_servers],
    )
    request_builder = RequestBuilder(options=how, toolbox=toolbox, hooks=given.added.ai.hooks)
    pricing = AnswerCost(
        routing=routing,
        request_builder=request_builder,
        budget=budget,
        documents=documents,
        modes=given.models.async_models,
    )
    knowledge = answers_of_turns(given, ground)
    assistant = Assistant(
        store=store,
        routing=routing,
        turn_start=TurnStart(
            routing=routing,
            pricing=pricing,
            options=how,
            library=ground.library,
            topics=topic_chooser(given, ground),
            withdrawn=none_withdrawn if knowledge is None else knowledge.withdrawn,
            ownership=ownership(ground),
        ),
        writer=AnswerWriter(
            store=store,
            routing=routing,
            request_builder=request_builder,
            pricing=pricing,
            documents=documents,
            knowledge=knowledge,
            rewriter=question_rewriter(given, budget) if knowledge is not None else None,
        ),
        pricing=pricing,
        wake_jobs=ground.wake_jobs,
        incidents=ground.incidents,
    )
    attached = Attachments(
        store=store,
        assistant=assistant,
        routing=routing,
        documents=documents,
        voice=voice,
        files=given.process.files,
        reads_hidden=given.settings.read_hidden,
    )
    return Answering(assistant=assistant, documents=documents, voice=voice, reminders=reminders, attached=attached)


def _voice(given: Given, ground: Ground) -> Voice:
    studio = given.models.studio
    return Voice(
        store=given.store,
        transport=ground.transport,
        listener=studio.listener(),
        speaker=studio.speaker(),
        meter=ground.people.meter,
        longest=given.settings.speech_seconds,
    )


def _tools(given: Given, ground: Ground, reminders: Reminders) -> Iterator[Tool]:
    """Yield the tools that the settings name, in a fixed order, with the programmer's own among them."""
    wanted, searcher = given.settings.tools, given.models.studio.search()
    if "time" in wanted:
        yield current_time.tool()
    if "calculator" in wanted:
        yield calculator.tool()
    yield from (*given.added.ai.tools, *desk_tools(given, ground))
    if "reminders" in wanted and "remind" not in given.added.handlers.without:
        yield reminders.tool()
    if "search" in wanted and searcher is not None:
        yield from web_search.tools(searcher, ground.people.meter)


def _features(given: Given, ground: Ground, answering: Answering, core: Core) -> Sequence[Handlers]:
    """Every feature of the bot, in the order of the menu. A new feature needs one line here, and nothing else."""
    settings, store, models = given.settings, given.store, given.models
    assistant, people = answering.assistant, ground.people
    searcher = models.studio.search() if "search" in settings.tools else None
    helper = HelperModel(store=store, model=models.helper, budget=people.budget)
    deferred = deferred_answers(given, ground, assistant)
    orders = TaskList(store=store, withdraw={LATER: deferred.operation.withdraw}, access=people.access)
    return [
        answering.attached.feature(),
        image_generation(given, ground).feature(),
        ConversationList(store=store, transport=ground.transport, helper_model=helper).feature(),
        ConversationMemory(
            store=store,
            helper_model=helper,
            preview=assistant.turn_start.preview,
            withdrawn=assistant.turn_start.withdrawn,
        ).feature(),
        *(kind.of(core).feature() for kind in (Personas, Templates, UserTemplates)),
        deferred.feature(),
        orders.feature(),
        answering.voice.feature(),
        WebSearch(store=store, searcher=searcher, meter=people.meter).feature(),
        *(kind.of(core).feature() for kind in (PriceConfirmation, ToolApproval)),
        answering.reminders.feature(),
        Feedback(store=store, dislikes=dislikes(ground.knowledge, people.access)).feature(),
        *people_features(given, ground, assistant.writer.leave, orders.leave),
        Broadcast.of(core).feature(),
        *knowledge_features(given, ground, assistant),
        *topic_features(given, ground, assistant),
        *evaluation_features(given, ground),
        ChatEvents(store=store, leave=assistant.writer.leave, moved=people.directory.load).feature(),
    ]
