"""Metrics: what is counted, how Prometheus reads it, and that the table in docs/operations.md is this one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.ai import Usage
from bot.clock import SystemClock
from bot.runtime.bot import Bot
from bot.runtime.health.checks import CHECKS, Health, Report, RowCounts
from bot.runtime.health.prometheus import exposition
from bot.telemetry.metrics import Metrics
from bot.telemetry.turn_log import TurnLogs
from bot.types import Address, Incoming, User
from tests.support.counting import counted, every_sample
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import settled, soon

pytestmark = pytest.mark.usefixtures("older_models")

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
STATES = (
    "inbox_open",
    "inbox_oldest_seconds",
    "outbox_open",
    "outbox_oldest_seconds",
    "dead_rows",
    "spent_today",
    "check_ok",
    "info",
)


def read(metrics: Metrics, report: Report | None = None) -> dict[str, float]:
    """What Prometheus reads: `name{label="value"}` and the number."""
    text = exposition(metrics, "SQLite 3.50")({"": report or Report({}, RowCounts())}).decode()
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_what_was_counted() -> None:
    metrics = Metrics()
    metrics.tokens.labels("yandexgpt", "prompt").inc(60)
    metrics.model_requests_in_flight.set(2)
    for seconds in (0.003, 0.3, 30.0):
        metrics.commit_seconds.observe(seconds)
    found = read(metrics)
    assert found["govorun_tokens_total prompt yandexgpt"] == 60
    assert found["govorun_model_requests_in_flight"] == 2
    assert found["govorun_commit_seconds_bucket 0.002"] == 0
    assert found["govorun_commit_seconds_bucket 0.005"] == 1
    assert found["govorun_commit_seconds_bucket 5.0"] == 2
    assert found["govorun_commit_seconds_bucket +Inf"] == found["govorun_commit_seconds_count"] == 3
    assert found["govorun_commit_seconds_sum"] == pytest.approx(30.303)


def test_metrics_of_two_processes_are_counted_apart() -> None:
    one, other = Metrics(), Metrics()
    one.loop_blocks.inc()
    assert (counted(one, "loop_blocks_total"), counted(other, "loop_blocks_total")) == (1, 0)


def test_a_server_that_counts_more_reasoning_than_answer_costs_no_turn() -> None:
    turns = TurnLogs(clock=SystemClock())
    with turns.open(Incoming("1", Address("telegram", 42, 1), User(1))) as turn:
        turn.model = "m"
        turn.mark_ended("stop", [("m", Usage(5, 9, 12))], "")
    tokens = [counted(turns.metrics, "tokens_total", model="m", kind=kind) for kind in ("completion", "reasoning")]
    assert tokens == [0, 12]


def test_names_follow_the_conventions_of_prometheus() -> None:
    for family in Metrics().registry.collect():
        assert re.fullmatch(r"govorun_[a-z][a-z_]+", family.name)
        assert not family.name.endswith("_total"), "the exposition adds it to counters"
        assert family.documentation
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_no_label_can_hold_a_person_or_a_text() -> None:
    allowed = {"outcome", "model", "kind", "method", "state", "source", "cause", "le"}
    assert {label for sample in every_sample(Metrics()) for label in sample.labels} == allowed


async def whole_way(stage: Stage, app: Bot) -> dict[str, float]:
    await soon(stage, lambda: not app.signs.turns.running)
    return read(app.signs.metrics, await Health(app=app, patience=600.0).report())


async def test_an_answer_is_counted_on_its_whole_way(stage: Stage) -> None:
    stage.studio.speed = 10
    app = await stage.start()
    stage.studio.script([f"word{number} " for number in range(30)])
    await stage.ask("count")
    found = await whole_way(stage, app)
    for name in (
        "govorun_updates_total taken",
        "govorun_turns_total stop",
        "govorun_turn_queue_seconds_count",
        "govorun_first_token_seconds_count yandexgpt",
        "govorun_answer_seconds_count",
        "govorun_model_requests_total 200",
        "govorun_deliveries_total sent",
        "govorun_telegram_requests_total sendMessage ok",
        *(f"govorun_check_ok {check}" for check in CHECKS),
    ):
        assert found[name] == 1, name
    assert found["govorun_tokens_total prompt yandexgpt"] > 0
    assert found["govorun_tokens_total completion yandexgpt"] > 0
    assert found["govorun_text_lag_seconds_count"] >= 3
    assert found["govorun_text_lag_seconds_sum"] / found["govorun_text_lag_seconds_count"] < 2
    assert found["govorun_commit_seconds_count"] >= 3
    assert found["govorun_model_requests_in_flight"] == 0
    assert found["govorun_inbox_open"] == found["govorun_outbox_open"] == found["govorun_dead_rows"] == 0


async def test_the_folder_in_the_uri_of_a_model_is_in_no_label(stage: Stage) -> None:
    folder = stage.settings.yc_folder_id
    app = await stage.start(model=f"gpt://{folder}/yandexgpt/latest")
    await stage.ask("hello")
    found = await whole_way(stage, app)
    assert found["govorun_tokens_total prompt yandexgpt/latest"] > 0
    assert not [name for name in found if folder in name]


async def test_what_waits_is_shown_with_its_age(stage: Stage) -> None:
    app = await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 30}, chat_id=ANNA)
    stage.telegram.say(ANNA, "hello")
    await stage.clock.sleep(10)
    found = read(app.signs.metrics, await Health(app=app, patience=600.0).report())
    assert found["govorun_outbox_open"] == 1
    assert 5 < found["govorun_outbox_oldest_seconds"] < 15
    assert found["govorun_flood_waits_total"] == 1
    assert found["govorun_flood_wait_seconds_total"] == pytest.approx(30, abs=1)
    assert found["govorun_errors_total Flood telegram"] == 1


async def test_errors_are_counted_by_what_they_were(stage: Stage) -> None:
    app = await stage.start()
    stage.studio.fail_next("completion", status=500)
    await stage.ask("hello")
    stage.telegram.fail_next(
        "sendMessage", code=403, description="Forbidden: bot was blocked by the user", chat_id=BORIS
    )
    stage.telegram.say(BORIS, "hello")
    await settled(stage, "sent", "dead")
    stage.telegram.push_raw({"message": {"message_id": 5, "chat": {"id": "nobody", "type": "private"}}})
    await soon(stage, lambda: counted(app.signs.metrics, "updates_total", outcome="unreadable"))
    found = await whole_way(stage, app)
    assert found["govorun_model_requests_total 500"] == 1
    assert found["govorun_errors_total ModelUnavailable studio"] == 1
    assert found["govorun_errors_total Gone telegram"] == 1
    assert found["govorun_deliveries_total gone"] == 1
    assert found["govorun_updates_total unreadable"] == 1


async def test_pieces_of_a_stream_are_not_counted_one_by_one(stage: Stage) -> None:
    """The way of a token must stay cheap: however many come, the model is counted as often."""
    app = await stage.start()
    stage.studio.script([f"word{number} " for number in range(10)], [f"word{number} " for number in range(300)])
    sums = []
    for question in ("few", "many"):
        await stage.ask(question)
        found = await whole_way(stage, app)
        names = ("turns", "model_requests", "first_token_seconds", "answer_seconds", "deliveries")
        sums.append(
            sum(
                value
                for name, value in found.items()
                if name.startswith(tuple(f"govorun_{n}" for n in names)) and "bucket" not in name and "sum" not in name
            )
        )
    assert sums[1] == 2 * sums[0]


def test_the_table_in_the_docs_is_complete() -> None:
    written = set(re.findall(r"^\| `govorun_(\w+)`", DOCS.read_text(), re.MULTILINE))
    families = Metrics().registry.collect()
    known = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert {f"govorun_{name}" for name in written} == known | {f"govorun_{name}" for name in STATES}


def test_each_check_is_described_in_the_docs() -> None:
    assert set(CHECKS) <= set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE))
