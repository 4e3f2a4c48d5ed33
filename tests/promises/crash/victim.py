"""The bot that something happens to: `run` serves like `govorun run`, and stands still at one exact point.

There it has stopped itself, all its threads, until somebody lets it go on (SIGCONT) or ends it: who watches it
(`World`) sees that and does what is to be done at this point. Points are counted from the first
`getUpdates` on (with `CRASH_FROM=start`: from the start, so that what recovery does counts too). `CRASH_AT` is one of

    before:7               the 7th `Store.write` was asked for: all that came before it has happened outside
    after:7                the 7th `Store.write` is committed, its caller never hears of it
    ask:sendMessage:2      the 2nd `sendMessage` is about to be called
    call:sendMessage:2     Telegram's answer to it has arrived, nothing was done with it; a `getUpdates` counts when
                           it brought something
    model.ask:1            the model is about to be asked for the 1st time
    model:3                the 3rd streamed chunk of the model has arrived
    paint.ask:1, paint:1   the 1st order of a picture is about to be sent, was answered
    poll.ask:1, poll:1     it is about to be asked about, that was answered
    draw.ask:1, draw:1     a picture that comes at once is about to be ordered, was answered

and every point that is passed becomes a line of the file `trace`, so that a run without `CRASH_AT` lists them all.
The product knows nothing of this: its methods are wrapped from here.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bot.ai import Chunk, Request
from bot.app import run_command
from bot.ports import ProcessRole
from bot.providers.text_model import TextModel
from bot.providers.yandex.art import ImagesApi, YandexArt
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.maintenance import migrations
from bot.storage.store import Store, Tx
from bot.telegram.client.api import Api

TRACE = "trace"
BIRTH = "born"  # the line of the trace with which a process begins


class Bomb:
    """Counts what happens by kind, and stops the process at the point `at`."""

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
            os.kill(os.getpid(), signal.SIGSTOP)

    def pass_by(self, kind: str, what: str = "") -> None:
        self.passing(kind, self.count(kind), what)


def plant(bomb: Bomb) -> None:
    """Wrap what commits, what calls Telegram, and what the services say."""
    _plant_store(bomb)
    _plant_telegram(bomb)
    _plant_model(bomb)
    YandexArt.submit = _around(bomb, "paint", YandexArt.submit)  # type: ignore[method-assign]
    YandexArt.poll = _around(bomb, "poll", YandexArt.poll)  # type: ignore[method-assign]
    ImagesApi.submit = _around(bomb, "draw", ImagesApi.submit)  # type: ignore[method-assign]


def _plant_store(bomb: Bomb) -> None:
    write = Store.write

    async def counted(self: Store, work: Callable[[Tx], Any], guard: DecisionLock | None = None) -> Any:
        number, what = bomb.count("write"), getattr(work, "__qualname__", "").replace(".<locals>", "")
        bomb.passing("before", number, what)
        result = await write(self, work, guard)
        bomb.passing("after", number, what)
        return result

    Store.write = counted  # type: ignore[method-assign]


def _plant_telegram(bomb: Bomb) -> None:
    call = Api.call

    async def counted(self: Api, method: Any, **options: Any) -> Any:
        name = method.__api_method__
        bomb.armed = bomb.armed or name == "getUpdates"
        bomb.pass_by(f"ask:{name}")
        try:
            result = await call(self, method, **options)
        except Exception as error:  # a refusal is an answer too
            bomb.pass_by(f"call:{name}", type(error).__name__)
            raise
        if result != []:
            bomb.pass_by(f"call:{name}")
        return result

    Api.call = counted  # type: ignore[method-assign]


def _plant_model(bomb: Bomb) -> None:
    stream = TextModel.stream

    async def counted(self: TextModel, request: Request) -> AsyncGenerator[Chunk]:
        bomb.pass_by("model.ask")
        async with aclosing(stream(self, request)) as chunks:
            async for chunk in chunks:
                bomb.pass_by("model")
                yield chunk

    TextModel.stream = counted  # type: ignore[method-assign]


def _around(bomb: Bomb, kind: str, method: Callable[..., Awaitable[Any]]) -> Any:
    async def counted(self: Any, what: Any) -> Any:
        bomb.pass_by(f"{kind}.ask")
        result = await method(self, what)
        bomb.pass_by(kind)
        return result

    return counted


def update(folder: str) -> None:
    """Be the next version: one that knows the steps of the schema in this folder."""
    migrations.scripts = lambda: Path(folder)
    migrations.HEAD = max(migrations.known())


def run() -> None:
    """Be `govorun run` with the settings of the environment. Ends with `SystemExit`."""
    if folder := os.environ.get("CRASH_NEXT"):
        update(folder)
    armed = os.environ.get("CRASH_FROM") == "start"
    plant(Bomb(os.environ.get("CRASH_AT", ""), Path(TRACE), armed=armed))
    run_command.run(ProcessRole(os.environ.get("CRASH_ROLE") or ProcessRole.ALL))


if __name__ == "__main__":
    run()
