"""Tools of MCP servers: a real program on its standard streams, and what it can do to the bot (nothing)."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.ai import Profile
from bot.clock import SystemClock
from bot.config.entries import McpServerConfig
from bot.tools.mcp import McpServer, result_text, safe_name
from bot.tools.tool import Tool, ToolContext
from bot.tools.toolbox import Steps, Toolbox
from bot.types import Address, ToolCall
from tests.support.forked import forking_python
from tests.support.virtual import ShiftedClock

pytestmark = pytest.mark.process

PROGRAM = str(Path(__file__).parents[1] / "support" / "mcp_program.py")
ANNA = ToolContext(Address("telegram", 1, 1001), 1001)


@asynccontextmanager
async def started(how: str = "", *, clock: SystemClock | None = None, **entry: Any) -> AsyncIterator[McpServer]:
    if "command" not in entry:
        entry["command"] = await forking_python()
    row = {"name": "files", "args": [PROGRAM, how], **entry}
    async with asyncio.TaskGroup() as tasks:
        server = McpServer(McpServerConfig(**row), clock=clock or SystemClock(), tasks=tasks)
        yield server
        for task in asyncio.all_tasks():
            if task.get_name().startswith("mcp "):
                task.cancel()


async def listed(server: McpServer) -> dict[str, Tool]:
    """Its tools; a slow machine needs more than one question's patience."""
    for _ in range(6):
        await server.ready()
        if server.tools:
            break
    return {tool.name: tool for tool in server.tools}


async def test_tools_of_a_server_are_named_after_it_and_can_be_called() -> None:
    async with started() as server:
        assert server.tools == ()
        tools = await listed(server)
        assert set(tools) == {
            "files_" + name for name in ("add", "environment", "echo", "fail", "hang", "die", "delete")
        }
        assert tools["files_add"].description == "Add two numbers."
        assert tools["files_add"].parameters["required"] == ["left", "right"]
        assert (await tools["files_add"].call({"left": 2, "right": 3.0}, ANNA)).text == "5"


async def test_only_what_is_marked_as_reading_needs_no_tap() -> None:
    async with started() as server:
        tools = await listed(server)
        assert [name for name, tool in tools.items() if tool.needs_approval] == ["files_delete"]
        assert tools["files_delete"].description == "Delete a file."
        assert tools["files_delete"].title == "delete (files)"
        steps = Steps()
        calls = [ToolCall("1", "files_delete", {"path": "/"})]
        reply: Any = None
        assert not await Toolbox([], [server]).step(steps, "", calls, ANNA, reply, Profile())
        assert steps.pending is not None


async def test_a_server_knows_its_own_variables_and_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_TOKEN", "123456:hush")
    async with started(env={"OWN": SecretStr("yes")}) as server:
        tool = (await listed(server))["files_environment"]
        assert [(await tool.call({"name": name}, ANNA)).text for name in ("OWN", "BOT_TOKEN")] == ["yes", "nothing"]


async def test_what_fails_in_a_server_is_said_to_the_model() -> None:
    async with started() as server:
        tools = await listed(server)
        found = await tools["files_fail"].call({}, ANNA)
        assert found.failed
        assert "it broke" in found.text or "fail" in found.text
        assert (await tools["files_add"].call({"left": "x"}, ANNA)).failed
        assert (await tools["files_add"].call({"left": 1, "right": 1}, ANNA)).text == "2"


@pytest.mark.parametrize(("tool", "said"), [("die", "does not work"), ("hang", "did not answer within")])
async def test_a_server_that_dies_or_hangs_is_started_anew(tool: str, said: str) -> None:
    clock = ShiftedClock()
    async with started(clock=clock, deadline=1.0) as server:
        found = await (await listed(server))[f"files_{tool}"].call({}, ANNA)
        assert said in found.text
        async with asyncio.timeout(60):
            while server.tools:
                await asyncio.sleep(0.05)
        await server.ready()
        assert server.tools == ()  # it rests
        clock.shift = 10.0
        async with asyncio.timeout(60):
            while not server.tools:
                await server.ready()
                await asyncio.sleep(0.05)
        assert (await (await listed(server))["files_add"].call({"left": 1, "right": 1}, ANNA)).text == "2"


@pytest.mark.parametrize(
    "entry", [{"how": "ends"}, {"command": "/nonexistent/program"}, {"args": ["-c", "print('?')"]}]
)
async def test_a_server_that_does_not_start_costs_nobody_more_than_a_moment(entry: dict[str, Any]) -> None:
    async with started(**entry) as server, asyncio.timeout(60):
        await server.ready()
        await server.ready()
        assert server.tools == ()


async def test_a_silent_server_costs_a_question_some_seconds_and_is_killed_at_the_end() -> None:
    begun = asyncio.get_running_loop().time()
    async with started("silent", command=sys.executable) as server:
        await server.ready()
        assert server.tools == ()
        assert asyncio.get_running_loop().time() - begun < 8
    assert "silent" not in _children()


async def test_a_server_at_an_address_is_asked_over_http() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    silent = asyncio.subprocess.DEVNULL
    program = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, "http", str(port), stderr=silent)
    try:
        clock = ShiftedClock()
        where: dict[str, Any] = {
            "command": "",
            "args": [],
            "url": f"http://127.0.0.1:{port}/mcp",
            "headers": {"X-Key": SecretStr("k")},
        }
        async with started(clock=clock, **where) as server:
            async with asyncio.timeout(30):
                while not server.tools:  # it is not there at first, which is a failure like any other
                    await server.ready()
                    clock.shift += 100.0
                    await asyncio.sleep(0.1)
            found = await (await listed(server))["files_add"].call({"left": 2, "right": 3}, ANNA)
            assert found.text == "5"
            program.kill()
            await program.wait()
            found = await (await listed(server))["files_add"].call({"left": 2, "right": 3}, ANNA)
            assert (found.failed, found.text) == (True, "files_add does not work at the moment.")
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def test_noise_on_its_output_does_no_harm() -> None:
    async with started("noise") as server:
        assert "files_add" in await listed(server)


async def test_nothing_is_left_of_a_server_that_is_closed() -> None:
    async with started("leftover", command=sys.executable) as server:
        await listed(server)
        assert "leftover" in _children()
    assert "leftover" not in _children()


def _children() -> str:
    """The command lines of the processes that this one has started."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            lines += [(folder / "cmdline").read_text().replace("\0", " ")] if parent == os.getpid() else []
        except OSError:  # it has just ended
            continue
    return "\n".join(lines)


# --- names and results as they are in the field -----------------------------------------------------------------------


def test_a_name_that_models_do_not_take_is_made_safe_and_stays_the_only_one() -> None:
    assert safe_name("files_read") == "files_read"
    assert safe_name("files_repo.get/file") == "files_repo_get_file"
    taken = safe_name("files_repo get:file", ["files_repo_get_file"])
    assert taken.startswith("files_repo_get_file_")
    long = [safe_name(f"files_{'very_' * 20}long_{number}") for number in (1, 2)]
    assert [len(name) for name in long] == [64, 64]
    assert len({taken, *long, safe_name("files_прочитать"), safe_name("files_записать", ["files__"])}) == 5


def test_the_text_and_the_address_of_a_resource_are_in_a_result() -> None:
    from mcp.types import (
        BlobResourceContents,
        CallToolResult,
        EmbeddedResource,
        ImageContent,
        ResourceLink,
        TextContent,
        TextResourceContents,
    )

    read = TextResourceContents(uri="repo://a/README.md", text="The key word is LIGHTHOUSE.", mime_type="text/plain")
    packed = BlobResourceContents(uri="repo://a/b.json", blob="eyJhIjogMX0=", mime_type="application/json")
    picture = BlobResourceContents(uri="repo://a/c.png", blob="AAAA", mime_type="image/png")
    content = [
        TextContent(type="text", text="done"),
        *(EmbeddedResource(type="resource", resource=one) for one in (read, packed, picture)),
        ResourceLink(type="resource_link", uri="https://example.org/r.pdf", name="report", description="of May"),
        ImageContent(type="image", data="AAAA", mime_type="image/png"),
    ]
    assert result_text(CallToolResult(content=content)).split("\n") == [
        "done",
        "[resource repo://a/README.md text/plain]",
        "The key word is LIGHTHOUSE.",
        "[resource repo://a/b.json application/json]",
        '{"a": 1}',
        "[resource repo://a/c.png image/png]",
        "[resource_link report https://example.org/r.pdf of May]",
        "[image]",
    ]
