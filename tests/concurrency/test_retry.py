"""Trying again: the pauses between tries, and calls that are repeated."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from bot.concurrency.retry import Backoff, Retry
from bot.errors import ModelRefused, ModelUnavailable
from tests.support.virtual import VirtualClock


class Flaky:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


HALF = Backoff(0.5, 10)


def retrying(clock: VirtualClock, backoff: Backoff = HALF, *, tries: float = 3) -> Retry:
    return Retry(clock, backoff, on=ModelUnavailable, tries=tries)


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 30)
    assert [backoff.pause(attempt) for attempt in (1, 2, 3, 7, 8, 10_000)] == [0.5, 1, 2, 30, 30, 30]


def test_chance_cuts_a_pause_by_half_at_most_and_never_below_the_server_s_wish() -> None:
    backoff = Backoff(1, 10, Random(1))
    pauses = [backoff.pause(1, retry_after=7) for _ in range(100)]
    assert 7.5 <= min(pauses) < max(pauses) <= 8


async def test_a_call_is_tried_again_after_growing_pauses() -> None:
    clock = VirtualClock()
    action = Flaky(ModelUnavailable(), ModelUnavailable())
    assert await retrying(clock, Backoff(0.5, 10, Random(1))).call(action) == "done"
    first, second = clock.slept
    assert 0.25 <= first <= 0.5 <= second <= 1.0


async def test_the_server_s_wish_to_wait_is_obeyed() -> None:
    clock = VirtualClock()
    await retrying(clock).call(Flaky(ModelUnavailable(retry_after=7)), until=100)
    assert clock.slept == [7]


async def test_nobody_waits_past_the_deadline() -> None:
    clock = VirtualClock()
    action = Flaky(ModelUnavailable(retry_after=7), ModelUnavailable())
    with pytest.raises(ModelUnavailable):
        await retrying(clock).call(action, until=6)
    assert (clock.slept, action.calls) == ([], 1)
    assert not await retrying(clock).sleep(1, ModelUnavailable(retry_after=7), until=6)


async def test_tries_come_to_an_end() -> None:
    action = Flaky(*(ModelUnavailable(str(number)) for number in range(9)))
    with pytest.raises(ModelUnavailable, match="2"):
        await retrying(VirtualClock()).call(action)
    assert action.calls == 3
    assert not await retrying(VirtualClock()).sleep(3, ModelUnavailable(), until=100)


async def test_who_wants_to_know_is_told_each_failure_that_is_tried_again() -> None:
    told: list[tuple[str, float]] = []
    action = Flaky(ModelUnavailable("a"), ModelUnavailable("b"), ModelUnavailable("c"))
    with pytest.raises(ModelUnavailable, match="c"):
        await retrying(VirtualClock()).call(action, failed=lambda error, pause: told.append((str(error), pause)))
    assert told == [("a", 0.5), ("b", 1.0)]


async def test_another_error_passes_through_at_once() -> None:
    action = Flaky(ModelRefused("no"))
    with pytest.raises(ModelRefused):
        await retrying(VirtualClock()).call(action)
    assert action.calls == 1


async def test_a_cancelled_caller_tries_no_more() -> None:
    action = Flaky()

    async def forever() -> str:
        await action()
        await asyncio.Event().wait()
        return ""

    task = asyncio.ensure_future(retrying(VirtualClock()).call(forever))
    while not action.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert action.calls == 1
