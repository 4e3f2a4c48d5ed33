"""The line between a process and its PostgreSQL, which may fall silent: nothing is refused, nothing arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Line:
    """A port on loopback that leads to the socket of a server, while it is `whole`."""

    def __init__(self) -> None:
        self.port = 0
        self._whole = asyncio.Event()
        self._whole.set()
        self._pipes: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, socket: str) -> AsyncIterator[Line]:
        line = cls()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await line._whole.wait()
            try:
                there = await asyncio.open_unix_connection(socket)
            except OSError:
                writer.close()
                return
            for source, target in ((reader, there[1]), (there[0], writer)):
                line._pipes.add(asyncio.create_task(line._pipe(source, target)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
        try:
            yield line
        finally:
            server.close()
            for pipe in line._pipes:
                pipe.cancel()
            await asyncio.gather(*line._pipes, return_exceptions=True)

    def part(self) -> None:
        self._whole.clear()

    def heal(self) -> None:
        self._whole.set()

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(65536):
                    await self._whole.wait()
                    target.write(data)
                    await target.drain()
            await self._whole.wait()  # an end of the connection does not arrive either
        finally:
            target.close()
