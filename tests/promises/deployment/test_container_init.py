"""The first process of a container: what is frozen ends, what lives is left alone, and signals and statuses pass.

See F102 in docs/promises.md.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.promises.deployment.conftest import DEPLOY
from tests.support.child import PYTHONPATH

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform != "linux", reason="it is for containers")]

INIT = [sys.executable, "-I", str(DEPLOY / "container_init.py")]
BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH}

# A loop as that of the bot, which gives signs of life until a line comes in, and then does what the line says.
LIVING = """
import asyncio, os, sys, time
from bot.runtime.health import sd_notify
from bot.clock import SystemClock

def compute():
    while True:
        pass

def wait():
    time.sleep(3600)

async def main():
    async with sd_notify.telling(SystemClock()):
        await asyncio.sleep(0)  # now the first one is given
        print(os.getpid(), flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if asyncio.iscoroutine(found := eval(line)):
            await found
        print("fine")

asyncio.run(main())
"""


@contextmanager
def container(*command: str, seconds: float = 60.0, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*INIT, "--seconds", str(seconds), *command], env={**BARE, **environment}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def python(code: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    with container(sys.executable, "-c", code, seconds=seconds) as process:
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, err)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# --- what is frozen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freeze", ["wait", "compute"])
def test_a_frozen_event_loop_ends_the_process_and_its_place_is_told(freeze: str) -> None:
    with container(sys.executable, "-c", LIVING, seconds=2) as process:
        assert line(process)
        _, err = process.communicate(f"{freeze}()\n", timeout=60)
    assert process.returncode == 128 + signal.SIGABRT
    assert "no sign of life for 2 s" in err
    assert f"in {freeze}\n" in err


def test_a_process_that_hears_nothing_any_more_is_killed() -> None:
    with container(sys.executable, "-c", LIVING, seconds=1) as process:
        os.kill(int(line(process)), signal.SIGSTOP)
        assert process.wait(60) == 128 + signal.SIGKILL


def test_one_that_lives_is_left_alone() -> None:
    with container(sys.executable, "-c", LIVING, seconds=2) as process:
        assert line(process)
        out, _ = process.communicate("asyncio.sleep(4)\n", timeout=60)
    assert (process.returncode, out) == (0, "fine\n")


def test_a_program_that_gives_no_signs_is_left_alone() -> None:
    done = python("import time; time.sleep(1); print('fine')", seconds=0.2)
    assert (done.returncode, done.stdout) == (0, "fine\n")


def test_a_container_that_was_paused_as_a_whole_is_not_taken_for_frozen() -> None:
    with container(sys.executable, "-c", LIVING, seconds=1) as process:
        child = int(line(process))
        for number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(process.pid, number)
            os.kill(child, number)
            if number == signal.SIGSTOP:
                subprocess.run(["sleep", "2"], check=True)
        out, _ = process.communicate("None\n", timeout=60)
    assert (process.returncode, out) == (0, "fine\n")


# --- what a first process has to do -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status"),
    [("", 0), ("raise SystemExit(3)", 3), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137)],
)
def test_it_ends_as_the_bot_does(code: str, status: int) -> None:
    assert python(code).returncode == status


def test_a_program_that_is_not_there_is_named() -> None:
    done = subprocess.run([*INIT, "no-such-program"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "no-such-program: No such file or directory\n")


HEARS = """
import signal
wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
for _ in range(COUNT):
    print(signal.sigwait(wanted).name, flush=True)
"""


def test_signals_are_handed_on() -> None:
    with container(sys.executable, "-c", HEARS.replace("COUNT", "3")) as process:
        assert line(process) == "ready"
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            assert line(process) == number.name
        assert process.wait(60) == 0


def test_a_key_on_the_terminal_reaches_the_bot_once() -> None:
    """The second signal would end it at once, in the middle of its answers."""
    ours, theirs = pty.openpty()
    code = HEARS.replace("COUNT", "1") + "print(signal.sigtimedwait(wanted, 0.5), flush=True)"
    process = subprocess.Popen(
        [*INIT, sys.executable, "-c", code], env=BARE, stdin=theirs, stdout=theirs, stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),
    )  # fmt: skip
    os.close(theirs)
    with open(ours, "rb", buffering=0) as terminal:
        shown = b""
        for word, key in ((b"ready", b"\x03"), (b"SIGINT", b""), (b"None", b"")):
            while word not in shown:
                shown += terminal.read(4096)
            os.write(ours, key)
        # The terminal goes with `ours`: its SIGHUP would end an interpreter that is just taking itself apart.
        assert process.wait(60) == 0
    assert shown.count(b"SIGINT") == 1


ORPHAN = """
import os, sys, time
from pathlib import Path
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        os._exit(0)
    os._exit(0)
os.wait()
stat = Path("/proc", os.read(read, 20).decode(), "stat")
while stat.exists():
    time.sleep(0.01)
"""
REAPER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])"


def test_what_others_leave_behind_is_buried() -> None:
    """As process 1 it inherits orphans; here it is made to by PR_SET_CHILD_SUBREAPER."""
    command = [sys.executable, "-c", REAPER, *INIT, sys.executable, "-c", ORPHAN]
    assert subprocess.run(command, env=BARE, timeout=60, check=False).returncode == 0


def test_where_systemd_listens_it_steps_aside(tmp_path: Path) -> None:
    """Podman hands systemd's socket into the container."""
    code = "import os; print(os.getpid(), os.environ['NOTIFY_SOCKET'])"
    with container(sys.executable, "-c", code, NOTIFY_SOCKET=str(tmp_path)) as process:
        out, _ = process.communicate(timeout=60)
        assert out == f"{process.pid} {tmp_path}\n"


def test_it_waits_as_long_as_systemd_does() -> None:
    (here,) = re.findall(r"^SECONDS = ([\d.]+)$", (DEPLOY / "container_init.py").read_text(), re.MULTILINE)
    assert f"WatchdogSec={float(here):.0f}s" in (DEPLOY / "systemd" / "govorun.service").read_text()


def test_it_leaves_no_memory_on_the_disk() -> None:
    assert python("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))").stdout == "(0, 0)\n"
