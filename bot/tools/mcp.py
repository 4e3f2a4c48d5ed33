"""Tools of MCP servers (extra `mcp`), as `Supplier`s of the toolbox. Begin with `McpServer.ready`.

A server is started with the first question to a model with tools, and restarted after a failure with a growing wait. A
server that hangs, dies or breaks the protocol only causes a failed call. A tool that is not marked as read-only needs
the user's approval. Protocol: https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.clock import Clock
from bot.concurrency.retry import Backoff
from bot.config.entries import McpServerConfig
from bot.errors import ConfigError, ModelUnavailable
from bot.llm import prompt
from bot.prompts.catalog import instruct
from bot.tools.tool import Run, Tool, ToolOutput

if TYPE_CHECKING:
    import mcp
    import mcp.types

log = logging.getLogger(__name__)

STARTING = 30.0  # seconds in which a server has to list its tools
WAITING = 5.0  # seconds that a question waits for them
BACKOFF = Backoff(2.0, 300.0)  # seconds before a server is restarted
LONGEST_SILENCE = 300.0  # seconds in a stream that the server keeps open
HEALTHY = 60.0  # seconds of work after which the next failure counts as the first
MOST_TOOLS, MOST_PAGES = 64, 10
LONGEST_DESCRIPTION = 1_000  # characters
LARGEST_SCHEMA = 10_000  # characters
LONGEST_NAME, HASHED = 64, 8  # characters of the name of a tool, and of the part of a hash at its end
TEXTS = ("text/", "application/json", "application/xml", "application/yaml")
RESOURCES = ("resource", "resource_link")
CONNECTION_CLOSED = -32000


def check(servers: Sequence[McpServerConfig]) -> None:
    """Raise `ConfigError` if servers are configured and the extra `mcp` is not installed."""
    if servers and find_spec("mcp") is None:
        raise ConfigError("MCP_SERVERS: the extra `mcp` is not installed; pip install 'govorun[mcp]' does it")


class McpServer:
    """One MCP server. Its name is part of the names of its tools: `files_read` is `read` of the server `files`."""

    def __init__(self, entry: McpServerConfig, *, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self._entry = entry
        self._clock = clock
        self._tasks = tasks
        self._client: mcp.Client | None = None
        self._tools: tuple[Tool, ...] = ()
        self._life: asyncio.Task[None] | None = None
        self._told = asyncio.Event()  # its tools are known, or it has failed
        self._broken = asyncio.Event()
        self._failures = 0  # in a row
        self._rests_until = float("-inf")

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools of the server; none while it is not running."""
        return self._tools if self._client is not None else ()

    async def ready(self) -> None:
        """Start the server if it does not run, and wait up to `WAITING` seconds for its tools. Returns at once while a
        restart is delayed.
        """
        if self._life is None or self._life.done():
            if self._clock.monotonic() < self._rests_until:
                return
            self._told.clear()
            self._broken.clear()
            # In an empty context, as the server outlives the turn that starts it.
            name = f"mcp {self._entry.name}"
            self._life = self._tasks.create_task(self._live(), name=name, context=Context())
        try:
            async with asyncio.timeout(WAITING):
                await self._told.wait()
        except TimeoutError:
            log.debug("MCP server %s is still starting", self._entry.name)

    async def list_tools(self) -> Sequence[Tool]:
        """Start the server only to list its tools, and stop it. Raises `ModelUnavailable`, or `ConfigError`."""
        check([self._entry])
        try:
            async with asyncio.timeout(STARTING), self._connected() as client:
                return await self._listed(client)
        except Exception as error:  # the boundary around a foreign program
            raise ModelUnavailable(_root(error)) from None

    # --- its life -----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Start the server, and wait until it breaks: one task, as the client must be closed where it was opened."""
        begun = self._clock.monotonic()
        try:
            await asyncio.to_thread(importlib.import_module, "mcp")  # a second of CPU, too long for the event loop
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(STARTING):
                    client = await stack.enter_async_context(self._connected())
                    self._tools = await self._listed(client)
                self._client = client
                self._told.set()
                log.info("MCP server %s offers %d tools", self._entry.name, len(self._tools))
                await self._broken.wait()
                self._client = None
                log.warning("MCP server %s is started anew at the next question", self._entry.name)
        except Exception as error:  # the boundary around a foreign program: it must not end the bot
            log.warning("MCP server %s failed: %s", self._entry.name, _root(error))
        finally:
            self._client = None
            self._told.set()
            now = self._clock.monotonic()
            self._failures = 1 if now - begun > HEALTHY else self._failures + 1
            self._rests_until = now + BACKOFF.pause(self._failures)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[mcp.Client]:
        import httpx2
        import mcp
        from mcp.client.streamable_http import streamable_http_client

        entry = self._entry
        async with AsyncExitStack() as stack:
            if address := entry.url.get_secret_value():
                headers = {name: value.get_secret_value() for name, value in entry.headers.items()}
                patience = httpx2.Timeout(STARTING, read=LONGEST_SILENCE)
                http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=patience))
                transport = streamable_http_client(address, http_client=http)
            else:
                # The server gets its own variables, none of the bot's. Its stderr may hold secrets: not for the log.
                silence = stack.enter_context(Path(os.devnull).open("w"))  # noqa: ASYNC230, SIM115
                environment = {name: value.get_secret_value() for name, value in entry.env.items()}
                program = mcp.StdioServerParameters(command=entry.command, args=entry.args, env=environment)
                transport = mcp.stdio_client(program, errlog=silence)
            yield await stack.enter_async_context(mcp.Client(transport, read_timeout_seconds=STARTING))

    async def _listed(self, client: mcp.Client) -> tuple[Tool, ...]:
        found: dict[str, Tool] = {}
        seen = set[str]()
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            for row in page.tools:
                if row.name not in seen and (tool := self._tool(row, found)) is not None:
                    found[tool.name] = tool
                seen.add(row.name)
            cursor = page.next_cursor
            if not cursor:
                break
        if len(found) > MOST_TOOLS:
            log.warning("MCP server %s: only the first %d tools are offered", self._entry.name, MOST_TOOLS)
        return tuple(found.values())[:MOST_TOOLS]

    # --- its tools ----------------------------------------------------------------------------------------------------

    def _tool(self, row: mcp.types.Tool, taken: Collection[str]) -> Tool | None:
        """The tool of a row of the server's list, under a name that is not `taken`; None if it can't be offered to a
        model.
        """
        name = safe_name(f"{self._entry.name}_{row.name}", taken)
        schema = dict(row.input_schema)
        if schema.get("type") != "object" or len(json.dumps(schema)) > LARGEST_SCHEMA:
            log.warning("MCP server %s: the tool %r can't be offered", self._entry.name, row.name[:64])
            return None
        words = prompt.HIDDEN.sub(r"\1", row.description or row.title or row.name)[:LONGEST_DESCRIPTION]
        reads = row.annotations is not None and row.annotations.read_only_hint is True
        run: Run = lambda arguments, asker: self._call(row.name, arguments, asker.language)  # noqa: E731
        # The call's own deadline ends first: it marks the server as hanging, to be restarted.
        return Tool(
            name,
            words,
            schema,
            run,
            needs_approval=not reads,
            deadline=self._entry.deadline + 1,
            title=f"{row.title or row.name} ({self._entry.name})",
        )

    async def _call(self, name: str, arguments: Mapping[str, Any], language: str) -> ToolOutput:
        import mcp

        client = self._client
        if client is None:
            raise ModelUnavailable(f"MCP server {self._entry.name} is not running")
        try:
            async with asyncio.timeout(self._entry.deadline):
                result = await client.call_tool(name, dict(arguments))
        except TimeoutError:
            self._broken.set()
            raise
        except mcp.MCPError as error:
            if error.code != CONNECTION_CLOSED:
                reason = self._entry.hide(error.message)[:500]
                return ToolOutput(instruct(language, "tool.refused", tool=name, reason=reason), failed=True)
            self._broken.set()
            raise ModelUnavailable(f"MCP server {self._entry.name} closed the connection") from None
        except Exception as error:  # the boundary around a foreign program
            self._broken.set()
            raise ModelUnavailable(f"MCP server {self._entry.name}: {_root(error)}") from None
        return ToolOutput(self._entry.hide(result_text(result)), failed=bool(result.is_error))


def safe_name(name: str, taken: Collection[str] = ()) -> str:
    """The name of a tool as models take it: other signs become `_`. A name that is too long, or is `taken`, ends in a
    part of its hash.
    """
    kept = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    if len(kept) <= LONGEST_NAME and kept not in taken:
        return kept
    return f"{kept[: LONGEST_NAME - HASHED - 1]}_{hashlib.sha256(name.encode()).hexdigest()[:HASHED]}"


def result_text(result: mcp.types.CallToolResult) -> str:
    """The text of a result. Of a resource its address and text, of a link its address and name; other content, such as
    pictures, is named in brackets.
    """
    pieces = [_piece(block.model_dump(mode="json", exclude_none=True)) for block in result.content]
    if not pieces and result.structured_content is not None:
        pieces = [json.dumps(result.structured_content, ensure_ascii=False, default=str)]
    return "\n".join(pieces)


def _piece(block: Mapping[str, Any]) -> str:
    kind = str(block.get("type"))
    if kind == "text":
        return str(block.get("text", ""))
    said = block.get("resource", {}) if kind == "resource" else block
    if kind not in RESOURCES:
        return f"[{kind}]"
    about = (said.get(key) for key in ("name", "title", "uri", "mime_type", "mimeType", "description"))
    head = f"[{' '.join((kind, *(str(one) for one in about if one)))}]"
    return "\n".join(filter(None, (head, said.get("text") or _decoded(said))))


def _decoded(resource: Mapping[str, Any]) -> str:
    """The text of a resource that is sent as bytes, "" for other bytes."""
    mime = str(resource.get("mime_type") or resource.get("mimeType") or "")
    if not mime.startswith(TEXTS) or not isinstance(resource.get("blob"), str):
        return ""
    try:
        return base64.b64decode(resource["blob"]).decode()
    except ValueError:
        return ""


def _root(error: BaseException) -> str:
    """The type of the first error, without its message, which may hold a key from an address."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
