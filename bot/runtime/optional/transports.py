"""Messengers of a programmer beside Telegram (`App.transport`): what people write there, and what the bot answers.

Begin with `OwnMessenger`. `Transports` is the transport of jobs and features: it finds the messenger of an address.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from bot.clock import Clock
from bot.concurrency.retry import Backoff
from bot.errors import ConfigError, Refused, TooLarge
from bot.extension.transport import OwnTransport
from bot.ports import Delivery, Handler, Outbox, PlainReply, Reply, Transport
from bot.types import Address, Attachment, Button, Incoming, Kind, Outgoing, User

log = logging.getLogger(__name__)

MOST = 1000  # messengers, so that their ids fit into 64 bits
DEADLINE = 30.0  # seconds for one message or file
LARGEST = 20 << 20  # bytes of a file, as in Telegram
BACKOFF = Backoff(1.0, 60.0)


@dataclass(slots=True, kw_only=True)
class OwnMessenger:
    """One messenger: a `Transport` for what is sent, and the `Door` for what comes. `place` is its number
    (`place_of`).
    """

    own: OwnTransport
    place: int
    bot: int
    outbox: Outbox
    clock: Clock
    tasks: asyncio.TaskGroup
    _handler: Handler | None = field(default=None, init=False)
    _locks: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count, init=False)

    async def run(self, handler: Handler) -> None:
        """Send what an earlier run has left, then take what people write, until cancelled."""
        self._handler = handler
        for address in (await self.outbox.unfinished(self.bot)).waiting:
            if address.messenger == self.place:
                self.tasks.create_task(self.deliver(address))
        try:
            await self.own.run(self)
            log.warning("%s takes nothing more: its run has returned", self.own.name)
        except Exception:  # the boundary around code that is not ours
            log.exception("%s takes nothing more", self.own.name)

    # --- what comes ---------------------------------------------------------------------------------------------------

    async def say(
        self, person: int, text: str, *, name: str = "", language: str = "", files: Sequence[Attachment] = ()
    ) -> None:
        """Hand a text with files on to the bot. See `Door.say`."""
        self._hand_on(person, Kind.MESSAGE, text=text, name=name, language=language, files=files)

    async def press(self, person: int, number: int, button: Button) -> None:
        """Hand a press on to the bot. See `Door.press`."""
        self._hand_on(person, Kind.BUTTON, data=button.data, number=number)

    def _hand_on(
        self,
        person: int,
        kind: Kind,
        *,
        text: str = "",
        data: str = "",
        number: int = 0,
        name: str = "",
        language: str = "",
        files: Sequence[Attachment] = (),
    ) -> None:
        address, now = self.address(person), self.clock.time()
        id_ = f"{self.own.name}{now * 1e6:.0f}x{next(self._numbers)}"
        incoming = Incoming(
            id_,
            address,
            User(address.chat, name, language),
            kind,
            text=text,
            parts=tuple(files),
            data=data,
            message_id=number,
            in_turn=data.startswith(Button.IN_TURN),
            came=self.clock.monotonic(),
            since=now,
        )
        self.tasks.create_task(self._handle(incoming))

    async def _handle(self, incoming: Incoming) -> None:
        assert self._handler is not None  # noqa: S101  `run` has set it
        await self._handler(incoming, self.reply(incoming.address, incoming.id))

    def address(self, person: int) -> Address:
        """Return the address of a person's private chat. Raises `ValueError` for a number that is none of a person."""
        if not 0 < person < Address.MESSENGER:
            raise ValueError(f"{person} is no person: 1 to 2**53 - 1 are expected")
        return Address(self.own.name, self.bot, self.place * Address.MESSENGER + person)

    # --- what goes out ------------------------------------------------------------------------------------------------

    def reply(self, address: Address, turn: str) -> Reply:
        """Return a reply to an address."""
        return OwnReply(messenger=self, address=address)

    async def rename(self, address: Address, title: str) -> None:
        """Do nothing: there are no topics."""

    async def set_menu(self, address: Address, menu: Sequence[tuple[str, str]]) -> None:
        """Do nothing: there is no menu of commands."""

    async def deliver(self, address: Address, after: float = 0.0) -> None:
        """Send everything that the outbox has for an address, in order."""
        await self.clock.sleep(after)
        async with self._locks[address.chat]:
            while (delivery := await self.outbox.next(address)) is not None:
                if await self.outbox.begin(delivery, delivery.last_known_id) and not await self._send(delivery):
                    return

    async def _send(self, delivery: Delivery) -> bool:
        """Send one delivery. False: it failed, and is sent again later."""
        person, out = delivery.address.chat % Address.MESSENGER, delivery.outgoing
        number = delivery.message_ids[0] if delivery.message_ids else delivery.id
        try:
            async with asyncio.timeout(DEADLINE):
                await (self.own.edit if delivery.message_ids else self.own.send)(person, out, number)
        except Exception as error:  # the boundary around code that is not ours
            pause = BACKOFF.pause(delivery.attempts + 1)
            log.warning("%s: a message waits for %g s: %s: %s", self.own.name, pause, type(error).__name__, error)
            await self.outbox.postpone(delivery, self.clock.time() + pause)
            self.tasks.create_task(self.deliver(delivery.address, after=pause))
            return False
        await self.outbox.progress(delivery, [number], done=1, sent=True)
        return True


@dataclass(slots=True, kw_only=True)
class OwnReply(PlainReply):
    """`Reply` in a messenger of a program, which has private chats only."""

    messenger: OwnMessenger

    async def finish(self) -> None:
        """Deliver everything that the outbox has for the address, in order."""
        await self.messenger.deliver(self.address)

    async def acknowledge(self, text: str = "") -> None:
        """Show a notice about a press as a message, without keeping it."""
        if text:
            await self._try(self.messenger.own.send(self._person, Outgoing(text, plain=True), 0))

    async def busy(self, kind: Literal["typing", "photo", "voice", "document"]) -> None:
        """Show what the bot is doing."""
        await self._try(self.messenger.own.busy(self._person, kind))

    async def fetch(self, attachment: Attachment) -> bytes:
        """Return the bytes of a file that the person has sent. Raises `Refused` if `OwnTransport.fetch` fails or takes
        longer than `DEADLINE`, and `TooLarge` for more than `LARGEST` bytes.
        """
        try:
            async with asyncio.timeout(DEADLINE):
                data = await self.messenger.own.fetch(self._person, attachment)
        except Exception as error:  # the boundary around code that is not ours
            name = self.messenger.own.name
            log.warning("%s: a file can't be had: %s: %s", name, type(error).__name__, error)
            raise Refused(f"{name} does not hand over the file") from error
        if len(data) > LARGEST:
            raise TooLarge(LARGEST)
        return data

    @property
    def _person(self) -> int:
        return self.address.chat % Address.MESSENGER

    async def _try(self, doing: asyncio.Future[None] | object) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                await doing  # type: ignore[misc]
        except Exception as error:  # the boundary around code that is not ours; nothing depends on it
            log.debug("%s: %s", self.messenger.own.name, error)


@dataclass(frozen=True, slots=True)
class Transports:
    """All messengers of a bot as one `Transport`: an address is served by its own. `others` are by their places."""

    telegram: Transport
    others: Mapping[int, Transport]

    def reply(self, address: Address, turn: str) -> Reply:
        """Return a reply to an address."""
        return self._of(address).reply(address, turn)

    async def rename(self, address: Address, title: str) -> None:
        """Give the topic of an address a name."""
        await self._of(address).rename(address, title)

    async def set_menu(self, address: Address, menu: Sequence[tuple[str, str]]) -> None:
        """Show these commands in the menu of a chat."""
        await self._of(address).set_menu(address, menu)

    def _of(self, address: Address) -> Transport:
        return self.others.get(address.messenger, self.telegram)


def place_of(name: str) -> int:
    """Return the number of a messenger, by which its people are told from those of others."""
    return 1 + crc32(name.encode()) % MOST


def check(transports: Sequence[OwnTransport], *, shared: bool) -> None:
    """Raise `ConfigError` for messengers that can't work: by their names, or because other processes serve the bot."""
    names = [one.name for one in transports]
    wrong = [name for name in names if not (name.isascii() and name.isalpha() and name.islower() and len(name) <= 16)]
    if wrong or len(set(names)) < len(names) or "telegram" in names:
        raise ConfigError(f"App.transport: {', '.join(names)}: names of 1-16 letters a-z are expected, each once")
    if len({place_of(name) for name in names}) < len(names):
        raise ConfigError(f"App.transport: {', '.join(names)} would share their people: give one another name")
    if transports and shared:
        raise ConfigError("App.transport: other messengers are served by one process alone: use SQLite")
