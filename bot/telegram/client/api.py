"""Calls to the Bot API: aiogram's client behind one method, its errors mapped to what the caller can do.

Begin with `Api.call`. Errors leave here without the token: aiogram's and aiohttp's texts may contain the whole URL.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any
from urllib.parse import quote

import aiohttp
from aiogram import Bot, exceptions
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import GetMe, TelegramMethod
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from bot.concurrency import lease
from bot.errors import Refused, TransportError, TransportUnavailable, Unauthorized
from bot.telegram.client.session import OPTIONAL, NotKnown, NotNumbered, Session, Unacceptable
from bot.telemetry import tracing
from bot.telemetry.metrics import Metrics
from bot.telemetry.tracing import NOTHING, TurnTracer

log = logging.getLogger(__name__)

TIMEOUT = 30.0  # seconds a call may take
MOST_PATIENCE = 60.0  # most seconds added to a deadline while answers come late
VITAL = ("getMe", "getUpdates", "sendMessage")  # every server knows them: "unknown method" is a passing trouble here
QUICK = 10.0  # seconds: an answer as quick as this ends the extra patience


class NotSent(TransportUnavailable):
    """No connection to Telegram: the call was certainly not carried out."""


class Unknown(TransportUnavailable):
    """The connection broke, or the answer makes no sense: whether the call was carried out is not known."""


class Strange(Unknown):
    """The answer was not Telegram's: it came from a proxy, or from a server that does not know the method."""


class Numberless(Unknown):
    """A message was sent, but the server's answer does not contain its id."""


class Flood(TransportUnavailable):
    """Telegram asks to wait `retry_after` seconds; 0: it did not say how long."""


class Conflict(TransportUnavailable):
    """Another process asks for the updates of this bot, or a webhook is set."""


class Gone(Refused):
    """The chat can't be reached: blocked, kicked, deleted."""


class Moved(Refused):
    """The group became a supergroup with the id `new`."""

    def __init__(self, new: int) -> None:
        super().__init__()
        self.new = new


class NotModified(Refused):
    """The message, or the topic, already is what the edit would make of it: the edit has succeeded."""


class NoMessage(Refused):
    """The message that was to be edited is not there, or is not the bot's."""


class NoThread(Refused):
    """The topic was deleted or closed."""


class BadMarkup(Refused):
    """Telegram refused entities, blocks or the length of a message; a simpler form may pass."""


class NoMethod(Refused):
    """The server does not know the method: it is an older one, or a proxy answers in Telegram's place."""


class NoField(Refused):
    """The server does not know a field of the call that it could do without (`OPTIONAL`)."""


class NotAlone(Refused):
    """A message can't be shown to one member alone: no right, too late, or the server knows no such messages."""


# What Telegram writes -> what it means. First match wins; texts are compared in lower case.
REFUSALS: tuple[tuple[type[Refused], tuple[str, ...]], ...] = (
    (NoField, (OPTIONAL, "unknown parameter", "unknown field", "unexpected parameter", "unexpected field")),
    (NotModified, ("message is not modified", "message_not_modified", "topic_not_modified")),
    (
        NoMessage,
        (
            "message to edit not found",
            "message can't be edited",
            "message_id_invalid",
            "there is no caption",
            "there is no text",
        ),
    ),
    (NoThread, ("thread not found", "topic_closed", "topic_deleted", "topic_id_invalid")),
    (
        Gone,
        (
            "chat not found",
            "peer_id_invalid",
            "user is deactivated",
            "bot was blocked",
            "bot was kicked",
            "can't initiate conversation",
            "chat_write_forbidden",
            "not enough rights to send",
            "have no rights to send",
            "bot is not a member",
        ),
    ),
    (BadMarkup, ("can't parse", "entit", "rich_message", "too long", "too_long", "text is empty", "text must be")),
)


class Api:
    """Calls one Bot API server in the name of one bot.

    Raises `Flood`, `NotSent`, `Unknown`, `Conflict` (all `TransportUnavailable`), `Unauthorized`, or a `Refused`.
    """

    def __init__(
        self, *, token: str, url: str, proxy: str = "", metrics: Metrics | None = None, tracer: TurnTracer = NOTHING
    ) -> None:
        session = Session(proxy=proxy, api=TelegramAPIServer.from_base(url), timeout=TIMEOUT)
        self._session = session
        self.bot = Bot(token, session=session)
        self.id = self.bot.id
        self.metrics = metrics or Metrics()
        self._missing: set[str] = set()  # methods that the server does not know, and `OPTIONAL` where it refuses that
        self.tracer = tracer
        self._patience = 0.0  # seconds that are added to each deadline, because answers came late

    async def call(self, method: TelegramMethod[Any], *, deadline: float = TIMEOUT) -> Any:
        """Call a method and return the `result` of Telegram's answer as JSON; `deadline` is in seconds.

        Raises `LeaseLost`, with nothing sent, if another process holds the lease of the chat by now.
        """
        await lease.ensure_held()
        try:
            with tracing.call(method.__api_method__):
                result = await self._call(method, deadline)
        except TransportError as error:
            cause = type(error).__name__
            self.metrics.telegram_requests.labels(method.__api_method__, cause).inc()
            self.metrics.errors.labels("telegram", cause).inc()
            raise
        self.metrics.telegram_requests.labels(method.__api_method__, "ok").inc()
        return result

    def lacks(self, method: type[TelegramMethod[Any]]) -> bool:
        """Return whether the server has shown that it does not know the method."""
        return method.__api_method__ in self._missing

    async def _call(self, method: TelegramMethod[Any], deadline: float) -> Any:
        if OPTIONAL in self._missing:
            method = _without(method)
        try:
            return await self._once(method, deadline)
        except NoField as error:
            if (less := _without(method)) is method:
                raise
            result = await self._once(less, deadline)
            self._missing.add(OPTIONAL)
            log.warning("the server at TELEGRAM_API_URL refuses %s: done without (%s)", OPTIONAL, error)
            return result
        except (Strange, Unauthorized):
            if method.__api_method__ in VITAL:
                raise
        return await self._again(method, deadline)

    async def _again(self, method: TelegramMethod[Any], deadline: float) -> Any:
        """Call a method again after an answer that may mean "unknown method", and remember the method if it does.

        A server that is down, does not know the token, or stands behind a login page answers alike. A server that lacks
        the method still answers `getMe`, and refuses the method a second time.
        """
        name = method.__api_method__
        if name not in self._missing:
            await self._once(GetMe(), deadline)
            try:
                return await self._once(method, deadline)
            except (Strange, Unauthorized) as error:
                self._missing.add(name)
                log.warning("the server at TELEGRAM_API_URL does not know %s: done without (%s)", name, error)
        raise NoMethod

    async def _once(self, method: TelegramMethod[Any], deadline: float) -> Any:
        seconds, begun = deadline + self._patience, asyncio.get_running_loop().time()
        try:
            result = await self.bot(method, request_timeout=int(seconds))
            if asyncio.get_running_loop().time() - begun < QUICK:
                self._patience = 0.0
            return result
        except exceptions.TelegramRetryAfter as error:
            raise Flood(retry_after=max(float(error.retry_after), 0.0)) from None
        except exceptions.TelegramMigrateToChat as error:
            raise Moved(error.migrate_to_chat_id) from None
        except exceptions.TelegramUnauthorizedError:
            raise Unauthorized() from None
        except exceptions.TelegramConflictError as error:
            raise Conflict(_harmless(error.message)) from None
        except exceptions.TelegramEntityTooLarge as error:  # a subclass of aiogram's network error
            raise Refused(_harmless(error.message)) from None
        except exceptions.TelegramNetworkError as error:
            if type(error.__cause__) is TimeoutError:
                self._patience = min(max(self._patience, seconds), MOST_PATIENCE)
            raise _network(error) from None
        except (ProxyError, ProxyConnectionError, ProxyTimeoutError):
            raise NotSent("no connection through TELEGRAM_PROXY") from None
        except (exceptions.TelegramServerError, exceptions.ClientDecodeError) as error:
            raise Unknown(f"Telegram answered with an error of its own ({type(error).__name__})") from None
        except exceptions.TelegramForbiddenError as error:
            raise Gone(_harmless(error.message)) from None
        except exceptions.TelegramNotFound as error:
            raise _not_found(error.message) from None
        except exceptions.TelegramAPIError as error:
            raise _refusal(error.message) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unknown(f"Telegram's answer can't be read ({type(error).__name__})") from None

    async def download(self, path: str, *, most: int, deadline: float = TIMEOUT) -> bytes:
        """Return the bytes of a file by its `file_path`. Raises `Unknown` if another try may succeed, else
        `Refused`.
        """
        url = self._session.api.file_url(self.bot.token, quote(path))
        try:
            status, data = await self._session.download(url, deadline, most)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self.metrics.errors.labels("telegram", "file").inc()
            known = str(error) if isinstance(error, Unacceptable) else type(error).__name__
            raise Unknown(f"a file was not handed over ({known})") from None
        if status == 200:
            return data
        self.metrics.errors.labels("telegram", "file").inc()
        if status == 401:
            raise Unauthorized
        if 400 <= status < 500 and status != 429:
            raise Refused(f"Telegram does not have the file ({status})")
        raise Unknown(f"a file was not handed over ({status})")

    async def close(self) -> None:
        """Close the connections to Telegram."""
        await self.bot.session.close()


def _without(method: TelegramMethod[Any]) -> TelegramMethod[Any]:
    """Return a call without the field `OPTIONAL`: the call itself if it has none."""
    return method.model_copy(update={OPTIONAL: None}) if getattr(method, OPTIONAL, None) else method


def _network(error: exceptions.TelegramNetworkError) -> TransportUnavailable:
    cause: Any = error.__cause__ or error.__context__
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return NotSent("the server's certificate is not Telegram's: something stands between")
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NotSent("no connection to Telegram")
    if isinstance(cause, NotKnown):
        return Strange(str(cause))
    if isinstance(cause, NotNumbered):
        return Numberless(str(cause))
    if isinstance(cause, Unacceptable):
        return Unknown(f"Telegram's answer is not taken: {cause}")
    return Unknown(f"the connection to Telegram broke ({type(cause).__name__})")


def _not_found(message: str) -> Refused | Unauthorized | Flood:
    """Return whether a description is the bare "Not Found" of a server that finds no bot with this token. Where
    something else is missing, servers name it.
    """
    return Unauthorized() if message == "Not Found" else _refusal(message)


def _refusal(message: str) -> Refused | Flood:
    text = message.lower()
    if text.startswith("too many requests"):
        return Flood()
    for kind, texts in REFUSALS:
        if any(part in text for part in texts):
            return kind(_harmless(message))
    return Refused(_harmless(message))


def _harmless(message: str) -> str:
    """Return what Telegram wrote without a token, and without the address of a link, which is text of the message."""
    hidden = re.sub(r"(?<!\d)\d+:[A-Za-z0-9_-]{20,}", "<token>", message)
    before, url, rest = hidden.partition("URL '")
    _address, is_, reason = rest.rpartition("' is")
    return (before + "URL is" + reason if url and is_ else hidden)[:300]
