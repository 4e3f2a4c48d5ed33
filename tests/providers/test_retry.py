"""bot/providers/retry.py: trying again."""

from __future__ import annotations

from random import Random

import pytest

from bot.errors import ModelUnavailable
from bot.providers.retry import Retry, retry_after
from tests.support.virtual import VirtualClock


class Flaky:
    def __init__(self, *failures: ModelUnavailable) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


async def test_a_call_is_tried_again_after_growing_pauses() -> None:
    clock = VirtualClock()
    action = Flaky(ModelUnavailable(), ModelUnavailable())
    assert await Retry(clock, Random(1)).call(action, until=100) == "done"
    first, second = clock.slept
    assert 0.25 <= first <= 0.5 <= second <= 1.0


async def test_the_server_s_wish_to_wait_is_obeyed() -> None:
    clock = VirtualClock()
    await Retry(clock, Random(1)).call(Flaky(ModelUnavailable(retry_after=7)), until=100)
    assert clock.now >= 7


async def test_nobody_waits_past_the_deadline() -> None:
    clock = VirtualClock()
    action = Flaky(ModelUnavailable(retry_after=7), ModelUnavailable())
    with pytest.raises(ModelUnavailable):
        await Retry(clock, Random(1)).call(action, until=6)
    assert (clock.slept, action.calls) == ([], 1)


async def test_tries_come_to_an_end() -> None:
    action = Flaky(*(ModelUnavailable() for _ in range(9)))
    with pytest.raises(ModelUnavailable):
        await Retry(VirtualClock(), Random(1)).call(action, until=1000, tries=3)
    assert action.calls == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", 0), ("3", 3), ("1.5", 1.5), ("-4", 0), ("soon", 0), ("9" * 400, 3600), ("Thu, 01 Jan 1970 00:01:40 GMT", 40)],
)
def test_retry_after_is_read_in_every_form(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}, now=60) == seconds
