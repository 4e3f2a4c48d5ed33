"""Sends messages that one member of a group alone sees (ephemeral ones). Begin with `EphemeralSender.send`.

Any bot may send one within 15 s of a button press, or of a message that only the bot saw; a bot that administers the
group may at any time. They are edited by ids of their own, no method lists them, and a server that does not know them
sends the text to everybody. So the first message is always empty, and the answer is written only into a message whose
id is stored: an edit may be repeated, a send may not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from aiogram.methods import TelegramMethod
from aiogram.types import Message

from bot.errors import Refused, TransportError, TransportUnavailable
from bot.ports import Outbox
from bot.telegram.client.api import Api, Flood, Moved, NotAlone, NoThread, NotModified, NotSent
from bot.telegram.sending import messages
from bot.telegram.sending.messages import NOTHING, Rung, Screen
from bot.telegram.sending.progress import Edit, Progress
from bot.types import Address, Outgoing

MAYBE_SENT = 0  # stored behind the id of the opened message: a file was about to be sent, and may have been


class Method(Protocol):
    """Returns the call that sends a part of the delivery."""

    def __call__(self, progress: Progress, part: Screen, *, last: bool) -> TelegramMethod[Message]: ...


@dataclass(slots=True, kw_only=True)
class EphemeralSender:
    """Sends ephemeral messages. `acquire_slot`, `edit` and `method` are methods of the `Deliverer`."""

    api: Api
    outbox: Outbox
    acquire_slot: Callable[[int], Awaitable[None]]
    edit: Edit
    method: Method

    async def send(self, progress: Progress, part: Screen, *, last: bool) -> int:
        """Show the next part and return its id. A message that an earlier try has opened is used."""
        if progress.done == len(progress.ids):
            to = progress.delivery.address
            progress.ids.append(await self.open(to, progress.delivery.outgoing.opens, thread=progress.thread))
            await self._note(progress, progress.ids)
        opened = progress.ids[progress.done]
        if part.file and (progress.apart or not messages.can_be_written(part)):
            return await self._send_file(progress, part, opened, last=last)
        with suppress(NotModified):
            await self.edit(progress, part, opened, last=last)
        return opened

    async def open(self, to: Address, opens: str, *, thread: bool = True) -> int:
        """Send an empty ephemeral message and return its id.

        `opens` names the press or message that allows it. Raises `NotAlone` if the server or the group does not
        allow it.
        """
        refusal = ""
        for way in dict.fromkeys((opens, "")):  # an administrator of the group needs no press or message
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

    async def _send_file(self, progress: Progress, part: Screen, opened: int, *, last: bool) -> int:
        """Send a file that can't be edited into a message as a message of its own, and delete the opened one.

        Whether a voice note was sent can never be found out after a broken connection. Then the part is shown as text
        instead; a picture is sent again.
        """
        spoken = not messages.can_be_written(part)
        if spoken:
            await self._note(progress, [opened, MAYBE_SENT])
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
    """Return the stored ids of an ephemeral delivery, and the rung to go on with: plain text if its file may have
    been sent already.
    """
    known = [id_ for id_ in ids if id_ != MAYBE_SENT]
    return known, rung if len(known) == len(ids) else Rung.PLAIN
