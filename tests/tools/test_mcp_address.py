"""The address of an MCP server holds a key in its path: it is shown to nobody, whatever the server answers.

See P22, T2 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.clock import SystemClock
from bot.config.settings import Settings, load
from bot.telemetry.logging import SHAPES, JsonLines
from bot.tools.mcp import McpServer
from bot.tools.tool import Tool
from tests.tools.test_mcp import ANNA, PROGRAM, listed

pytestmark = pytest.mark.process

KEY = "made-up-key-in-a-path"


@pytest.fixture
def log() -> Iterator[Mapping[str, io.StringIO]]:
    """What all loggers say at DEBUG: as the process writes it in each shape, and as it would without the secrets."""
    root, found = logging.getLogger(), {name: io.StringIO() for name in ("text", "json", "whole")}
    level, handlers = root.level, list(root.handlers)
    for name, written in found.items():
        handler = logging.StreamHandler(written)
        known = settings("http://127.0.0.1:1").secrets() if name in SHAPES else []
        handler.setFormatter(SHAPES.get(name, JsonLines)(known))
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.handlers = handlers
    root.setLevel(level)


def settings(base: str) -> Settings:
    row = {"name": "wiki", "url": f"{base}/{KEY}/mcp"}
    return load(_env_file=None, mcp_servers=json.dumps([row]))


@asynccontextmanager
async def program() -> AsyncIterator[str]:
    """A server of tools; the base of its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, "http", str(port), KEY, stderr=silent)
    try:
        async with asyncio.timeout(30):
            while not await _listens(port):
                await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def gate(behind: str) -> AsyncIterator[tuple[str, list[web.Response]]]:
    """What stands before the server: it passes requests on, or gives the answers in the list first."""
    answers: list[web.Response] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        if answers and request.method == "POST":
            return answers.pop(0)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        body = await request.read()
        async with session.request(request.method, behind + request.path, headers=headers, data=body) as given:
            kept = {name: given.headers[name] for name in ("content-type", "mcp-session-id") if name in given.headers}
            if request.method == "GET":
                return web.Response(status=405)  # no stream of notifications
            return web.Response(status=given.status, body=await given.read(), headers=kept)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    async with aiohttp.ClientSession() as session:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", answers
        await runner.cleanup()


@asynccontextmanager
async def tools(base: str) -> AsyncIterator[dict[str, Tool]]:
    async with asyncio.TaskGroup() as tasks:
        yield await listed(McpServer(settings(base).mcp_servers[0], clock=SystemClock(), tasks=tasks))
        for task in asyncio.all_tasks():
            if task.get_name().startswith("mcp "):
                task.cancel()


def moved(base: str) -> web.Response:
    return web.Response(status=307, headers={"location": f"http://localhost:1/{KEY}/mcp"})


def refused(base: str) -> web.Response:
    reply = {"jsonrpc": "2.0", "id": None, "error": {"code": -32602, "message": f"nothing is at {base}/{KEY}/mcp"}}
    return web.json_response(reply, status=400)


def lost(base: str) -> web.Response:
    return web.Response(status=502, text=f"no way to {base}/{KEY}/mcp")


async def test_a_key_in_an_address_is_in_no_log_and_no_answer(log: Mapping[str, io.StringIO]) -> None:
    async with program() as behind, gate(behind) as (base, answers), tools(base) as found:

        async def call(name: str, **arguments: Any) -> str:
            return (await found[f"wiki_{name}"].call(arguments, ANNA)).text

        assert await call("add", left=2, right=3) == "5"
        told = [await call("echo", words=f"I am {base}/{KEY}/mcp")]
        for answer in (moved, refused, lost):
            answers.append(answer(base))
            told.append(await call("add", left=2, right=3))
    assert KEY not in str(told)
    assert ["***" in text for text in told] == [True, True, True, False]
    assert KEY not in log["text"].getvalue() + log["json"].getvalue()
    assert KEY in log["whole"].getvalue(), "else this could not fail"


def test_an_address_with_a_key_is_in_no_representation_of_the_settings() -> None:
    found = settings("https://wiki.example")
    assert KEY not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert {KEY, f"https://wiki.example/{KEY}/mcp"} <= {*found.secrets()}
    plain = load(_env_file=None, mcp_servers='[{"name": "wiki", "url": "https://wiki.example"}]')
    assert plain.secrets() == []
