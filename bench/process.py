"""A bot as its users start it: a process of its own on a core of its own. Begin with `Bot`.

A bot file (TOML) has a name, a command `start`, its environment, and maybe a command `seed`. `{words}` in them are
filled in: {telegram} {world} {openai} {token} from the world, {python} {project} {here} {data} and what `fill` adds.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

from bench.world import World
from bot.sandbox.bot_process import die_with_parent

PROJECT = Path(__file__).parents[1]
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
KEPT = ("PATH", "HOME", "LANG", "TZ")
PATIENCE = 60.0


class Bot:
    """One bot in the folder `data`, which is made anew. `log` takes what it prints."""

    def __init__(self, file: Path, data: Path, words: dict[str, str], core: int | None) -> None:
        self.spec = tomllib.loads(file.read_text())
        self.name: str = self.spec["name"]
        self._core = core
        self._data = data
        self._words = {
            "python": sys.executable, "project": str(PROJECT), "here": str(file.parent), "data": str(data), **words,
        }  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)

    async def start(self, world: World) -> float:
        """Start it and wait for its first getUpdates; returns the seconds that took. Raises `RuntimeError`."""
        begun = world.clock.monotonic()
        polled = asyncio.create_task(world.polled())
        self._process = await self._spawn(self.spec["start"])
        ended = asyncio.create_task(self._process.wait())
        done, _ = await asyncio.wait({polled, ended}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if polled not in done:
            polled.cancel()
            raise RuntimeError(f"{self.name} did not ask for updates; see {self._data}/bot.log")
        return polled.result() - begun

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def seed(self, chat: int, messages: int) -> None:
        """Run the bot file's `seed`, which adds so many messages to a chat. Raises `RuntimeError` when it fails."""
        self._words |= {"chat": str(chat), "messages": str(messages)}
        process = await self._spawn(self.spec["seed"])
        if await process.wait():
            raise RuntimeError(f"the seed of {self.name} failed; see {self._data}/bot.log")

    async def _spawn(self, command: str) -> asyncio.subprocess.Process:
        own = {key: self._fill(value) for key, value in self.spec.get("env", {}).items()}
        inherited = {key: os.environ[key] for key in KEPT if key in os.environ}
        with (self._data / "bot.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self._fill(command)), cwd=self._data, env={**inherited, **own},
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            )  # fmt: skip
        if self._core is not None:
            os.sched_setaffinity(process.pid, {self._core})
        return process

    def _fill(self, text: str) -> str:
        for word, value in self._words.items():
            text = text.replace("{" + word + "}", value)
        return text

    # --- what it costs ------------------------------------------------------------------------------------------------

    def cpu(self) -> float:
        """Seconds of CPU it has used, with its children."""
        return sum(map(int, self._stat()[11:15])) / TICK

    def memory(self) -> float:
        """Resident megabytes."""
        return int(self._stat()[21]) * PAGE / 2**20

    def _stat(self) -> list[str]:
        if self._process is None:
            raise RuntimeError("the bot was not started")
        return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()


def cores() -> tuple[int | None, int | None]:
    """A core for the world and one for the bot, where there are two."""
    free = sorted(os.sched_getaffinity(0))
    return (free[0], free[1]) if len(free) > 1 else (None, None)
