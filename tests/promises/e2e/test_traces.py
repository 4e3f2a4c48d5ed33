"""One trace over several processes: one that takes the webhook, workers, and who comes after a `kill -9`."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bench.crew import free_port
from tests.promises.e2e.surroundings import PATIENCE, Process
from tests.promises.e2e.test_processes import services
from tests.support.collector import collecting
from tests.support.postgres_side import Server
from tests.support.stage import ANNA

pytestmark = pytest.mark.e2e
TALK = [f"word{number} " for number in range(60)]


async def test_a_trace_goes_from_the_webhook_over_a_killed_worker_to_the_message_of_another(
    tmp_path: Path, postgres: Server
) -> None:
    url, port = await asyncio.to_thread(postgres.create), free_port()
    with collecting() as collector:
        async with services(
            DATABASE_URL=url, TRACES="true", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100",
            WEBHOOK_URL=f"http://127.0.0.1:{port}/hook", WEBHOOK_PORT=str(port), WEBHOOK_SECRET="a-secret-of-traces",
        ) as (telegram, studio, environment):  # fmt: skip

            def start(role: str) -> AbstractAsyncContextManager[Process]:
                name = {"OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={role}"}
                return Process.start("run", "--role", role, directory=tmp_path, **environment, **name)

            async with start("webhook") as door, start("worker") as first:
                await telegram.wait_for(lambda: telegram.webhook.info()["url"], PATIENCE)
                telegram.say(ANNA, "hello")
                await telegram.wait_for(lambda: telegram.texts(ANNA), PATIENCE)
                studio.speed = 20.0
                studio.script(TALK, "whole again")
                telegram.say(ANNA, "talk")
                await telegram.wait_for(lambda: any("word5" in one["text"] for one in telegram.drafts), PATIENCE)
                first.signal(signal.SIGKILL)
                await first.ended()
                studio.speed = 0.0
                async with start("worker") as second:
                    await telegram.wait_for(lambda: len(telegram.texts(ANNA)) == 2 or None, PATIENCE)
                    for process in (second, door):
                        process.signal(signal.SIGTERM)
                        assert (await process.ended())[0] == 0
        hello, talk = sorted(collector.named("update"), key=lambda span: span.begun)
        for root in (hello, talk):
            assert root.service["service.instance.id"] == "webhook"
            spans = [span for span in collector.spans if span.trace == root.trace and span is not root]
            assert {span.service["service.instance.id"] for span in spans} == {"worker"}
            tree = collector.tree(root.trace)
            assert tree[0] == "update"
            assert {".queue", ".turn", "..prompt", "..chat yandexgpt-5.1", "...POST", "..deliver"} <= set(tree)
            last = max(spans, key=lambda span: span.ended)
            assert (last.name, last.ended > root.ended) == ("turn", True)
        assert len(collector.traces()) == 2
        turns = [span for span in collector.named("turn") if span.trace == talk.trace]
        assert [span.attributes["govorun.attempt"] for span in turns] == [1]  # what was killed could not end its own
    await asyncio.to_thread(postgres.drop, url)
