"""Child processes in which files from people are opened. Begin with `ChildPool.place`, then `ChildSlot.run`.

A file can make a library loop for ever, take all memory, or crash the process. So none is opened in the process of the
bot. There are at most two child processes. The first file starts one; one that has had nothing to do for a minute is
ended, as is one that was killed or could not open its file. `concurrency/child_process.py` is what runs inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from bot.concurrency.places import Places
from bot.errors import Unreadable

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
SIZE = 2  # child processes
LONGEST_HEAD = 1 << 16
PIECE = 1 << 20
SLACK = 2.0  # seconds that a child process may take longer than the kernel lets it
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # of the environment, where secrets stand too
# `bot` stands for the package without what `bot/__init__.py` imports: 20 MB and 0.3 s that no file needs.
BOOT = """
import json, sys, types
sys.path[:], package = json.loads(sys.argv[1])
sys.modules["bot"] = bot = types.ModuleType("bot")
bot.__path__ = [package]
from bot.concurrency.child_process import main
main()
"""
NO_MEMORY = (-signal.SIGKILL, -signal.SIGABRT)  # the kernel needed the memory; a library got none and gave up
SLOW = (-signal.SIGXCPU, -signal.SIGALRM)  # the kernel's word that a limit of time was over


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What opening one file may take. `memory` (of the child process) and `result` are bytes, `cpu` and `wall` are
    seconds of processor and real time. `wait`: seconds until a child process must become free; `idle`: seconds after
    which an unused child process ends.
    """

    memory: int = 440 << 20
    result: int = 32 << 20
    cpu: float = 20.0
    wall: float = 30.0
    wait: float = 25.0
    idle: float = 60.0


class ChildPool:
    """At most two child processes that open files. The first file starts one; `close` ends all of them."""

    def __init__(self, limits: FileLimits | None = None) -> None:
        self.limits = limits or FileLimits()
        self._places = Places(SIZE)
        self._idle: dict[_Child, asyncio.TimerHandle] = {}
        self._busy: set[_Child] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._is_closed = False

    @asynccontextmanager
    async def place(self, *, alone: bool = False) -> AsyncIterator[ChildSlot]:
        """Reserve a child process for the files that are opened inside. Raises `Unreadable("busy")` if none gets free.

        `alone`: no other file is opened meanwhile, so that it is known which file it was if the bot dies.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.limits.wait):
                    await stack.enter_async_context(self._places.take(SIZE if alone else 1))
            except TimeoutError:
                raise Unreadable("busy") from None
            yield ChildSlot(self)

    async def close(self) -> None:
        """Kill all child processes and wait until they have ended. No file is opened any more."""
        self._is_closed = True
        for timer in self._idle.values():
            timer.cancel()
        for child in (*self._idle, *self._busy):
            self._end(child)
        self._idle.clear()
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)

    async def run(self, request: dict[str, Any], data: bytes) -> Any:
        """Send a request to a child process and return its answer. Only `ChildSlot.run` calls this, which has reserved
        a process.
        """
        if self._is_closed:
            raise Unreadable("busy")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(SIZE, "files")
        loop = asyncio.get_running_loop()
        child = self._free() or _Child()
        self._busy.add(child)
        try:
            result = await loop.run_in_executor(self._threads, child.ask, request, data, self.limits)
        except BaseException:  # the file did harm, or the caller was cancelled
            self._end(child)
            raise
        finally:
            self._busy.discard(child)
        if child.is_spent:
            self._end(child)
        else:
            self._idle[child] = loop.call_later(self.limits.idle, self._retire, child)
        return result

    def _free(self) -> _Child | None:
        """Take the idle child process that was used last; None if all are busy."""
        if not self._idle:
            return None
        child, timer = self._idle.popitem()
        timer.cancel()
        return child

    def _retire(self, child: _Child) -> None:
        del self._idle[child]
        self._end(child)

    def _end(self, child: _Child) -> None:
        child.kill()
        if self._threads is not None:
            self._threads.submit(child.reap)


@dataclass(frozen=True, slots=True)
class ChildSlot:
    """A reserved child process, which opens one file at a time."""

    _pool: ChildPool

    async def run(
        self, function: Callable[Concatenate[bytes, P], T], data: bytes, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function of a module with the bytes of a file, in a child process, and return what it returned.

        The other arguments and the result are values of JSON; the result may be bytes. Raises `Unreadable`: the reason
        that the function gave, or `slow`, `heavy` (of memory), `broken`.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        result: T = await self._pool.run({"function": name, "arguments": args, "options": kwargs}, data)
        return result


@dataclass(eq=False, slots=True)
class _Child:
    """A child process and the socket to it. `ask` blocks its thread until `kill`, which any thread may call."""

    process: subprocess.Popen[bytes] = field(init=False)
    is_spent: bool = False
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        given = json.dumps([sys.path, str(Path(__file__).parents[1])])
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603  ourselves
                [sys.executable, "-I", "-c", BOOT, given],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={**environment, "MALLOC_ARENA_MAX": "1"},
                start_new_session=True,  # a terminal's Ctrl-C is for the bot
            )

    def ask(self, request: dict[str, Any], data: bytes, limits: FileLimits) -> Any:
        """Return the result of the function. Raises `Unreadable`; the caller kills this child process then."""
        until = time.monotonic() + limits.wall + SLACK
        head = {**request, "size": len(data), "memory": limits.memory, "cpu": limits.cpu, "wall": limits.wall}
        try:
            self._socket.settimeout(limits.wall + SLACK)
            self._socket.sendall(json.dumps(head).encode() + b"\n")
            self._socket.sendall(data)
            answer, rest = self._line(until)
            if "result" not in answer:
                raise _refusal(answer, request)
            if answer["size"] > limits.result:
                raise Unreadable("long")
            result = rest + self._rest(answer["size"] - len(rest), until)
        except TimeoutError:
            raise Unreadable("slow") from None
        except (OSError, EOFError):
            raise self._death(request) from None
        self.is_spent = answer["last"]
        return json.loads(result) if answer["result"] == "json" else result

    def kill(self) -> None:
        self.process.kill()
        with contextlib.suppress(OSError):  # the other end may be closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def reap(self) -> None:
        self.process.wait()
        self._socket.close()

    def _line(self, until: float) -> tuple[dict[str, Any], bytes]:
        """Read the head of the answer. Returns it with the bytes that came behind it."""
        line = b""
        while b"\n" not in line:
            line += self._some(LONGEST_HEAD, until)
            if len(line) > 2 * LONGEST_HEAD:
                raise Unreadable("broken")
        head, _, rest = line.partition(b"\n")
        answer: dict[str, Any] = json.loads(head)
        return answer, rest

    def _rest(self, size: int, until: float) -> bytes:
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self._some(min(size, PIECE), until))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def _some(self, most: int, until: float) -> bytes:
        self._socket.settimeout(max(until - time.monotonic(), 0.001))
        if piece := self._socket.recv(most):
            return piece
        raise EOFError

    def _death(self, request: dict[str, Any]) -> Unreadable:
        """Why the process ended without an answer."""
        status = self.process.wait()
        log.info("a file ended the child process that opened it (%s, status %d)", request["function"], status)
        if status in SLOW:
            return Unreadable("slow")
        return Unreadable("heavy" if status in NO_MEMORY else "broken")


def _refusal(answer: dict[str, Any], request: dict[str, Any]) -> Unreadable:
    if "failed" in answer:
        log.info("a file could not be opened: %s in %s", answer["failed"], request["function"])
    return Unreadable(answer.get("refused", "broken"))
