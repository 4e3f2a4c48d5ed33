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


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a reply needs to know of the update that it answers.

    `callback` is the id of the button press (`callback_query.id`), "" where no button was pressed. `opens` is as in
    `Incoming`.
    """

    private: bool = True
    language: str = ""
    callback: str = ""
    message_id: int = 0
    opens: str = ""


@dataclass(slots=True, kw_only=True)
class TelegramReply:
    """The reply to one update. `turn` is the key of the answer in the outbox, `mode` how an answer is streamed."""

    deliverer: Deliverer
    address: Address
    turn: str
    mode: Mode = "off"
    origin: Origin = Origin()
    _acknowledged: bool = field(default=False, init=False)
    _ephemeral_id: int = field(default=0, init=False)  # the id of the message that one person alone sees, once opened
    _live: LiveMessage | None = field(default=None, init=False)

    def begin(self, mode: str = "", over: int = 0) -> None:
        if self._live is not None:  # the turn is begun anew: the view that is open goes on with it
            self._live.change("")
            return
        live: Mode = self.mode if mode not in ("draft", "edit", "off") else mode  # type: ignore[assignment]
        if live == "draft" and (not self.origin.private or self.address.connection):
            live = "edit"
        label = "⏹ " + say(self.origin.language, "stop")
        quote = 0 if self.origin.private else self.origin.message_id
        over = over or self._ephemeral_id
        self._live = LiveMessage(
            deliverer=self.deliverer,
            address=self.address,
            turn=self.turn,
            mode=live,
            stop_label=label,
            quote=quote,
            over=over,
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
        """Answer the button press, once, with `text` (cut to 200 characters) as a notice. Does nothing without one."""
        if self.origin.callback and not self._acknowledged:
            self._acknowledged = True
            self.deliverer.tasks.create_task(self._acknowledge(text))

    async def _acknowledge(self, text: str) -> None:
        method = AnswerCallbackQuery(callback_query_id=self.origin.callback, text=text[:200] or None)
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
        self._ephemeral_id = (
            self._ephemeral_id or self.deliverer.streamed_ids.get(self.turn) or 0
        )  # from before a restart
        if self._ephemeral_id:
            return True
        try:
            self._ephemeral_id = await self.deliverer.ephemeral.open(self.address, self.origin.opens)
        except (NotAlone, NoThread, Moved) as error:
            log.info("chat %d: no answer for one person alone: %s", self.address.chat, error)
            return False
        except TransportError as error:
            log.warning("chat %d: a message for one person was not opened yet: %s", self.address.chat, error)
            return True
        await self.deliverer.outbox.note_streaming_message(self.turn, self.address, self._ephemeral_id)
        return True

    async def is_admin(self, user: int) -> bool:
        try:
            member = await self.deliverer.api.call(GetChatMember(chat_id=self.address.chat, user_id=user))
        except TransportError as error:
            log.warning("chat %d: can't see who is an administrator: %s", self.address.chat, error)
            return False
        return member.get("status") in ("creator", "administrator")
