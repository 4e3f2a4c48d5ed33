"""Health of a webhook: one that is silent, one that leads elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.crew import free_port
from tests.support.health_side import becomes, healthy, red
from tests.support.stage import ANNA, Stage


@asynccontextmanager
async def forwarded(port: int, to: int) -> AsyncIterator[None]:
    """The proxy that stands before a webhook."""

    opened: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield
    for writer in opened:
        writer.transport.abort()


async def test_t34_a_webhook_that_is_silent_while_updates_wait(stage: Stage) -> None:
    outer, inner = free_port(), free_port()
    async with forwarded(outer, inner):
        health = await healthy(stage, webhook_url=f"http://127.0.0.1:{outer}/hook", webhook_port=inner)
        for _ in range(12):  # well, though nobody speaks
            await stage.clock.sleep(10)
            assert (await health.report()).status == "ok"
    stage.telegram.say(ANNA, "are you there?")
    assert "wait at Telegram" in await red(health, "updates")
    async with forwarded(outer, inner):
        await stage.texts(2)
        await becomes(health, "ok")
        await stage.stop()


async def test_t34_a_webhook_that_leads_elsewhere(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    health = await healthy(stage, webhook_url=url, webhook_port=port)
    await stage.telegram.webhook.set("http://localhost:9/theirs", "", 40)
    assert "localhost" in await red(health, "updates")
    assert [line.levelno for line in caplog.records if "Revoke" in line.getMessage()] == [logging.ERROR]


@pytest.mark.parametrize(
    "body", [b'{"ok":true,"result":7}', b'{"ok":true,"result":{"url":"http://[","pending_update_count":"x"}}']
)
async def test_a_strange_answer_about_the_webhook_ends_nothing(stage: Stage, body: bytes) -> None:
    port = free_port()
    health = await healthy(stage, webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
    fault = stage.telegram.fail_next("getWebhookInfo", code=200, body=body, times=None)
    await red(health, "updates")
    fault.remove()
    await becomes(health, "ok")
    assert await stage.ask("still there?")
