"""What the tests of this package do to the two legs: servers that are gone, addresses that swallow everything."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from tests.support.stage import Stage

CROWD = range(2001, 2021)  # twenty people, each in a private chat


async def studio_down(stage: Stage) -> None:
    """Nobody listens at AI Studio's address any more; what runs there breaks off."""
    await stage.studio.close()


async def studio_up(stage: Stage) -> None:
    await stage.studio.start(int(stage.settings.yc_llm_url.rpartition(":")[2]))


@asynccontextmanager
async def telegram_away(stage: Stage) -> AsyncIterator[None]:
    await stage.telegram.down()
    try:
        yield
    finally:
        await stage.telegram.up()


@contextmanager
def black_hole() -> Iterator[str]:
    """An address where every connection hangs: its line of waiting connections is full, and nobody takes one."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(server.getsockname())
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            for client in waiting:
                client.close()
