"""Replies to an update: `ports.Reply` on Telegram."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Literal

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

    `callback` is the id of the button press (`callback_query.id`), "" if no button was pressed. `opens` names the
    press or message that allows an ephemeral answer, as in `Incoming`.
    """

    private: bool = True
    language: str = ""
    callback: str = ""
    message_id: int = 0
    opens: str = ""


@dataclass(slots=True, kw_only=True)
class TelegramReply:
    """The reply to one update. `turn` is the key of the answer in the outbox, `mode` says how answers are streamed."""

    deliverer: Deliverer
    address: Address
    turn: str
    mode: Mode = "off"
    origin: Origin = Origin()
    _acknowledged: bool = field(default=False, init=False)
    _ephemeral_id: int = field(default=0, init=False)  # of the ephemeral message, once it is open
    _live: LiveMessage | None = field(default=None, init=False)

    def begin(self, mode: str = "", over: int = 0, quote: int = 0) -> None:
        """Open a live view of the answer, or empty the open one if the turn is begun anew.

        `mode` is draft, edit or off; "" is the mode that the operator has set. `over` is the id of an earlier answer to
        write over, 0 for none. `quote` is the id of the message that a new one replies to, 0 for the usual one.
        """
        if self._live is not None:  # the turn was begun anew: go on with the open view
            self._live.change("")
            return
        live: Mode = self.mode if mode not in ("draft", "edit", "off") else mode  # type: ignore[assignment]
        if live == "draft" and (not self.origin.private or self.address.connection):
            live = "edit"
        label = "⏹ " + say(self.origin.language, "stop")
        quote = quote or (0 if self.origin.private else self.origin.message_id)
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
        """Add text to the live view."""
        if self._live is not None:
            self._live.change(self._live.text + text)

    def replace(self, text: str) -> None:
        """Show `text` in the live view instead of what it shows."""
        if self._live is not None:
            self._live.change(text)

    def show(self, doing: str) -> None:
        """Show `doing` ("searching the web…") below the text of the live view, until the text changes."""
        if self._live is not None:
            self._live.show(doing)

    def complete(self) -> None:
        """Note that the whole answer is written, so the live view needs hardly any more frames."""
        if self._live is not None:
            self._live.complete()

    @property
    def shown(self) -> str:
        """Return the part of the answer that a message shows; "" while only drafts, or nothing, was shown."""
        return self._live.shown if self._live is not None else ""

    async def finish(self) -> None:
        """Close the live view and deliver what the outbox holds for the address. Returns when that is done."""
        await self.close()
        await self.deliverer.deliver(self.address)

    async def close(self) -> None:
        """Close the live view without an answer."""
        if self._live is not None:
            await self._live.end()
            self._live = None

    async def acknowledge(self, text: str = "") -> None:
        """Answer a button press, once, with `text` (at most 200 characters) as a notice. Does nothing for other
        updates.
        """
        if self.origin.callback and not self._acknowledged:
            self._acknowledged = True
            self.deliverer.tasks.create_task(self._acknowledge(text))

    async def _acknowledge(self, text: str) -> None:
        method = AnswerCallbackQuery(callback_query_id=self.origin.callback, text=text[:200] or None)
        try:
            await self.deliverer.api.call(method, deadline=ACTION_DEADLINE)
        except TransportError as error:  # the press is older than 150 s; its command is carried out all the same
            log.debug("a button press was not acknowledged: %s", error)

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None:
        """Show for five seconds that something is being done, if the flood budget allows it."""
        await self.deliverer.chat_action(self.address, ACTIONS[kind])

    async def fetch(self, attachment: Attachment) -> bytes:
        """Return the bytes of an attachment. Raises as `ports.Reply.fetch` does."""
        return await files.fetch(self.deliverer.api, self.deliverer.clock, attachment)

    def show_only_to(self, user: int) -> None:
        """Show the answer to one member of the group only."""
        self.address = replace(self.address, visible_to=user)

    async def open_ephemeral(self) -> bool:
        """Open the ephemeral message into which the answer is written. Returns False if that is not allowed.

        Where Telegram can't be reached now, this returns True: the delivery will open the message, or report that it
        can't.
        """
        # An earlier run may have opened the message before a restart.
        self._ephemeral_id = self._ephemeral_id or self.deliverer.streamed_ids.get(self.turn) or 0
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
        """Return whether the user administers the chat, asking Telegram each time. False if Telegram can't be
        reached.
        """
        try:
            member = await self.deliverer.api.call(GetChatMember(chat_id=self.address.chat, user_id=user))
        except TransportError as error:
            log.warning("chat %d: can't see who is an administrator: %s", self.address.chat, error)
            return False
        return member.get("status") in ("creator", "administrator")
