"""The HTTP client against a real server that plays bytes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.concurrency import backpressure
from bot.errors import ModelError, ModelProtocolError, ModelUnavailable, OutcomeUnknown, StreamCut
from bot.http.client import Http
from bot.http.framing import LineSplitter, dump_json, parse_json, whole_text
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

SECRET = "AQVN-secret-key"
HEADERS = {"authorization": f"Api-Key {SECRET}"}


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


async def lines(http: Http, server: RawServer, *, total: float = 5, idle: float = 5) -> list[str]:
    async with http.stream(server.url, {}, headers=HEADERS, total=total, idle=idle) as stream:
        return [line async for together in stream.lines() for line in together]


async def events(http: Http, server: RawServer) -> list[tuple[str, str]]:
    async with http.stream(server.url, {}, total=5, idle=5) as stream:
        return [(event.name, event.data) async for together in stream.events() for event in together]


async def test_what_a_model_writes_waits_until_the_view_of_the_answer_releases_it(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.http.transport.HELD", 3600.0)
    backpressure.current.set(flow := backpressure.Flow())
    go_on = asyncio.Event()

    async def play(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200) + b"one\n")
        await go_on.wait()
        writer.write(b"two\n")
        await writer.drain()
        await seen.gone.wait()

    async with serve(play) as server, http.stream(server.url, {}, total=50, idle=50) as stream:
        lines = stream.lines()
        assert await anext(lines) == ["one"]
        reading = asyncio.ensure_future(anext(lines))
        go_on.set()
        waited = 0.0
        while not waited:
            flow.hold()
            await asyncio.sleep(0)
            assert not reading.done()
            waited = flow.release()
        assert await reading == ["two"]
    assert flow.release() == 0.0


async def test_chunks_that_come_together_are_read_at_once(http: Http) -> None:
    size = 200

    async def play(seen: Seen, writer: asyncio.StreamWriter) -> None:
        lines = b"".join(b"5\r\nline\n\r\n" for _ in range(size))
        writer.write(head(200, "transfer-encoding: chunked") + lines + b"0\r\n\r\n")
        await seen.gone.wait()

    async with serve(play) as server, http.stream(server.url, {}, total=50, idle=50) as stream:
        found = [len(together) async for together in stream.lines()]
    assert sum(found) == size
    assert len(found) < 10


# --- lines ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(alphabet="ab😀я\u2028\x0b\x85\r", max_size=8)), st.data())
def test_lines_do_not_depend_on_where_the_bytes_were_divided(texts: list[str], data: st.DataObject) -> None:
    raw = "\n".join(texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    splitter = LineSplitter()
    found: list[str] = []
    for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += splitter.feed(raw[start:stop])
    found += splitter.rest()
    expected = [text.removesuffix("\r") for text in texts]
    if texts and not texts[-1]:
        expected.pop()  # nothing after the last line end
    assert found == expected


def test_a_line_separator_inside_a_string_ends_no_line() -> None:
    assert LineSplitter().feed("a\u2028b\x0bc\x85d\re\r\n".encode()) == ["a\u2028b\x0bc\x85d\re"]


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    assert LineSplitter().feed(b"a\xff\xe2\x82\nb\n") == ["a\ufffd\ufffd", "b"]


def test_a_byte_order_mark_is_dropped_at_the_start_only() -> None:
    assert LineSplitter().feed("\ufeffa\n\ufeffb\n".encode()) == ["a", "\ufeffb"]


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n"])
def test_a_line_that_is_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(ModelProtocolError):
        LineSplitter(limit=10).feed(data)


async def test_every_byte_may_come_alone(http: Http) -> None:
    data = "привет\r\n😀\n\nконец".encode()
    async with serve(chunked(data[i : i + 1] for i in range(len(data)))) as server:
        assert await lines(http, server) == ["привет", "😀", "", "конец"]


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_events_survive_comments_crlf_a_mark_and_a_missing_last_blank_line(http: Http, size: int) -> None:
    text = '\ufeff: comment\r\ndata: {"a":\r\ndata: 1}\r\n\r\nevent: done\ndata:[DONE]\nid: 7\n\nretry: 5\n\ndata: last'
    data = text.encode()
    async with serve(chunked(data[i : i + size] for i in range(0, len(data), size))) as server:
        assert await events(http, server) == [("", '{"a":\n1}'), ("done", "[DONE]"), ("", "last")]


# --- whole answers ----------------------------------------------------------------------------------------------------


async def test_a_post_carries_json_and_gives_back_the_answer_whatever_its_status(http: Http) -> None:
    async with serve(answer(418, {"ok": "да"}, "X-Server-Trace-Id: t1")) as server:
        got = await http.ask("POST", server.url + "/x", {"q": "ы"}, headers=HEADERS, total=5)
    assert (got.status, got.json(), got.headers["x-server-trace-id"]) == (418, {"ok": "да"}, "t1")
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.json, seen.headers["authorization"]) == (
        "POST", "/x", {"q": "ы"}, HEADERS["authorization"],
    )  # fmt: skip


async def test_a_redirect_is_not_followed(http: Http) -> None:
    async with serve(answer(200, {})) as other, serve(answer(307, b"", f"location: {other.url}")) as server:
        with pytest.raises(ModelProtocolError, match="redirect"):
            await http.ask("POST", server.url, {}, headers=HEADERS, total=5)
    assert other.seen == []


async def test_a_compressed_answer_is_refused(http: Http) -> None:
    async with serve(answer(200, b"\x1f\x8b", "content-encoding: gzip")) as server:
        with pytest.raises(ModelProtocolError, match="compressed"):
            await http.ask("GET", server.url, total=5)
    assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_an_answer_over_the_size_limit_is_refused(http: Http) -> None:
    async with serve(answer(200, b"x" * 1001)) as server:
        with pytest.raises(ModelProtocolError, match="larger"):
            await http.ask("GET", server.url, total=5, limit=1000)
        got = await http.ask("GET", server.url, total=5, limit=1001)
    assert len(got.body) == 1001


async def test_a_connection_is_used_again(http: Http) -> None:
    ports = set()

    async def play(_: Seen, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        writer.write(head(200, "content-length: 2") + b"{}")

    async with serve(play) as server:
        for _ in range(3):
            await http.ask("GET", server.url, total=5)
    assert len(ports) == 1


async def test_the_proxy_of_the_environment_is_used_except_for_direct_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(answer(200, b"proxy")) as proxy, serve(answer(200, b"host")) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with Http() as plain, Http(direct=["127.0.0.1"]) as direct:
            got = [(await client.ask("GET", server.url, total=5)).body for client in (plain, direct)]
    assert got == [b"proxy", b"host"]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeatable", [True, False])
async def test_nobody_listening_is_safe_to_repeat(http: Http, repeatable: bool) -> None:
    with pytest.raises(ModelUnavailable, match="ConnectionRefusedError"):
        await http.ask("POST", closed_port(), {}, total=5, repeatable=repeatable)


@pytest.mark.parametrize("end", ["reset", "fin"])
@pytest.mark.parametrize(("repeatable", "kind"), [(True, ModelUnavailable), (False, OutcomeUnknown)])
async def test_a_connection_lost_before_the_answer(
    http: Http, end: str, repeatable: bool, kind: type[ModelError]
) -> None:
    async with serve(before_the_head(end)) as server:
        with pytest.raises(kind):
            await http.ask("POST", server.url, {}, total=5, repeatable=repeatable)
    assert len(server.seen) == 1


@pytest.mark.parametrize(("repeatable", "kind"), [(True, StreamCut), (False, OutcomeUnknown)])
async def test_a_connection_lost_inside_the_answer(http: Http, repeatable: bool, kind: type[ModelError]) -> None:
    async with serve(until_close(b'{"id"', length=100)) as server:
        with pytest.raises(kind):
            await http.ask("POST", server.url, {}, total=5, repeatable=repeatable)


@pytest.mark.parametrize(("repeatable", "kind"), [(True, ModelUnavailable), (False, OutcomeUnknown)])
async def test_an_answer_that_never_comes_ends_at_the_deadline(
    http: Http, repeatable: bool, kind: type[ModelError]
) -> None:
    async with serve(before_the_head("hang")) as server:
        with pytest.raises(kind, match="no answer within"):
            await http.ask("POST", server.url, {}, total=0.1, repeatable=repeatable)
        await asyncio.wait_for(server.seen[0].gone.wait(), 60)


async def test_a_drip_ends_at_the_total_deadline(http: Http) -> None:
    started = time.monotonic()
    async with serve(drip(b"\n", 0.03)) as server:
        with pytest.raises(StreamCut, match="time"):
            await lines(http, server, total=0.3, idle=0.2)
    assert time.monotonic() - started > 0.25


async def test_silence_ends_at_the_idle_deadline(http: Http) -> None:
    async with serve(chunked([b"a\n"], end="hang")) as server:
        with pytest.raises(StreamCut, match="time"):
            await lines(http, server, total=20, idle=0.1)
        await asyncio.wait_for(server.seen[0].gone.wait(), 60)


async def test_leaving_a_stream_closes_its_connection(http: Http) -> None:
    async with serve(chunked([b"a\n"], end="hang")) as server:
        async with http.stream(server.url, {}, total=20, idle=20) as stream:
            async for _ in stream.lines():
                break
        await asyncio.wait_for(server.seen[0].gone.wait(), 60)


async def test_cancelling_a_request_closes_its_connection(http: Http) -> None:
    async with serve(before_the_head("hang")) as server:
        task = asyncio.create_task(http.ask("POST", server.url, {}, total=20))
        async with asyncio.timeout(60):
            await server.asked.wait()
            task.cancel()
            await asyncio.wait([task])
            await server.seen[0].gone.wait()
    assert task.cancelled()


@pytest.mark.parametrize(
    "unfinished", [before_the_head("hang"), chunked([b"a\n"], end="hang")], ids=["before the head", "in the body"]
)
@pytest.mark.parametrize("steps", range(8))
async def test_a_server_can_be_asked_again_after_a_request_was_cancelled_twice(
    http: Http, unfinished: Play, steps: int
) -> None:
    """A lease that is lost, or a stop after [Stop], cancels what is being cancelled already."""
    reading = asyncio.Event()

    async def read() -> None:
        async with http.stream(server.url, {}, total=20, idle=20) as stream:
            async for _ in stream.lines():
                reading.set()

    async with serve(unfinished, answer(200, b"{}")) as server, asyncio.timeout(60):
        task = asyncio.create_task(read())
        await (server.asked if unfinished.__qualname__.startswith("before") else reading).wait()
        task.cancel()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert (await http.ask("POST", server.url, {}, total=5)).status == 200


MALFORMED = {
    "no status": b"garbage\r\n\r\n",
    "secret echoed": b"HTTP/1.1 " + SECRET.encode() + b"\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n",
    "header without colon": b"HTTP/1.1 200 OK\r\n" + SECRET.encode() + b"\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "wrong chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_no_error_and_no_log_line_shows_a_secret(
    http: Http, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    async with serve(play) as server:
        with caplog.at_level(logging.INFO), pytest.raises(ModelError) as caught:
            await http.ask("POST", f"{server.url}/?key={SECRET}", {}, headers=HEADERS, total=5)
        logging.getLogger("test").error("failed", exc_info=caught.value)
    assert "failed" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("value", [f"Api-Key {SECRET}\r\nx: y", f"Api-Key {SECRET}ключ"])
async def test_a_header_that_cannot_be_written_is_told_without_it(
    http: Http, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(answer(200, {})) as server:
        with pytest.raises(ModelProtocolError) as caught:
            await http.ask("GET", server.url, headers={"authorization": value}, total=5)
        logging.getLogger("test").error("failed", exc_info=caught.value)
    assert SECRET not in caplog.text
    assert server.seen == []


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[" * 100_000, b"1" * 10_000, b"\xff"])
def test_what_is_no_json_is_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(ModelProtocolError):
        parse_json(raw)


@given(st.text(alphabet=st.characters()) | st.text(alphabet="a\ud83d\ude00я"))
def test_whatever_text_is_sent_arrives_as_valid_unicode(text: str) -> None:
    arrived = parse_json(dump_json({"text": text}))["text"]
    assert arrived == whole_text(text)
    assert arrived.encode().decode() == arrived


def test_halves_of_a_pair_are_joined_and_lone_ones_replaced() -> None:
    assert whole_text("a\ud83d\ude00b\ud83dc\ude00") == "a😀b\ufffdc\ufffd"
