"""Routers of aiogram that a programmer has added to the bot. Begin with `Routers.feed`.

They get the updates that no handler of Govorun takes, as aiogram's own types, with a client that returns aiogram's
types. Where a router has set a state for somebody, its handlers get what that person writes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiogram import Bot, Dispatcher, Router
from aiogram.client.session.base import BaseSession
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.fsm.storage.base import BaseStorage
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.methods import Response, TelegramMethod
from aiogram.types import Update

from bot.ports import RouterStates
from bot.telegram.client import safe_json
from bot.telegram.client.api import TIMEOUT, Api
from bot.telegram.client.session import Session
from bot.telegram.receiving.router_states import DatabaseStorage
from bot.types import Attachment, Incoming

# What no model reads, so that the routers are asked for it first.
FOREIGN = (
    "contact",
    "location",
    "venue",
    "dice",
    "poll",
    "video",
    "animation",
    "story",
    "checklist",
    "paid_media",
    "giveaway",
    "giveaway_winners",
    "invoice",
)


class TypedSession(Session):
    """A session that returns aiogram's types. Govorun's own calls use the JSON of `Session` instead."""

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        """Return an answer with aiogram's types; see `aiogram.client.session.base.BaseSession`."""
        return BaseSession.check_response(self, bot, method, status_code, content)


def mounted(routers: Sequence[Router], states: BaseStorage | None = None) -> Dispatcher:
    """Return a dispatcher of aiogram that holds the routers, and keeps the states of their dialogues in `states`, by
    default in the bot's database. Call it once in a process: aiogram mounts a router only once.
    """
    dispatcher = Dispatcher(storage=states or DatabaseStorage())
    dispatcher.include_routers(*routers)
    return dispatcher


class Routers:
    """Gives updates to aiogram's routers. `kinds` are the kinds of updates that they have handlers for.

    The dispatcher outlives a bot that is started again in one process, as tests do; states of its FSM in memory do not.
    `states` are those of this bot in the database.
    """

    def __init__(self, *, api: Api, dispatcher: Dispatcher, states: RouterStates) -> None:
        session = TypedSession(proxy=api.bot.session.proxy, api=api.bot.session.api, timeout=TIMEOUT)  # type: ignore[attr-defined]
        self.bot = Bot(api.bot.token, session=session)
        self.dispatcher = dispatcher
        if isinstance(dispatcher.storage, MemoryStorage):
            dispatcher.fsm.storage = MemoryStorage()
        elif isinstance(dispatcher.storage, DatabaseStorage):
            dispatcher.storage.stores[api.id] = states
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

    async def expects(self, incoming: Incoming) -> bool:
        """Whether a message is for the routers before it is for the model: it brings what no model reads, or a router
        has set a state for its sender.
        """
        sent = [part for part in incoming.parts if isinstance(part, Attachment) and not part.quoted]
        if "message" in self.kinds and any(part.kind in FOREIGN for part in sent):
            return True
        where = incoming.address
        state = self.dispatcher.fsm.resolve_context(
            self.bot, where.chat, incoming.user.id, where.thread or None, where.connection or None
        )
        return state is not None and await state.get_state() is not None

    async def start(self) -> None:
        """Tell the routers that the bot starts (`router.startup`). Raises what their handlers raise."""
        await self.dispatcher.emit_startup(bot=self.bot, **self._workflow)

    async def close(self) -> None:
        """Tell the routers that the bot has ended (`router.shutdown`), and close the connections of their client."""
        try:
            await self.dispatcher.emit_shutdown(bot=self.bot, **self._workflow)
        finally:
            await self.bot.session.close()

    @property
    def _workflow(self) -> dict[str, Any]:
        """What aiogram's own polling gives to handlers of startup and shutdown, beside the bot."""
        return {"dispatcher": self.dispatcher, "bots": [self.bot], **self.dispatcher.workflow_data}
