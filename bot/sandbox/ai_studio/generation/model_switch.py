"""Chooses what writes the answers of the sandbox: the scripted model, a model on this machine, or one behind a URL.
Begin with `ModelSwitch`.

A change runs in the background and reports its progress. Until it is complete, and if it fails, the former model
answers. The APIs do not change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import BotError
from bot.sandbox import scripted_model as scripted
from bot.sandbox.ai_studio.generation.text_request import Messages
from bot.sandbox.ai_studio.generation.writer import AnswerSource
from bot.sandbox.ai_studio.wire import Json

if TYPE_CHECKING:
    from bot.providers.local.server import LocalServer

SCRIPTED = "Scripted model"
KINDS = ("scripted", "local", "url")
SYSTEM = {"role": "system", "text": "You are a helpful assistant. Answer briefly, in the language of the question."}


class ModelSwitch:
    """Changes the function of an `AnswerSource`. `directory` keeps fetched models; `on_change` gets each new state."""

    def __init__(self, source: AnswerSource, directory: Path, on_change: Callable[[Json], None] | None) -> None:
        self._source = source
        self._directory = directory
        self._on_change = on_change
        self._kind, self._title, self._error = "scripted", SCRIPTED, ""
        self._progress: Json | None = None
        self._task: asyncio.Task[None] | None = None
        self._server: LocalServer | None = None

    def state(self) -> Json:
        """Which model writes now, and how far a change to another one is: `{"kind", "title", "progress", "error"}`."""
        return {"kind": self._kind, "title": self._title, "progress": self._progress, "error": self._error or None}

    async def switch(self, kind: str, name: str = "") -> Json:
        """Begin a change and return the state. Raises `ValueError` for an unknown kind or a missing name."""
        if kind not in KINDS:
            raise ValueError(f"there is no model kind {kind!r}; known: {', '.join(KINDS)}")
        if kind == "url" and not name.startswith(("http://", "https://")):
            raise ValueError("give the base URL of an OpenAI-compatible server, like http://127.0.0.1:8080/v1")
        await self._stop_change()
        self._error = ""
        if kind == "scripted":
            await self._use(kind, SCRIPTED, None)
        elif kind == "url":
            await self._use_url(name)
        else:
            self._tell(0, 0, "starting")
            self._task = asyncio.create_task(self._local(name or "qwen-0.5b"))
        return self.state()

    async def wait(self) -> Json:
        """Wait until the change in progress is finished, and return the state."""
        if self._task is not None:
            await asyncio.wait([self._task])
        return self.state()

    async def close(self) -> None:
        """Stop the change in progress and the local model."""
        await self._stop_change()
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def _local(self, name: str) -> None:
        try:
            await self._fetch_and_start(name)
        except (BotError, OSError) as error:
            self._error, self._progress = str(error), None
            self._changed()

    async def _fetch_and_start(self, name: str) -> None:
        from bot.providers.local import server as local

        if not local.is_installed():
            self._tell(0, 0, "installing")
            await local.install()
        path = await self._fetch(name)
        self._tell(0, 0, "loading")
        server = local.LocalServer(path)
        await server.start()
        title = local.MODELS[name].title if name in local.MODELS else path.name
        await self._use("local", title, server)
        self._source.function = lambda messages: server.chat(_with_system(messages))

    async def _fetch(self, name: str) -> Path:
        """Fetch the model's file in a thread, which gives up when this task is cancelled."""
        from bot.config.settings import load
        from bot.providers.local import server as local

        loop, stopped = asyncio.get_running_loop(), False

        def progress(done: int, total: int, stage: str) -> None:
            if stopped:
                raise InterruptedError("the change was called off")
            loop.call_soon_threadsafe(self._tell, done, total, stage)

        try:
            source = load().local_model_source
            return await asyncio.to_thread(local.fetch, name, self._directory, progress, source=source)
        finally:
            stopped = True

    async def _use_url(self, base: str) -> None:
        from bot.providers.local import server as local

        remote = local.OpenAIServer(base)
        await self._use("url", base, None)
        self._source.function = lambda messages: remote.chat(_with_system(messages))

    async def _use(self, kind: str, title: str, server: LocalServer | None) -> None:
        """Let another model write, and stop the former one."""
        former, self._server = self._server, server
        self._kind, self._title, self._progress, self._error = kind, title, None, ""
        self._source.function, self._source.paced = scripted.answer, kind == "scripted"
        if former is not None:
            await former.close()
        self._changed()

    async def _stop_change(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
        self._progress = None

    def _tell(self, done: int, total: int, stage: str) -> None:
        self._progress = {"done": done, "total": total, "stage": stage}
        self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self.state())


def _with_system(messages: Messages) -> Sequence[dict[str, str]]:
    """The newest messages behind an instruction: no more than the context window of a small model takes."""
    kept = [message for message in messages if message["role"] != "system"][-8:]
    first = next((message for message in messages if message["role"] == "system"), SYSTEM)
    return [first, *({**message, "text": message["text"][-3_000:]} for message in kept)]
