"""One trace from an update to the last message about it, in whichever process and at whatever time that is."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.crew import free_port
from bot.clock import SystemClock
from bot.errors import ConfigError
from bot.runtime.resources import SharedResources
from bot.storage.store import Store
from bot.telemetry import logging as logs
from bot.telemetry import tracing
from bot.telemetry.turn_log import TurnLogs
from bot.testing.studio import StudioSide
from bot.types import Address, Incoming, User
from tests.support.collector import Collector, collecting
from tests.support.loaded import Loaded, among
from tests.support.scripted_model import ScriptedModel, call
from tests.support.stage import ANNA, Stage

pytestmark = pytest.mark.usefixtures("older_models")

TALK = [f"word{number} " for number in range(60)]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found


# --- the tree ---------------------------------------------------------------------------------------------------------


async def test_an_answer_is_one_trace_from_the_update_to_the_last_message(stage: Stage, collector: Collector) -> None:
    await stage.start(traces=True)
    stage.studio.script(["A ", "short ", "answer."])
    await stage.ask("How are you?")
    await stage.stop()
    (trace,) = collector.traces()
    assert collector.tree(trace)[0] == "update"
    assert Counter(collector.tree(trace)) == Counter(
        [
            "update", ".queue", ".turn", "..commit", "..prompt", "..chat yandexgpt", "...POST", "..live view",
            "..commit", "..deliver", "...sendMessage", "...commit",
        ]
    )  # fmt: skip
    assert [span.failed for span in collector.spans] == [False] * 12
    assert collector.spans[0].service["service.name"] == "govorun"


async def test_a_request_to_a_model_says_which_one_how_it_ended_and_what_it_took(
    stage: Stage, collector: Collector
) -> None:
    await stage.start(traces=True)
    stage.studio.script(["Fine, ", "thanks."])
    StudioSide(stage.studio).fails(503)
    await stage.ask("How are you?")
    await stage.stop()
    chat, turn = collector.one("chat yandexgpt"), collector.one("turn")
    assert chat.parent == turn.id
    assert chat.events == ("first token",)
    assert chat.attributes.items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "yandex", "gen_ai.request.model": "yandexgpt",
        "gen_ai.request.max_tokens": 2000, "gen_ai.response.finish_reasons": ["stop"],
    }.items()  # fmt: skip
    assert chat.attributes["gen_ai.usage.input_tokens"] > 10
    assert chat.attributes["gen_ai.usage.output_tokens"] > 2
    refused, answered = collector.named("POST")
    assert (refused.attributes["http.response.status_code"], refused.failed) == (503, True)
    assert (answered.attributes["http.response.status_code"], answered.failed) == (200, False)
    assert {refused.parent, answered.parent} == {chat.id}
    assert turn.attributes["govorun.ending"] == "stop"


async def test_a_turn_that_fails_is_marked_with_the_name_of_the_error(stage: Stage, collector: Collector) -> None:
    await stage.start(traces=True)
    StudioSide(stage.studio).fails(401, times=9)
    await stage.ask("How are you?")
    await stage.stop()
    refused = {(True, "Unauthenticated"), (True, "ModelDenied")}  # the second where the circuit breaker is open
    assert (collector.one("turn").failed, collector.one("turn").attributes["error.type"]) in refused
    asked = [*collector.named("chat yandexgpt"), *collector.named("chat yandexgpt-lite")]
    assert len(asked) > 1
    assert {(span.failed, span.attributes["error.type"]) for span in asked} <= refused


async def test_what_is_shown_while_an_answer_grows_is_summed_up_in_one_span(stage: Stage, collector: Collector) -> None:
    await stage.start(traces=True)
    stage.studio.speed = 10.0
    stage.studio.script(TALK)
    await stage.ask("talk")
    await stage.stop()
    view = collector.one("live view")
    assert view.attributes["govorun.calls.sendMessageDraft"] == len(stage.telegram.calls_of("sendMessageDraft")) > 3
    assert view.attributes["govorun.calls.editMessageText"] > 3
    assert collector.named("sendMessageDraft") == []
    assert 4 < (view.ended - view.begun) / 1e9 < 8
    (last,) = collector.named("editMessageText")  # the finished answer, over the message that has grown
    assert last.parent == collector.one("deliver").id


async def test_tools_are_parts_of_the_turn_between_the_requests(stage: Stage, collector: Collector) -> None:
    calls = [call("calculator", expression="6*7"), call("no_such_tool_but_words_of_somebody")]
    stage.given = {"routing": ScriptedModel(calls, "42").routing}
    await stage.start(traces=True)
    await stage.ask("How much is it?")
    await stage.stop()
    used = collector.one("execute_tool calculator")
    assert used.parent == collector.one("turn").id
    assert used.attributes == {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "calculator"}
    assert len(collector.named("chat scripted")) == 2
    assert "words_of_somebody" not in str(collector.spans)


async def test_how_long_a_question_waits_behind_another_is_seen(stage: Stage, collector: Collector) -> None:
    await stage.start(traces=True)
    stage.studio.speed = 10.0
    stage.studio.script(TALK, "At last.")
    stage.telegram.say(ANNA, "talk")
    await asyncio.sleep(1)
    stage.telegram.say(ANNA, "and now?")
    await stage.texts(2)
    await stage.stop()
    first, second = sorted((span.ended - span.begun) / 1e9 for span in collector.named("queue"))
    assert first < 1 < 4 < second
    assert len(collector.traces()) == 2


async def test_the_messages_of_one_question_are_a_trace_each_and_the_first_has_the_answer(
    stage: Stage, collector: Collector
) -> None:
    await stage.start(traces=True)
    stage.telegram.say(ANNA, "я" * 4096)
    await stage.ask("the rest of it")
    await stage.stop()
    assert sorted(len(collector.tree(trace)) > 1 for trace in collector.traces()) == [False, True]


# --- later, and elsewhere ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("older_models", "draws_by_operations")
async def test_a_picture_is_ordered_followed_and_sent_in_the_trace_of_its_question(
    stage: Stage, collector: Collector
) -> None:
    await stage.start(traces=True)
    stage.telegram.say(ANNA, "/image a cat")
    await stage.until(lambda: stage.telegram.calls_of("sendPhoto"))
    await asyncio.sleep(1)
    await stage.stop()
    (trace,) = collector.traces()
    tree = collector.tree(trace)
    assert tree[0] == "update"
    assert tree.count(".job image") > 1
    assert tree.count("..POST") == 1
    sent = tree.index("...sendPhoto")
    assert tree[sent - 2 : sent] == ["..deliver", "...commit"]


async def test_a_later_answer_is_in_the_trace_of_its_order_with_its_tokens(stage: Stage, collector: Collector) -> None:
    stage.studio.operations.polls["text"] = 3
    await stage.start(traces=True)
    stage.studio.script("in the end")
    stage.telegram.say(ANNA, "/later hello")
    await stage.texts(2)
    await stage.stop()
    (trace,) = collector.traces()
    assert collector.tree(trace).count(".job later") > 2
    (found,) = [span for span in collector.named("job later") if "gen_ai.request.model" in span.attributes]
    assert found.attributes["gen_ai.request.model"] == "yandexgpt"
    assert found.attributes["gen_ai.usage.output_tokens"] > 1


async def test_a_reminder_is_sent_in_the_trace_of_who_set_it_after_a_restart(
    stage: Stage, collector: Collector
) -> None:
    await stage.start(traces=True)
    await stage.ask("/timezone Moscow")
    await stage.ask("/remind in 5 minutes tea")
    await stage.stop()
    collector.spans = [span for span in collector.spans if span.attributes.get("govorun.turn") == "2"]
    await stage.start()
    await stage.texts(3)
    await stage.stop()
    (trace,) = collector.traces()
    assert {"update", ".turn", ".job reminder", "..deliver", "...sendMessage"} <= set(collector.tree(trace))


async def test_what_a_crash_interrupts_goes_on_in_the_same_trace(stage: Stage, collector: Collector) -> None:
    await stage.start(traces=True)
    stage.studio.speed = 10.0
    stage.studio.script(TALK, "Whole again.")
    stage.telegram.say(ANNA, "talk")
    await asyncio.sleep(2)
    await stage.crash()
    await stage.start()
    await stage.texts(1)
    await stage.stop()
    (trace,) = collector.traces()
    assert collector.tree(trace).count(".turn") == 2
    assert [span.attributes["govorun.attempt"] for span in collector.named("turn")] == [0, 1]
    assert collector.one("update").parent == ""


async def test_an_answer_that_a_crash_leaves_in_the_outbox_is_delivered_in_its_trace(
    stage: Stage, collector: Collector
) -> None:
    await stage.start(traces=True, streaming="off")
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 30})
    stage.telegram.say(ANNA, "hello")
    await stage.until(lambda: stage.telegram.calls_of("sendMessage"))
    await stage.crash()
    await stage.start()
    await stage.texts(1)
    await stage.stop()
    (trace,) = collector.traces()
    assert {"..deliver", ".deliver"} <= set(collector.tree(trace))


# --- what is told -----------------------------------------------------------------------------------------------------


async def test_no_text_no_name_and_no_secret_is_in_any_span(stage: Stage, collector: Collector) -> None:
    await stage.start(traces=True)
    stage.studio.script("a quokka answers")
    await stage.ask("a wombat asks")
    await stage.ask("/image a numbat")
    await stage.ask("/remind tomorrow 9:00 platypus")
    StudioSide(stage.studio).fails(400, times=3)
    await stage.ask("a bilby fails")
    await stage.stop()
    told = str(collector.spans) + str(collector.headers)
    secrets = stage.settings.secrets()
    assert len(secrets) > 1
    for word in ("quokka", "wombat", "numbat", "platypus", "bilby", "Anna", stage.settings.yc_folder_id, *secrets):
        assert word not in told
    assert {name for span in collector.spans for name in span.attributes} == {
        "error.type", "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.max_tokens",
        "gen_ai.request.model", "gen_ai.request.stream", "gen_ai.request.temperature",
        "gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "govorun.attempt",
        "govorun.bot", "govorun.chat", "govorun.delivery", "govorun.ending",
        "govorun.kind", "govorun.model", "govorun.prompt.characters", "govorun.prompt.messages", "govorun.turn",
        "govorun.user", "http.request.method", "http.response.status_code", "server.address",
    }  # fmt: skip


async def test_log_lines_name_the_trace_that_they_belong_to(
    stage: Stage, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[tuple[str, str]] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append((logs.Redaction([]).format(record), logs.JsonLines([]).format(record)))

    caplog.set_level(logging.INFO)
    logging.getLogger("bot.telemetry.turn_log").addHandler(handler := Written())
    await stage.start(traces=True)
    await stage.ask("How are you?")
    await stage.stop()
    logging.getLogger("bot.telemetry.turn_log").removeHandler(handler)
    ((text, row),) = written
    turn = collector.one("turn")
    assert f"[turn 1, trace {turn.trace}]:" in text
    assert (json.loads(row)["trace_id"], json.loads(row)["span_id"]) == (turn.trace, turn.id)


async def test_of_what_is_sampled_a_trace_is_whole_or_not_there(
    stage: Stage, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    await stage.start(traces=True, streaming="off", user_burst=50)
    for number in range(10):
        await stage.ask(f"question {number}")
    await stage.stop()
    assert 0 < len(collector.traces()) < 10
    for trace in collector.traces():
        assert {"update", ".turn", "...sendMessage"} <= set(collector.tree(trace))


@pytest.mark.parametrize("ratio", ["traceidratio", "parentbased_traceidratio", "parentbased_always_off", "always_off"])
async def test_nothing_is_recorded_where_the_sampler_takes_nothing(
    stage: Stage, collector: Collector, monkeypatch: pytest.MonkeyPatch, ratio: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", ratio)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    await stage.start(traces=True)
    await stage.ask("How are you?")
    await stage.stop()
    assert collector.spans == []


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_the_environment_says_who_sends_and_with_which_headers(
    stage: Stage, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-bot")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=abc")
    await stage.start(traces=True)
    await stage.ask("How are you?")
    await stage.stop()
    assert collector.headers[0]["x-key"] == "abc"
    service = collector.spans[0].service
    assert (service["service.name"], service["deployment.environment.name"]) == ("our-bot", "staging")


async def test_variables_of_opentelemetry_count_in_env_too(
    stage: Stage, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "")
    monkeypatch.delenv("OTEL_SERVICE_NAME")
    (tmp_path / ".env").write_text("OTEL_SERVICE_NAME=from-the-file\n")
    monkeypatch.chdir(tmp_path)
    await stage.start(traces=True)
    await stage.ask("How are you?")
    await stage.stop()
    assert collector.spans[0].service["service.name"] == "from-the-file"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only http/protobuf is spoken here"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush", "OTEL_EXPORTER_OTLP_HEADERS: name=value,name=value is expected"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER: otlp, console or none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1", "TRACES: a variable of OpenTelemetry can't be used"),
    ],
)
async def test_what_can_not_be_used_is_refused_in_one_line(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=re.escape(told)) as refused:
        await stage.start(traces=True)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
async def test_the_environment_can_switch_it_off(
    stage: Stage, collector: Collector, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    await stage.start(traces=True)
    await stage.ask("How are you?")
    await stage.stop()
    assert collector.headers == []


async def test_without_the_extra_one_line_says_what_to_install(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bot.telemetry.otel", raising=False)
    monkeypatch.delattr("bot.telemetry.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(ConfigError, match=r"TRACES: the extra `otel` is not installed; pip install 'govorun\[otel\]'"):
        async with SharedResources.open(stage.settings.model_copy(update={"traces": True}), stage.clock):
            pass


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_a_collector_that_is_away_costs_one_line_and_no_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    await stage.start(traces=True)
    for number in range(5):
        stage.studio.script(f"answer {number}")
        assert await stage.ask(f"question {number}") == f"answer {number}"
    await stage.stop()
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.name, record.getMessage()) for record in told] == [
        ("bot.telemetry.outage", "sending traces: the collector is not reached (OTEL_EXPORTER_OTLP_ENDPOINT)")
    ]


async def test_a_collector_that_refuses_is_named_with_its_status(
    stage: Stage, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 401
    await stage.start(traces=True)
    await stage.ask("How are you?")
    await stage.stop()
    assert "sending traces: the collector answers 401" in caplog.messages


async def test_a_stop_does_not_wait_long_for_a_collector_that_hangs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setattr("bot.telemetry.otel.FLUSH", 0.2)
    await stage.start(traces=True)
    await stage.ask("How are you?")
    begun = time.monotonic()
    await stage.stop()
    assert time.monotonic() - begun < 2
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()


@pytest.mark.process
def test_nothing_but_the_api_of_opentelemetry_is_loaded_while_it_is_off(loaded: Loaded) -> None:
    late = ("bot.telemetry.otel", "opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf")
    assert among(loaded.bot, late) == []


async def test_what_is_not_traced_has_no_spans(tmp_path: Path, template: Path) -> None:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path}/bot.db", SystemClock()) as store:
        with (
            TurnLogs(clock=SystemClock()).open(Incoming("1", Address("telegram", 42, 1), User(1))),
            tracing.span("a") as span,
        ):
            assert not span.is_recording()
            assert tracing.current_ids() == ("", "")
            await store.write(lambda tx: None)
        with tracing.summed_span("b"), tracing.call("c") as call:
            assert not call.is_recording()
