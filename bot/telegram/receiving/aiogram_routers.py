"""Routers of aiogram that a programmer has mounted beside ours. Begin with `Routers.feed`.

They get what Govorun has no meaning for, as aiogram's own types, from a client that answers in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

from aiogram import Bot, Dispatcher, Router
from aiogram.client.session.base import BaseSession
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.methods import Response, TelegramMethod
from aiogram.types import Update

from bot.telegram.client import safe_json
from bot.telegram.client.api import TIMEOUT, Api
from bot.telegram.client.session import Session


class TypedSession(Session):
    """What Telegram answers becomes aiogram's types: our own calls do without them."""

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        return BaseSession.check_response(self, bot, method, status_code, content)


def mounted(routers: Sequence[Router]) -> Dispatcher:
    """aiogram mounts a router only once, so this is made only once in a process."""
    dispatcher = Dispatcher()
    dispatcher.include_routers(*routers)
    return dispatcher


class Routers:
    """`kinds` are the updates that they have handlers for."""

    def __init__(self, *, api: Api, dispatcher: Dispatcher) -> None:
        session = TypedSession(proxy=api.bot.session.proxy, api=api.bot.session.api, timeout=TIMEOUT)  # type: ignore[attr-defined]
        self.bot = Bot(api.bot.token, session=session)
        self.dispatcher = dispatcher
        self.kinds = tuple(dispatcher.resolve_used_update_types())

    async def feed(self, update: str) -> bool:
        """Whether one of them had a handler for it. Raises what the handler raises, and `ValueError`."""
        known = Update.model_validate(safe_json.loads(update), context={"bot": self.bot})
        answer = await self.dispatcher.feed_update(self.bot, known)
        if isinstance(answer, TelegramMethod):
            await self.bot(answer)
        return answer is not UNHANDLED

    async def close(self) -> None:
        await self.bot.session.close()
