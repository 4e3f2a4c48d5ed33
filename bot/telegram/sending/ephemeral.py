"""Messages that one member of a group alone sees (Telegram calls them ephemeral). Begin with `EphemeralSender.send`.

Any bot may send one within 15 s of a press, or of a message that itself only the bot saw; a bot that administers the
group may at any time. They can be edited by their own ids, nothing tells which ones there are, and a server that does
not know them sends what was meant for one to everybody. So the first thing that is sent never says anything, and what
is said is only ever written into a message whose id is on disk: an edit may be repeated at will, a send may not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

from aiogram.methods import TelegramMethod
from aiogram.types import Message

from bot.errors import Refused, TransportError, TransportUnavailable
from bot.ports import Outbox
from bot.telegram.client.api import Api, Flood, Moved, NotAlone, NoThread, NotModified, NotSent
from bot.telegram.sending import messages
from bot.telegram.sending.messages import NOTHING, Rung, Screen
from bot.telegram.sending.progress import Progress
from bot.types import Address, Outgoing

PERHAPS = 0  # behind the id of the message that was opened: a file was about to be sent beside it


class Change(Protocol):
    """Edits a message into a part of the delivery; may be repeated. Returns what Telegram answers."""

    async def __call__(self, progress: Progress, part: Screen, message_id: int, *, last: bool) -> Any: ...


class Method(Protocol):
    """Returns the call that sends a part of the delivery."""

    def __call__(self, progress: Progress, part: Screen, *, last: bool) -> TelegramMethod[Message]: ...


@dataclass(slots=True, kw_only=True)
class EphemeralSender:
    """Sends ephemeral messages. `acquire_slot`, `edit` and `method` are methods of the `Deliverer`."""

    api: Api
    outbox: Outbox
    acquire_slot: Callable[[int], Awaitable[None]]
    edit: Change
    method: Method

    async def send(self, progress: Progress, part: Screen, *, last: bool) -> int:
        """Show the next part; returns its id. What an earlier try has opened for it is used."""
        if progress.done == len(progress.ids):
            to = progress.delivery.address
            progress.ids.append(await self.open(to, progress.delivery.outgoing.opens, thread=progress.thread))
            await self._note(progress, progress.ids)
        opened = progress.ids[progress.done]
        if part.file and (progress.apart or not messages.can_be_written(part)):
            return await self._beside(progress, part, opened, last=last)
        with suppress(NotModified):
            await self.edit(progress, part, opened, last=last)
        return opened

    async def open(self, to: Address, opens: str, *, thread: bool = True) -> int:
        """Send an empty one; returns its id. Raises `NotAlone` where the server or the group does not have it."""
        refusal = ""
        for way in dict.fromkeys((opens, "")):  # whoever administers the group needs nothing that opens
            await self.acquire_slot(to.chat)
            empty = messages.send(Screen(NOTHING), to, Outgoing(opens=way), last=False, thread=thread)
            try:
                sent = await self.api.call(empty)
            except (Moved, NoThread):
                raise
            except Refused as error:
                refusal = str(error)
                continue
            if id_ := sent.get("ephemeral_message_id"):
                return int(id_)
            with suppress(TransportError):
                await self.api.call(messages.delete(replace(to, visible_to=0), sent["message_id"]))
            raise NotAlone("the server does not know messages for one person")
        raise NotAlone(refusal)

    async def _beside(self, progress: Progress, part: Screen, opened: int, *, last: bool) -> int:
        """A file that the server writes into no message is one of its own, and what was opened goes.

        Of a voice note nobody may ever know whether it was sent: then that is said instead, which costs only to hear
        what is read above. A picture would cost the picture; there it is sent again.
        """
        spoken = not messages.can_be_written(part)
        if spoken:
            await self._note(progress, [opened, PERHAPS])
        try:
            await self.acquire_slot(progress.delivery.address.chat)
            sent = await self.api.call(self.method(progress, part, last=last))
        except (NotSent, Flood):
            if spoken:
                await self._note(progress, [opened])
            raise
        except TransportUnavailable:
            if spoken:
                progress.rung = Rung.PLAIN
            raise
        with suppress(TransportError):
            await self.api.call(messages.delete(progress.delivery.address, opened))
        return int(sent["ephemeral_message_id"])

    async def _note(self, progress: Progress, ids: list[int]) -> None:
        await self.outbox.progress(progress.delivery, ids, done=progress.done, sent=False)


def left(ids: tuple[int, ...], rung: Rung) -> tuple[list[int], Rung]:
    """What an earlier process has left of a delivery to one person: where the file may have been sent, it is not."""
    known = [id_ for id_ in ids if id_ != PERHAPS]
    return known, rung if len(known) == len(ids) else Rung.PLAIN
