"""The process says that it is ready and that its event loop is alive, to whoever wants to know; nobody else pays.

See F102 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.runtime.health import sd_notify
from bot.runtime.health.sd_notify import Notifier
from bot.testing.virtual_loop import LoopClock, VirtualLoop

ABSTRACT = f"@govorun-test-{os.getpid()}"


class Supervisor:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """What has come since it was asked last."""
        found = []
        while True:
            try:
                found += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return found


@contextmanager
def supervisor(address: str) -> Iterator[Supervisor]:
    found = Supervisor(address)
    yield found
    found.socket.close()


def virtually(work: Callable[[LoopClock], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await work(LoopClock())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ABSTRACT if request.param == "abstract" else str(tmp_path / "user@1000")


def test_readiness_is_told_once_and_life_thrice_in_each_period(address: str) -> None:
    async def work(clock: LoopClock) -> None:
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}
        with supervisor(address) as systemd:
            async with sd_notify.telling(clock, environment) as notifier:
                await clock.sleep(1)
                early = systemd.heard()
                assert set(early) == {"WATCHDOG=1"}, "a bot that starts is alive, and not ready"
                notifier.is_ready = lambda: True
                await clock.sleep(1)
                assert [word for word in systemd.heard() if word != "WATCHDOG=1"] == ["READY=1"]
                for _ in range(5):
                    await clock.sleep(60)
                    assert systemd.heard() == ["WATCHDOG=1"] * 3
            await clock.sleep(600)
            assert systemd.heard() == []

    virtually(work)


def test_a_bot_that_waits_for_telegram_has_started_all_the_same(tmp_path: Path) -> None:
    """No restart brings it back, and whoever starts the service must not wait for hours."""

    async def work(clock: LoopClock) -> None:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with supervisor(environment["NOTIFY_SOCKET"]) as systemd:
            async with sd_notify.telling(clock, environment):
                await clock.sleep(sd_notify.LONGEST_START - 1)
                assert systemd.heard() == []
                await clock.sleep(2)
                assert systemd.heard() == ["READY=1"]
                await clock.sleep(600)
                assert systemd.heard() == [], "nobody has asked for signs of life"

    virtually(work)


def test_signs_that_another_process_is_asked_for_are_not_given(tmp_path: Path) -> None:
    async def work(clock: LoopClock) -> None:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
        with supervisor(environment["NOTIFY_SOCKET"]) as systemd:
            async with sd_notify.telling(clock, environment):
                await clock.sleep(600)
            assert systemd.heard() == ["READY=1"]

    virtually(work)


def test_a_supervisor_that_does_not_listen_is_told_of_once_and_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(clock: LoopClock) -> None:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        async with sd_notify.telling(clock, environment):
            await clock.sleep(600)
            assert len([text for text in caplog.messages if "NOTIFY_SOCKET" in text]) == 1
            with supervisor(environment["NOTIFY_SOCKET"]) as systemd:
                await clock.sleep(60)
                assert systemd.heard() == ["WATCHDOG=1"] * 3, "one that is back hears it"

    virtually(work)


def test_a_supervisor_that_reads_nothing_does_not_hold_the_bot_up(tmp_path: Path) -> None:
    async def work(clock: LoopClock) -> None:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        with supervisor(environment["NOTIFY_SOCKET"]):
            async with sd_notify.telling(clock, environment):
                await clock.sleep(100)  # the socket holds some ten messages

    virtually(work)


async def test_without_a_supervisor_there_is_no_task_and_no_socket() -> None:
    tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
    async with sd_notify.telling(SystemClock(), {"WATCHDOG_USEC": "60000000"}) as notifier:
        assert isinstance(notifier, Notifier)
        await asyncio.sleep(0)
        assert (len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))) == (tasks, files)
