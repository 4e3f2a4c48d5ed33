"""Calls to the Bot API: aiogram's client behind one method, its errors mapped to what the caller can do.

Begin with `Api.call`. Errors leave here without the token: aiogram's and aiohttp's texts may contain the whole URL.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import bot.telegram.lazy  # noqa: F401  isort: skip  before aiogram

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from bot.errors import Refused, TransportUnavailable, Unauthorized

T = TypeVar("T")
TIMEOUT = 30.0  # seconds a call may take


class NotSent(TransportUnavailable):
    """No connection: the call was certainly not carried out."""


class Unknown(TransportUnavailable):
    """The connection broke, or the answer makes no sense: the call may have been carried out."""


class Flood(TransportUnavailable):
    """Telegram asks to wait `retry_after` seconds; 0: it did not say how long."""


class Conflict(TransportUnavailable):
    """Another process asks for this bot's updates, or a webhook is set."""


class Gone(Refused):
    """The chat can't be reached: blocked, kicked, deleted."""


class Moved(Refused):
    """The group became a supergroup with the id `new`."""

    def __init__(self, new: int) -> None:
        super().__init__()
        self.new = new


class NotModified(Refused):
    """The message already is as the edit would make it: a success."""


class NoMessage(Refused):
    """The message that was to be edited is not there, or not ours."""


class NoThread(Refused):
    """The topic was deleted or closed."""


class BadMarkup(Refused):
    """Entities, blocks or length were refused: say it more simply."""


# What Telegram writes -> what it means. First match wins; texts are compared in lower case.
REFUSALS: tuple[tuple[type[Refused], tuple[str, ...]], ...] = (
    (NotModified, ("message is not modified",)),
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
    """One bot at one Bot API server.

    Raises `Flood`, `NotSent`, `Unknown`, `Conflict` (all `TransportUnavailable`), `Unauthorized`, or a `Refused`.
    """

    def __init__(self, token: str, url: str, proxy: str = "") -> None:
        session = AiohttpSession(proxy=proxy or None, api=TelegramAPIServer.from_base(url), timeout=TIMEOUT)
        self.bot = Bot(token, session=session)
        self.id = self.bot.id

    async def call(self, method: TelegramMethod[T], *, deadline: float = TIMEOUT) -> T:
        try:
            return await self.bot(method, request_timeout=int(deadline))
        except TelegramRetryAfter as error:
            raise Flood(retry_after=float(error.retry_after)) from None
        except TelegramMigrateToChat as error:
            raise Moved(error.migrate_to_chat_id) from None
        except TelegramUnauthorizedError:
            raise Unauthorized() from None
        except TelegramConflictError as error:
            raise Conflict(_harmless(error.message)) from None
        except TelegramEntityTooLarge as error:  # aiogram counts it among the broken connections
            raise Refused(_harmless(error.message)) from None
        except TelegramNetworkError as error:
            raise _network(error) from None
        except (ProxyError, ProxyConnectionError, ProxyTimeoutError):
            raise NotSent("no connection through TELEGRAM_PROXY") from None
        except (TelegramServerError, ClientDecodeError) as error:
            raise Unknown(f"Telegram answered with an error of its own ({type(error).__name__})") from None
        except TelegramForbiddenError as error:
            raise Gone(_harmless(error.message)) from None
        except TelegramAPIError as error:
            raise _refusal(error.message) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unknown(f"Telegram's answer can't be read ({type(error).__name__})") from None

    async def close(self) -> None:
        await self.bot.session.close()


def _network(error: TelegramNetworkError) -> TransportUnavailable:
    cause: Any = error.__cause__ or error.__context__
    if isinstance(cause, aiohttp.ClientConnectorError):
        return NotSent("no connection to Telegram")
    return Unknown(f"the connection to Telegram broke ({type(cause).__name__})")


def _refusal(message: str) -> Refused | Flood:
    text = message.lower()
    if text.startswith("too many requests"):
        return Flood()
    for kind, texts in REFUSALS:
        if any(part in text for part in texts):
            return kind(_harmless(message))
    return Refused(_harmless(message))


def _harmless(message: str) -> str:
    return re.sub(r"\d+:[A-Za-z0-9_-]{20,}", "<token>", message)[:300]
