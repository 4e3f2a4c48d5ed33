"""Copies messages: several by one call, so that an album stays one, and files that may not be copied by sending them
again. Begin with `CopySender.send`.

Telegram leaves out what can't be copied and does not say which: the number of ids tells. After a send of unknown
outcome the copies are searched for one by one, as single copies are; if one is there, the call was carried out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from aiogram.methods import CopyMessages

from bot.clock import Clock
from bot.telegram.client.api import Api, NoMethod
from bot.telegram.client.files import fetch
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Screen
from bot.telegram.sending.progress import Progress
from bot.telegram.sending.unconfirmed import SendReconciler
from bot.types import Attachment, File

KINDS: dict[str, Literal["photo", "voice"]] = {"photo": "photo", "voice": "voice"}  # all others are documents
ENDINGS = {
    "photo": ".jpg",
    "voice": ".ogg",
    "video": ".mp4",
    "animation": ".mp4",
    "video_note": ".mp4",
    "audio": ".mp3",
}


class AcquireSlot(Protocol):
    """Waits until the flood budget lets so many messages go to a chat."""

    def __call__(self, chat: int, parts: int = 1) -> Awaitable[None]: ...


@dataclass(slots=True, kw_only=True)
class CopySender:
    """Copies messages of one chat to another."""

    api: Api
    clock: Clock
    unconfirmed: SendReconciler
    acquire_slot: AcquireSlot

    def is_album(self, progress: Progress, screens: Sequence[Screen]) -> bool:
        """Whether the messages of a delivery, none of which is known to be sent, are copied by one call."""
        together = len(screens) > 1 and screens[0].copy[1] and not screens[0].is_captioned and not progress.done
        return bool(together) and not self.api.lacks(CopyMessages)

    async def send(self, progress: Progress, screens: Sequence[Screen]) -> bool:
        """Copy the messages, and note their ids in `progress`. False: this server copies only one by one.

        Raises what `Api.call` raises, and `Outdated`.
        """
        if progress.outcome_unknown:
            await self._find(progress, screens)
        if not progress.ids and not await self._copy(progress, screens):
            return False
        progress.done = len(progress.ids)
        return True

    async def _find(self, progress: Progress, screens: Sequence[Screen]) -> None:
        for screen in screens:
            found = await self.unconfirmed.find(progress, screen, last=False)
            if not found:
                return
            progress.ids.append(found)

    async def _copy(self, progress: Progress, screens: Sequence[Screen]) -> bool:
        to = progress.delivery.address
        await self.acquire_slot(to.chat, len(screens))
        await self.unconfirmed.mark(progress)
        began = self.clock.monotonic()
        try:
            with self.unconfirmed.flying(len(screens)):
                sent = await self.api.call(messages.send_album(screens, to, thread=progress.thread))
        except NoMethod:
            return False
        progress.ids[:] = [int(one["message_id"]) for one in sent]
        for id_ in progress.ids:
            self.unconfirmed.note_sent(to, id_, began)
        return True

    async def with_file(self, part: Screen) -> Screen:
        """Fetch the file that a screen is to send again; other screens stay. Raises `Refused` for one over 20 MB."""
        kind, ref, size = part.ref
        if not ref:
            return part
        data = await fetch(self.api, self.clock, Attachment(kind, ref, size))
        name = f"{kind}{ENDINGS.get(kind, '')}"
        return replace(part, file=File(data, KINDS.get(kind, "document"), name))
