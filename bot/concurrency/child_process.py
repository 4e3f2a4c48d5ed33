"""The child process in which a file from a person is opened. Whatever the file does there, the bot goes on.

`concurrency/child_pool.py` starts it with a socket as its standard input. A request is a line of JSON and the bytes of
the file, an answer a line of JSON and the bytes of the result. The process answers one request after the other. It ends
after a file that could not be opened, since nobody knows what the file has done to it, and after one that took much
memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import json
import math
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from bot.errors import Unreadable

NICENESS = 10  # the bot comes first where there are few cores
PARENT_DEATH = 1  # PR_SET_PDEATHSIG of Linux


def main() -> None:
    """Answer requests that come over standard input, which is a socket, in a process without rights to write."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as connection, connection.makefile("rwb") as stream:
        _shut_in()
        serve(stream)


def serve(stream: io.BufferedRWPair) -> None:
    """Answer requests until the other side closes, or until a file could not be opened."""
    while head := stream.readline():
        request = json.loads(head)
        data = stream.read(request["size"])
        _limit(request["memory"], request["cpu"], request["wall"])
        answer, data = call(request, data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        is_large = _peak() > request["memory"] / 2
        if is_large and "failed" in answer:  # libxml2 does not say that it had no memory
            answer = {"refused": "heavy"}
        is_last = is_large or "result" not in answer
        stream.write(json.dumps({**answer, "size": len(data), "last": is_last}).encode() + b"\n" + data)
        stream.flush()
        if is_last:
            return


def call(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Call the function of a request with the bytes of a file. Returns the head of the answer, and its bytes.

    In the head `result` says how to read the bytes; or `refused` is the reason of an `Unreadable`; or `failed` names
    the error that a library raised because of the file.
    """
    try:
        module, _, name = request["function"].partition(":")
        result = getattr(importlib.import_module(module), name)(data, *request["arguments"], **request["options"])
        if isinstance(result, bytes):
            return {"result": "bytes"}, result
        return {"result": "json"}, json.dumps(result, ensure_ascii=False).encode()
    except Unreadable as error:
        return {"refused": error.why}, b""
    except MemoryError:
        return {"refused": "heavy"}, b""
    except Exception as error:  # libraries raise whatever they stumble over
        return {"failed": type(error).__name__}, b""


def _limit(memory: int, cpu: float, wall: float) -> None:
    """Let the kernel end this process when a limit of time is over; the kernel also stops a library that holds Python's
    lock.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + cpu), resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_REAL, wall)


def _peak() -> int:
    """The most memory that this process has had, in bytes; 0 if the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _shut_in() -> None:
    """Limit this child process: no files, no terminal output, low priority; it ignores signals and ends with
    the bot.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    os.nice(NICENESS)
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGKILL)
        if os.getppid() != parent:  # it died meanwhile
            sys.exit()
        with contextlib.suppress(OSError):  # not every container lets it
            # Where memory ends, the kernel takes this process and not the bot.
            Path("/proc/self/oom_score_adj").write_text("1000")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
