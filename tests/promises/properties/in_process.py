"""Time and network for a bot that runs step by step: an event loop that never waits, Telegram without sockets."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import AsyncGenerator, Callable
from typing import Any

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

from aiogram import Bot
from aiogram.exceptions import TelegramNetworkError
from aiogram.methods import TelegramMethod
from aiogram.types import BufferedInputFile, InputFile

from bot.sandbox.telegram.call import ApiError, Call, Upload
from bot.sandbox.telegram.http import error_of
from bot.sandbox.telegram.server_facade import Telegram
from bot.telegram.client.session import Session


class _NoSelector(selectors.BaseSelector):
    """Nothing ever arrives from outside. Waiting is to move the loop's time."""

    def __init__(self) -> None:
        self.loop: StepLoop | None = None
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._keys[number] = key = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for something that will never happen")
        if self.loop is not None and timeout > 0:
            self.loop.now += timeout
        return []

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[fileobj if isinstance(fileobj, int) else fileobj.fileno()]

    def close(self) -> None:
        self._keys.clear()


class StepLoop(asyncio.SelectorEventLoop):
    """`steps` lets everybody go so many steps, `wait` lets time pass. Between the calls the world stands still."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _NoSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Call it here and now: a thread takes real time, in which virtual time would pass without it."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def steps(self, count: int) -> None:
        self.run_until_complete(_step(count))

    def wait(self, seconds: float) -> None:
        self.run_until_complete(asyncio.sleep(seconds))


async def _step(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Wire(Session):
    """aiogram's way to the sandbox's Telegram, in the same process. Takes `delay` seconds there and back.

    The exact failures of `Telegram.fail_next` happen here as they do over HTTP. A request is on its way in both
    halves of the delay: in the first it has not arrived yet, in the second it was carried out and nobody knows.
    """

    def __init__(self, telegram: Telegram, delay: float = 0.05) -> None:
        super().__init__()
        self.telegram = telegram
        self.delay = delay

    async def close(self) -> None:
        pass

    async def stream_content(self, url: str, *_: Any, **__: Any) -> AsyncGenerator[bytes, None]:
        raise NotImplementedError(url)
        yield b""

    async def make_request(self, bot: Bot, method: TelegramMethod[Any], timeout: int | None = None) -> Any:
        await asyncio.sleep(self.delay / 2)
        call = self._call(bot, method)
        fault = self.telegram.faults.take(call.method, call.chat_id)
        if fault is None:
            status, body = await self._carried_out(call)
        else:
            if fault.apply:
                await self._carried_out(call)
            status, body = fault.status, error_of(fault).body()
        await asyncio.sleep(self.delay / 2)
        if fault is not None and fault.cut:
            raise TelegramNetworkError(method=method, message="reset") from ConnectionResetError()
        return self.check_response(bot, method, status, json.dumps(body)).result

    async def _carried_out(self, call: Call) -> tuple[int, dict[str, Any]]:
        outcome = await self.telegram._server.execute(call)
        error: ApiError | None = outcome.error
        return outcome.status, error.body() if error else {"ok": True, "result": outcome.result}

    def _call(self, bot: Bot, method: TelegramMethod[Any]) -> Call:
        files: dict[str, InputFile] = {}
        values = {
            name: prepared
            for name, value in method.model_dump(warnings=False).items()
            if (prepared := self.prepare_value(value, bot, files))
        }
        uploads = {}
        for name, file in files.items():
            assert isinstance(file, BufferedInputFile)
            uploads[name] = Upload(file.filename or "", "application/octet-stream", file.data)
        return Call(method.__api_method__, values, uploads)
