"""The bot with a bomb in it: `run` serves like `govorun run`, and kills its own process at one exact point.

Points are counted from the first `getUpdates` on (with `CRASH_FROM=start`: from the start, so that what recovery does
counts too). `CRASH_AT` is one of

    before:7               the 7th `Store.write` was asked for: all that came before it has happened outside
    after:7                the 7th `Store.write` is committed, its caller never hears of it
    model:3                the 3rd streamed chunk of the model has arrived
    paint:1                the 1st order of a picture was answered
    call:sendMessage:2     Telegram's answer to the 2nd `sendMessage` has arrived, nothing was done with it; a
                           `getUpdates` counts when it brought something

and every point that is passed becomes a line of the file `trace`, so that a run without `CRASH_AT` lists them all.
The product knows nothing of this: its methods are wrapped from here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bot import logs, running, settings
from bot.models.yandex.art import YandexArt
from bot.models.yandex.text import YandexText
from bot.storage.store import Store, Work
from bot.telegram.api import Api
from bot.types import Chunk, Drawing, Request

TRACE = "trace"
BIRTH = "born"  # the line of the trace with which a process begins


class Bomb:
    """Counts what happens by kind, and ends the process at the point `at`."""

    def __init__(self, at: str, trace: Path, *, armed: bool) -> None:
        self.at = at
        self.armed = armed
        self._counts: Counter[str] = Counter()
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(self._trace, f"{BIRTH}\n".encode())

    def count(self, kind: str) -> int:
        """The number of this event; 0 before the bomb is armed."""
        if not self.armed:
            return 0
        self._counts[kind] += 1
        return self._counts[kind]

    def passing(self, kind: str, number: int, what: str = "") -> None:
        """This point is reached: it is written down first, so that the trace of a dead bot ends with it."""
        if not number:
            return
        os.write(self._trace, f"{kind}:{number} {what}\n".encode())
        if self.at == f"{kind}:{number}":
            os.kill(os.getpid(), signal.SIGKILL)


def plant(bomb: Bomb) -> None:
    """Wrap what commits, what calls Telegram, and what the model says."""
    write, call, stream, submit = Store.write, Api.call, YandexText.stream, YandexArt.submit

    async def counted_write(self: Store, work: Work) -> Any:
        number, what = bomb.count("write"), work.__qualname__.replace(".<locals>", "")
        bomb.passing("before", number, what)
        result = await write(self, work)
        bomb.passing("after", number, what)
        return result

    async def counted_call(self: Api, method: Any, **options: Any) -> Any:
        name = method.__api_method__
        bomb.armed = bomb.armed or name == "getUpdates"
        kind, result = f"call:{name}", None
        try:
            result = await call(self, method, **options)
        except Exception as error:  # a refusal is an answer too
            bomb.passing(kind, bomb.count(kind), type(error).__name__)
            raise
        if result != []:
            bomb.passing(kind, bomb.count(kind))
        return result

    async def counted_stream(self: YandexText, request: Request) -> AsyncGenerator[Chunk]:
        async with aclosing(stream(self, request)) as chunks:
            async for chunk in chunks:
                bomb.passing("model", bomb.count("model"))
                yield chunk

    async def counted_submit(self: YandexArt, drawing: Drawing) -> str:
        operation = await submit(self, drawing)
        bomb.passing("paint", bomb.count("paint"))
        return operation

    YandexArt.submit = counted_submit  # type: ignore[method-assign]
    Store.write = counted_write  # type: ignore[method-assign]
    Api.call = counted_call  # type: ignore[method-assign]
    YandexText.stream = counted_stream  # type: ignore[method-assign]


def run() -> int:
    """Serve in this process with the settings of the environment. Returns the exit status."""
    armed = os.environ.get("CRASH_FROM") == "start"
    plant(Bomb(os.environ.get("CRASH_AT", ""), Path(TRACE), armed=armed))
    found = settings.load()
    logs.configure(found.log_level, found.secrets())
    asyncio.run(running.serve(found))
    return 0


if __name__ == "__main__":
    sys.exit(run())
