"""The event loop tells when something holds it up, and where."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bot.runtime.event_loop import WatchedLoop
from bot.telemetry.metrics import Metrics
from tests.support.counting import counted


def watched(work: Callable[[], Coroutine[Any, Any, None]]) -> Metrics:
    """What was measured while `work` ran."""
    metrics = Metrics()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WatchedLoop)
        with loop.watched(metrics):
            await work()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        runner.run(main())
    return metrics


async def compute(seconds: float) -> None:
    """What must never stand in a coroutine."""
    time.sleep(seconds)  # noqa: ASYNC251


def held_up(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for text in caplog.messages if "held up" in text]


def test_f102_a_block_is_told_with_its_place_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = watched(lambda: compute(0.4))
    (told,) = held_up(caplog)
    found = re.search(r"for (\d+) ms in compute \(runtime/test_loop.py:\d+\)", told)
    assert found is not None, told
    assert int(found[1]) >= 400
    assert counted(metrics, "loop_blocks_total") == 1
    assert counted(metrics, "loop_longest_block_seconds") >= 0.4
    assert counted(metrics, "loop_busy_seconds_total") >= 0.4


def test_many_short_works_and_long_waits_are_no_block(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        for _ in range(20):
            await compute(0.01)
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)

    metrics = watched(work)
    assert held_up(caplog) == []
    assert counted(metrics, "loop_blocks_total") == 0
    assert 0.2 <= counted(metrics, "loop_busy_seconds_total") < 0.45


def test_a_machine_that_is_too_slow_does_not_fill_its_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        for _ in range(3):
            await compute(0.21)
            await asyncio.sleep(0)

    with caplog.at_level(logging.WARNING):
        metrics = watched(work)
    assert len(held_up(caplog)) == 1
    assert counted(metrics, "loop_blocks_total") == 3
