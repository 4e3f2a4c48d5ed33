"""Starts victims quickly: one process imports the bot once, then each victim is a fork of it (20 ms, not 1 s).

It has no threads and no event loop, so a fork of it is as good as a new process. Each connection to its socket is one
victim: the order comes in (`{"directory", "environment"}`, a line of JSON), the process id goes out, then a line
`stopped` each time the victim stands still, and when it has ended, its exit status (negative: the signal). The server
ends when its standard input is closed.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import nullcontext, suppress
from typing import Any

from aiogram.methods import EditMessageText, SendMessage
from aiogram.types import Message

from tests.promises.crash import victim

LOG = "bot.log"
STOPPED = b"stopped\n"
PR_SET_PDEATHSIG = 1
LOOK = 0.01  # seconds between looks at who stands still or has ended


def warm() -> None:
    """Build once what every victim would build when it first speaks (0.15 s)."""
    Message.model_validate({"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "warm"})
    SendMessage(chat_id=1, text="warm")
    EditMessageText(chat_id=1, text="warm")


def serve(path: str) -> None:
    victims: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [], LOOK)
            if sys.stdin in ready:
                return
            if listener in ready:
                connection, _ = listener.accept()
                order = json.loads(connection.makefile().readline())
                if (pid := os.fork()) == 0:
                    _become(order)
                victims[pid] = connection
                connection.sendall(f"{pid}\n".encode())
            _tell(victims)


def _tell(victims: dict[int, socket.socket]) -> None:
    """Tell whoever waits which victims stand still, and which have ended."""
    while victims:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return
        stopped = os.WIFSTOPPED(status)
        news = STOPPED if stopped else f"{os.waitstatus_to_exitcode(status)}\n".encode()
        connection = victims[pid] if stopped else victims.pop(pid)
        with suppress(OSError), nullcontext() if stopped else connection:  # nobody may be there any more
            connection.sendall(news)


def _become(order: dict[str, Any]) -> None:
    """In the child: be the victim. Never returns."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody outlives the tests
        os.setsid()
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(log, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        victim.run()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    warm()
    serve(sys.argv[1])
