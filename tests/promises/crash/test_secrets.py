"""After a run with all that goes wrong, at LOG_LEVEL=DEBUG, no secret stands in anything written (P22, T1, T2, F7).

Looked at is every file of the bot's folder (log with both standard streams, database, -wal, backups), every request
that the model got and every call that reached Telegram. Services and proxies repeat the secrets that they were sent.
"""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.promises.crash.scenarios import ANNA, BORIS, CLARA
from tests.promises.crash.world import Nursery, World

pytestmark = pytest.mark.e2e

API_KEY = "AQVNsecret_of_the_crash_driver_0123456789ab"
PASSWORD = "pass:word/of%the@proxy"
WEBHOOK_SECRET = "webhook-secret-of-the-driver"


@asynccontextmanager
async def proxy() -> AsyncIterator[str]:
    """A proxy that lets everything through (CONNECT) and does not ask who is there. Gives its address."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        host, _, port = head.split()[1].rpartition(":")
        other = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, other[1]), pump(other[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"


def malformed(token: str) -> list[bytes]:
    """F6, F7: answers that are no HTTP, or no JSON, each with the token in it."""
    page = f"<html>/bot{token}/ is not here</html>".encode()
    return [
        f"HTTP/1.1 garbage {token}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nbad header {token}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nX: \0{token}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page),
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + page,
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page),
    ]


async def everything_goes_wrong(world: World) -> None:
    telegram, studio, token = world.telegram, world.studio, world.telegram.token
    echo = {"error": {"message": f"Unknown api key {API_KEY}", "httpCode": 500, "grpcCode": 13}}
    for number, raw in enumerate(malformed(token)):  # at most two in a row: the third pause would be a long one
        telegram.fail_next(("getMe", "setMyCommands", "getUpdates")[number % 3], raw=raw)
        telegram.fail_next(("sendMessage", "sendMessageDraft", "sendMessage")[number % 3], raw=raw)
    await world.start()
    telegram.fail_next("sendMessage", code=400, description=f"Bad Request: https://api.telegram.org/bot{token}/x")
    telegram.fail_next("sendMessageDraft", code=500, description=token)
    telegram.fail_next("setMyCommands", reset=True)
    for person in (ANNA, BORIS, CLARA):
        world.ask(person)
    studio.fail_next("completion", status=500, body=echo, times=3)
    studio.fail_next("completion", status=401, body=echo)
    studio.fail_next("completion", cut="reset", after_chunks=1)
    await world.answered()
    world.telegram.say(ANNA, "/image a lighthouse")
    studio.fail_next("images/generations", status=403, body=echo)
    await asyncio.sleep(0.2)
    assert await world.end() == -signal.SIGKILL
    await world.start()
    telegram.fail_next("setMyCommands", code=404, description=f"Not Found: {token}", times=2)
    await world.closing()
    assert await world.end(signal.SIGTERM) == 0


def forms(secret: str) -> Iterator[bytes]:
    """The secret as it might be written down: as it is, as a part of an address, in base64 at any place of a text."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield quote(secret).encode()
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + secret.encode())
        yield encoded[4 if before else 0 : -4]


def written(world: World) -> dict[str, bytes]:
    """Everything that the bot has written, by where it stands."""
    files = {str(path): path.read_bytes() for path in Path(world.directory).rglob("*") if path.is_file()}
    prompts = {f"request {number}": repr(seen).encode() for number, seen in enumerate(world.studio.requests)}
    calls = {f"call {number}": repr(call.params).encode() for number, call in enumerate(world.telegram.calls)}
    return {**files, **prompts, **calls}


def leaks(world: World, *secrets: str) -> list[str]:
    found = written(world)
    return [
        f"{secret!r} as {form!r} in {place}: {text[max(text.index(form) - 80, 0) :][:200]!r}"
        for secret in secrets
        for form in forms(secret)
        for place, text in found.items()
        if form in text
    ]


@pytest.mark.parametrize(("kind", "log_format"), [("yc_api_key", "text"), ("yc_iam_token", "json")])
async def test_no_secret_stands_in_anything_that_was_written(nursery: Nursery, kind: str, log_format: str) -> None:
    async with (
        proxy() as address,
        nursery.world(
            log_level="DEBUG", log_format=log_format, telegram_proxy=address, webhook_secret=WEBHOOK_SECRET
        ) as world,
    ):
        world.studio.access.keys.add(API_KEY)
        secret = API_KEY if kind == "yc_api_key" else world.studio.access.issue()[0]
        world.settings |= {"YC_API_KEY": "", "YC_IAM_TOKEN": "", kind.upper(): secret}
        await everything_goes_wrong(world)
        token = world.telegram.token
        assert "ERROR" in world.log() or "WARNING" in world.log()
        assert leaks(world, token, token.partition(":")[2], secret, WEBHOOK_SECRET, PASSWORD) == []


async def test_no_words_of_people_or_of_the_model_stand_in_the_log(nursery: Nursery) -> None:
    """At INFO, whatever goes wrong. The words are in the database, or the test would look for the wrong ones."""
    async with nursery.world(log_level="INFO") as world:
        await everything_goes_wrong(world)
        assert "INFO" in world.log()
        assert any(b"mark1-" in text for place, text in written(world).items() if "govorun.db" in place)
        assert [word for word in ("ask1", "what is it", "mark1", "mark2", "lighthouse") if word in world.log()] == []


def test_the_search_for_secrets_finds_them_in_each_form() -> None:
    for text in (PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(f"user:{PASSWORD}".encode()).decode()):
        assert any(form in text.encode() for form in forms(PASSWORD)), text
