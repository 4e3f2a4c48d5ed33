"""The way back from an update: `types.Reply` on Telegram."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Literal

import bot.telegram.client.fast_import  # noqa: F401  isort: skip  before aiogram

from aiogram.methods import AnswerCallbackQuery, GetChatMember

from bot.errors import TransportError
from bot.telegram.client import files
from bot.telegram.client.api import Moved, NotAlone, NoThread
from bot.telegram.sending.delivery import Deliverer
from bot.telegram.sending.streaming import LiveMessage, Mode
from bot.texts.catalog import say
from bot.types import Address, Attachment

log = logging.getLogger(__name__)

ACTION_DEADLINE = 10.0
ACTIONS = {"typing": "typing", "photo": "upload_photo", "voice": "record_voice", "document": "upload_document"}


@dataclass(slots=True)
class TelegramReply:
    """`turn` names the answer in the outbox; `callback` is the id of the button press that is answered, `opens` as in
    `Incoming`.
    """

    deliverer: Deliverer
    address: Address
    turn: str
    mode: Mode = "off"
    private: bool = True
    language: str = ""
    callback: str = ""
    message_id: int = 0
    opens: str = ""
    _opened: int = 0  # the message that one person alone sees
    _live: LiveMessage | None = field(default=None)

    def begin(self, mode: str = "", over: int = 0) -> None:
        if self._live is not None:  # the turn is begun anew: the view that is open goes on with it
            self._live.change("")
            return
        wish: Mode = self.mode if mode not in ("draft", "edit", "off") else mode  # type: ignore[assignment]
        if wish == "draft" and (not self.private or self.address.connection):
            wish = "edit"
        label = "⏹ " + say(self.language, "stop")
        quote = 0 if self.private else self.message_id
        over = over or self._opened
        self._live = LiveMessage(
            self.deliverer, self.address, self.turn, wish, stop_label=label, quote=quote, over=over
        )
        self._live.begin()

    def append(self, text: str) -> None:
        if self._live is not None:
            self._live.change(self._live.text + text)

    def replace(self, text: str) -> None:
        if self._live is not None:
            self._live.change(text)

    def show(self, doing: str) -> None:
        if self._live is not None:
            self._live.show(doing)

    def complete(self) -> None:
        if self._live is not None:
            self._live.complete()

    async def finish(self) -> None:
        await self.close()
        await self.deliverer.deliver(self.address)

    async def close(self) -> None:
        if self._live is not None:
            await self._live.end()
            self._live = None

    async def acknowledge(self, text: str = "") -> None:
        if self.callback:
            callback, self.callback = self.callback, ""
            self.deliverer.tasks.create_task(self._acknowledge(callback, text))

    async def _acknowledge(self, callback: str, text: str) -> None:
        method = AnswerCallbackQuery(callback_query_id=callback, text=text[:200] or None)
        try:
            await self.deliverer.api.call(method, deadline=ACTION_DEADLINE)
        except TransportError as error:  # a press older than 150 s; what it asked for is done all the same
            log.debug("a button press was not acknowledged: %s", error)

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None:
        await self.deliverer.chat_action(self.address, ACTIONS[kind])

    async def fetch(self, attachment: Attachment) -> bytes:
        return await files.fetch(self.deliverer.api, self.deliverer.clock, attachment)

    def show_only_to(self, user: int) -> None:
        self.address = replace(self.address, visible_to=user)

    async def open_ephemeral(self) -> bool:
        """Where Telegram can't be reached now, the answer will open the message itself, or say that it can't."""
        self._opened = self._opened or self.deliverer.streamed_ids.get(self.turn) or 0  # from before a restart
        if self._opened:
            return True
        try:
            self._opened = await self.deliverer.ephemeral.open(self.address, self.opens)
        except (NotAlone, NoThread, Moved) as error:
            log.info("chat %d: no answer for one person alone: %s", self.address.chat, error)
            return False
        except TransportError as error:
            log.warning("chat %d: a message for one person was not opened yet: %s", self.address.chat, error)
            return True
        await self.deliverer.outbox.note_streaming_message(self.turn, self.address, self._opened)
        return True

    async def is_admin(self, user: int) -> bool:
        try:
            member = await self.deliverer.api.call(GetChatMember(chat_id=self.address.chat, user_id=user))
        except TransportError as error:
            log.warning("chat %d: can't see who is an administrator: %s", self.address.chat, error)
            return False
        return member.get("status") in ("creator", "administrator")
