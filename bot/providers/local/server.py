"""A language model on this machine: fetch weights, run them in a child process, stream an answer from them.

Nothing here happens unasked: the module is not imported at start, and no weight is fetched before `fetch` is called.
Begin with `MODELS`, `fetch` and `LocalServer`. The runner is the extra `local` (xllamacpp, which is llama.cpp). Any
other OpenAI-compatible server will do as well: `OpenAIServer`.

    govorun models fetch qwen-0.5b --directory models
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from bot.ai import Profile, Request
from bot.clock import SystemClock
from bot.concurrency.retry import Backoff, Retry
from bot.errors import ConfigError, ModelUnavailable
from bot.http.client import Http
from bot.providers.account import Account, FixedKey, ServerNames
from bot.providers.local.weights import MODELS, fetch
from bot.providers.openai.wire import Dialect, OpenAIWire
from bot.providers.text_model import TextModel, Timeouts
from bot.types import Message

__all__ = ["MODELS", "LocalServer", "OpenAIServer", "fetch", "install_command", "is_installed"]

KEY_VARIABLE = "GOVORUN_LOCAL_KEY"
INSTALL = "uv sync --extra local"
CONTEXT = 8_192
START_DEADLINE = 180.0
DEADLINE = 300.0  # seconds of an answer
NAMES = ServerNames(log="the local model", metrics="local", traces="llama.cpp")
Messages = Sequence[Mapping[str, str]]


def is_installed() -> bool:
    """Whether the runner (extra `local`) can be imported."""
    return importlib.util.find_spec("xllamacpp") is not None


class OpenAIServer:
    """A client of any OpenAI-compatible server: `base` ends with /v1. `chat` streams the text of an answer."""

    def __init__(self, base: str, key: str = "", model: str = "local") -> None:
        self.base = base.rstrip("/")
        self.key = key
        self.model = model

    async def chat(self, messages: Messages, *, max_tokens: int = 1_000) -> AsyncIterator[str]:
        """Yield the pieces of the answer to messages of the form `{"role", "text"}`.

        Raises `ModelError`s: for a server that can't be reached or refuses, and for a stream that can't be understood.
        """
        said = tuple(Message.of(message["role"], message["text"]) for message in messages)  # type: ignore[arg-type]
        async with Http(direct=[urlsplit(self.base).hostname or ""]) as http:
            account = Account(
                names=NAMES,
                http=http,
                credentials=FixedKey("Bearer", self.key),
                gauge=asyncio.Semaphore(1),
                retry=Retry(SystemClock(), Backoff(1.0, 1.0), on=ModelUnavailable, tries=1),
            )
            wire = OpenAIWire(self.model, Profile(), Dialect(ask_usage=False))
            url, timeouts = f"{self.base}/chat/completions", Timeouts(deadline=DEADLINE, idle=DEADLINE)
            model = TextModel(
                name=self.model, profile=Profile(), wire=wire, account=account, url=url, timeouts=timeouts
            )
            async with aclosing(model.stream(Request(said, max_tokens=max_tokens))) as chunks:
                async for chunk in chunks:
                    if chunk.text:
                        yield chunk.text


class LocalServer:
    """Runs llama.cpp with one model, in a child process on 127.0.0.1, behind a random key.

    The child watches its standard input, so that it ends whenever its parent ends.
    """

    def __init__(self, path: Path, *, threads: int = 0, context: int = CONTEXT) -> None:
        self.path = path
        self.threads = threads or max((os.cpu_count() or 2) - 1, 1)
        self.context = context
        self._process: asyncio.subprocess.Process | None = None
        self._api: OpenAIServer | None = None

    async def start(self) -> str:
        """Load the model and return the server's base URL.

        Raises `ConfigError` when the runner or the file is missing, `ModelUnavailable` when it does not start.
        """
        if not is_installed():
            raise ConfigError(f"the extra `local` is not installed: run `{INSTALL}`")
        if not self.path.is_file():
            raise ConfigError(f"there is no file {self.path}")
        key = secrets.token_urlsafe(32)
        command = [sys.executable, "-P", "-m", "bot.providers.local.server"]
        command += map(str, (self.path, self.threads, self.context))
        with tempfile.TemporaryFile() as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, KEY_VARIABLE: key},
            )
            base = await self._base(self._process, log)
        self._api = OpenAIServer(base, key, self.path.stem)
        return base

    async def chat(self, messages: Messages, *, max_tokens: int = 1_000) -> AsyncIterator[str]:
        """Stream an answer; see `OpenAIServer.chat`."""
        if self._api is None:
            raise ModelUnavailable("the local model is not running")
        async for piece in self._api.chat(messages, max_tokens=max_tokens):
            yield piece

    async def close(self) -> None:
        """Stop the child process of the model, if it runs."""
        process, self._process, self._api = self._process, None, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _base(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> str:
        """Return the base URL, once the child has printed where it listens."""
        try:
            return await asyncio.wait_for(_listening(process), START_DEADLINE)
        except (TimeoutError, ModelUnavailable):
            await self.close()
            log.seek(0)
            tail = log.read()[-400:].decode("utf-8", "replace").strip()
            raise ModelUnavailable(f"the local model did not start: {tail or 'no reason was given'}") from None
        except BaseException:
            await self.close()
            raise


async def _listening(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 - asked for as a pipe above
    async for line in process.stdout:
        if line.startswith(b"listening "):
            return line.split()[1].decode()
    raise ModelUnavailable("the child ended")


def install_command() -> list[list[str]]:
    """Return the commands that install llama.cpp's Python package into this environment, the best first."""
    project = Path(__file__).resolve().parents[3]
    uv, wanted = shutil.which("uv"), ["huggingface-hub>=2.4", "xllamacpp>=2026.10"]
    found: list[list[str]] = []
    if uv and (project / "uv.lock").is_file():
        found.append([uv, "sync", "--project", str(project), "--inexact", "--extra", "local"])
    if uv:
        found.append([uv, "pip", "install", "--python", sys.executable, *wanted])
    return [*found, [sys.executable, "-m", "pip", "install", "--quiet", *wanted]]


async def install() -> None:
    """Install the runner into this environment. Raises `ConfigError` with instructions for an installation by hand."""
    for command in install_command():
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            code = await process.wait()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        importlib.invalidate_caches()
        if code == 0 and is_installed():
            return
    raise ConfigError(f"the extra `local` could not be installed: run `{INSTALL}` and try again")


# --- the child


def serve(path: str, *, threads: int, context: int) -> None:
    """Run the model until standard input ends. Prints `listening <base URL>` when it is ready."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context
    params.n_parallel = 1
    params.port = 0  # any that is free
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.api_keys = [os.environ.get(KEY_VARIABLE) or secrets.token_urlsafe(32)]
    server = xllamacpp.Server(params)
    sys.stdout.write(f"listening {server.listening_address}/v1\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], threads=int(sys.argv[2]), context=int(sys.argv[3]))
