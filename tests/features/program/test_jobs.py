"""Jobs of a programmer: each time once, across restarts and clock changes, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot import App, JobRun, UnknownUser
from bot.errors import ConfigError
from bot.extension.jobs import Schedule
from bot.storage.store import Tx
from bot.types import Address, Job, User
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.table import table
from tests.support.telegram_side import rows

DAY = 86_400.0
RUNS: list[JobRun] = []
FAILS: list[Exception] = []


@pytest.fixture
def bot_app() -> App:
    RUNS.clear()
    FAILS.clear()
    app = App()

    @app.job
    async def remind(run: JobRun) -> str | None:
        RUNS.append(run)
        if FAILS:
            raise FAILS.pop()
        return None if run.user is None else f"Reminder: {run.data['what']}"

    return app


def moment(stage: Stage) -> datetime:
    return datetime.fromtimestamp(stage.clock.time(), UTC)


def when(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shown(time: float, zone: str = "UTC") -> str:
    return f"{datetime.fromtimestamp(time, ZoneInfo(zone)):%m-%d %H:%M}"


# --- planned by the program -------------------------------------------------------------------------------------------


async def test_a_later_job_runs_once_for_its_key_also_after_a_restart_and_a_crash(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hi")
    at = moment(stage) + timedelta(hours=1)
    assert await app.running.later("remind", key="k", at=at, to=ANNA, data={"what": "tea"})
    assert not await app.running.later("remind", key="k", at=at, to=ANNA, data={"what": "coffee"})
    await stage.stop()
    await stage.start()
    await stage.clock.sleep(1800)
    await stage.crash()
    app = await stage.start()
    await stage.clock.sleep(1900)
    assert stage.telegram.texts(ANNA)[1:] == ["Reminder: tea"]
    assert not await app.running.later("remind", key="k", at=timedelta(), to=ANNA, data={"what": "cake"})
    await stage.clock.sleep(100)
    assert stage.telegram.texts(ANNA)[1:] == ["Reminder: tea"]
    assert [(run.user, run.at) for run in RUNS] == [(ANNA, at)]


async def test_a_later_job_is_withdrawn_by_its_key(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hi")
    for key in ("tea", "cake"):
        await app.running.later("remind", key=key, at=timedelta(hours=1), to=ANNA, data={"what": key})
    assert await app.running.withdraw("remind", key="tea")
    assert not await app.running.withdraw("remind", key="tea")
    assert not await app.running.withdraw("remind", key="unknown")
    await stage.clock.sleep(3700)
    assert stage.telegram.texts(ANNA)[1:] == ["Reminder: cake"]
    assert not await app.running.withdraw("remind", key="cake")


async def test_a_run_that_was_killed_before_its_end_runs_again_and_says_one_thing(stage: Stage) -> None:
    killed, own = list[JobRun](), App()

    @own.job
    async def slow(run: JobRun) -> str:
        killed.append(run)
        await run.running.send(ANNA, "on its way", key=run.key)
        if len(killed) == 1:
            await stage.clock.sleep(3600)
        return "done"

    scheduled(stage, own)
    app = await stage.start()
    await stage.ask("hi")
    await app.running.later("slow", key="k", at=timedelta(seconds=1), to=ANNA)
    await stage.until(lambda: "on its way" in stage.telegram.texts(ANNA) or None)
    await stage.crash()
    await stage.start()
    await stage.until(lambda: "done" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(600)
    assert stage.telegram.texts(ANNA)[1:] == ["on its way", "done"]
    assert killed[0].key == killed[1].key


async def test_what_is_wrong_with_a_later_job_is_told_at_once(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hi")
    running = app.running
    with pytest.raises(ValueError, match="no job 'digest': the App has remind"):
        await running.later("digest", key="k", at=timedelta())
    with pytest.raises(ValueError, match="no time zone"):
        await running.later("remind", key="k", at=datetime(2027, 1, 1))  # noqa: DTZ001  that is what is wrong
    with pytest.raises(UnknownUser):
        await running.later("remind", key="k", at=timedelta(), to=BORIS)
    assert await running.later("remind", key="k", at=timedelta(), to=User(ANNA), data={"what": "x"})


async def test_a_job_that_fails_is_tried_again_and_then_reported(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    app = await stage.start(owners=(BORIS,))
    await stage.ask("hi")
    await stage.ask("hi", BORIS)
    FAILS.extend(RuntimeError(f"no tea {n}") for n in range(5))
    await app.running.later("remind", key="k", at=timedelta(), to=ANNA, data={"what": "tea"})
    await stage.clock.sleep(1)
    await stage.crash()  # the tries before are not forgotten
    await stage.start()
    await stage.until(lambda: len(stage.telegram.texts(BORIS)) > 1 or None)
    assert len(RUNS) == 5
    assert stage.telegram.texts(BORIS)[1].startswith("Задание remind не выполнено: 5 неудачных попыток подряд")
    assert "job remind is given up after 5 tries" in caplog.text
    await stage.clock.sleep(3600)
    assert len(RUNS) == 5
    assert rows(stage, "SELECT * FROM jobs WHERE kind LIKE 'own.%'") == []


# --- by a schedule ----------------------------------------------------------------------------------------------------


async def asleep_until(stage: Stage, time: float) -> None:
    """Let the bot sleep until a time, when it is started again: days of a running bot would be long."""
    await stage.stop()
    await stage.clock.sleep(time - stage.clock.time())
    await stage.start()


def scheduled(stage: Stage, app: App) -> None:
    assert stage.extension is not None
    stage.extension.program.jobs.clear()
    stage.extension.program.jobs.update(app.extension.program.jobs)


async def test_a_job_of_every_day_runs_each_day_once_and_catches_up_once(stage: Stage) -> None:
    app = App()

    @app.daily("9:00", zone="Europe/Moscow")
    async def digest(run: JobRun) -> None:
        RUNS.append(run)

    scheduled(stage, app)
    nine = Schedule(cron="0 9 * * *", zone="Europe/Moscow").next_after(stage.clock.time())
    await stage.start()
    await stage.clock.sleep(5)
    for day in range(2):
        await asleep_until(stage, nine + day * DAY - 30)
        assert len(RUNS) == day
        await stage.clock.sleep(60)
        assert [run.at.timestamp() for run in RUNS] == [nine + one * DAY for one in range(day + 1)]
    await asleep_until(stage, nine + 6 * DAY)
    await stage.clock.sleep(60)
    assert len(RUNS) == 3, "five missed times are one run"
    assert RUNS[2].at.timestamp() == nine + 2 * DAY
    await stage.crash()
    await stage.start()
    await asleep_until(stage, nine + 7 * DAY - 30)
    assert len(RUNS) == 3
    await stage.clock.sleep(60)
    assert len(RUNS) == 4


async def test_a_schedule_that_changes_is_planned_anew_and_one_that_is_gone_is_deleted(stage: Stage) -> None:
    first, second = App(), App()

    @first.every(minutes=5)
    async def tick(run: JobRun) -> None:
        RUNS.append(run)

    second.every(hours=1)(tick)
    scheduled(stage, first)
    await stage.start()
    await stage.clock.sleep(601)
    assert len(RUNS) == 2
    await stage.stop()
    scheduled(stage, second)
    await stage.start()
    await stage.clock.sleep(3599)
    assert len(RUNS) == 2
    await stage.clock.sleep(2)
    assert len(RUNS) == 3
    await stage.stop()
    scheduled(stage, App())
    await stage.start()
    await stage.clock.sleep(5)
    assert rows(stage, "SELECT * FROM jobs WHERE kind LIKE 'own.%'") == []


async def test_each_person_gets_it_at_nine_where_they_are(stage: Stage) -> None:
    app = App()

    @app.daily("9:00", zone="user", otherwise="Asia/Tokyo")
    async def digest(run: JobRun) -> str:
        RUNS.append(run)
        return "Good morning"

    scheduled(stage, app)
    people = {ANNA: "America/New_York", BORIS: "+5:30", 1003: ""}
    await stage.start()
    stage.telegram.person("Third")
    for person, zone in people.items():
        await stage.ask("hi", person)
        if zone:
            await stage.ask(f"/timezone {zone}", person)
    where = {ANNA: "America/New_York", BORIS: "Asia/Kolkata", 1003: "Asia/Tokyo"}
    nine = Schedule(cron="0 9 * * *", zone="user")
    now = stage.clock.time()
    expected = sorted((nine.next_after(now, ZoneInfo(zone)), person) for person, zone in where.items())
    for time, person in expected:
        await asleep_until(stage, time - 30)
        await stage.clock.sleep(60)
        assert [(run.at.timestamp(), run.user) for run in RUNS] == expected[: len(RUNS)]
        assert RUNS[-1].user == person
    assert {f"{run.at:%H:%M}" for run in RUNS} == {"09:00"}, "in the zone of the person"
    assert all(stage.telegram.texts(person).count("Good morning") == 1 for person in people)
    stage.telegram.block(BORIS)
    await stage.clock.sleep(5)
    await asleep_until(stage, now + 4 * DAY)
    await stage.clock.sleep(60)
    assert sorted(run.user or 0 for run in RUNS[3:]) == [ANNA, 1003], "once, and not for who has blocked the bot"


async def test_a_job_knows_the_language_of_its_person_and_may_return_a_text_for_each(stage: Stage) -> None:
    app = App()

    @app.job
    async def tea(run: JobRun) -> dict[str, str]:
        RUNS.append(run)
        return {"en": "Your tea is ready", "ru": "Чай готов"}

    scheduled(stage, app)
    bot = await stage.start()
    stage.telegram.person("Boris", "en", BORIS)
    await stage.ask("hi", BORIS)
    await stage.ask("/language")
    await stage.press("Русский")
    await stage.clock.sleep(5)
    for person in (ANNA, BORIS):
        await bot.running.later("tea", key=f"k{person}", at=timedelta(minutes=4), to=person)
    await bot.running.later("tea", key="nobody", at=timedelta(hours=1))
    await stage.clock.sleep(300)
    assert {run.user: run.language for run in RUNS} == {ANNA: "ru", BORIS: "en"}
    assert stage.telegram.texts(ANNA)[-1] == "Чай готов"
    assert stage.telegram.texts(BORIS)[-1] == "Your tea is ready"
    await stage.clock.sleep(3600)
    assert RUNS[-1].language == "", "it runs for nobody"


async def test_hundreds_of_people_get_it_and_the_jobs_of_others_do_not_wait(stage: Stage) -> None:
    app = App()

    @app.cron("0 9 * * *", zone="user")
    async def digest(run: JobRun) -> None:
        RUNS.append(run)
        await stage.clock.sleep(0.2)

    scheduled(stage, app)
    bot = await stage.start()
    people = range(5000, 5250)

    def seen(tx: Tx) -> None:
        for person in people:
            tx.chats.record_seen(Address("telegram", bot.running.bot, person), User(person), private=True)

    await bot.store.write(seen)
    await asleep_until(stage, Schedule(cron="0 9 * * *").next_after(stage.clock.time()))
    await stage.until(lambda: len(RUNS) >= 100 or None)
    await stage.crash()
    await stage.start()
    await stage.clock.sleep(120)
    assert len(RUNS) < 260, "eight at most were being run when it was killed"
    assert sorted({run.user or 0 for run in RUNS}) == list(people)


async def test_a_run_whose_function_is_gone_waits_and_the_log_says_so(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    app = await stage.start()
    await app.store.write(lambda tx: tx.jobs.add_job(Job("own.old", "k", Address("telegram", app.running.bot, 0))))
    await stage.clock.sleep(60)
    assert "job own.old k is put back" in caplog.text
    assert "Traceback" not in caplog.text


# --- pure -------------------------------------------------------------------------------------------------------------


@table(
    ("cron", "start", "expected"),
    [
        ("0 9 * * *", "2026-03-28 09:00", ["03-29 09:00", "03-30 09:00"]),
        ("0 9 * * *", "2026-10-24 09:00", ["10-25 09:00", "10-26 09:00"]),
        ("30 2 * * *", "2026-03-28 12:00", ["03-29 03:00", "03-30 02:30"]),  # skipped in spring: caught up at once
        ("30 2 * * *", "2026-10-24 12:00", ["10-25 02:30", "10-26 02:30"]),  # comes twice in autumn: counts once
        ("0 9 * * mon-fri", "2026-10-23 12:00", ["10-26 09:00", "10-27 09:00"]),
    ],
)
def test_clock_changes(cron: str, start: str, expected: list[str]) -> None:
    berlin = "Europe/Berlin"
    schedule, found, after = Schedule(cron=cron, zone=berlin), [], when(start, berlin)
    for _ in expected:
        after = schedule.next_after(after)
        found.append(shown(after, berlin))
        assert schedule.last_until(after, ZoneInfo(berlin)) == after
        assert schedule.last_until(after + 59.5, ZoneInfo(berlin)) == after
    assert found == expected


def test_mistakes_of_schedules_are_told_at_decoration() -> None:
    app = App()

    async def job(run: JobRun) -> None: ...
    def plain(run: JobRun) -> None: ...
    async def none() -> None: ...

    mistakes: dict[str, Callable[[], object]] = {
        "'25:00' is no time of day": lambda: app.daily("25:00"),
        "is no time zone": lambda: app.daily("9:00", zone="Mars/Olympus"),
        "has not five fields": lambda: app.cron("* * * * * *"),
        "is no cron expression: Bad hour": lambda: app.cron("0 25 * * *"),
        "0 s is no time between": app.every,
    }
    for text, mistake in mistakes.items():
        with pytest.raises(ConfigError, match=text):
            mistake()
    with pytest.raises(ConfigError, match=r"job plain: .*plain is not async"):
        app.job(plain)  # type: ignore[type-var]
    with pytest.raises(ConfigError, match=r"job none: async def \(run\) is expected"):
        app.daily("9:00")(none)  # type: ignore[type-var]
    app.job(job)
    with pytest.raises(ConfigError, match="a job 'job' already"):
        app.job(job)
