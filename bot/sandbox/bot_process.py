"""The bot as a process of its own, which the page can kill, stop and start. Begin with `BotProcess`.

`on_changes` notices that files of a bot have changed (`govorun sandbox --reload`).
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from bot.config.settings import OPENTELEMETRY
from bot.sandbox.guard import Json

log = logging.getLogger(__name__)

STOP_DEADLINE = 30.0  # seconds between SIGTERM and SIGKILL
OWNERS_FILE = 0o600  # other users of this machine may not read the chats
PR_SET_PDEATHSIG = 1
# As `runtime/startup_report.py` says it.
OWNER_CODE = re.compile(r"has no owner yet\. To become its owner, send it /start ([\w-]+)")
ENDPOINTS = re.compile(r"is served at (http://\S+)")  # as `runtime/optional/program.py` says it
MAX_REPORT = 100_000  # bytes of the log in which a bot that starts tells its code
LAST_WORDS = 1_000  # bytes of its log that are shown when the bot ended by itself
KEPT = tuple("PATH HOME LANG LC_ALL TZ PYTHONPATH VIRTUAL_ENV TRACES".split())


class BotProcess:
    """`govorun run` with its own settings and database in `directory`; its output goes to `bot.log` there.

    `command` is the command line of another bot; that one runs in the sandbox's working directory with the sandbox's
    environment. `on_change` is called after each start and each end, whatever the reason.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str],
        on_change: Callable[[], None],
        command: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.log = directory / "bot.log"
        self._command = command or (sys.executable, "-P", "-m", "govorun", "run")
        self._from = None if command else directory
        kept = (name for name in os.environ if command or name in KEPT or name.startswith(OPENTELEMETRY))
        self._environment = {name: os.environ[name] for name in kept} | dict(settings)
        self._trials: Mapping[str, str] = {}
        self._log_start = 0  # bytes of the log that were there when the process was started
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ended: asyncio.subprocess.Process | None = None  # the process that we ended

    def state(self) -> Json:
        """Whether the process runs, as `{"running", "pid"}`."""
        running = self._process is not None and self._process.returncode is None
        return {"running": running, "pid": self._process.pid if running and self._process else None}

    async def control(self, action: str) -> None:
        """Do what the page asks for: kill (SIGKILL), stop (SIGTERM), start or restart."""
        if action in ("stop", "restart", "kill"):
            await self._end(signal.SIGKILL if action == "kill" else signal.SIGTERM)
        if action in ("start", "restart"):
            await self.start()

    async def reconfigure(self, settings: Mapping[str, str]) -> None:
        """Use these settings, besides those of the constructor, from now on. A running process is
        restarted with them.
        """
        self._trials = settings
        if self.state()["running"]:
            await self.control("restart")

    def owner_code(self) -> str:
        """The first-run code that the running bot has written into its log; "" if it has an owner."""
        return self._logged(OWNER_CODE)

    def endpoints(self) -> str:
        """The address of an App's own endpoints (`App.http`), as the log says; "" if there are none."""
        return self._logged(ENDPOINTS)

    def _logged(self, pattern: re.Pattern[str]) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            found = pattern.search(log.read(MAX_REPORT).decode("utf-8", "replace"))
        return found[1] if found else ""

    async def start(self) -> None:
        """Start the process, unless it runs."""
        if self.state()["running"]:
            return
        environment = self._environment | dict(self._trials)
        with private(self.log).open("ab") as log:
            self._log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._from,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,  # Ctrl-C must not reach the bot: the sandbox stops it in order
            )
        self._watch = asyncio.create_task(self._wait(self._process))
        self._on_change()

    async def close(self) -> None:
        """Stop the process with SIGTERM and wait until it has ended."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._ended = process
        process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_DEADLINE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if process is not self._ended:
            words = self.log.read_bytes()[-LAST_WORDS:].decode("utf-8", "replace").strip()
            log.warning("the bot has ended by itself (code %s); %s ends with:\n%s", code, self.log, words)
        self._on_change()


def private(path: Path) -> Path:
    """Create the file if it is missing and make it accessible to its owner only (mode 600). Returns the path."""
    path.touch(OWNERS_FILE)
    path.chmod(OWNERS_FILE)
    return path


def die_with_parent() -> None:
    """Runs in the child between fork and exec: Linux will end the bot when the sandbox ends, even by a kill."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


PAUSE = 0.5  # seconds between two looks
WATCHED = (".py", ".toml", ".md")
FOREIGN = tuple("__pycache__ node_modules venv env build dist tests".split())
UNREAD = ("README.md", "CHANGELOG.md", "LICENSE.md", "CONTRIBUTING.md")  # for people, and not for the bot


async def on_changes(folder: Path, changed: Callable[[], Awaitable[None]]) -> None:
    """Await `changed` after each change of code, prompts or settings below a folder, until cancelled."""
    before = look(folder)
    while True:
        await asyncio.sleep(PAUSE)
        now = await asyncio.to_thread(look, folder)
        if now != before:
            before = now
            await changed()


def look(folder: Path) -> Mapping[str, int]:
    """Return when each watched file was changed (nanoseconds). Hidden folders, environments, tests and
    texts about the project are left out."""
    found: dict[str, int] = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in FOREIGN]
        for path in (os.path.join(where, name) for name in names if name.endswith(WATCHED) and name not in UNREAD):
            try:
                found[path] = os.stat(path).st_mtime_ns
            except OSError:  # removed since, or a link to nothing
                continue
    return found
