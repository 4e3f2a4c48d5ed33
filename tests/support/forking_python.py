"""What programs of the fork server take for Python (`sys.executable`), so that the bots that they start are forked too.

`forked.py` puts it beside the server's socket. A module or a file becomes an order to the server, of which this process
is the other end: signals and the exit status are passed on, and the bot ends with it. Anything else gets a new Python.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType


def main(words: list[str]) -> int:
    if words[0] not in ("-m", "-P") and words[0].startswith("-"):
        os.execv(sys.executable, [sys.executable, *words])
    order = {"words": words, "directory": os.getcwd(), "environment": dict(os.environ)}
    os.chdir("/")  # who looks for programs by their folder shall find the bot alone
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), "socket"))
    data = json.dumps(order).encode() + b"\n"
    connection.sendall(data[socket.send_fds(connection, [data], [0, 1, 2]) :])
    news = connection.makefile()
    pid = int(news.readline())

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # its end is on its way to us
            os.kill(pid, number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    return int(next(line for line in news if line != "stopped\n"))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
