"""The first process of a container: it runs the bot, and ends it when it is frozen, so that it is started again.

    python -I container_init.py [--seconds 60] govorun run

Docker never restarts a container that is only unhealthy. So this one listens for signs of life, as systemd does
(sd_notify(3)): after the first one, so many seconds of silence end the bot with SIGABRT, which lets it say where it
stands, then with SIGKILL. A program that gives no sign, such as `govorun backup`, is left alone. As process 1 it
hands signals on, buries what others leave behind, and ends as the bot did. It needs nothing but Python.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys

SECONDS = 60.0
LOOKS = 6  # silent looks in a row that make a process frozen. No clock: a container may be paused as a whole
TERMINAL = 0
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)  # by Python, and not by what is started
HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(arguments: list[str]) -> int:
    """Run the command that is given. Returns the status to end with."""
    seconds = SECONDS
    if arguments[:1] == ["--seconds"]:
        seconds, arguments = float(arguments[1]), arguments[2:]
    if not arguments:
        sys.exit("usage: container_init.py [--seconds 60] PROGRAM [ARGUMENT]...")
    if "NOTIFY_SOCKET" in os.environ:  # somebody else listens, such as systemd through Podman
        os.execvp(arguments[0], arguments)  # noqa: S606 - the operator's own command, no shell
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys and conversations stand in the memory
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as signs:
        signs.bind("")  # the kernel finds an abstract address: no file, and no folder that must be writable
        woken = _signals()
        address = "@" + signs.getsockname()[1:].decode()
        environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(seconds * 1e6))}
        child = _spawn(arguments, environment)
        return _watch(child, signs, woken, seconds)


def _signals() -> socket.socket:
    """Where the numbers of signals can be read from now on, one a byte."""
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.detach())
    for number in (*HANDED_ON, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return woken


def _spawn(arguments: list[str], environment: dict[str, str]) -> int:
    """Start it in a group of its own: Ctrl-C would reach it twice, and its second signal ends the bot at once."""
    try:
        child = os.posix_spawnp(arguments[0], arguments, environment, setpgroup=0, setsigdef=IGNORED)
    except OSError as error:
        sys.exit(f"{arguments[0]}: {error.strerror}")
    if os.isatty(TERMINAL):
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(TERMINAL, child)
    return child


def _watch(child: int, signs: socket.socket, woken: socket.socket, seconds: float) -> int:
    """Wait for the end of the child, and bring it about when it has been silent for too long. Returns its status."""
    silent, lives = 0, False
    while True:
        ready, _, _ = select.select([signs, woken], [], [], seconds / LOOKS)
        if signs in ready and b"WATCHDOG=1" in signs.recv(4096).split(b"\n"):
            silent, lives = 0, True
        if not ready and lives:
            silent += 1
            if silent == LOOKS:
                sys.stderr.write(f"container_init: no sign of life for {seconds:.0f} s: the process is ended\n")
                sys.stderr.flush()
            if silent >= LOOKS:
                os.kill(child, signal.SIGABRT if silent == LOOKS else signal.SIGKILL)
        if woken in ready:
            for number in woken.recv(4096):
                if number in HANDED_ON:
                    os.kill(child, number)
            if (status := _bury(child)) is not None:
                return status


def _bury(child: int) -> int | None:
    """Collect every process that has ended. Returns the exit status of the child, if it is among them."""
    found = None
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if process == 0:
            return found
        if process == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code  # as a shell says it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
