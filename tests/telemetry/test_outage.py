"""What is said about a service that fails, and how often."""

from __future__ import annotations

import pytest

from bot.telemetry.outage import ALARM, LONGEST_SILENCE, Outage
from tests.support.virtual import VirtualClock


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


async def fail_for(outage: Outage, clock: VirtualClock, seconds: float, reason: str = "away") -> None:
    for _ in range(int(seconds)):
        outage.failed(reason)
        await clock.sleep(1)


async def test_an_outage_is_a_warning_an_alarm_after_a_minute_and_a_line_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    outage = Outage("the service", clock)
    await fail_for(outage, clock, ALARM + 1)
    outage.over()
    outage.over()
    assert said(caplog) == [
        ("WARNING", "the service: away"),
        ("ERROR", "the service: away (for 60 s now)"),
        ("WARNING", "the service: works again after 61 s"),
    ]
    assert outage.since is None


async def test_a_long_outage_is_told_ever_more_rarely_at_last_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    await fail_for(Outage("the service", clock), clock, 10 * LONGEST_SILENCE)
    assert len(said(caplog)) == 7 + 8  # at once, after 1, 3, 7, 15, 31 and 63 minutes, then once an hour


async def test_a_new_reason_is_told_but_not_within_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    outage = Outage("the service", clock)
    await fail_for(outage, clock, 300)
    before = len(said(caplog))
    for number in range(600):
        outage.failed(f"reason {number % 2}")
        await clock.sleep(1)
    assert 8 <= len(said(caplog)) - before <= 10


async def test_a_service_that_comes_and_goes_is_told_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    outage = Outage("the service", clock)
    for _ in range(600):
        outage.failed("away")
        await clock.sleep(0.5)
        outage.over()
        await clock.sleep(0.5)
    assert len(said(caplog)) <= 2 * 11


async def test_what_will_not_pass_is_an_error_at_once(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("the service", VirtualClock())
    outage.failed("the key is refused", grave=True)
    assert said(caplog) == [("ERROR", "the service: the key is refused")]
