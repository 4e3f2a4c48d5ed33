"""Messages that one member of a group alone sees (Telegram calls them ephemeral). Begin with `opened`.

Any bot may send one within 15 s of a press, or of a message that itself only the bot saw; a bot that administers the
group may at any time. They can be edited by their own ids, nothing tells which ones there are, and a server that does
not know them sends what was meant for one to everybody. So the first thing that is sent never says anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from bot.errors import Refused, TransportError
from bot.telegram import screen
from bot.telegram.api import Api, Moved, NotAlone, NoThread
from bot.telegram.screen import NOTHING, Screen
from bot.types import Address, Outgoing


async def opened(
    api: Api, permit: Callable[[int], Awaitable[None]], to: Address, opens: str, *, thread: bool = True
) -> int:
    """Send an empty one; returns its id. Raises `NotAlone` where the server or the group does not have it."""
    refusal = ""
    for way in dict.fromkeys((opens, "")):  # whoever administers the group needs nothing that opens
        await permit(to.chat)
        try:
            sent = await api.call(screen.send(Screen(NOTHING), to, Outgoing(opens=way), last=False, thread=thread))
        except (Moved, NoThread):
            raise
        except Refused as error:
            refusal = str(error)
            continue
        if id_ := sent.get("ephemeral_message_id"):
            return int(id_)
        with suppress(TransportError):
            await api.call(screen.delete(replace(to, only=0), sent["message_id"]))
        raise NotAlone("the server does not know messages for one person")
    raise NotAlone(refusal)
