"""Whole processes: start one, read what it prints, speak to the sandbox's page as a browser does.

Begin with `Process` and `Page`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.child import PYTHONPATH
from tests.support.forked import Forked

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0  # seconds until something is taken for lost: slow machines are no failure
ANNA = 1001


class Process:
    """`govorun ...` in `directory`, with the given environment and nothing else of ours."""

    def __init__(self, process: asyncio.subprocess.Process | Forked) -> None:
        self.pid = process.pid
        self._process = process

    @classmethod
    def start(cls, *arguments: str, directory: Path, **environment: str) -> AbstractAsyncContextManager[Process]:
        """Fork the bot from a process that has imported it: see `tests/support/fork_server.py`. Leaving the block kills
        what still runs.
        """
        return cls.fork("-m", "bot", *arguments, directory=directory, **environment)

    @classmethod
    @asynccontextmanager
    async def fork(cls, *words: str, directory: Path, **environment: str) -> AsyncIterator[Process]:
        """Fork another program. `words` are what stands after `python`. Leaving the block kills what still runs."""
        given = {"PATH": os.environ["PATH"], **environment}
        pipe = asyncio.subprocess.PIPE
        async with Forked.running(*words, directory=directory, environment=given, stdout=pipe, stderr=pipe) as program:
            yield cls(program)

    @classmethod
    @asynccontextmanager
    async def python(cls, *arguments: str, directory: Path, **environment: str) -> AsyncIterator[Process]:
        """Start a new Python, which takes 2 s. Leaving the block kills what still runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, **environment},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def said(self, word: str) -> str:
        """The first line on standard output that has the word in it, without the blanks around it."""
        assert self._process.stdout is not None
        return await self._line(self._process.stdout, word)

    async def warned(self, word: str) -> str:
        """The same on standard error, where the log goes."""
        assert self._process.stderr is not None
        return await self._line(self._process.stderr, word)

    async def _line(self, stream: asyncio.StreamReader, word: str) -> str:
        read = []
        async with asyncio.timeout(PATIENCE):
            while line := (await stream.readline()).decode():
                if word in line:
                    return line.strip()
                read.append(line)
        _, _, err = await self.ended()
        raise AssertionError(f"it ended without saying {word!r}: {''.join(read)}{err}")

    async def ended(self, within: float = PATIENCE) -> tuple[int, str, str]:
        """Exit code, and what else it wrote. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, out.decode(), err.decode()


class Page:
    """The chat page's view of a sandbox: its state, its stream of events, and what people do."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Page]:
        async with aiohttp.ClientSession() as session:
            yield cls(session, url)

    async def state(self) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/world/state") as response:
            assert response.status == 200
            state: dict[str, Any] = await response.json()
            return state

    async def do(self, what: str, /, **body: Any) -> dict[str, Any]:
        async with self._session.post(f"{self._url}/world/{what}", json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def say(self, text: str) -> int:
        """Anna says something to the bot. Returns the number of the newest event before it."""
        seq = int((await self.state())["seq"])
        await self.do("send", chat_id=ANNA, user_id=ANNA, text=text)
        return seq

    async def events(self, after: int, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The events after number `after`, up to the first for which `until` is true."""
        found: list[dict[str, Any]] = []
        address = f"{self._url}/world/events?after={after}"
        async with asyncio.timeout(PATIENCE), self._session.get(address) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    found.append(json.loads(line[6:]))
                    if until(found[-1]):
                        return found
        raise AssertionError(f"the stream of events ended after {found[-3:]}")

    async def answered(self, after: int) -> list[dict[str, Any]]:
        """The events until the bot said something in Anna's chat."""
        return await self.events(after, is_message_of_the_bot)

    async def texts(self) -> list[str]:
        """What the bot said in Anna's chat, in order."""
        state = await self.state()
        messages = state["messages"][str(ANNA)]
        return [str(message.get("text", "")) for message in messages if message["from"]["is_bot"]]


def is_message_of_the_bot(event: dict[str, Any]) -> bool:
    return event["type"] == "message" and event["chat_id"] == ANNA and bool(event["message"]["from"]["is_bot"])


def drafts(events: list[dict[str, Any]]) -> list[str]:
    """The texts of the drafts in the order in which they were shown."""
    return [event["draft"]["text"] for event in events if event["type"] == "draft" and event["draft"]["text"]]


def is_alive(pid: int) -> bool:
    """Whether a process is there and not only a name that its parent has not asked about."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def working_in(directory: Path) -> list[int]:
    """The processes whose current folder it is."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").readlink() == directory and is_alive(int(path.name)):
                found.append(int(path.name))
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
    return found
