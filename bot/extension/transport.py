"""Another messenger beside Telegram: `OwnTransport`, for `App.transport`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.types import Attachment, Button, Outgoing


class Door(Protocol):
    """Takes what people do in another messenger, and hands it to the bot."""

    async def say(
        self, person: int, text: str, *, name: str = "", language: str = "", files: Sequence[Attachment] = ()
    ) -> None:
        """A person has written a text in the private chat with the bot. `name` and `language` ("ru", "en") are theirs.
        `files` came with it: `Attachment("photo", "ref")`, "voice" or "document" with its name; `OwnTransport.fetch` is
        asked for the bytes by their `ref`.

        Returns when the bot has begun to work on it. What was being answered when the process died is not answered
        after it: a messenger that can should send it again.
        """
        ...

    async def press(self, person: int, number: int, button: Button) -> None:
        """A person has pressed a button of the message that was sent as `number`."""
        ...


class OwnTransport:
    """A messenger beside Telegram. Override `run` and `send`; the rest works without.

    A person is a number from 1 to 2**53 - 1, and has one private chat with the bot. Answers are on disk before they
    are sent, one after the other for each person; what could not be sent is tried again, also after a crash. The bot
    knows the people of another messenger by ids above those of Telegram.
    """

    name: str = ""  # at most 16 of a-z; it stays the same for ever

    async def run(self, door: Door) -> None:
        """Take messages and hand them to the `door`, until cancelled. If it returns or raises, the log says so, and the
        bot goes on.
        """
        raise NotImplementedError

    async def send(self, person: int, message: Outgoing, number: int) -> None:
        """Show a message to a person. `number` names it for ever: after a crash it may be sent again with it. With a
        `message.file` (a picture, a voice note, a document: `data`, `kind`, `name`) the text is its caption.

        Raise any exception if that fails: the message is sent again later.
        """
        raise NotImplementedError

    async def edit(self, person: int, message: Outgoing, number: int) -> None:
        """Show `message` in the place of the one that was sent as `number`. By default it is sent as a new one."""
        await self.send(person, message, number)

    async def fetch(self, person: int, file: Attachment) -> bytes:
        """Return the bytes of a file that a person has sent, perhaps days later. Raise any exception if that fails; by
        default it does, and the person is told that the file can't be had.
        """
        raise NotImplementedError

    async def busy(self, person: int, doing: str) -> None:
        """Show that the bot is "typing", or makes a "photo", "voice" or "document". By default nothing is shown."""
