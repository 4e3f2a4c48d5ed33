"""The webhook through a real server: only Telegram's word is taken, and taken only when it is on disk."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import re
import socket
import sqlite3
import textwrap
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import text as sql

from bench.crew import free_port
from bot.errors import ConfigError
from bot.telegram.receiving.webhook import Webhook
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import counted, inbox, rows, settled, soon

pytestmark = pytest.mark.wire("tcp")

SECRET = "the-secret_of_7_tests"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
JSON = "application/json"


def update(number: int, text: str = "hello", chat: int = ANNA) -> dict[str, Any]:
    person = {"id": chat, "is_bot": False, "first_name": "Anna", "language_code": "en"}
    said = {"message_id": number, "date": 1_800_000_000, "from": person, "chat": {"id": chat, "type": "private"}}
    return {"update_id": number, "message": {**said, "text": text}}


class Door:
    """The bot's webhook, and a stranger before it who may send what he likes."""

    def __init__(self, stage: Stage, port: int, session: aiohttp.ClientSession) -> None:
        self.stage = stage
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hook"
        self.session = session

    async def knock(self, body: bytes | Any, secret: str | None = SECRET, kind: str = JSON) -> int:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind, **({HEADER: secret} if secret is not None else {})}
        async with self.session.post(self.url, data=io.BytesIO(data), headers=headers) as response:
            return response.status

    async def raw(self, head: bytes) -> int:
        """Send bytes as they are; the status of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head)
        await writer.drain()
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return int(line.split()[1])


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    port = free_port()
    await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port, webhook_secret=SecretStr(SECRET))
    await soon(stage, lambda: stage.telegram.webhook.info()["url"])
    async with aiohttp.ClientSession() as session:
        yield Door(stage, port, session)


# --- the ordinary way -------------------------------------------------------------------------------------------------


async def test_updates_come_in_and_are_answered(stage: Stage, door: Door) -> None:
    stage.studio.script("by webhook")
    assert await stage.ask("hello") == "by webhook"
    assert stage.telegram.pending == 0
    assert not stage.telegram.calls_of("getUpdates")


async def test_the_order_of_a_chat_is_kept(stage: Stage, door: Door) -> None:
    stage.studio.answer(lambda messages: messages[-1]["text"])
    texts = [f"question {number}" for number in range(6)]
    for text in texts:
        stage.telegram.say(ANNA, text)
        stage.telegram.say(BORIS, text)
    assert await stage.texts(6) == texts
    assert await stage.texts(6, BORIS) == texts


async def test_a_stop_button_reaches_a_running_answer(stage: Stage, door: Door) -> None:
    stage.studio.speed = 5
    stage.studio.script(counted(500))
    stage.telegram.say(ANNA, "count")
    draft = await stage.until(lambda: next((d for d in stage.telegram.drafts if "word3" in d["text"]), None))
    stage.telegram.stop(ANNA, draft["draft_id"])
    assert (await stage.texts(1))[0].endswith("stopped")


async def test_an_update_is_taken_only_when_it_is_on_disk(stage: Stage, door: Door) -> None:
    assert stage.app is not None
    await stage.app.store.write(lambda tx: tx.connection.execute(sql("PRAGMA busy_timeout=0")))
    other = sqlite3.connect(stage.settings.database_url.partition(":///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await door.knock(update(7, "kept")) == 503
    other.execute("ROLLBACK")
    other.close()
    assert await door.knock(update(7, "kept")) == 200
    assert rows(stage, "SELECT update_id FROM updates") == [(7,)]
    await settled(stage, "sent")


async def test_two_hundred_means_that_a_crash_loses_nothing(stage: Stage, door: Door) -> None:
    stage.studio.ttft = 30.0
    assert await door.knock(update(7)) == 200
    await stage.crash()
    assert len(inbox(stage)) == 1
    stage.studio.ttft = 0.0
    await stage.start()
    await settled(stage, "sent")
    assert len(stage.telegram.texts(ANNA)) == 1


async def test_a_stop_and_a_start_lose_and_double_nothing(stage: Stage, door: Door) -> None:
    stage.studio.answer(lambda messages: messages[-1]["text"])
    assert await stage.ask("one") == "one"
    await stage.stop()
    stage.telegram.say(ANNA, "two")
    await stage.clock.sleep(5)
    await stage.start()
    assert await stage.texts(2) == ["one", "two"]
    await stage.clock.sleep(60)
    assert stage.telegram.pending == 0
    assert len(stage.prompts()) == 2


# --- strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "ключ", "\u2028"])
async def test_without_the_secret_nothing_is_taken(stage: Stage, door: Door, secret: str | None) -> None:
    assert await door.knock(update(7), secret) == 401
    assert inbox(stage) == []


async def test_a_secret_of_raw_bytes_is_refused(stage: Stage, door: Door) -> None:
    body = json.dumps(update(7)).encode()
    for secret in (b"\xff\xfe\x80", b"\xc3\x28", SECRET.encode() + b"\xff"):
        head = (
            b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s: %s\r\n\r\n"
        )
        status = await door.raw(head % (len(body), HEADER.encode(), secret) + body)
        assert status in (400, 401)
    assert inbox(stage) == []


async def test_forged_addresses_open_nothing(stage: Stage, door: Door) -> None:
    headers = {"X-Forwarded-For": "149.154.167.220", "Content-Type": JSON, HEADER: "guess"}
    async with door.session.post(door.url, data=json.dumps(update(7)), headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"null", b"[]", b"5", b'"x"', b"{}", b'{"update_id":"7"}', b'{"update_id":true}', b"\xff\xfe",
     b'{"update_id":-1}', b'{"update_id":' + b"9" * 30 + b"}", b'{"update_id":' + b"9" * 5000 + b"}",
     b'{"update_id":7.5}', b"[" * 100_000, b'{"update_id":7,"message":' + b"[" * 100_000],
)  # fmt: skip
async def test_what_is_no_update_is_refused_for_good(stage: Stage, door: Door, body: bytes) -> None:
    assert await door.knock(body) == 400
    assert inbox(stage) == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_only_json_is_read(stage: Stage, door: Door, kind: str) -> None:
    assert await door.knock(update(7), kind=kind) == 400
    assert inbox(stage) == []


@pytest.mark.parametrize("depth", [50, 300, 490, 900, 2000, 200_000])
async def test_depth_never_breaks_the_server(stage: Stage, door: Door, depth: int) -> None:
    body = b'{"update_id":7,"message":{"message_id":1,"x":' + b"[" * depth + b"]" * depth + b"}}"
    assert await door.knock(body) in (200, 400)
    stage.studio.script("still here")
    assert await stage.ask("hello") == "still here"


@pytest.mark.parametrize(("size", "status"), [(1_500_000, 200), (2_500_000, 413)])
async def test_large_bodies(stage: Stage, door: Door, size: int, status: int) -> None:
    assert await door.knock({**update(7, "large"), "filler": "x" * size}) == status
    assert len(inbox(stage)) == (status == 200)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_and_places_are_not_there(stage: Stage, door: Door, method: str) -> None:
    async with door.session.request(method, door.url, headers={HEADER: SECRET}) as response:
        assert response.status == 405
    async with door.session.post(door.url + "/../etc", json=update(7), headers={HEADER: SECRET}) as response:
        assert response.status == 404


async def test_an_unreadable_update_is_taken_and_set_aside(stage: Stage, door: Door) -> None:
    """A refusal would bring it again and again, and hold up its chat."""
    assert await door.knock({"update_id": 7, "message": {"chat": 5}}) == 200
    await soon(stage, lambda: inbox(stage) == ["dead"])
    stage.studio.script("still here")
    assert await stage.ask("hello") == "still here"


# --- the same thing twice ---------------------------------------------------------------------------------------------


async def test_the_same_update_at_once_from_many_connections_is_answered_once(stage: Stage, door: Door) -> None:
    assert await asyncio.gather(*(door.knock(update(7)) for _ in range(8))) == [200] * 8
    await settled(stage, "sent")
    assert len(stage.prompts()) == 1


async def test_the_same_message_under_another_number_is_answered_once(stage: Stage, door: Door) -> None:
    assert await door.knock(update(7)) == 200
    assert await door.knock({**update(7), "update_id": 8}) == 200
    await settled(stage, "sent")
    assert len(inbox(stage)) == 1


# --- the start --------------------------------------------------------------------------------------------------------


async def test_telegram_is_told_the_address_the_secret_and_what_to_send(stage: Stage, door: Door) -> None:
    told = stage.telegram.calls_of("setWebhook")[-1].params
    assert told["url"] == door.url
    assert told["secret_token"] == SECRET
    assert "stopped_message_generation" in json.loads(told["allowed_updates"])


@pytest.mark.parametrize("fault", [{"code": 429, "parameters": {"retry_after": 2}}, {"code": 502}, {"reset": True}])
async def test_a_webhook_that_can_not_be_set_at_once_is_set_later(stage: Stage, fault: dict[str, Any]) -> None:
    port = free_port()
    stage.telegram.fail_next("setWebhook", times=2, **fault)
    await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
    assert await stage.ask("hello")


async def test_an_address_that_telegram_refuses_is_said(stage: Stage) -> None:
    port = free_port()
    stage.telegram.fail_next("setWebhook", code=400, description="Bad Request: bad webhook: HTTPS url must be provided")
    await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
    assert stage._task is not None
    with pytest.raises(ConfigError, match="WEBHOOK_URL"):
        await stage._task


async def test_a_port_that_is_taken_is_said(stage: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
        assert stage._task is not None
        with pytest.raises(ConfigError, match="WEBHOOK_PORT"):
            await stage._task


async def test_two_owners_of_one_webhook_do_not_take_it_from_each_other(
    stage: Stage, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Two deployments with one token: the later one has the updates, the other says so and leaves it at that."""
    theirs = f"http://127.0.0.1:{free_port()}/theirs"
    await stage.telegram.webhook.set(theirs, "", 40)
    await stage.clock.sleep(120)
    assert stage.telegram.webhook.info()["url"] == theirs
    assert len(stage.telegram.calls_of("setWebhook")) == 1
    lines = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert 1 <= len(lines) <= 3
    assert all("which we did not set: somebody else has BOT_TOKEN" in line for line in lines)


async def test_going_back_to_polling_takes_the_webhook_away(stage: Stage, door: Door) -> None:
    await stage.stop()
    await stage.start(webhook_url="")
    stage.studio.script("by polling")
    assert await stage.ask("hello") == "by polling"


# --- bodies that are meant to hurt ------------------------------------------------------------------------------------

POST = f"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n{HEADER}: {SECRET}\r\n".encode()


async def test_t7_a_body_that_drips_is_given_up_after_ten_seconds(stage: Stage, door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(POST + b'Content-Length: 100\r\n\r\n{"update_id":')
    await writer.drain()
    began = stage.clock.monotonic()
    assert int((await reader.readline()).split()[1]) == 408
    assert 9 <= stage.clock.monotonic() - began <= 12
    writer.close()
    await writer.wait_closed()
    assert inbox(stage) == []


async def test_t7_a_hundred_bodies_that_drip_keep_nobody_waiting(stage: Stage, door: Door) -> None:
    streams = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(100)]
    for _, writer in streams:
        writer.write(POST + b"Content-Length: 2000000\r\n\r\n{")
        await writer.drain()
    stage.studio.script("still here")
    assert await stage.ask("hello") == "still here"
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()


async def test_t7_a_body_that_ends_before_its_length_is_no_update(stage: Stage, door: Door) -> None:
    for sent in (b"", b"{", json.dumps(update(7)).encode()):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(POST + b"Content-Length: 100000\r\n\r\n" + sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    stage.studio.script("still here")
    assert await stage.ask("hello") == "still here"
    assert len(inbox(stage)) == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: -1\r\n", b""),
        (b"Content-Length: x\r\n", b""),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"{}{}{}"),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\n"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
        (b"Content-Encoding: gzip\r\nContent-Length: 8\r\n", b"not gzip"),
        (b"Content-Encoding: deflate\r\nContent-Length: 8\r\n", b"not gzip"),
        (b"X: " + b"a" * 20_000 + b"\r\nContent-Length: 2\r\n", b"{}"),
    ],
)
async def test_t7_broken_http_is_the_senders_fault(stage: Stage, door: Door, headers: bytes, body: bytes) -> None:
    assert 400 <= await door.raw(POST + headers + b"\r\n" + body) < 500
    assert inbox(stage) == []
    stage.studio.script("still here")
    assert await stage.ask("hello") == "still here"


async def test_t7_a_body_without_a_length_is_cut_at_two_megabytes(stage: Stage, door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (65_536, b"[" * 65_536)
    with suppress(ConnectionError):
        for _ in range(1000):  # 64 MB
            writer.write(piece)
            await writer.drain()
    assert int((await reader.readline()).split()[1]) == 413
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert inbox(stage) == []


async def test_t7_a_small_body_that_unpacks_to_a_large_one_is_refused(stage: Stage, door: Door) -> None:
    packed = zlib.compress(json.dumps({**update(7), "filler": "x" * 50_000_000}).encode(), 9)
    assert len(packed) < 100_000
    head = b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert 400 <= await door.raw(POST + head + packed) < 500
    assert inbox(stage) == []


async def test_f58_an_update_that_nests_too_deep_is_taken_and_answered(stage: Stage, door: Door) -> None:
    """A refusal would bring it again for a day, and hold up its chat meanwhile."""
    deep = '{"type":"blockquote","blocks":[' * 600 + '"x"' + "]}" * 600
    body = json.dumps(update(7, "deep"))[:-2] + f',"rich_message":{{"blocks":[{deep}]}}}}}}'
    stage.studio.script("read")
    assert await door.knock(body.encode()) == 200
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["read"]


def test_t6_the_secret_is_compared_as_bytes_in_constant_time() -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(Webhook.receive)))
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [one for one in compared if "secret" in ast.unparse(one).lower()]
    assert "hmac.compare_digest" in ast.unparse(tree)


async def test_t6_a_secret_that_nobody_set_is_made_of_32_random_characters(stage: Stage) -> None:
    port = free_port()
    secrets: set[str] = set()
    for _ in range(2):
        await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
        told = await soon(stage, lambda: stage.telegram.calls_of("setWebhook")[len(secrets) :])
        secrets.add(told[-1].params["secret_token"])
        await stage.stop()
        await stage.clock.sleep(5)
    assert len(secrets) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32,256}", secret) for secret in secrets)
