"""How the calls travel: aiogram's session, but no redirect is followed and no answer is believed or read without end.

A redirect would carry the token to another host; an answer of any length would be kept in memory; proxies answer in
Telegram's place, in pages. What Telegram says of a call that it carried out stays JSON: the models of a message are
20 MB and half a millisecond for each, and of all of it one number is needed.
"""

from __future__ import annotations

import io
import re
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin
from urllib.parse import urlencode

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

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
from aiogram.types import Message

from bot.telegram.client import safe_json

T = TypeVar("T")

LARGEST = 16 << 20  # bytes of an answer; Telegram sends at most 4 MiB of updates at once
CONNECT = 10.0  # seconds for each try of TCP or TLS
NAMES = 60  # seconds that the addresses of a host are remembered

# Kept, because pydantic does not: it made this class anew for nearly every call, a millisecond each time.
CARRIED_OUT = Response[Any]


class Unacceptable(aiohttp.ClientError):
    """An answer that is not taken. Its text holds no address."""


class NotKnown(Unacceptable):
    """An answer as servers give it to a method that they don't know, and proxies to any. Nothing was carried out."""


class NotNumbered(Unacceptable):
    """It was carried out, and the message that came of it has no number."""


class Session(AiohttpSession):
    """Raises what aiogram's session raises. A 429 that does not say how long has `retry_after` 0."""

    def __init__(self, **how: Any) -> None:
        super().__init__(json_loads=safe_json.loads, **how)
        if self.proxy is None:
            self._connector_init["ttl_dns_cache"] = NAMES

    async def make_request(self, bot: Bot, method: TelegramMethod[T], timeout: int | None = None) -> T:
        status, content = await self._exchange(bot, method, self.timeout if timeout is None else timeout)
        if status == 413:
            raise TelegramEntityTooLarge(method=method, message="Request Entity Too Large")
        try:
            return self.check_response(bot, method, status, content).result  # type: ignore[return-value]
        except (TelegramRetryAfter, TelegramMigrateToChat, TelegramNetworkError):
            raise
        except (TelegramAPIError, ClientDecodeError, TypeError) as error:
            if status == 429:
                raise TelegramRetryAfter(method=method, message="Too Many Requests", retry_after=0) from None
            described = isinstance(error, TelegramAPIError) and error.message
            if not described and (status in UNKNOWN_HERE or NOT_KNOWN.search(content[:MOST_WORDS])):
                raise _refused(method) from NotKnown(f"the server does not seem to know the method ({status})")
            if isinstance(error, TypeError) or (isinstance(error, TelegramAPIError) and not error.message):
                raise _refused(method) from Unacceptable("a refusal without a word")
            raise

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        """Raises what aiogram's raises; where there is nothing to raise, `result` is JSON."""
        try:
            answer = self.json_loads(content)
        except ValueError as error:
            raise ClientDecodeError("it is not JSON", error, content) from None
        if isinstance(answer, dict) and answer.get("ok") is True and status_code < 300:
            return CARRIED_OUT.model_construct(ok=True, result=_result(method, answer.get("result"), content))
        if isinstance(answer, dict) and isinstance(code := answer.get("error_code"), int) and status_code < 300:
            status_code = code
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


def _refused(method: TelegramMethod[Any]) -> TelegramNetworkError:
    return TelegramNetworkError(method=method, message="refused")


def _result(method: TelegramMethod[Any], result: Any, content: str) -> Any:
    """What a method has returned: of a message its number is needed, of other things their shape.

    That an edit, or what returns but True, was carried out is all that is to be known of it.
    """
    kinds = get_args(kind) if get_origin(kind := method.__returning__) in (Union, UnionType) else (kind,)
    if bool in kinds or any(_is_one(one, result) for one in kinds):
        return result
    if kind is Message:
        raise _refused(method) from NotNumbered("a message without its number")
    raise ClientDecodeError("it is not what the method returns", ValueError(method.__api_method__), content)


def _is_one(kind: Any, result: Any) -> bool:
    if get_origin(kind) is list:
        return isinstance(result, list)
    number = NUMBERS.get(kind.__name__)
    return isinstance(result, dict) and (number is None or str(result.get(number)).isdecimal())


UNKNOWN_HERE = (404, 405, 422, 501)
NOT_KNOWN = re.compile(
    r"not (?:supported|implemented|allowed)|unsupported|(?:unknown|no such|invalid) method"
    r"|(?:method|route|path) not found|cannot (?:get|post)",
    re.IGNORECASE,
)
MOST_WORDS = 2000  # characters of an answer in which such words are looked for
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NUMBERS = {"Message": "message_id", "User": "id"}


async def _body(response: aiohttp.ClientResponse) -> str:
    return (await _bytes(response, LARGEST)).decode("utf-8", "replace")


async def _bytes(response: aiohttp.ClientResponse, most: int) -> bytes:
    if 300 <= response.status < 400:
        raise Unacceptable(f"a redirect ({response.status}) was not followed")
    data = io.BytesIO()  # hands its bytes out without copying them
    async for piece in response.content.iter_any():
        if data.write(piece) and data.tell() > most:
            raise Unacceptable(f"the answer is larger than {most >> 20} MiB")
    return data.getvalue()
