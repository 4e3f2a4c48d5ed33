"""The promises of both engines: one process on SQLite; on PostgreSQL several, and none works on what it has accepted.

See P1, P3 in docs/promises.md.

In real time: a server of its own keeps the queue.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bench.crew import free_port
from bot import App
from bot.clock import Clock, SystemClock
from bot.config.settings import Settings, load
from bot.errors import ConfigError
from bot.extension import Extension, JobRun
from bot.jobs.worker import Work
from bot.ports import ProcessRole
from bot.runtime.bot import Bot
from bot.runtime.build import Instead, build
from bot.runtime.cluster import LocalDispatcher
from bot.runtime.cluster_dispatcher import ClusterDispatcher
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import Telegram, buttons_of
from bot.storage.cluster.procrastinate import NEWS
from bot.storage.engines.urls import is_sqlite
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Job
from tests.support.postgres_side import Server
from tests.support.sandbox_client import jpeg_header
from tests.support.virtual import ShiftedClock

ANNA, BORIS = 1001, 1002
# What is being done is anybody's, and workers are told at once: before one looks whether what it does is still its own.
TAKEN_FROM_THEM = f"""
WITH taken AS (
  UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1 WHERE status = 'doing' RETURNING queue_name
)
SELECT pg_notify('procrastinate_queue_v1#' || queue_name, '{NEWS}') FROM taken
"""
PATIENCE = 60.0  # seconds: a loaded machine is slow


async def until(found: Callable[[], object]) -> None:
    """Wait until `found` returns something true, also where no event of Telegram tells of it."""
    async with asyncio.timeout(PATIENCE):
        while not found():
            await asyncio.sleep(0.05)


@dataclass
class Hall:
    """The servers and the processes of one bot, as far as one event loop can hold several."""

    telegram: Telegram
    studio: Studio
    settings: Settings
    roles: tuple[ProcessRole, ...]
    extension: Extension = field(default_factory=Extension)
    bots: list[Bot] = field(default_factory=list)
    _lives: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        for role in self.roles:
            await self.add(role)

    async def add(self, role: ProcessRole, clock: Clock | None = None) -> Bot:
        ready: asyncio.Future[Bot] = asyncio.get_running_loop().create_future()

        async def live() -> None:
            async with build(
                self.settings, clock=clock, extension=self.extension, instead=Instead(seed=1), role=role
            ) as app:
                ready.set_result(app)
                await app.run()

        life = asyncio.create_task(live())
        self._lives.append(life)
        await asyncio.wait([ready, life], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        if not ready.done():
            await life
        self.bots.append(await ready)
        return await ready

    async def end(self, app: Bot) -> None:
        """Stop one of them."""
        place = self.bots.index(app)
        app.stop()
        await self._lives.pop(place)
        del self.bots[place]

    async def stop(self) -> None:
        for app in self.bots:
            app.stop()
        await asyncio.gather(*self._lives)
        self.bots, self._lives = [], []

    async def texts(self, count: int, chat: int = ANNA) -> list[str]:
        def shown() -> list[str] | None:
            texts = [text for text in self.telegram.texts(chat) if text]
            return texts if len(texts) >= count else None

        return await self.telegram.wait_for(shown, PATIENCE)

    def asked(self) -> list[str]:
        """What the model was asked, in order."""
        return [str(seen.body["messages"][-1]["text"]) for seen in self.studio.seen("completion")]

    @property
    def worker(self) -> Bot:
        return next(app for app in self.bots if app.placement.role.works)


@pytest.fixture
async def hall(database_url: str) -> AsyncIterator[Hall]:
    async with AsyncExitStack() as stack:
        telegram, studio = Telegram(limits=False, seed=1), Studio(quotas=False)
        for server in (telegram, studio):
            await server.start()
            stack.push_async_callback(server.close)
        settings = App().settings(
            _env_file=None,
            bot_token=telegram.token,
            telegram_api_url=telegram.url,
            access="open",
            name_chats=False,
            summaries=False,
            queue_notice=0.0,
            streaming="off",
            shutdown_grace=0.0,
            **{name.lower(): value for name, value in studio.settings().items()},
        )
        roles: tuple[ProcessRole, ...] = (ProcessRole.ALL,)
        changes: dict[str, object] = {"database_url": database_url}
        if not is_sqlite(database_url):
            port, secret = free_port(), SecretStr("the-same-in-all-of-them")
            changes |= {"webhook_url": f"http://127.0.0.1:{port}/hook", "webhook_secret": secret, "webhook_port": port}
            roles = (ProcessRole.WEBHOOK, ProcessRole.WORKER, ProcessRole.WORKER)
        found = Hall(telegram, studio, settings.model_copy(update=changes), roles)
        yield found
        await found.stop()


def held(hall: Hall) -> asyncio.Event:
    """The model says "here" only when this is set."""
    calm = asyncio.Event()

    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        await calm.wait()
        yield "here"

    hall.studio.answer(answer)
    return calm


async def test_messages_of_a_conversation_are_answered_in_order_each_once(hall: Hall) -> None:
    await hall.start()
    for number in range(5):
        hall.telegram.say(ANNA, f"question {number}")
    await hall.texts(5)
    assert hall.asked() == [f"question {number}" for number in range(5)]


async def test_nobody_waits_for_the_stuck_answer_of_another(hall: Hall) -> None:
    stuck = asyncio.Event()

    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        if messages[-1]["text"] == "be stuck":
            await stuck.wait()
        yield "here"

    hall.studio.answer(answer)
    await hall.start()
    hall.telegram.say(ANNA, "be stuck")
    await until(hall.asked)
    for _ in range(3):
        hall.telegram.say(BORIS, "hello")
    assert await hall.texts(3, BORIS) == ["here"] * 3
    assert hall.telegram.texts(ANNA) == []
    stuck.set()
    assert await hall.texts(1) == ["here"]


async def test_stop_reaches_the_process_that_writes_the_answer(hall: Hall) -> None:
    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        yield "the beginning "
        for _ in range(200):
            await asyncio.sleep(0.1)
            yield "and more "

    hall.studio.answer(answer)
    await hall.start()
    hall.telegram.say(ANNA, "tell me")
    await until(hall.asked)
    await asyncio.sleep(0.5)
    hall.telegram.say(ANNA, "/stop")
    (text,) = await hall.texts(1)
    assert text.startswith("the beginning")
    assert say("en", "stop.note") in text


async def test_what_is_done_later_is_done_once_and_delivered(hall: Hall) -> None:
    hall.studio.operations.polls["art"] = 1
    hall.studio.paint(jpeg_header(512, 512))
    await hall.start()
    hall.telegram.say(ANNA, "/image a lighthouse")
    await hall.telegram.wait_for(
        lambda: [message for message in hall.telegram.transcript(ANNA) if "photo" in message] or None, PATIENCE
    )
    assert hall.studio.bought == 1


# --- the code of a programmer (P2) ------------------------------------------------------------------------------------


async def test_a_message_of_a_program_is_sent_once_whichever_processes_ask_for_it(hall: Hall) -> None:
    await hall.start()
    hall.telegram.say(ANNA, "hello")
    await hall.texts(1)
    sent = await asyncio.gather(*(app.running.send(ANNA, "Order 7", key="7") for app in hall.bots for _ in range(3)))
    assert sum(one.is_new for one in sent) == 1
    assert {(await one.outcome(PATIENCE)).state for one in sent} == {"delivered"}
    assert hall.telegram.texts(ANNA)[1:] == ["Order 7"]


async def test_a_job_of_a_program_runs_once_in_whichever_process_also_when_one_ends(hall: Hall) -> None:
    app, runs, planned = App(), list[JobRun](), list[JobRun]()

    @app.every(seconds=1)
    async def tick(run: JobRun) -> None:
        runs.append(run)

    @app.job
    async def note(run: JobRun) -> str:
        planned.append(run)
        return f"Note {run.data['n']}"

    hall.extension = app.extension
    await hall.start()
    hall.telegram.say(ANNA, "hello")
    await hall.texts(1)
    asked = [one.running.later("note", key="k", at=timedelta(seconds=1), to=ANNA, data={"n": 1}) for one in hall.bots]
    assert sum(await asyncio.gather(*asked)) == 1
    assert (await hall.texts(2))[1:] == ["Note 1"]
    await until(lambda: len(runs) >= 3)
    if len(hall.bots) > 1:
        await hall.end(hall.worker)
    before = len(runs)
    await until(lambda: len(runs) >= before + 2)
    assert len({run.key for run in runs}) == len(runs), "no time twice"
    assert len(planned) == 1


async def test_what_an_orderly_stop_interrupts_is_answered_after_it(hall: Hall) -> None:
    calm = held(hall)
    await hall.start()
    hall.telegram.say(ANNA, "first")
    hall.telegram.say(ANNA, "second")
    await until(hall.asked)
    await hall.stop()
    calm.set()
    await hall.start()
    assert await hall.texts(2) == ["here"] * 2
    assert (
        await hall.worker.store.read(
            lambda tx: [row.attempts for row in tx.inbox.list_open(hall.worker.telegram.api.id)]
        )
        == []
    )


# --- several processes only -------------------------------------------------------------------------------------------


several = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@several
async def test_nothing_is_left_in_the_queue_when_everything_is_done(hall: Hall, postgres: Server) -> None:
    await hall.start()
    for person in (ANNA, BORIS):
        hall.telegram.say(person, "hello")
        await hall.texts(1, person)
    await jobs(hall, postgres, 0)


@several
async def test_what_comes_while_a_chat_is_worked_on_leaves_no_jobs_behind(hall: Hall, postgres: Server) -> None:
    calm = held(hall)
    await hall.start()
    hall.telegram.say(ANNA, "first")
    await until(hall.asked)
    for _ in range(4):
        hall.telegram.say(ANNA, "another")
    await waiting(hall, 5)
    await jobs(hall, postgres, 1)
    calm.set()
    assert await hall.texts(5) == ["here"] * 5
    await jobs(hall, postgres, 0)


async def waiting(hall: Hall, count: int) -> None:
    """Wait until so many updates are open."""
    store, bot = hall.worker.store, hall.worker.telegram.api.id
    async with asyncio.timeout(PATIENCE):
        while len(await store.read(lambda tx: tx.inbox.list_open(bot))) < count:
            await asyncio.sleep(0.1)


async def jobs(hall: Hall, postgres: Server, count: int) -> None:
    """Wait until so many jobs are in the queue."""
    question = "SELECT count(*) FROM procrastinate_jobs"
    async with asyncio.timeout(PATIENCE):
        while await asyncio.to_thread(postgres.execute, question, hall.settings.database_url) != [(count,)]:
            await asyncio.sleep(0.1)


@several
@pytest.mark.parametrize("workers", [1, 2])
async def test_who_has_lost_a_chat_says_nothing_more_there(hall: Hall, postgres: Server, workers: int) -> None:
    """The first worker is taken for dead in mid-answer, and goes on to speak. Alone it gets the chat back itself."""
    calm, trials = asyncio.Event(), iter(("first", "second"))

    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        trial = next(trials)
        if trial == "first":
            await calm.wait()
        yield f"the {trial} trial"

    hall.studio.answer(answer)
    hall.roles = (ProcessRole.WEBHOOK, *[ProcessRole.WORKER] * workers)
    await hall.start()
    hall.telegram.say(ANNA, "hello")
    await until(hall.asked)
    await asyncio.to_thread(
        postgres.execute,
        TAKEN_FROM_THEM,
        hall.settings.database_url,
    )
    await until(lambda: len(hall.asked()) > 1)
    calm.set()
    assert await hall.texts(1) == ["the second trial"]
    await asyncio.sleep(1.5)
    assert hall.telegram.texts(ANNA) == ["the second trial"]


def jobs_of(app: Bot) -> dict[str, Work]:
    """The functions that do jobs, by their kinds: a test adds one of its own."""
    dispatcher = app.inbound.dispatcher
    assert isinstance(dispatcher, LocalDispatcher | ClusterDispatcher)
    assert isinstance(dispatcher.jobs.kinds, dict)
    return dispatcher.jobs.kinds


@several
async def test_a_job_that_was_put_off_is_done_when_it_is_due_and_not_before(hall: Hall) -> None:
    done: list[float] = []
    await hall.start()
    where = Address("telegram", hall.worker.telegram.api.id, ANNA)
    for app in hall.bots:

        async def work(job: Job, app: Bot = app) -> None:
            done.append(app.clock.time() - job.due)
            await app.store.write(lambda tx: tx.jobs.delete_done(job))

        jobs_of(app)["test"] = work
    now = hall.worker.clock.time()
    late = Job("test", "1", where, due=now + 3600.0)

    await hall.worker.store.write(lambda tx: tx.jobs.add_job(late))
    await hall.worker.store.write(lambda tx: tx.jobs.reschedule(late, now + 2.0))
    while not done:
        await asyncio.sleep(0.1)
    assert 0.0 <= done[0] < 2.0
    await asyncio.sleep(0.5)
    assert len(done) == 1


@several
async def test_what_a_lost_turn_held_back_is_settled_by_who_takes_it_up(hall: Hall, postgres: Server) -> None:
    trials: list[int] = []

    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        trials.append(len(trials))
        if len(trials) == 1:
            await asyncio.Event().wait()
        yield "done"

    def ask(question: str) -> int:
        return int(postgres.execute(question, hall.settings.database_url)[0][0])

    hall.studio.answer(answer)
    hall.settings = hall.settings.model_copy(update={"daily_tokens": 1_000_000})
    await hall.start()
    hall.telegram.say(ANNA, "hello")
    await until(lambda: trials)
    held = await asyncio.to_thread(ask, "SELECT sum(amount) FROM reservations")
    await asyncio.to_thread(postgres.execute, TAKEN_FROM_THEM, hall.settings.database_url)
    assert await hall.texts(1) == ["done"]
    assert await asyncio.to_thread(ask, "SELECT count(*) FROM reservations") == 0
    spent = await asyncio.to_thread(ask, "SELECT amount FROM spending WHERE scope = 'bot' AND kind = 'tokens'")
    assert spent > held


@several
async def test_a_chat_that_comes_back_under_another_job_waits_for_the_end_of_the_work_under_the_first(
    hall: Hall, postgres: Server
) -> None:
    """A line that was parted: others took the chat over and ended its job, and this process does not know it yet."""
    trials: list[str] = []

    async def answer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        trials.append(messages[-1]["text"])
        if len(trials) == 1:
            await asyncio.Event().wait()
        yield f"answer {len(trials)}"

    hall.studio.answer(answer)
    hall.roles = (ProcessRole.WEBHOOK, ProcessRole.WORKER)
    await hall.start()
    hall.telegram.say(ANNA, "the first question")
    await until(lambda: trials)
    ended = "DELETE FROM procrastinate_jobs WHERE status = 'doing' AND lock LIKE 'chat:%'"
    await asyncio.to_thread(postgres.execute, ended, hall.settings.database_url)
    hall.telegram.say(ANNA, "the second question")
    assert await hall.texts(2) == ["answer 2", "answer 3"]
    assert trials == ["the first question", "the first question", "the second question"]


@several
async def test_a_machine_whose_clock_is_an_hour_behind_says_so_once_and_does_what_is_due(
    hall: Hall, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[list[str]] = []  # for each job what had been said by then
    taker = await hall.add(ProcessRole.WEBHOOK)

    def told() -> list[str]:
        return [line for line in caplog.messages if line.startswith("the clock of this machine")]

    async def work(job: Job) -> None:
        done.append(told())
        await worker.store.write(lambda tx: tx.jobs.delete_done(job))

    where = Address("telegram", taker.telegram.api.id, ANNA)
    due = taker.clock.time() + 1.0

    def order(tx: Tx) -> None:
        tx.jobs.add_job(Job("test", "1", where, due=due - 1.0))
        tx.jobs.add_job(Job("test", "2", where, due=due))

    await taker.store.write(order)
    worker = await hall.add(ProcessRole.WORKER, ShiftedClock(-3600.0))
    jobs_of(worker)["test"] = work
    await until(lambda: len(done) == 2)
    assert taker.clock.time() >= due - 0.1
    hall.telegram.say(ANNA, "hello")
    await hall.texts(1)
    (line,) = told()
    assert done == [[line], [line]]  # said before the first job, and not again
    assert re.search(r"it is 3(599|600|601) s behind that of the database", line)


@several
async def test_one_process_at_a_time_leads_and_another_takes_over(hall: Hall) -> None:
    await hall.start()
    led: list[int] = []
    first, second = (app.inbound.dispatcher for app in hall.bots if app.placement.role.works)

    async def lead(number: int) -> None:
        led.append(number)
        await asyncio.Event().wait()

    leading = asyncio.create_task(first.lead("test", lambda: lead(1)))
    while not led:
        await asyncio.sleep(0.05)
    other = asyncio.create_task(second.lead("test", lambda: lead(2)))
    await asyncio.sleep(2.5)
    assert led == [1]
    leading.cancel()
    while led != [1, 2]:
        await asyncio.sleep(0.05)
    other.cancel()
    await asyncio.wait({leading, other})


@several
async def test_who_is_let_in_by_one_process_is_known_to_all(hall: Hall) -> None:
    await hall.start()
    bot = hall.worker.telegram.api.id
    first, *others = [app for app in hall.bots if app.placement.role.works]
    assert {app.joining.code for app in hall.bots} == {first.joining.code}
    await first.joining.directory.write(lambda tx: tx.members.store_member(bot, BORIS, "owner", 0))
    async with asyncio.timeout(PATIENCE):
        while any(app.joining.directory.role(BORIS) is None or app.joining.code for app in others):
            await asyncio.sleep(0.05)


async def test_whose_rights_were_taken_lets_nobody_in_and_the_owners_hear_of_it(hall: Hall) -> None:
    """Each chat may be another process's: the maker's, the stranger's, and those of the owners."""
    hall.settings = hall.settings.model_copy(update={"access": "closed", "owners": (ANNA,)})
    await hall.start()
    clara, dina, bot = 1003, 1004, hall.worker.telegram.api.id
    for number in (clara, dina):
        hall.telegram.state.add_person(Person(number, "Clara" if number == clara else "Dina", "", "en"))

    def own(tx: Tx) -> None:
        for owner in (BORIS, clara):
            tx.members.store_member(bot, owner, "owner", ANNA)

    await hall.worker.joining.directory.write(own)
    await until(lambda: all(app.joining.directory.role(BORIS) for app in hall.bots if app.placement.role.works))
    hall.telegram.say(BORIS, "/invite admin 9x")
    ((code,),) = [re.findall(r"\?start=([\w-]+)", text) for text in await hall.texts(1, BORIS)]
    hall.telegram.say(ANNA, f"/members {BORIS}")
    await hall.texts(1)
    (card,) = [message for message in hall.telegram.transcript(ANNA) if buttons_of(message)]
    (remove,) = [button for button in buttons_of(card) if button["text"] == say("en", "members.remove")]
    hall.telegram.press(ANNA, card["message_id"], remove["callback_data"])
    told = {"whom": f"Борис ({BORIS})", "by": f"Anna ({ANNA})", "role": say("en", "role.stranger"), "links": 1}
    assert await hall.texts(1, clara) == [say("en", "rights.lowered", **told)]
    for who in (dina, BORIS):
        hall.telegram.say(who, f"/start {code}")
    assert await hall.texts(1, dina) == [say("en", "join.over")]
    assert (await hall.texts(2, BORIS))[1] == say("ru", "join.over")
    await until(lambda: not any(app.joining.directory.role(BORIS) for app in hall.bots if app.placement.role.works))


@several
async def test_the_first_code_of_all_processes_is_another_after_it_was_used(hall: Hall) -> None:
    hall.settings = hall.settings.model_copy(update={"access": "closed"})
    await hall.start()
    first, bot = hall.worker.joining.code, hall.worker.telegram.api.id
    hall.telegram.say(ANNA, f"/start {first}")
    assert await hall.texts(1) == [say("en", "join.owner", name="Anna")]
    await hall.stop()
    async with Store.open(hall.settings.database_url, SystemClock()) as store:
        await store.write(lambda tx: tx.members.remove_member(bot, ANNA))
    await hall.start()
    assert len({app.joining.code for app in hall.bots}) == 1
    assert hall.worker.joining.code not in ("", first)
    hall.telegram.say(ANNA, f"/start {first}")
    assert (await hall.texts(2))[1] == say("en", "join.over")


@several
async def test_one_of_several_polls_and_another_when_it_ends(hall: Hall) -> None:
    hall.settings = hall.settings.model_copy(update={"webhook_url": ""})
    hall.roles = (ProcessRole.ALL, ProcessRole.ALL)
    await hall.start()
    hall.telegram.say(ANNA, "hello")
    await hall.texts(1)
    (poller,) = [app for app in hall.bots if app.telegram.poller is not None]
    await hall.end(poller)
    hall.telegram.say(ANNA, "and now?")
    await hall.texts(2)
    assert [call for call in hall.telegram.calls if call.status == 409] == []


@several
async def test_each_role_works_without_the_secrets_of_the_other(hall: Hall) -> None:
    """Whoever breaks into what listens on the network finds no key of a model there."""
    whole, none = hall.settings, SecretStr("")
    hall.settings = whole.model_copy(update={"yc_api_key": none, "models": [], "mcp_servers": []})
    await hall.add(ProcessRole.WEBHOOK)
    hall.settings = whole.model_copy(update={"webhook_secret": none})
    await hall.add(ProcessRole.WORKER)
    hall.telegram.say(ANNA, "hello")
    assert len(await hall.texts(1)) == 1
    await hall.telegram.wait_for(lambda: hall.telegram.calls_of("setMyCommands") or None, PATIENCE)


def test_a_plan_for_webhooks_asks_for_no_key_of_a_model() -> None:
    token = f"{ANNA}:{'a' * 35}"
    settings = load(_env_file=None, bot_token=token, yc_folder_id="b1g")
    with pytest.raises(ConfigError, match="YC_API_KEY"):
        App(bot_token=token, yc_folder_id="b1g").plan(settings)
    assert App(bot_token=token, yc_folder_id="b1g").plan(settings, ProcessRole.WEBHOOK).bots[""] is settings
