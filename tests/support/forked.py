"""Python programs as processes of their own, without the two seconds of imports. Begin with `Forked.running`.

What they are forked from is `fork_server.py`, which is started with the first of them and ends with the tests. The
workers of a run share it: to import everything takes four seconds of CPU.
"""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

from tests.support.child import PYTHONPATH, ROOT
from tests.support.fork_server import STOPPED

PATIENCE = 300.0  # seconds until the server must have imported everything
_one_at_a_time = threading.Lock()


class Forked:
    """A program. `pid` is its process id, `born` and `died` are when it was started and has ended (monotonic).

    `stdout` and `stderr` are there if they were asked for with `subprocess.PIPE`.
    """

    def __init__(self, pid: int, on_stop: Callable[[], None]) -> None:
        self.pid = pid
        self.born = time.monotonic()
        self.died = 0.0
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._on_stop = on_stop
        self._pipes: list[asyncio.ReadTransport] = []
        self._watch: asyncio.Task[int]

    @classmethod
    @asynccontextmanager
    async def running(
        cls, *words: str, directory: Path, environment: Mapping[str, str], stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL,
    ) -> AsyncIterator[Forked]:  # fmt: skip
        """`words` are what stands after `python`. Leaving the block kills what still runs."""
        program = await cls.start(
            *words, directory=directory, environment=environment, stdin=stdin, stdout=stdout, stderr=stderr
        )
        try:
            yield program
        finally:
            await program.close()

    @classmethod
    async def start(
        cls, *words: str, directory: Path, environment: Mapping[str, str], stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL, on_stop: Callable[[], None] = lambda: None,
    ) -> Forked:  # fmt: skip
        """As `running`, for who calls `close` at the end. `on_stop` is called whenever the program stands still."""
        order = {"words": words, "directory": str(directory), "environment": {"PYTHONPATH": PYTHONPATH, **environment}}
        ours, theirs = _streams(stdin, stdout, stderr)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(await asyncio.to_thread(server_socket)))
            data = json.dumps(order).encode() + b"\n"
            connection.sendall(data[socket.send_fds(connection, [data], theirs) :])
        except OSError:
            connection.close()
            raise
        finally:
            for stream in {*theirs} - {stdin, stdout, stderr}:
                os.close(stream)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        program = cls(int(await reader.readline()), on_stop)
        program._watch = asyncio.create_task(program._wait(reader, writer))
        program.stdout, program.stderr = [await program._reading(pipe) for pipe in ours]
        return program

    async def _reading(self, pipe: int | None) -> asyncio.StreamReader | None:
        if pipe is None:
            return None
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
        )
        self._pipes.append(transport)
        return reader

    async def _wait(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        try:
            while (line := await reader.readline()) == STOPPED:
                self._on_stop()
            self.died = time.monotonic()
            return int(line)
        finally:
            writer.close()

    @property
    def alive(self) -> bool:
        return not self._watch.done()

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while the program runs."""
        return self._watch.result() if self._watch.done() else None

    async def wait(self) -> int:
        """Wait for the end and return the exit status."""
        return await asyncio.shield(self._watch)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for the end and return what was written to the pipes and not read yet."""
        out, err = [await pipe.read() if pipe else b"" for pipe in (self.stdout, self.stderr)]
        await self.wait()
        return out, err

    def send_signal(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):  # its end is on its way to us
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def close(self) -> None:
        """Kill the program if it still runs, and wait for its end."""
        self.kill()
        await self.wait()
        for pipe in self._pipes:
            pipe.close()


def _streams(stdin: int, *outputs: int) -> tuple[list[int | None], list[int]]:
    """Our ends of the pipes that are wanted for standard output and error, and the program's three streams."""
    ours: list[int | None] = []
    theirs = [os.open(os.devnull, os.O_RDONLY) if stdin == subprocess.DEVNULL else stdin]
    for wish in outputs:
        ours.append(None)
        if wish == subprocess.PIPE:
            ours[-1], wish = os.pipe()
        elif wish == subprocess.DEVNULL:
            wish = os.open(os.devnull, os.O_WRONLY)
        theirs.append(wish)
    return ours, theirs


async def forking_python() -> str:
    """A stand-in for `sys.executable` whose bots are forks: see `forking_python.py`."""
    return str((await asyncio.to_thread(server_socket)).with_name("python"))


def server_socket() -> Path:
    """The socket of the server of this run, which is started with the first call."""
    with _one_at_a_time:
        return _connected()


@cache
def _connected() -> Path:
    """Start the server of this run if nobody has, and return its socket. It lives as long as this process, at least."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}-{secrets.token_hex(4)}"
    folder = Path(tempfile.gettempdir(), f"forks-{run[:16]}")
    connection = socket.socket(socket.AF_UNIX)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            connection.connect(str(folder / "socket"))
        except OSError:  # there is none, or it has ended with those who needed it
            _start(folder)
            connection.connect(str(folder / "socket"))
    atexit.register(connection.close)
    return folder / "socket"


def _start(folder: Path) -> None:
    """Start a server in this folder, and return when it takes orders."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    python = folder / "python"
    python.write_text(f"#!{sys.executable} -IS\n{(ROOT / 'tests' / 'support' / 'forking_python.py').read_text()}")
    python.chmod(0o700)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, "OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fork_server", str(folder / "socket")], cwd=ROOT, env=environment,
        stdin=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(_let_go, server)
    until = time.monotonic() + PATIENCE
    while not (folder / "socket").exists() and time.monotonic() < until:
        assert server.poll() is None, "the fork server has ended"
        time.sleep(0.02)


def _let_go(server: subprocess.Popen[bytes]) -> None:
    """At the end of the process that has started the server: other workers may still need it."""
    assert server.stdin is not None
    server.stdin.close()
