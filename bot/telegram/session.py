"""How the calls travel: aiogram's session, but no redirect is followed and no answer is believed or read without end.

A redirect would carry the token to another host; an answer of any length would be kept in memory; proxies answer in
Telegram's place, in pages. What Telegram says of a call that it carried out stays JSON: the models of a message are
20 MB and half a millisecond for each, and of all of it one number is needed.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin
from urllib.parse import urlencode

import bot.telegram.lazy  # noqa: F401  isort: skip  before aiogram

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramEntityTooLarge,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.methods import LogOut, Response, TelegramMethod

from bot.telegram import raw

T = TypeVar("T")

LARGEST = 16 << 20  # bytes of an answer; Telegram sends at most 4 MiB of updates at once
CONNECT = 10.0  # seconds for each try of TCP or TLS
NAMES = 60  # seconds that the addresses of a host are remembered

# Kept, because pydantic does not: it made this class anew for nearly every call, a millisecond each time.
CARRIED_OUT = Response[Any]


class Unacceptable(aiohttp.ClientError):
    """An answer that is not taken. Its text holds no address."""


class Session(AiohttpSession):
    """Raises what aiogram's session raises. A 429 that does not say how long has `retry_after` 0."""

    def __init__(self, **how: Any) -> None:
        super().__init__(json_loads=raw.loads, **how)
        if self.proxy is None:
            self._connector_init["ttl_dns_cache"] = NAMES

    async def make_request(self, bot: Bot, method: TelegramMethod[T], timeout: int | None = None) -> T:
        status, content = await self._exchange(bot, method, self.timeout if timeout is None else timeout)
        if status == 413:
            raise TelegramEntityTooLarge(method=method, message="Request Entity Too Large")
        try:
            answer = self.check_response(bot=bot, method=method, status_code=status, content=content)
        except (TelegramRetryAfter, TelegramMigrateToChat):
            raise
        except (TelegramAPIError, ClientDecodeError, TypeError) as error:
            if status == 429:
                raise TelegramRetryAfter(method=method, message="Too Many Requests", retry_after=0) from None
            if isinstance(error, TypeError) or (isinstance(error, TelegramAPIError) and not error.message):
                raise TelegramNetworkError(method=method, message="refused") from Unacceptable(
                    "a refusal without a word"
                )
            raise
        if answer.result is None:
            raise TelegramNetworkError(method=method, message="no result") from Unacceptable("there is no result")
        return answer.result  # type: ignore[no-any-return]

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        """Raises what aiogram's raises; where there is nothing to raise, `result` is JSON."""
        try:
            answer = self.json_loads(content)
        except ValueError as error:
            raise ClientDecodeError("it is not JSON", error, content) from None
        if isinstance(answer, dict) and answer.get("ok") is True and status_code < 300:
            result = answer.get("result")
            if not _is_one(method.__returning__, result):
                raise ClientDecodeError("it is not what the method returns", ValueError(method.__api_method__), content)
            return CARRIED_OUT.model_construct(ok=True, result=result)
        return super().check_response(bot, LogOut(), status_code, content)  # any method whose answer is only a bool

    def _written(self, bot: Bot, method: TelegramMethod[Any]) -> tuple[bytes | aiohttp.FormData, dict[str, str]]:
        """The call as it travels. aiohttp prepares a multipart form for every one, and only files need it."""
        files: dict[str, Any] = {}
        values = [
            (name, text)
            for name, value in method.model_dump(warnings=False).items()
            if (text := self.prepare_value(value, bot, files))
        ]
        return (self.build_form_data(bot, method), {}) if files else (urlencode(values).encode(), FORM)

    async def _exchange(self, bot: Bot, method: TelegramMethod[T], seconds: float) -> tuple[int, str]:
        session = await self.create_session()
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        patience = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT)
        body, headers = self._written(bot, method)
        try:
            async with session.post(
                url, data=body, headers=headers, timeout=patience, allow_redirects=False
            ) as response:
                return response.status, await _body(response)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TelegramNetworkError(method=method, message=type(error).__name__) from error

    async def download(self, url: str, seconds: float, most: int) -> tuple[int, bytes]:
        """The status and the body of a file of at most so many bytes.

        Raises `TimeoutError` and aiohttp's errors, whose texts may hold the address.
        """
        session = await self.create_session()
        patience = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT)
        async with session.get(url, timeout=patience, allow_redirects=False) as response:
            return response.status, await _bytes(response, most)


def _is_one(kind: Any, result: Any) -> bool:
    """Whether JSON may be what a method returns: of a message its number is looked at, of other things their shape."""
    if kinds := get_args(kind) if get_origin(kind) in (Union, UnionType) else ():
        return any(_is_one(one, result) for one in kinds)
    if kind is bool:
        return result is True
    if get_origin(kind) is list:
        return isinstance(result, list)
    number = NUMBERS.get(kind.__name__)
    return isinstance(result, dict) and (number is None or isinstance(result.get(number), int))


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NUMBERS = {"Message": "message_id", "User": "id"}


async def _body(response: aiohttp.ClientResponse) -> str:
    return (await _bytes(response, LARGEST)).decode("utf-8", "replace")


async def _bytes(response: aiohttp.ClientResponse, most: int) -> bytes:
    if 300 <= response.status < 400:
        raise Unacceptable(f"a redirect ({response.status}) was not followed")
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > most:
            raise Unacceptable(f"the answer is larger than {most >> 20} MiB")
    return bytes(data)
