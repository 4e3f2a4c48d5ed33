"""The running bot for a programmer's code, and what that code adds to it: jobs, and what is open while the bot runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from bot.dispatch.pipeline import Layer
from bot.extension import Running
from bot.extension.endpoints import by_path
from bot.extension.running import current
from bot.features.program.caller_faults import Refusals
from bot.features.program.endpoints import Endpoints
from bot.features.program.jobs import OwnJobs, Planner
from bot.features.program.lifespan import opened
from bot.features.program.messages import Messages, WithButtons
from bot.features.program.models import ProgramModels
from bot.features.program.running import Rehearsal, RunningBot
from bot.handlers import Handlers
from bot.ports import Handler, Outbox, Reply, Transport
from bot.runtime.bot import Bot
from bot.runtime.optional.transports import OwnMessenger, Transports, check, place_of
from bot.runtime.parts import Given, Ground
from bot.telemetry.incidents import IncidentLog
from bot.types import Incoming

log = logging.getLogger(__name__)


def running_bot(
    given: Given, ground: Ground, with_buttons: WithButtons, kind: type[RunningBot] = RunningBot
) -> RunningBot:
    """The bot as a programmer's code sees it."""
    store, settings, bot = given.store, given.settings, given.api.id
    return kind(
        program=given.added.program,
        messages=Messages(store=store, bot=bot, deliver=ground.people.joining.deliver, with_buttons=with_buttons),
        planner=Planner(store=store, bot=bot, jobs=given.added.program.jobs, wake_jobs=ground.wake_jobs),
        models=ProgramModels(
            store=store,
            bot=bot,
            routing=given.models.routing,
            helper=given.models.helper,
            helper_name=given.added.ai.models[0].name if given.added.ai.only_models else settings.helper_model,
            budget=ground.people.budget,
            deadline=settings.answer_deadline,
        ),
    )


def transports(given: Given, telegram: Transport, outbox: Outbox) -> Transport:
    """Telegram, with the programmer's messengers beside it. Raises `ConfigError` for those that can't work."""
    own, placement = given.added.program.transports, given.placement
    if not own:
        return telegram
    check(own, shared=placement.shared)
    others = [
        OwnMessenger(
            own=one,
            place=place_of(one.name),
            bot=given.api.id,
            outbox=outbox,
            clock=given.store.clock,
            tasks=placement.tasks,
        )
        for one in own
    ]
    return Transports(telegram, {one.place: one for one in others})


def host(bot: Bot, given: Given, ground: Ground, running: RunningBot) -> None:
    """Let a bot run the programmer's code: schedules, messengers, and what is open around its work."""
    bot.running, bot.around = running, partial(around, given, running, ground.incidents)
    if given.placement.role.works:
        bot.loads.append(running.planner.begin)
        bot.preparations += messengers(ground.transport, bot)


def messengers(transport: Transport, bot: Bot) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What takes the messages of the programmer's messengers, from the start of the bot until it is stopped."""

    async def run(messenger: OwnMessenger) -> None:
        await bot.started.wait()
        taking = asyncio.create_task(messenger.run(bot.inbound.handler))
        stopping = asyncio.create_task(bot.stopping.wait())
        try:
            await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            taking.cancel()
            stopping.cancel()
            await asyncio.wait({taking, stopping})

    others = transport.others.values() if isinstance(transport, Transports) else ()
    return [partial(run, one) for one in others if isinstance(one, OwnMessenger)]


def own_jobs(given: Given, ground: Ground, running: RunningBot) -> Handlers:
    """The programmer's jobs."""
    return OwnJobs(
        store=given.store,
        jobs=given.added.program.jobs,
        running=running,
        messages=running.messages,
        access=ground.people.access,
        joining=ground.people.joining,
        incidents=ground.incidents,
    ).feature()


def naming(running: RunningBot) -> Layer:
    """A layer in which `App.current` is this bot."""

    async def layer(incoming: Incoming, reply: Reply, handler: Handler) -> None:
        token = current.set(running)
        try:
            await handler(incoming, reply)
        finally:
            current.reset(token)

    return layer


@asynccontextmanager
async def rehearsing(given: Given, ground: Ground, beside: Running[Any] | None) -> AsyncIterator[None]:
    """Let `App.current` be a bot that sends, plans and stores nothing. Its state is that of `beside`, the bot that runs
    in this process; without one the lifespans are opened. Raises `ConfigError`.
    """
    running = running_bot(given, ground, lambda _tx, outgoing, *_: outgoing, Rehearsal)
    async with opened(given.added.program.lifespans if beside is None else (), running) as states:
        running.state = beside.state if beside is not None else state_of(states, running)
        token = current.set(running)
        try:
            yield
        finally:
            current.reset(token)


def state_of(states: Sequence[Any], running: Running[Any]) -> Any:
    """The newest of what lifespans have yielded, or what the bot has without."""
    return next((state for state in reversed(states) if state is not None), running.state)


@asynccontextmanager
async def around(given: Given, running: RunningBot, incidents: IncidentLog) -> AsyncIterator[None]:
    """Open what the programmer's code needs, then its endpoints, before the bot takes updates; close them in the other
    order when the block is left. Raises `ConfigError`.
    """
    program, hooks = given.added.program, given.process.hooks
    served = program.http.endpoints if given.placement.role.takes else ()
    refusals = Refusals(metrics=given.store.metrics, clock=given.store.clock)
    doors = [
        Endpoints(
            path=path,
            methods=methods,
            secret=given.settings.http_secret.get_secret_value(),
            running=running,
            incidents=incidents,
            refusals=refusals,
        )
        for path, methods in by_path(served).items()
    ]
    for door in doors:
        door.check()
    async with AsyncExitStack() as stack:
        program.running.append(running)
        stack.callback(program.running.remove, running)
        states = await stack.enter_async_context(opened(program.lifespans, running))
        running.state = state_of(states, running)
        for door in doors:
            await hooks.open(door.path, door.receive, list(door.methods))
            stack.push_async_callback(hooks.shut, door.path)
            log.info("%s %s is served %s", "/".join(door.methods), door.path, hooks.place)
        yield
