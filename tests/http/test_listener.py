"""The server under the webhook and the health pages: what strangers hold open takes nothing from anybody else."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from aiohttp import web

from bench.crew import free_port
from bot.http.listener import HEAD_DEADLINE, Listener, connection_limit
from tests.support.stage import Stage

HALF = b"GET /quick HTTP/1.1\r\nHost: x\r\n"
QUICK = HALF + b"\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
HERE, THERE = "127.0.0.1", "127.0.0.2"


class Street:
    """A listener whose application answers at /quick, and at /slow only when `gate` is open; and those who call it."""

    def __init__(self, most: int) -> None:
        self.port = free_port()
        self.gate = asyncio.Event()
        self.slow = 0
        application = web.Application()
        application.router.add_get("/quick", self._quick)
        application.router.add_get("/slow", self._slow)
        self.listener = Listener(f"{HERE}:{self.port}", application, shutdown=1.0, most=most)
        self._callers: list[Caller] = []

    async def call(self, data: bytes, address: str = HERE) -> Caller:
        """Connect and send; the listener has read it when this returns."""
        reader, writer = await asyncio.open_connection(HERE, self.port, local_addr=(address, 0))
        caller = Caller(reader, writer)
        self._callers.append(caller)
        writer.write(data)
        slow = self.slow + (data == SLOW)
        for _ in range(20):
            await asyncio.sleep(0)
        while self.slow < slow and not reader.at_eof():
            await asyncio.sleep(0.01)
        return caller

    async def _quick(self, _request: web.Request) -> web.Response:
        return web.Response(text="quick")

    async def _slow(self, _request: web.Request) -> web.Response:
        self.slow += 1
        await self.gate.wait()
        return web.Response(text="slow")

    async def close(self) -> None:
        self.gate.set()
        for caller in self._callers:
            caller.close()
        await self.listener.close()


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def heard(self, rest: bytes = b"") -> str:
        """The status and the last line of the answer, after the rest of the request was sent; "" when it was closed."""
        self.send(rest)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            return f"{head.split()[1].decode()} {(await self._reader.readexactly(_length(head))).decode()}"
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    async def is_closed(self) -> bool:
        """Whether the other side has closed it by now."""
        try:
            async with asyncio.timeout(0.5):
                return not await self._reader.read(1)
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self._writer.transport.abort()


def _length(head: bytes) -> int:
    return next(int(line.split()[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))


@asynccontextmanager
async def street(most: int) -> AsyncIterator[Street]:
    found = Street(most)
    await found.listener.open(HERE, found.port)
    try:
        yield found
    finally:
        await found.close()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_head_that_never_ends_is_given_up_after_ten_seconds(stage: Stage) -> None:
    async with street(8) as here:
        begun = stage.clock.monotonic()
        half, silent = await here.call(HALF), await here.call(b"")
        assert await half.heard() == await silent.heard() == ""
        assert HEAD_DEADLINE - 1 <= stage.clock.monotonic() - begun <= HEAD_DEADLINE + 1


async def test_a_head_that_drips_is_given_up_as_well(stage: Stage) -> None:
    async with street(8) as here:
        begun, caller = stage.clock.monotonic(), await here.call(HALF)
        while not await caller.is_closed():
            assert stage.clock.monotonic() - begun < 2 * HEAD_DEADLINE
            caller.send(b"X")
        assert stage.clock.monotonic() - begun <= HEAD_DEADLINE + 1


async def test_a_connection_that_is_kept_may_be_silent_but_not_begin_and_stop(stage: Stage) -> None:
    async with street(8) as here:
        caller = await here.call(QUICK)
        assert await caller.heard() == "200 quick"
        await stage.clock.sleep(6 * HEAD_DEADLINE)
        assert await caller.heard(QUICK) == "200 quick"
        begun = stage.clock.monotonic()
        assert await caller.heard(HALF) == ""
        assert HEAD_DEADLINE - 1 <= stage.clock.monotonic() - begun <= HEAD_DEADLINE + 1


async def test_an_answer_may_take_longer_than_a_head(stage: Stage) -> None:
    async with street(8) as here:
        caller = await here.call(SLOW)
        await stage.clock.sleep(6 * HEAD_DEADLINE)
        here.gate.set()
        assert await caller.heard() == "200 slow"


async def test_whoever_comes_takes_the_place_of_the_oldest_that_has_not_finished_its_head(stage: Stage) -> None:
    async with street(4) as here:
        waiting = [await here.call(HALF, address) for address in (HERE, HERE, THERE, THERE)]
        new = await here.call(QUICK, "127.0.0.3")
        assert await new.heard() == "200 quick"
        assert [await one.is_closed() for one in waiting] == [True, False, False, False]
        assert await waiting[1].heard(b"\r\n") == "200 quick"


async def test_a_kept_connection_gives_way_only_when_no_head_is_unfinished(stage: Stage) -> None:
    async with street(4) as here:
        kept = [await here.call(QUICK), await here.call(QUICK)]
        assert [await one.heard() for one in kept] == ["200 quick"] * 2
        halves = [await here.call(HALF, THERE) for _ in range(2)]
        for number in range(2):
            new = await here.call(SLOW, f"127.0.0.{3 + number}")
            assert [await one.is_closed() for one in halves] == [True, number == 1]
        assert [await one.is_closed() for one in kept] == [False, False]
        new = await here.call(QUICK, "127.0.0.5")
        assert await new.heard() == "200 quick"
        assert [await one.is_closed() for one in kept] == [True, False]


async def test_one_address_takes_no_more_than_half_of_the_places_from_the_others(stage: Stage) -> None:
    async with street(8) as here:
        first = [await here.call(HALF, THERE) for _ in range(3)]
        many = [await here.call(HALF) for _ in range(20)]
        assert [await one.is_closed() for one in first] == [False] * 3
        assert [await one.is_closed() for one in many] == [True] * 16 + [False] * 4


async def test_what_is_being_answered_is_never_closed_and_counts_for_no_address(stage: Stage) -> None:
    """All that a proxy sends on comes from one address."""
    async with street(6) as here:
        busy = [await here.call(SLOW) for _ in range(5)]
        assert await (await here.call(QUICK)).heard() == "200 quick"
        assert here.slow == 5
        busy.append(await here.call(SLOW))
        refused = await here.call(QUICK)
        assert await refused.heard() == ""
        here.gate.set()
        assert [await one.heard() for one in busy] == ["200 slow"] * 6
        assert await (await here.call(QUICK)).heard() == "200 quick"


async def test_what_is_turned_away_is_one_line_a_minute_with_counts(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with street(4) as here:
        for _ in range(30):
            await here.call(HALF)
        await stage.clock.sleep(30)
        await here.call(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        await here.call(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")
        assert len(told(caplog)) == 1
        await stage.clock.sleep(60)
        first, second = told(caplog)
        assert first == f"{HERE}:{here.port} closed connections: 1 for a newer one"
        assert second == (
            f"{HERE}:{here.port} closed connections: 27 for a newer one, 2 without a whole request after 10 s, "
            "2 that spoke no HTTP"
        )
        await stage.clock.sleep(300)
        assert len(told(caplog)) == 2
        await here.call(HALF)
        await stage.clock.sleep(20)
        assert len(told(caplog)) == 3


async def test_a_refused_body_holds_a_connection_no_longer_than_a_second(stage: Stage) -> None:
    async with street(8) as here:
        caller = await here.call(b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        begun = stage.clock.monotonic()
        assert await caller.heard() == "200 quick"
        assert await caller.heard() == ""
        assert stage.clock.monotonic() - begun <= 2


@contextmanager
def no_descriptor_left() -> Iterator[Callable[[int], None]]:
    """No file can be opened inside; calling what it gives leaves room for so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, os.listdir("/proc/self/fd"))) + 1
    fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(used - len(os.listdir("/proc/self/fd")) + 1)]
    limit = max([*fillers, used - 1]) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield lambda more: resource.setrlimit(resource.RLIMIT_NOFILE, (limit + more, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)


async def test_without_a_free_descriptor_accepting_waits_in_silence_and_goes_on_at_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with street(8) as here:
        with socket.socket() as caller, no_descriptor_left() as leave:
            caller.setblocking(False)
            await asyncio.get_running_loop().sock_connect(caller, (HERE, here.port))
            await stage.clock.sleep(50)
            assert len(told(caplog)) == 1
            assert "Too many open files" in told(caplog)[0]
            leave(1)
            begun = stage.clock.monotonic()
            await asyncio.get_running_loop().sock_sendall(caller, QUICK)
            assert b"200 OK" in await asyncio.get_running_loop().sock_recv(caller, 1000)
            assert stage.clock.monotonic() - begun <= 1


async def test_without_a_free_descriptor_one_that_has_not_finished_its_head_gives_way(stage: Stage) -> None:
    async with street(8) as here:
        half = await here.call(HALF)
        with socket.socket() as caller, no_descriptor_left():
            caller.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(caller, (HERE, here.port))
            await loop.sock_sendall(caller, QUICK)
            begun = stage.clock.monotonic()
            assert b"200 OK" in await loop.sock_recv(caller, 1000)
            assert stage.clock.monotonic() - begun <= 1
        assert await half.is_closed()


def test_half_of_the_descriptors_are_left_to_the_bot() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert 2 * connection_limit() == 128  # the webhook and the health pages
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
