"""What the bot may do in a group of operators: `missing_rights`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiogram.methods import GetChat, GetChatMember

from bot.errors import Refused

log = logging.getLogger(__name__)

DESK_RIGHTS = ("can_manage_topics", "can_delete_messages")


async def missing_rights(call: Callable[[Any], Awaitable[Any]], bot: int, chat: int) -> Sequence[str]:
    """Return what the bot with this id lacks to make topics in a group: "supergroup" (it has no topics),
    "administrator", or the Bot API's names of rights. `call` sends a method of the Bot API and returns its result.
    """
    try:
        found = await call(GetChat(chat_id=chat))
        me = await call(GetChatMember(chat_id=chat, user_id=bot))
    except Refused as error:
        log.info("chat %d: its rights can't be read: %s", chat, error)
        return ["administrator", *DESK_RIGHTS]
    if not found.get("is_forum"):
        return ["supergroup"]
    if me.get("status") != "administrator":
        return ["administrator", *DESK_RIGHTS]
    return [name for name in DESK_RIGHTS if not me.get(name)]
