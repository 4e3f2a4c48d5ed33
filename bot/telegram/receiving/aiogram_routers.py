"""Routers of aiogram that a programmer has added to the bot. Begin with `Routers.feed`.

They get the updates that no handler of Govorun takes, as aiogram's own types, with a client that returns aiogram's
types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiogram import Bot, Dispatcher, Router
from aiogram.client.session.base import BaseSession
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.methods import Response, TelegramMethod
from aiogram.types import Update

from bot.telegram.client import safe_json
from bot.telegram.client.api import TIMEOUT, Api
from bot.telegram.client.session import Session


class TypedSession(Session):
    """A session that returns aiogram's types. Govorun's own calls use the JSON of `Session` instead."""

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        """Return an answer with aiogram's types; see `aiogram.client.session.base.BaseSession`."""
        return BaseSession.check_response(self, bot, method, status_code, content)


def mounted(routers: Sequence[Router]) -> Dispatcher:
    """Return a dispatcher of aiogram that holds the routers. Call it once in a process: aiogram mounts a router only
    once.
    """
    dispatcher = Dispatcher()
    dispatcher.include_routers(*routers)
    return dispatcher


class Routers:
    """Gives updates to aiogram's routers. `kinds` are the kinds of updates that they have handlers for.

    The dispatcher outlives a bot that is started again in one process, as tests do; states of its FSM in memory do not.
    """

    def __init__(self, *, api: Api, dispatcher: Dispatcher) -> None:
        session = TypedSession(proxy=api.bot.session.proxy, api=api.bot.session.api, timeout=TIMEOUT)  # type: ignore[attr-defined]
        self.bot = Bot(api.bot.token, session=session)
        self.dispatcher = dispatcher
        if isinstance(dispatcher.storage, MemoryStorage):
            dispatcher.fsm.storage = MemoryStorage()
        self.kinds = tuple(dispatcher.resolve_used_update_types())

    async def feed(self, update: str) -> bool:
        """Give a stored update (JSON) to the routers and return whether a handler took it.

        Raises what the handler raises, and `ValueError` if aiogram can't read the update.
        """
        known = Update.model_validate(safe_json.loads(update), context={"bot": self.bot})
        answer = await self.dispatcher.feed_update(self.bot, known)
        if isinstance(answer, TelegramMethod):
            await self.bot(answer)
        return answer is not UNHANDLED

    async def close(self) -> None:
        """Close the connections of the routers' client."""
        await self.bot.session.close()
