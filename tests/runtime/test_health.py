"""Health tells the truth: each fault that keeps people waiting turns it red within a minute, and green when it is over.

See P32 in docs/promises.md.

The faults are made outside the bot: by the servers that it talks to, and by another program at its database.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from bot.runtime.health.checks import CHECKS
from tests.support.counting import counted
from tests.support.health_side import MINUTE, becomes, health_of, healthy, red
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, settled, soon


async def test_a_bot_that_answers_is_well(stage: Stage) -> None:
    health = await healthy(stage)
    assert set((await health.report()).checks) == set(CHECKS)
    for _ in range(30):  # and stays so while nobody speaks
        await stage.clock.sleep(10)
        report = await health.report()
        assert report.status == "ok", report.as_json()


async def test_f2_telegram_that_can_not_be_reached(stage: Stage) -> None:
    health = await healthy(stage)
    await stage.telegram.down()
    stage.telegram.cut()
    assert "no connection to Telegram" in await red(health, "updates")
    await stage.telegram.up()
    await becomes(health, "ok")


async def test_f26_a_token_that_was_revoked(stage: Stage) -> None:
    health = await healthy(stage)
    fault = stage.telegram.fail_next("*", code=401, times=None)
    assert "BOT_TOKEN" in await red(health, "updates")
    fault.remove()
    await becomes(health, "ok", 2 * MINUTE)


async def test_f27_another_poller_with_our_token(stage: Stage) -> None:
    health = await healthy(stage)
    fault = stage.telegram.fail_next("getUpdates", code=409, times=None)
    assert "BOT_TOKEN" in await red(health, "updates")
    fault.remove()
    await becomes(health, "ok", 2 * MINUTE)


async def test_f100_another_poller_that_leaves_us_a_poll_now_and_then(stage: Stage) -> None:
    health = await healthy(stage)
    running = True

    async def rival() -> None:
        while running:
            stage.telegram.fail_next("getUpdates", code=409)
            stage.telegram.say(BORIS, "hello")
            await stage.clock.sleep(7)

    task = asyncio.create_task(rival())
    assert "BOT_TOKEN" in await red(health, "updates")
    running = False
    await task
    await becomes(health, "ok", 2 * MINUTE)


async def test_f28_a_webhook_that_somebody_set_while_we_poll(stage: Stage) -> None:
    health = await healthy(stage)
    await stage.telegram.webhook.set("http://127.0.0.1:9/theirs", "", 40)
    assert "127.0.0.1" in await red(health, "updates")
    await stage.telegram.webhook.set("", "", 40)
    await becomes(health, "ok", 2 * MINUTE)


async def test_f86_a_database_that_is_locked(stage: Stage) -> None:
    health = await healthy(stage)
    other = sqlite3.connect(stage.settings.database_url.partition(":///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    reason = await red(health, "database")
    assert "database" in reason
    other.execute("ROLLBACK")
    other.close()
    await becomes(health, "ok")


async def test_f85_a_database_that_can_not_grow(stage: Stage) -> None:
    health = await healthy(stage)
    log = Path(stage.settings.database_url.partition(":///")[2] + "-wal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    try:
        assert "database" in await red(health, "database")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await becomes(health, "ok")
    assert await stage.ask("still there?")


@pytest.mark.wire("tcp")
async def test_a_database_that_does_not_answer_is_not_asked_again_meanwhile(stage: Stage) -> None:
    health = await healthy(stage)
    before = counted(health.app.signs.metrics, "commit_seconds_count")
    for _ in range(100):
        await asyncio.gather(*(health.report() for _ in range(10)))
    assert counted(health.app.signs.metrics, "commit_seconds_count") - before <= 1
    health.patience = 1.0
    other = sqlite3.connect(stage.settings.database_url.partition(":///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = counted(health.app.signs.metrics, "commit_seconds_count")
    for _ in range(20):
        await asyncio.gather(*(health.report() for _ in range(10)))
        await stage.clock.sleep(2)
    other.execute("ROLLBACK")
    other.close()
    await becomes(health, "ok")
    assert counted(health.app.signs.metrics, "commit_seconds_count") - before <= 4


async def test_p12_a_model_that_hangs_with_all_places_taken(stage: Stage) -> None:
    health = await healthy(stage, yc_concurrency=2)
    stage.studio.fail_next("completion", hang=True, times=6)
    for person in (ANNA, BORIS, ANNA):
        stage.telegram.say(person, "are you there?")
    await red(health, "turns")
    await stage.texts(3)
    await stage.clock.sleep(MINUTE)
    await stage.ask("and now?")
    await becomes(health, "ok")


async def test_f64_a_model_that_is_away(stage: Stage) -> None:
    health = await healthy(stage)
    stage.studio.set_faults({"error500": 1.0})
    for _ in range(3):
        await stage.ask("hello?")
        await stage.clock.sleep(20)
    assert (await health.report()).checks["model"].status == "fail"
    await stage.clock.sleep(2 * MINUTE)
    assert (await health.report()).checks["model"].status == "warn"  # nobody has asked since
    stage.studio.set_faults({"error500": 0.0})
    await stage.ask("hello again")
    await becomes(health, "ok")


async def test_p30_a_model_that_does_not_take_our_key(stage: Stage) -> None:
    health = await healthy(stage)
    stage.studio.fail_next("completion", status=403, times=2)
    assert "operator" in await stage.ask("hello?")
    assert "403" in await red(health, "model")
    await stage.clock.sleep(MINUTE)
    await stage.ask("hello again")
    await becomes(health, "ok")


@contextmanager
def outside(stage: Stage) -> Iterator[sqlite3.Connection]:
    """Another program at the database."""
    other = sqlite3.connect(stage.settings.database_url.partition(":///")[2])
    try:
        yield other
        other.commit()
    finally:
        other.close()


async def test_a_row_that_nobody_works_on(stage: Stage) -> None:
    health = await healthy(stage)
    row = (stage.telegram.state.profile.id, 77, "{}", "new", 0, stage.clock.time(), "")
    with outside(stage) as other:
        other.execute(
            "INSERT INTO updates (bot, update_id, raw, state, attempts, at, reason) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )
    assert "1 updates have waited" in await red(health, "turns")
    with outside(stage) as other:
        other.execute("UPDATE updates SET state = 'done'")
    await becomes(health, "ok")


async def test_messages_that_wait_behind_an_answer_which_grows_are_not_stuck(stage: Stage) -> None:
    health = await healthy(stage, answer_deadline=600.0)
    stage.studio.speed = 1
    stage.studio.script([f"word{number} " for number in range(150)], "second")
    stage.telegram.say(ANNA, "count")
    stage.telegram.say(ANNA, "and then?")
    while len(stage.telegram.texts(ANNA)) < 3:
        assert (await health.report()).status == "ok"
        await stage.clock.sleep(5)


async def test_f13_an_answer_that_telegram_does_not_take_for_ten_minutes(stage: Stage) -> None:
    health = await healthy(stage)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 600}, chat_id=ANNA)
    stage.telegram.say(ANNA, "hello?")
    assert "1 answers wait" in await red(health, "outbox")
    await stage.texts(2)
    await becomes(health, "ok")


async def test_a_picture_that_nobody_draws(stage: Stage) -> None:
    health = await healthy(stage)
    health.app.background[0].cancel()  # the worker
    stage.telegram.say(ANNA, "/image a cat")
    assert "1 jobs are due" in await red(health, "jobs")


async def test_what_was_given_up_is_for_a_person_to_look_at_and_nothing_waits_for_it(stage: Stage) -> None:
    health = await healthy(stage)
    stage.telegram.push_raw({"message": {"message_id": 5, "chat": {"id": "nobody", "type": "private"}}})
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM updates WHERE state = 'dead'"))
    report = await becomes(health, "warn")
    assert report.checks["dead_rows"].value == 1
    with outside(stage) as other:
        other.execute("UPDATE updates SET at = at - 86500")
    await becomes(health, "ok")


async def test_a_user_who_blocked_the_bot_is_no_trouble(stage: Stage) -> None:
    health = await healthy(stage)
    fault = "Forbidden: bot was blocked by the user"
    stage.telegram.fail_next("sendMessage", code=403, description=fault, chat_id=ANNA)
    stage.telegram.say(ANNA, "hello?")
    await settled(stage, "sent", "dead")
    await stage.clock.sleep(5)
    assert (await health.report()).status == "ok"


@pytest.mark.parametrize(
    ("budget", "amount"),
    [("daily_tokens", 200), ("daily_money", Decimal("0.1")), ("monthly_money", Decimal("0.1"))],
)
async def test_p32_a_budget_that_is_used_up_is_told_and_is_no_failure(
    stage: Stage, budget: str, amount: int | Decimal
) -> None:
    health = health_of(await stage.start(**{budget: amount}))
    assert (await health.report()).checks["budget"].status == "ok"
    await stage.ask("hello")
    report = await becomes(health, "warn")
    assert report.checks["budget"].value >= report.checks["budget"].limit == float(amount)
    await stage.clock.sleep(3600)
    assert "used up" in (await health.report()).checks["budget"].reason


async def test_f103_a_background_task_that_ended(stage: Stage) -> None:
    health = await healthy(stage)
    assert health.alive().status == "ok"
    health.app.background[0].cancel()
    assert "jobs" in await red(health, "tasks")
    assert health.alive().status == "fail"


async def test_f103_an_error_in_the_background_ends_the_bot(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")

    async def defect() -> None:
        raise ZeroDivisionError

    app.placement.tasks.create_task(defect())
    with pytest.raises(BaseExceptionGroup) as ended:
        await stage.ended()
    assert ended.group_contains(ZeroDivisionError)
