"""Starts programs quickly: one process imports the bot once, and each program is a fork of it (30 ms, not 2 s).

It has no threads and no event loop, so a fork of it is as good as a new Python: it has its own session, environment,
folder and standard streams. What only a new Python shows (what an import loads or forbids, `LD_PRELOAD`, limits of
memory) is tested with a new one. Begin with `tests/support/forked.py`, which is the other end: each connection to the
socket is one program. Its order comes in (a line of JSON, and the three standard streams), the process id goes out,
then a line `stopped` each time the program stands still, and when it has ended, its exit status (negative: the signal).
A program whose connection is closed is killed. The server ends when its standard input is closed and nobody is
connected.

A bot that a program starts, as the sandbox does, is a fork as well (`forking_python.py`).
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import types
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NoReturn

import bot
from bot.http.tls import trusted_context

STOPPED = b"stopped\n"
PR_SET_PDEATHSIG = 1
BUILT = (
    "AnswerCallbackQuery", "CallbackQuery", "EditMessageText", "GetMe", "GetUpdates", "Message", "SendChatAction",
    "SendMessage", "SendMessageDraft", "SendPhoto", "SetMyCommands", "Update", "User",
)  # fmt: skip
NOT_FORKED = (
    "bot.sandbox.ai_studio.grpc.",
    "bot.batch.vendor.",
    "bot.providers.yandex.grpc.",
)  # gRPC reads its settings when it is imported, and warns about forks
REHEARSED = ("hello", "/settings", "/image a cat")
LOOK = 0.01  # seconds between looks at who stands still or has ended


def warm() -> None:
    """Import all that a bot may need, and build once what each would build when it first speaks."""
    ours = [module.name for module in pkgutil.walk_packages(bot.__path__, "bot.")]
    for name in [*ours, "mcp.server", "alembic.autogenerate", "alembic.command", "pytest"]:
        if not name.endswith("__main__") and not name.startswith(NOT_FORKED):
            importlib.import_module(name)
    assert "grpc" not in sys.modules
    trusted_context()
    from aiogram import methods, types  # after the bot, which imports it the fast way

    for name in BUILT:
        (getattr(methods, name, None) or getattr(types, name)).model_rebuild()
    from tests.support.wire import WireLoop

    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=WireLoop) as runner:
        runner.run(rehearse(Path(folder)))
    assert threading.active_count() == 1, threading.enumerate()  # a fork would lack the others
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all pages


async def rehearse(folder: Path) -> None:
    """Let a bot answer, all in memory: what it compiles, builds and imports meanwhile is there for every fork."""
    from bot.storage.maintenance import migrations
    from tests.support.stage import WireStage, opened

    template = folder / "template.db"
    await migrations.upgrade(f"sqlite+aiosqlite:///{template}")
    async with opened(folder, template, kind=WireStage) as stage:
        await stage.start()
        for text in REHEARSED:
            await stage.ask(text)
        await stage.stop()


def serve(path: str) -> dict[str, Any] | None:
    """Fork for each order. Returns the order in the child, and None when nobody is left who could order anything."""
    programs: dict[int, socket.socket] = {}
    silent: list[socket.socket] = []  # have connected and ordered nothing yet: nobody waits for them
    starter = [sys.stdin]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(64)
        os.rename(f"{path}.new", path)  # who sees it can connect
        while starter or silent or programs:
            watched = [listener, *starter, *silent, *programs.values()]
            ready, _, _ = select.select(watched, [], [], LOOK if programs else None)
            if sys.stdin in ready:
                starter.clear()
            for pid, connection in programs.items():
                if connection in ready:  # who has ordered it is gone
                    os.kill(pid, signal.SIGKILL)
            if listener in ready:
                silent.append(listener.accept()[0])
            for connection in [one for one in silent if one in ready]:
                silent.remove(connection)
                try:
                    order, streams = _received(connection)
                except OSError:  # who orders it was killed
                    connection.close()
                    continue
                if (pid := os.fork()) == 0:
                    _prepare(order, streams, [connection, *silent, *programs.values()])
                    return order
                for stream in streams:
                    os.close(stream)
                programs[pid] = connection
                with suppress(OSError):  # who has ordered it was killed: the next look finds its connection closed
                    connection.sendall(f"{pid}\n".encode())
            _tell(programs)
    return None


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The order and the three streams. Raises `OSError` if the connection ends before the order is complete."""
    data, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while not data.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            for stream in streams:
                os.close(stream)
            raise ConnectionResetError
        data += more
    return json.loads(data), streams


def _tell(programs: dict[int, socket.socket]) -> None:
    """Tell whoever waits which programs stand still, and which have ended."""
    while programs:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return
        stopped = os.WIFSTOPPED(status)
        news = STOPPED if stopped else f"{os.waitstatus_to_exitcode(status)}\n".encode()
        connection = programs[pid] if stopped else programs.pop(pid)
        with suppress(OSError), nullcontext() if stopped else connection:  # nobody may be there any more
            connection.sendall(news)


def _prepare(order: dict[str, Any], streams: list[int], connections: list[socket.socket]) -> None:
    """In the child: have nothing of the server's but what it has imported."""
    for connection in connections:
        connection.close()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody outlives the tests
    os.setsid()
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())


def become(words: list[str]) -> None:
    """Run what stands after `python` in a command line: `-m module`, `-c code` or a file, and arguments."""
    match words:
        case ["-P", "-m", module, *_]:
            sys.argv = words[2:]
            del sys.path[0]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-m", module, *_]:
            sys.argv, sys.path[0] = words[1:], str(Path.cwd())
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *arguments]:
            sys.argv, sys.path[0] = ["-c", *arguments], ""
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            exec(code, main.__dict__)
        case [file, *_]:
            sys.argv, sys.path[0] = words, str(Path(file).absolute().parent)
            runpy.run_path(file, run_name="__main__")


def end(error: BaseException | None) -> NoReturn:
    """End as Python does, but for the 0.1 s in which it takes all modules apart."""
    status: object = 1
    if isinstance(error, SystemExit):
        status = error.code
    elif error is None:
        status = None
    else:
        sys.excepthook(type(error), error, error.__traceback__)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    warm()
    if order := serve(sys.argv[1]):
        sys.executable = str(Path(sys.argv[1]).with_name("python"))
        try:
            become(order["words"])
        except BaseException as error:
            end(error)
        end(None)
    folder = Path(sys.argv[1]).parent
    shutil.rmtree(folder)
    folder.with_suffix(".lock").unlink()
