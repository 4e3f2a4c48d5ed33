"""HTTP endpoints of a programmer's code (`App.http`): who may call them, what they answer, what a kill leaves.

See P2, P28 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from bench.crew import free_port
from bot import App, BotError, Running
from bot.errors import ConfigError, UserError
from bot.extension.endpoints import HttpRequest
from tests.support.counting import counted
from tests.support.several import town
from tests.support.stage import ANNA, BORIS, Stage

pytestmark = pytest.mark.wire("tcp")

SECRET = "0123456789abcdef"
BEARER = {"Authorization": f"Bearer {SECRET}"}


class Part(StrEnum):
    LAMP = "lamp"
    BULB = "bulb lamp"


def with_endpoints() -> App:
    app = App()

    @app.http.post("/order-shipped")
    async def shipped(request: HttpRequest, running: Running) -> dict[str, Any]:
        order = await request.json()
        sent = await running.send(order["user"], f"Order {order['id']} is on its way.", key=f"shipped-{order['id']}")
        assert app.current is running
        return {"new": sent.is_new}

    @app.http.get("/order-shipped", secret=None)
    async def hello(request: HttpRequest, running: Running) -> str:
        return f"hello {request.query.get('name')}"

    @app.http.get("/orders/{number}/{part}", secret=None)
    async def part_of(request: HttpRequest, running: Running, part: Part, number: int) -> dict[str, Any]:
        return {"part": part, "number": number}

    @app.http.post("/orders/{number}/{part}", secret=None)
    async def added(request: HttpRequest, running: Running, number: int, part: str) -> str:
        return f"added {part}"

    @app.http.post("/orders/last/lamp", secret=None)
    async def last(request: HttpRequest, running: Running) -> str:
        return "the last"

    @app.http.post("/open", secret=None)
    async def read(request: web.Request, running: Running) -> Any:
        match request.query.get("as"):
            case "json":
                return await request.json()
            case "text":
                return await request.text()
            case "loads":
                return json.loads(await request.read())
            case "form":
                return dict(await request.post())
            case "parts":
                return [str(part) async for part in await request.multipart()]
        return len(await request.read())

    @app.http.post("/own", secret="a-secret-of-its-own")
    async def own(request: HttpRequest, running: Running) -> None:
        match await request.text():
            case "user":
                raise UserError("Not on Sundays.")
            case "bug":
                raise RuntimeError("a secret of ours")
            case "bot":
                raise BotError("the shop is away")
            case "teapot":
                raise web.HTTPForbidden(text="no tea")

    return app


@pytest.fixture
def bot_app() -> App:
    return with_endpoints()


class Shop:
    """The shop that calls."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        given = {"json": body} if isinstance(body, dict) else {"data": body}
        async with self.session.post(self.url + path, headers=headers or BEARER, **given) as response:
            return response.status, (await response.json() if response.content_type == "application/json" else None)


@pytest.fixture
async def shop(stage: Stage) -> AsyncIterator[Shop]:
    port = free_port()
    await stage.start(webhook_port=port, http_secret=SecretStr(SECRET))
    async with aiohttp.ClientSession() as session:
        yield Shop(f"http://127.0.0.1:{port}", session)


async def test_the_shop_calls_twice_and_the_customer_hears_once(stage: Stage, shop: Shop) -> None:
    await stage.ask("hi")
    order = {"user": ANNA, "id": 7}
    assert await shop.post("/order-shipped", order) == (200, {"new": True})
    assert await shop.post("/order-shipped", order) == (200, {"new": False})
    assert (await stage.texts(2))[1:] == ["Order 7 is on its way."]
    await stage.crash()
    await stage.start()
    assert await shop.post("/order-shipped", order) == (200, {"new": False})
    await stage.clock.sleep(30)
    assert stage.telegram.texts(ANNA)[1:] == ["Order 7 is on its way."]


async def test_what_was_answered_200_is_sent_although_the_bot_was_killed_at_once(stage: Stage, shop: Shop) -> None:
    await stage.ask("hi")
    stage.telegram.fail_next("sendMessage", times=None, code=502)
    assert (await shop.post("/order-shipped", {"user": ANNA, "id": 8}))[0] == 200
    await stage.crash()
    stage.telegram.faults.clear()
    await stage.start()
    assert (await stage.texts(2))[1:] == ["Order 8 is on its way."]


async def test_who_may_call(shop: Shop) -> None:
    for headers in ({"X": "y"}, {"Authorization": "Basic x"}):
        status, told = await shop.post("/order-shipped", {}, headers)
        assert (status, "Authorization: Bearer SECRET" in told["error"]) == (401, True)
    for secret in ("wrong", "", "секрет", SECRET + "0"):
        headers = {"Authorization": f"Bearer {secret}"}
        status, told = await shop.post("/order-shipped", {}, headers)
        assert status == 401, secret
    assert (await shop.post("/own", "", BEARER))[0] == 401
    assert (await shop.post("/own", "", {"Authorization": "bearer a-secret-of-its-own"}))[0] == 204
    async with shop.session.get(shop.url + "/order-shipped?name=Ann") as response:
        assert (response.status, await response.text()) == (200, "hello Ann")
    async with shop.session.put(shop.url + "/order-shipped") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST, GET")
    assert (await shop.post("/nothing", {}))[0] == 404


async def test_parts_of_a_path_are_arguments_of_the_function(shop: Shop) -> None:
    async def get(path: str) -> tuple[int, Any]:
        async with shop.session.get(shop.url + path) as response:
            return response.status, await response.text()

    assert await get("/orders/7/lamp") == (200, '{"part": "lamp", "number": 7}')
    assert await get("/orders/-7/bulb%20lamp") == (200, '{"part": "bulb lamp", "number": -7}')
    status, told = await get("/orders/seven/lamp")
    assert (status, "the path is not /orders/{number}/{part}: number: Input should be a valid integer" in told) == (
        400,
        True,
    )
    status, told = await get("/orders/last/lamp")
    assert (status, "number: " in told) == (400, True), "the fixed path takes no GET"
    assert (await get("/orders/7/chair"))[0] == 400
    for path in ("/orders", "/orders/7", "/orders/7/", "/orders/7/lamp/", "/orders/7/lamp/more", "/orders//lamp"):
        assert (await get(path))[0] == 404, path
    for path, answer in (("/orders/last/lamp", "the last"), ("/orders/7/lamp", "added lamp")):
        async with shop.session.post(shop.url + path) as response:
            assert await response.text() == answer
    async with shop.session.put(shop.url + "/orders/7/lamp") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, POST")


async def test_errors_are_answers(stage: Stage, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    own = {"Authorization": "Bearer a-secret-of-its-own"}
    assert await shop.post("/order-shipped", b"no json") == (
        400,
        {"error": "Expecting value: line 1 column 1 (char 0)"},
    )
    status, told = await shop.post("/order-shipped", {"user": BORIS, "id": 9})
    assert (status, told) == (404, {"error": f"user {BORIS} never wrote to this bot, and a bot may not write first"})
    assert await shop.post("/own", "user", own) == (400, {"error": "Not on Sundays."})
    assert (await shop.post("/own", "teapot", own))[0] == 403
    status, told = await shop.post("/own", "bug", own)
    assert (status, told["error"]) == (500, "failed")
    assert f"code {told['code']}" in caplog.text
    assert (await shop.post("/own", "bot", own))[1]["error"] == "the shop is away"


MULTIPART = "multipart/form-data; boundary=x"
STRANGERS: list[tuple[str, bytes, dict[str, str], int]] = [
    ("json", b"{'a': 1}", {}, 400),
    ("json", b"", {}, 400),
    ("json", b'{"a": 1', {"Content-Type": "application/json"}, 400),
    ("json", b"[" * 100_000, {}, 400),
    ("loads", b'{"a":' * 100_000, {}, 400),
    ("json", b"9" * 10_000, {}, 400),
    ("json", b"\xff\xfe{", {"Content-Type": "application/json"}, 400),
    ("json", b'"\xd6"', {"Content-Type": "application/json; charset=ascii"}, 400),
    ("json", b"{}", {"Content-Type": "application/json; charset=klingon"}, 415),
    ("text", b"hi", {"Content-Type": "text/plain; charset=\x00"}, 400),
    ("text", b"hi", {"Content-Type": "text/plain; charset=base64"}, 415),
    ("text", b"\xff", {}, 400),
    ("json", b"<a/>", {"Content-Type": "application/xml"}, 415),
    ("json", b"\x89PNG", {"Content-Type": "image/png"}, 415),
    ("json", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("read", b"no gzip", {"Content-Encoding": "gzip"}, 400),
    ("read", zlib.compress(b"x" * 3_000_000), {"Content-Encoding": "deflate"}, 413),
    ("read", b"x" * 3_000_000, {}, 413),
    ("form", b"x", {"Content-Type": "multipart/form-data"}, 400),
    ("form", b"x", {"Content-Type": MULTIPART}, 400),
    ("form", b"--x\r\nbroken\r\n\r\n--x--", {"Content-Type": MULTIPART}, 400),
    ("form", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\ncut", {"Content-Type": MULTIPART}, 400),
    ("form", b"a=%ff&b", {"Content-Type": "application/x-www-form-urlencoded; charset=klingon"}, 415),
    ("parts", b"{}", {"Content-Type": "application/json"}, 415),
]


async def raw(url: str, head: str, body: bytes, *, cut: bool = False) -> int:
    """Send a request byte for byte and hang up behind it if it is `cut`; the status of the answer, 0 for none."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n".encode() + body
    )
    if cut:
        writer.write_eof()
    line = await reader.readline()
    writer.close()
    return int(line.split()[1]) if line else 0


async def test_what_strangers_break_is_theirs_and_costs_one_line_of_the_log_a_minute(
    stage: Stage, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    found = {}
    for how, body, headers, _ in STRANGERS:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + f"Content-Length: {len(body)}\r\n"
        found[how, body[:60], str(headers)] = await raw(f"{shop.url}/open?as={how}", head, body)
    assert found == {(how, body[:60], str(headers)): status for how, body, headers, status in STRANGERS}
    for cut in ("Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"):
        assert await raw(f"{shop.url}/open?as=json", cut, b"5\r\n{", cut=True) in (0, 400)
    assert await raw(f"{shop.url}/open?as=json", "Transfer-Encoding: chunked\r\n", b"no number\r\n") in (0, 400)
    assert "Traceback" not in caplog.text
    assert "code" not in caplog.text
    assert caplog.text.count("requests to App.http were refused") == 1, "within a minute"
    await stage.clock.sleep(61)
    await shop.post("/order-shipped", {}, {"Authorization": "Bearer wrong"})
    lines = [line for line in caplog.messages if "were refused" in line]
    assert len(lines) == 2
    assert "1 with 401" in lines[1]
    assert stage.app is not None
    metrics, sent = stage.app.store.metrics, Counter(status for *_, status in STRANGERS)
    for status in (413, 415):
        assert counted(metrics, "endpoint_refusals_total", outcome=str(status)) == sent[status]


async def test_a_body_that_does_not_come_is_not_waited_for_without_end(
    stage: Stage, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    parts = urlsplit(shop.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"POST /open?as=json HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    await stage.clock.sleep(61)
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()
    assert "Traceback" not in caplog.text


async def test_without_a_secret_the_bot_does_not_start(stage: Stage) -> None:
    with pytest.raises(ConfigError, match=r"HTTP_SECRET is empty, so nobody could call /order-sh"):
        await stage.start(webhook_port=free_port(), http_secret=SecretStr(""))
    assert stage.telegram.calls == []


async def test_two_bots_do_not_share_a_path(stage: Stage, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with town(stage, tmp_path / "bots") as both:
        both.extension = stage.extension
        await both.start(webhook_port=free_port(), http_secret=SecretStr(SECRET))
        await stage.clock.sleep(5)
        assert "/order-shipped is wanted twice in this process" in caplog.text


def test_mistakes_are_told_at_decoration() -> None:
    app = App()

    async def serve(request: HttpRequest, running: Running) -> None: ...
    async def alone(request: HttpRequest) -> None: ...

    for path in ("order", "/a b", "/orders/{}", "/orders/{the id}", "/orders/x{id}", "/x?y=1"):
        with pytest.raises(ConfigError, match="is no path"):
            app.http.post(path)
    app.http.post("/x")(serve)
    app.http.get("/x")(serve)
    with pytest.raises(ConfigError, match="a function for POST /x already"):
        app.http.post("/x")
    with pytest.raises(ConfigError, match=r"POST /y: async def \(request, running\) is expected"):
        app.http.post("/y")(alone)  # type: ignore[type-var]
    app.http.get("/orders/{number}")(numbered)
    for path, function, line in (
        ("/orders/{id}", numbered, "there is a function for GET /orders/{id} already"),
        ("/o/{id}", numbered, "GET /o/{id}: async def (request, running, id) is expected, and the function takes (req"),
        ("/o/{number}/{id}", numbered, "async def (request, running, number, id) is expected"),
        ("/o/{number}", serve, "GET /o/{number}: async def (request, running, number) is expected"),
        ("/o", numbered, "GET /o: async def (request, running) is expected"),
        ("/o/{number}", untold, "GET /o/{number}: name 'Nothing' is not defined"),
        ("/o/{number}", odd, "GET /o/{number}: Unable to generate pydantic-core schema for <class "),
    ):
        with pytest.raises(ConfigError) as told:
            app.http.get(path)(function)
        assert line in str(told.value)
        assert "\n" not in str(told.value)


async def numbered(request: HttpRequest, running: Running, number: int) -> None: ...


async def untold(request: HttpRequest, running: Running, number: Nothing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


async def odd(request: HttpRequest, running: Running, number: Shop) -> None: ...


# --- in another server ------------------------------------------------------------------------------------------------


async def test_endpoints_and_the_webhook_are_mounted_in_another_server(stage: Stage) -> None:
    app = with_endpoints()
    outer = web.Application()
    outer.add_subapp("/bot", app.aiohttp())
    asgi = app.asgi()
    async with TestClient(TestServer(outer)) as client:
        assert (await client.post("/bot/order-shipped", json={})).status == 404, "the bot does not run yet"
        async with running(app, stage):
            response = await client.post("/bot/order-shipped", json={"user": ANNA, "id": 1}, headers=BEARER)
            assert response.status == 404
            assert "never wrote" in (await response.json())["error"]
            assert (await client.get("/bot/order-shipped?name=Bo")).status == 200
            assert await called(asgi, "GET", "/api/order-shipped", b"name=Ann", root="/api") == (200, b"hello Ann")
            told = await called(asgi, "POST", "/order-shipped", body=[b'{"user": 5,', b' "id": 2}'], headers=BEARER)
            assert (told[0], b"never wrote" in told[1]) == (404, True)
            assert (await called(asgi, "POST", "/order-shipped", body=[b"x" * 3_000_000], headers=BEARER))[0] == 413
            assert (await called(asgi, "DELETE", "/order-shipped"))[0] == 405
            told = await called(asgi, "GET", "/api/orders/7/lamp", root="/api")
            assert told == (200, b'{"part": "lamp", "number": 7}')
            async with client.get("/bot/orders/7/lamp") as answer:
                assert await answer.json() == {"part": "lamp", "number": 7}
        assert (await client.get("/bot/order-shipped")).status == 503


def running(app: App, stage: Stage) -> Any:
    given = {name: getattr(stage.settings, name) for name in stage.settings.model_fields_set}
    return app.running(**{**given, "http_secret": SECRET, "webhook_port": 1})


async def called(
    asgi: Any, method: str, path: str, query: bytes = b"", *, root: str = "", body: list[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:  # fmt: skip
    """Call an ASGI application as a server does; the status and body of its answer."""
    pieces, events = list(body or [b""]), []

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(event: dict[str, Any]) -> None:
        events.append(event)

    named = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": root, "query_string": query, "headers": named}
    await asgi(scope, receive, send)
    return events[0]["status"], events[1]["body"]
