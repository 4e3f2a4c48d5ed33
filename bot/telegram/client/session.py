"""The HTTP side of the Bot API: `Session` sends aiogram's methods over aiohttp and checks the answers.

It follows no redirect, because the token stands in the path of the URL; it reads answers up to `LARGEST` only; and it
expects that a proxy answers in Telegram's place, with a page instead of JSON. The result of a call stays JSON: building
aiogram's models takes 20 MB and half a millisecond a call, and Govorun needs one number of them.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncGenerator
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin
from urllib.parse import urlencode

import aiohttp
from aiogram import Bot, exceptions
from aiogram.client.session.base import BaseSession
from aiogram.methods import LogOut, Response, TelegramMethod
from aiogram.types import Message
from aiohttp_socks import ProxyConnector
from python_socks import parse_proxy_url

from bot.http.tls import trusted_context
from bot.telegram.client import safe_json

T = TypeVar("T")

LARGEST = 16 << 20  # bytes of an answer; Telegram sends at most 4 MiB of updates at once
CONNECT = 10.0  # seconds for each try of TCP or TLS
NAMES = 60  # seconds that the addresses of a host are remembered

# Kept, because pydantic does not: it made this class anew for nearly every call, a millisecond each time.
CARRIED_OUT = Response[Any]


class Unacceptable(aiohttp.ClientError):
    """An answer that can't be used. The text of the error holds no address, because the token is part of it."""


class NotKnown(Unacceptable):
    """The answer came from a server that does not know the method, or from a proxy: nothing was carried out."""


class NotNumbered(Unacceptable):
    """A message was sent, but the answer does not tell its id."""


class Session(BaseSession):
    """Sends the calls of one bot. Raises the errors that aiogram's own session raises.

    A 429 that does not say how long to wait becomes a `TelegramRetryAfter` with `retry_after` 0.
    """

    def __init__(self, *, proxy: str = "", **how: Any) -> None:
        super().__init__(json_loads=safe_json.loads, **how)
        self.proxy = proxy
        self._way = _proxy(proxy) if proxy else {}
        self._client: aiohttp.ClientSession | None = None

    def _connected(self) -> aiohttp.ClientSession:
        """Return the aiohttp client. It is made on the first call, because it needs a running event loop."""
        if self._client is None:
            if self._way:
                connector: aiohttp.TCPConnector = ProxyConnector(**self._way)
            else:
                connector = aiohttp.TCPConnector(ssl=trusted_context(), ttl_dns_cache=NAMES)
            self._client = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": "govorun"},
                cookie_jar=aiohttp.DummyCookieJar(),  # Telegram sets no cookies, and looking for them takes 0.09 ms
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def make_request(self, bot: Bot, method: TelegramMethod[T], timeout: int | None = None) -> T:
        """Send a call and return its result as JSON. Raises aiogram's errors."""
        status, content = await self._exchange(bot, method, self.timeout if timeout is None else timeout)
        if status == 413:
            raise exceptions.TelegramEntityTooLarge(method=method, message="Request Entity Too Large")
        try:
            return self.check_response(bot, method, status, content).result  # type: ignore[return-value]
        except (exceptions.TelegramRetryAfter, exceptions.TelegramMigrateToChat, exceptions.TelegramNetworkError):
            raise
        except (exceptions.TelegramAPIError, exceptions.ClientDecodeError, TypeError) as error:
            if status == 429:
                raise exceptions.TelegramRetryAfter(method=method, message="Too Many Requests", retry_after=0) from None
            described = isinstance(error, exceptions.TelegramAPIError) and error.message
            if not described and OPTIONAL in content[:MOST_WORDS]:
                raise exceptions.TelegramBadRequest(method=method, message=OPTIONAL) from None
            if not described and (status in UNKNOWN_HERE or NOT_KNOWN.search(content[:MOST_WORDS])):
                raise _refused(method) from NotKnown(f"the server does not seem to know the method ({status})")
            if isinstance(error, TypeError) or (isinstance(error, exceptions.TelegramAPIError) and not error.message):
                raise _refused(method) from Unacceptable("a refusal without a word")
            raise

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        """Return an answer whose `result` is JSON. Raises aiogram's errors if Telegram refused the call."""
        try:
            answer = self.json_loads(content)
        except ValueError as error:
            raise exceptions.ClientDecodeError("it is not JSON", error, content) from None
        if isinstance(answer, dict) and answer.get("ok") is True and status_code < 300:
            return CARRIED_OUT.model_construct(ok=True, result=_result(method, answer.get("result"), content))
        if isinstance(answer, dict) and isinstance(code := answer.get("error_code"), int) and status_code < 300:
            status_code = code
        return super().check_response(bot, LogOut(), status_code, content)  # any method whose answer is only a bool

    def _written(self, bot: Bot, method: TelegramMethod[Any]) -> tuple[bytes | aiohttp.FormData, dict[str, str]]:
        """Return the body of a call. Only files need a multipart form, which is slow to prepare."""
        files: dict[str, Any] = {}
        values = [
            (name, text)
            for name, value in method.model_dump(warnings=False).items()
            if (text := self.prepare_value(value, bot, files))
        ]
        if not files:
            return urlencode(values).encode(), FORM
        form = aiohttp.FormData(quote_fields=False)
        for name, text in values:
            form.add_field(name, text)
        for name, file in files.items():
            form.add_field(name, file.read(bot), filename=file.filename or name)
        return form, {}

    async def _exchange(self, bot: Bot, method: TelegramMethod[T], seconds: float) -> tuple[int, str]:
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        patience = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT)
        body, headers = self._written(bot, method)
        try:
            async with self._connected().post(
                url, data=body, headers=headers, timeout=patience, allow_redirects=False
            ) as response:
                return response.status, await _body(response)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise exceptions.TelegramNetworkError(method=method, message=type(error).__name__) from error

    async def download(self, url: str, seconds: float, most: int) -> tuple[int, bytes]:
        """Return the status and the body of a file, of at most `most` bytes, within `seconds`.

        Raises `TimeoutError` and aiohttp's errors, whose texts may hold the address.
        """
        patience = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT)
        async with self._connected().get(url, timeout=patience, allow_redirects=False) as response:
            return response.status, await _bytes(response, most)

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        """Give the pieces of a file to `Bot.download`, for handlers of aiogram's routers. Raises aiohttp's errors."""
        async with self._connected().get(
            url,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=False,
            raise_for_status=raise_for_status,
        ) as response:
            async for piece in response.content.iter_chunked(chunk_size):
                yield piece


def _proxy(address: str) -> dict[str, Any]:
    """Return the arguments of `ProxyConnector` for a proxy, which resolves host names itself.

    Raises `ValueError` if the address of the proxy is wrong.
    """
    scheme, _, rest = address.partition("://")
    kind, host, port, user, password = parse_proxy_url(f"{SCHEMES.get(scheme, scheme)}://{rest}")
    how = {"proxy_type": kind, "host": host, "port": port, "username": user, "password": password, "rdns": True}
    return {**how, "proxy_ssl": trusted_context()} if scheme == "https" else how


def _refused(method: TelegramMethod[Any]) -> exceptions.TelegramNetworkError:
    return exceptions.TelegramNetworkError(method=method, message="refused")


def _result(method: TelegramMethod[Any], result: Any, content: str) -> Any:
    """Check the `result` of a method: a message must have an id, other results must have the expected type.

    Nothing is checked of edits and of methods that return only True: an answer without an error is enough.
    """
    kinds = get_args(kind) if get_origin(kind := method.__returning__) in (Union, UnionType) else (kind,)
    if bool in kinds or any(_is_one(one, result) for one in kinds):
        return result
    if kind is Message:
        raise _refused(method) from NotNumbered("a message without its number")
    raise exceptions.ClientDecodeError("it is not what the method returns", ValueError(method.__api_method__), content)


def _is_one(kind: Any, result: Any) -> bool:
    if get_origin(kind) is list:
        return isinstance(result, list)
    number = NUMBERS.get(kind.__name__)
    return isinstance(result, dict) and (number is None or str(result.get(number)).isdecimal())


OPTIONAL = "link_preview_options"  # the one field with which old methods are called here that older servers lack
UNKNOWN_HERE = (404, 405, 422, 501)
NOT_KNOWN = re.compile(
    r"not (?:supported|implemented|allowed)|unsupported|(?:unknown|no such|invalid) method"
    r"|(?:method|route|path) not found|cannot (?:get|post)",
    re.IGNORECASE,
)
MOST_WORDS = 2000  # characters of an answer in which such words are looked for
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SCHEMES = {"https": "http", "socks4h": "socks4", "socks5h": "socks5"}  # of proxies, as python-socks calls them
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
