"""The server that tells of health: pages, ports, and what is never shown there."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.crew import free_port
from bot.errors import ConfigError
from bot.runtime import main
from bot.runtime.bot import Bot
from bot.runtime.health.server import serving
from bot.sandbox.ai_studio.server import Answer
from tests.support.health_side import becomes, health_of, red
from tests.support.known import handbook, known
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import soon

Get = Callable[[str], Any]


@asynccontextmanager
async def served(app: Bot) -> AsyncIterator[Get]:
    health = health_of(app)
    async with (
        serving(app.settings, lambda: {"": health}, app.signs.metrics) as address,
        aiohttp.ClientSession() as session,
    ):

        async def get(path: str) -> tuple[int, Any]:
            async with session.get(address + path) as response:
                return response.status, await response.text()

        yield get


async def test_the_server_answers_in_json_and_for_prometheus(stage: Stage) -> None:
    app = await stage.start(health_port=free_port())
    await stage.ask("hello")
    await soon(stage, lambda: not app.signs.turns.running)
    async with served(app) as get:
        for path in ("/healthz", "/readyz", "/livez"):
            status, body = await get(path)
            assert (status, json.loads(body)["status"]) == (200, "ok"), path
        stage.telegram.fail_next("*", code=401, times=None)
        await red(health_of(app), "updates")
        statuses = [(await get(path))[0] for path in ("/healthz", "/readyz", "/livez")]
        assert statuses == [503, 503, 200]
        status, text = await get("/metrics")
        assert status == 200
        found = {
            sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
        }
        assert found["govorun_deliveries_total"] == 1
        assert found["govorun_answer_seconds_count"] == 1
        assert (await get("/"))[0] == 404


async def test_a_bot_that_has_not_reached_telegram_is_not_ready(stage: Stage) -> None:
    await stage.telegram.down()
    app = await stage.start(health_port=free_port())
    async with served(app) as get:
        assert [(await get(path))[0] for path in ("/healthz", "/readyz", "/livez")] == [503, 503, 200]
        await stage.telegram.up()
        await becomes(health_of(app), "ok")
        assert (await get("/readyz"))[0] == 200
        app.stop()
        assert (await get("/readyz"))[0] == 503


async def test_a_bot_whose_index_is_not_whole_is_not_ready(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    docs = handbook(tmp_path)
    for number in range(40):
        page = "".join(f"## Part {one}\n\nArticle {number}.{one} costs {one} roubles.\n\n" for one in range(50))
        (docs / f"{number}.md").write_text(page, "utf-8")
    await known(stage, docs, health_port=free_port())
    await stage.crash()
    app = await stage.start()
    async with served(app) as get:
        assert (await get("/readyz"))[0] == 503
        while not app.telegram.is_ready or (await get("/readyz"))[0] == 503:
            await asyncio.sleep(0)
        assert "the index of the knowledge base is ready: 2002 passages" in caplog.text


async def test_no_port_is_opened_unless_asked_for(stage: Stage) -> None:
    app = await stage.start()
    async with main.health(app.settings, lambda: {"": health_of(app)}, app.signs.metrics) as address:
        assert address == ""


async def test_a_port_that_is_taken_is_told_in_a_sentence(stage: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        app = await stage.start(health_port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="HEALTH_PORT"):
            async with serving(app.settings, dict, app.signs.metrics):
                pass


async def test_nothing_of_what_people_say_or_who_they_are_is_shown(stage: Stage) -> None:
    app = await stage.start(health_port=free_port())
    stage.studio.script(Answer(["a very secret answer"]))
    await stage.ask("a very secret question")
    stage.studio.fail_next("completion", status=500, times=3)
    await stage.ask("another")
    async with served(app) as get:
        shown = "".join([(await get(path))[1] for path in ("/healthz", "/readyz", "/metrics")])
    for secret in (
        "secret",
        str(ANNA),
        "Anna",
        stage.settings.bot_token.get_secret_value(),
        stage.settings.yc_folder_id,
    ):
        assert secret not in shown
