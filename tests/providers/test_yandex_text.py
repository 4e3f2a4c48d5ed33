"""YandexGPT over a real connection: streams, cuts, tries again, the gauge, cancellation."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.ai import Chunk, Finish, Request, Usage
from bot.config.settings import Settings
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelProtocolError, ModelUnavailable, StreamCut
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.types import Message
from tests.support.raw_server import (
    Play,
    RawServer,
    Seen,
    answer,
    before_the_head,
    chunked,
    closed_port,
    drip,
    head,
    serve,
    until_close,
)
from tests.support.virtual import VirtualClock

RECORDINGS = Path(__file__).parents[1] / "recordings"
STREAM = (RECORDINGS / "completion_stream.ndjson").read_bytes()
LINES = STREAM.splitlines(keepends=True)
WHOLE = json.loads(LINES[-1])["result"]["alternatives"][0]["message"]["text"]
ASK = Request((Message.of("user", "hi"),))


class World:
    """AI Studio on loopback, asked by a real client in virtual time (its deadlines are real seconds)."""

    def __init__(self, server: RawServer, http: Http, **given: Any) -> None:
        self.server = server
        self.clock = VirtualClock()
        settings: dict[str, Any] = {
            "yc_api_key": "AQVN-secret",
            "yc_folder_id": "b1g",
            "yc_llm_url": server.url,
            "idle_deadline": 60,
        }
        settings |= {"yc_iam_url": server.url} | given
        self.studio = YandexStudio(
            settings=Settings(_env_file=None, **settings), http=http, clock=self.clock, random=Random(1)
        )
        self.model = self.studio.text()
        self.chunks: list[Chunk] = []

    async def ask(self) -> str:
        async for chunk in self.model.stream(ASK):
            self.chunks.append(chunk)
        return self.text

    @property
    def text(self) -> str:
        text = ""
        for chunk in self.chunks:
            text = chunk.text if chunk.replaces else text + chunk.text
        return text


Worlds = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def world() -> Worlds:
    @asynccontextmanager
    async def make(*script: Play, **given: Any) -> AsyncIterator[World]:
        async with serve(*script) as server, Http() as http:
            yield World(server, http, **given)

    return make


def replay(size: int = 10_000) -> Play:
    return chunked([STREAM[i : i + size] for i in range(0, len(STREAM), size)])


GAUGE = answer(429, {"error": {"grpcCode": 8, "httpCode": 429, "message": "gauge quota limit exceed"}})
DENIED = answer(
    401, {"error": {"grpcCode": 16, "httpCode": 401, "message": "Unknown api key"}}, "x-server-trace-id: t7"
)


# --- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_the_recorded_answer_arrives_whole_however_it_is_cut_up(world: Worlds, size: int) -> None:
    async with world(replay(size)) as w:
        assert await w.ask() == WHOLE
    assert w.chunks[-1].finish is Finish.STOP
    assert w.chunks[-1].usage == Usage(26, 317)


async def test_the_request_carries_what_the_service_wants(world: Worlds) -> None:
    async with world(replay(), model="yandexgpt-lite/rc") as w:
        await w.ask()
        w.chunks.clear()
        await w.ask()
    first, second = w.server.seen
    assert (first.method, first.path) == ("POST", "/foundationModels/v1/completion")
    assert first.json["modelUri"] == "gpt://b1g/yandexgpt-lite/rc"
    assert first.json["completionOptions"]["stream"] is True
    assert first.headers["authorization"] == "Api-Key AQVN-secret"
    assert first.headers["x-folder-id"] == "b1g"
    assert first.headers["x-data-logging-enabled"] == "false"
    assert first.headers["x-client-request-id"] != second.headers["x-client-request-id"]


async def test_the_operator_may_let_the_service_keep_requests(world: Worlds) -> None:
    async with world(replay(), yc_data_logging=True) as w:
        await w.ask()
    assert w.server.seen[0].headers["x-data-logging-enabled"] == "true"


async def test_the_connection_is_used_again_after_an_answer(world: Worlds) -> None:
    ports = set()

    async def play(request: Seen, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        await replay()(request, writer)

    async with world(play) as w:
        for _ in range(3):
            await w.ask()
    assert len(ports) == 1


async def test_a_server_that_does_not_close_holds_nobody_up(world: Worlds) -> None:
    async with world(chunked(LINES, end="hang"), idle_deadline=60) as w:
        started = time.monotonic()
        assert await w.ask() == WHOLE
        assert time.monotonic() - started < 2


async def test_tokens_are_counted_by_the_service(world: Worlds) -> None:
    tokens = json.loads((RECORDINGS / "tokenize.json").read_text())[0]["response"]["message"]
    async with world(answer(200, tokens), answer(200, {})) as w:
        tokenizer = w.studio.tokenizer()
        assert tokenizer is not None
        assert await tokenizer.count("ping") == 15
        assert await tokenizer.count("") == 0
        with pytest.raises(ModelProtocolError):
            await tokenizer.count("ping")
    assert w.server.seen[0].path == "/foundationModels/v1/tokenize"
    assert w.server.seen[0].json == {"modelUri": "gpt://b1g/yandexgpt-5.1", "text": "ping"}
    assert len(w.server.seen) == 2


# --- cuts -------------------------------------------------------------------------------------------------------------


def cut(framing: str, lines: list[bytes]) -> Play:
    data = b"".join(lines)
    return {
        "reset": chunked(lines, end="reset"),
        "fin in chunked": chunked(lines, end="fin"),
        "fin in close-delimited": until_close(data),
        "short content-length": until_close(data, length=len(STREAM)),
        "clean end": chunked(lines, end="clean"),
    }[framing]


FRAMINGS = ["reset", "fin in chunked", "fin in close-delimited", "short content-length", "clean end"]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kept", [1, 10, 20])
async def test_an_answer_cut_in_the_middle_is_marked_and_not_repeated(world: Worlds, framing: str, kept: int) -> None:
    async with world(cut(framing, LINES[:kept]), replay()) as w:
        with pytest.raises(StreamCut):
            await w.ask()
    assert len(w.server.seen) == 1
    assert w.chunks
    assert WHOLE.startswith(w.text)
    assert all(chunk.finish is None for chunk in w.chunks)


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_answer_cut_in_the_middle_of_a_line_is_marked(world: Worlds, framing: str) -> None:
    async with world(cut(framing, [LINES[0], LINES[1][:50]])) as w:
        with pytest.raises(StreamCut):
            await w.ask()


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_answer_cut_before_its_first_word_is_asked_for_again(world: Worlds, framing: str) -> None:
    async with world(cut(framing, []), cut(framing, [b"\n"]), replay()) as w:
        assert await w.ask() == WHOLE
    assert len(w.server.seen) == 3
    assert len(w.clock.slept) == 2


async def test_a_reset_after_the_end_harms_nothing(world: Worlds) -> None:
    async with world(chunked(LINES, end="reset")) as w:
        assert await w.ask() == WHOLE
    assert len(w.server.seen) == 1


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failing",
    [
        GAUGE,
        answer(500, {"error": {"grpcCode": 13, "message": "internal"}}),
        answer(502, b"<html>Bad Gateway</html>"),
        answer(503, {"error": "unavailable", "code": 14, "message": "unavailable"}),
        answer(504, b""),
        before_the_head("reset"),
        before_the_head("fin"),
        chunked([b'{"error":{"grpcCode":8,"httpCode":429,"message":"gauge"}}\n']),
    ],
    ids=["429", "500", "502", "503", "504", "reset", "fin", "in stream"],
)
async def test_a_passing_failure_is_tried_again(world: Worlds, failing: Play) -> None:
    async with world(failing, failing, replay()) as w:
        assert await w.ask() == WHOLE
    assert len(w.server.seen) == 3


async def test_a_lasting_failure_is_told_after_three_tries(world: Worlds) -> None:
    async with world(GAUGE) as w:
        with pytest.raises(ModelUnavailable) as caught:
            await w.ask()
    assert type(caught.value) is ModelUnavailable
    assert len(w.server.seen) == 3


async def test_nobody_listening_is_unavailable() -> None:
    async with serve(replay()) as server, Http() as http:
        w = World(server, http, yc_llm_url=closed_port())
        with pytest.raises(ModelUnavailable):
            await w.ask()
    assert len(w.clock.slept) == 2


async def test_retry_after_is_obeyed_within_the_deadline(world: Worlds) -> None:
    waiting = answer(429, {}, "retry-after: 9")
    async with world(waiting, replay()) as w:
        await w.ask()
        assert w.clock.now >= 9
    async with world(waiting, replay(), answer_deadline=8) as w:
        with pytest.raises(ModelUnavailable) as caught:
            await w.ask()
    assert caught.value.retry_after == 9
    assert len(w.server.seen) == 1


async def test_a_failure_in_mid_answer_is_a_cut(world: Worlds) -> None:
    async with world(chunked([*LINES[:3], b'{"error":{"grpcCode":8,"message":"gauge"}}\n']), replay()) as w:
        with pytest.raises(StreamCut):
            await w.ask()
    assert len(w.server.seen) == 1


async def test_an_overflow_is_told_with_its_numbers_and_not_repeated(world: Worlds) -> None:
    message = "number of input tokens must be no more than 32768, got 56832"
    async with world(answer(400, {"error": {"grpcCode": 3, "httpCode": 400, "message": message}})) as w:
        with pytest.raises(ContextOverflow) as caught:
            await w.ask()
    assert (caught.value.limit, caught.value.given) == (32768, 56832)
    assert len(w.server.seen) == 1


async def test_a_refused_key_is_not_tried_again(world: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    async with world(DENIED) as w:
        with pytest.raises(ModelDenied) as caught:
            await w.ask()
    assert len(w.server.seen) == 1
    assert caught.value.trace == "t7"
    assert "t7" in caplog.text
    assert w.server.seen[0].headers["x-client-request-id"] in caplog.text
    assert "secret" not in caplog.text


def token(name: str) -> Play:
    return answer(200, {"iamToken": f"t1.{name}", "expiresAt": "2099-01-01T00:00:00Z"})


async def test_an_expired_token_is_renewed_once(world: Worlds) -> None:
    async with world(token("old"), DENIED, token("new"), replay(), yc_api_key="", YC_OAUTH_TOKEN="y0_x") as w:
        assert await w.ask() == WHOLE
    assert [seen.headers.get("authorization") for seen in w.server.seen] == [
        None,
        "Bearer t1.old",
        None,
        "Bearer t1.new",
    ]
    assert w.clock.slept == []


async def test_a_token_that_is_refused_again_is_not_renewed_again(world: Worlds) -> None:
    script = (token("old"), DENIED, token("new"), DENIED)
    async with world(*script, yc_api_key="", YC_OAUTH_TOKEN="y0_x") as w:
        with pytest.raises(ModelDenied):
            await w.ask()
    assert len(w.server.seen) == 4


async def test_silence_after_the_first_words_ends_the_answer(world: Worlds) -> None:
    async with world(chunked(LINES[:2], end="hang"), idle_deadline=0.5) as w:
        with pytest.raises(StreamCut):
            await w.ask()


async def test_a_server_that_never_answers_is_asked_three_times(world: Worlds) -> None:
    async with world(before_the_head("hang"), idle_deadline=0.05) as w:
        with pytest.raises(ModelUnavailable):
            await w.ask()
    assert len(w.server.seen) == 3


async def test_keep_alive_lines_do_not_stretch_the_deadline(world: Worlds) -> None:
    async with world(drip(b"\n", 0.02), answer_deadline=0.3) as w:
        started = time.monotonic()
        with pytest.raises(ModelUnavailable):
            await w.ask()
    assert time.monotonic() - started < 3


async def test_a_line_of_ten_megabytes_is_refused(world: Worlds) -> None:
    async with world(chunked([b"x" * 100_000] * 100)) as w:
        with pytest.raises(ModelProtocolError):
            await w.ask()


@pytest.mark.parametrize(
    "body", [b"[]\n", b"garbage\ngarbage\n", b'{"result":5}\n', b'{"result":{"alternatives":5}}\n']
)
async def test_nonsense_with_status_200_is_a_model_error(world: Worlds, body: bytes) -> None:
    async with world(chunked([body])) as w:
        with pytest.raises(ModelError):
            await w.ask()


# --- the gauge --------------------------------------------------------------------------------------------------------


async def test_never_more_requests_are_in_flight_than_the_quota_allows(world: Worlds) -> None:
    flying, most = 0, 0
    full = asyncio.Event()

    async def play(_: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        if flying == 3:
            full.set()
        await full.wait()
        writer.write(head(200, "transfer-encoding: chunked"))
        for line in LINES[-2:]:
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
        flying -= 1
        writer.write(b"0\r\n\r\n")

    async with world(play, yc_concurrency=3) as w:
        other = w.studio.text("yandexgpt-lite")

        async def ask(number: int) -> Finish | None:
            chunks = [chunk async for chunk in (other if number % 2 else w.model).stream(ASK)]
            return chunks[-1].finish

        assert await asyncio.gather(*(ask(number) for number in range(12))) == [Finish.STOP] * 12
    assert most == 3


async def test_a_request_that_finds_no_place_in_time_is_told_so(world: Worlds) -> None:
    async with world(chunked(LINES[:1], end="hang"), replay(), yc_concurrency=1, answer_deadline=0.3) as w:
        async with aclosing(w.model.stream(ASK)) as first:
            await anext(first)
            with pytest.raises(ModelUnavailable, match="waiting"):
                await w.ask()
        assert await w.ask() == WHOLE  # leaving the first one gave its place back


# --- leaving ----------------------------------------------------------------------------------------------------------


async def test_closing_the_answer_closes_the_connection(world: Worlds) -> None:
    async with world(chunked(LINES[:1], end="hang")) as w:
        async with aclosing(w.model.stream(ASK)) as chunks:
            await anext(chunks)
        await asyncio.wait_for(w.server.seen[0].gone.wait(), 60)


@pytest.mark.parametrize("play", [before_the_head("hang"), chunked(LINES[:1], end="hang")])
async def test_cancelling_the_answer_closes_the_connection(world: Worlds, play: Play) -> None:
    async with world(play) as w:
        task = asyncio.create_task(w.ask())
        async with asyncio.timeout(60):
            await w.server.asked.wait()
            task.cancel()
            await asyncio.wait([task])
            await w.server.seen[0].gone.wait()
    assert task.cancelled()


async def test_a_cancelled_answer_gives_its_place_back(world: Worlds) -> None:
    async with world(before_the_head("hang"), replay(), yc_concurrency=1) as w:
        task = asyncio.create_task(w.ask())
        await w.server.asked.wait()
        task.cancel()
        await asyncio.wait([task])
        assert await asyncio.wait_for(w.ask(), 60) == WHOLE


async def test_no_address_and_no_key_is_logged(world: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with world(GAUGE, replay()) as w:
            await w.ask()
    assert "gauge" in caplog.text
    assert "AQVN" not in caplog.text
    assert "completion" not in caplog.text
