"""A bot as its own process, made by the fork server. Begin with `Process.start`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.promises.crash.forkserver import STOPPED


class Death(NamedTuple):
    """How a process ended: its exit status, negative for a signal, and when (monotonic)."""

    status: int
    at: float


class Process:
    """A victim. `on_stop` is called whenever it stands still; `born` is when it was started (monotonic)."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_stop: Callable[[], None]
    ) -> None:
        self.pid = pid
        self.born = time.monotonic()
        self._writer = writer
        self._on_stop = on_stop
        self._watch = asyncio.create_task(self._wait(reader))

    @classmethod
    async def start(
        cls, socket: Path, directory: Path, environment: dict[str, str], on_stop: Callable[[], None]
    ) -> Process:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(json.dumps({"directory": str(directory), "environment": environment}).encode() + b"\n")
        return cls(int(await reader.readline()), reader, writer, on_stop)

    @property
    def alive(self) -> bool:
        return not self._watch.done()

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):  # its end is on its way to us
                os.kill(self.pid, number)

    async def ended(self) -> Death:
        return await asyncio.shield(self._watch)

    async def _wait(self, reader: asyncio.StreamReader) -> Death:
        try:
            while (line := await reader.readline()) == STOPPED:
                self._on_stop()
            return Death(int(line), time.monotonic())
        finally:
            self._writer.close()
