"""What the sandbox's three servers refuse: other hosts, other pages, deep JSON, keys that are guessed (P28, T31)."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from bot.clock import SystemClock
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.guard import MAX_DEPTH
from bot.sandbox.page_api import PageApi
from bot.sandbox.page_tabs import DeskRules, Handbook, Trials
from bot.sandbox.telegram.server_facade import Telegram

ANNA = 1001
SERVERS = ("page", "telegram", "studio")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Servers:
    """All three, and how each of them is asked for something that it does."""

    def __init__(self, session: aiohttp.ClientSession, page: str, telegram: Telegram, studio: Studio) -> None:
        self.telegram = telegram
        self.studio = studio
        self.page = page
        self._session = session
        self.urls = {
            "page": f"{page}/world/send",
            "telegram": f"{telegram.url}/bot{telegram.token}/sendMessage",
            "studio": f"{studio.url}/foundationModels/v1/tokenize",
        }
        self.key = {"Authorization": f"Api-Key {studio.key}"}
        self.bodies: dict[str, dict[str, Any]] = {
            "page": {"chat_id": ANNA, "user_id": ANNA, "text": "hello"},
            "telegram": {"chat_id": ANNA, "text": "hello"},
            "studio": {"modelUri": f"gpt://{studio.access.folder}/yandexgpt", "text": "hello"},
        }

    async def ask(self, server: str, body: bytes = b"", /, **headers: str) -> tuple[int, str]:
        """Post the body, or a good one; the status, and what was said."""
        data = body or json.dumps(self.bodies[server]).encode()
        more = {"Content-Type": "application/json", **self.key, **headers}
        async with self._session.post(self.urls[server], data=io.BytesIO(data), headers=more) as response:
            return response.status, await response.text()

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        async with self._session.get(self.page + path, headers=headers) as response:
            await response.read()
            return response


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    await telegram.start()
    await studio.start()

    async def control(_action: str) -> None: ...

    async def restart(_settings: Mapping[str, str]) -> None: ...

    state = {"running": True, "pid": 7}
    desk = DeskRules(Path(), SystemClock())
    page_api = PageApi(
        telegram, studio, lambda: state, control, trials=Trials(restart), handbook=Handbook(Path()), desk=desk
    )
    page = web.AppRunner(page_api.app())
    await page.setup()
    await web.TCPSite(page, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Servers(session, f"http://127.0.0.1:{page.addresses[0][1]}", telegram, studio)
    await page.cleanup()
    await studio.close()
    await telegram.close()


@pytest.mark.parametrize("server", SERVERS)
async def test_a_program_on_this_machine_is_served(servers: Servers, server: str) -> None:
    port = servers.urls[server].split(":")[2].partition("/")[0]
    known: list[dict[str, str]] = [{}, {"Host": f"localhost:{port}"}, {"Origin": f"http://127.0.0.1:{port}"}]
    for headers in known:
        assert (await servers.ask(server, **headers))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost:1@evil", "[::1]", "10.0.0.1"]
)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_name_that_leads_here_is_refused(servers: Servers, server: str, host: str) -> None:
    """DNS rebinding: the browser believes that this is the page's own server."""
    status, said = await servers.ask(server, Host=host)
    assert (status, "127.0.0.1" in said) == (403, True)
    assert servers.telegram.transcript(ANNA) == []


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1", "http://localhost", "null", ""]
)
@pytest.mark.parametrize("server", SERVERS)
async def test_what_another_page_posts_is_refused(servers: Servers, server: str, origin: str) -> None:
    assert (await servers.ask(server, Origin=origin))[0] == 403
    assert (await servers.ask(server, f"chat_id={ANNA}&text=hello".encode(), Origin=origin, **FORM))[0] == 403
    assert servers.telegram.transcript(ANNA) == []


@pytest.mark.parametrize("depth", [MAX_DEPTH, 500, 990, 200_000])
@pytest.mark.parametrize("server", SERVERS)
async def test_deep_json_is_a_bad_request(servers: Servers, server: str, depth: int) -> None:
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        inner = f"{opened * depth}1{closed * depth}"
        known = json.dumps({**servers.bodies[server], "x": 0})
        for body in (inner, known.replace('"x": 0', f'"x": {inner}'), opened * depth):
            assert (await servers.ask(server, body.encode()))[0] == 400
    assert servers.telegram.transcript(ANNA) == []
    assert (await servers.ask(server))[0] == 200


async def test_json_that_nests_as_deep_as_may_be_is_read(servers: Servers) -> None:
    body = {**servers.bodies["telegram"], "x": 0}
    inner = "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2)
    assert (await servers.ask("telegram", json.dumps(body).replace('"x": 0', f'"x": {inner}').encode()))[0] == 200


async def test_deep_json_in_a_signed_token_is_a_bad_request(servers: Servers) -> None:
    part = base64.urlsafe_b64encode(b"[" * 4_000).decode().rstrip("=")
    servers.urls["studio"] = f"{servers.studio.url}/iam/v1/tokens"
    assert (await servers.ask("studio", json.dumps({"jwt": f"{part}.e30.e30"}).encode()))[0] == 400


@pytest.mark.parametrize("depth", [500, 200_000])
async def test_deep_json_in_a_parameter_is_a_bad_request(servers: Servers, depth: int) -> None:
    form = urlencode({"chat_id": ANNA, "text": "hello", "reply_markup": "[" * depth + "]" * depth})
    status, said = await servers.ask("telegram", form.encode(), **FORM)
    assert (status, "reply keyboard markup" in said) == (400, True)


async def test_a_webhook_that_answers_deep_json_is_delivered_to_all_the_same(servers: Servers) -> None:
    got = 0

    async def hook(request: web.Request) -> web.Response:
        nonlocal got
        got += 1
        return web.Response(text="[" * 200_000, content_type="application/json")

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await servers.telegram.webhook.set(f"http://127.0.0.1:{runner.addresses[0][1]}/hook", "", 40)
    for _ in range(2):
        servers.telegram.say(ANNA, "hello")
    await servers.telegram.wait_for(lambda: not servers.telegram.pending or None)
    assert got == 2
    await servers.telegram.webhook.close()
    await runner.cleanup()


@pytest.mark.parametrize("path", ["/world/state", "/world/file/none", "/none", "/world/send"])
async def test_whatever_the_page_is_given_says_what_a_browser_may_do_with_it(servers: Servers, path: str) -> None:
    for headers in ({}, {"Host": "evil.example"}):
        response = await servers.get(path, **headers)
        policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["frame-ancestors"] == policy["frame-src"] == "'self'", "the page frames itself, nobody else does"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_tokens_and_keys_are_made_anew_and_the_bot_is_always_the_same() -> None:
    tokens = [Telegram().token for _ in range(2)]
    keys = [Studio().key for _ in range(2)]
    assert len({*tokens, *keys}) == 4
    assert {token.partition(":")[0] for token in tokens} == {"4200000042"}
    assert all(len(secret.rpartition(":")[2]) >= 32 for secret in (*tokens, *keys))
