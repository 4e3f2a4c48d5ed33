"""An account to which the bot is connected: its customers write, its owner writes and decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.desk_side import OLGA
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import deliveries, inbox, rows, soon

HOUR = 3600.0


class Shop:
    """The account of Olga, to which the bot is connected, and in which Anna writes."""

    def __init__(self, stage: Stage, connection: str) -> None:
        self.stage, self.connection = stage, connection

    async def quiet(self, more_than: int = 0) -> None:
        """Wait until more than so many updates have come, and all is handled, written and delivered."""

        def ended() -> bool | None:
            came = inbox(self.stage)
            waits = rows(self.stage, "SELECT 1 FROM jobs WHERE kind = 'business.draft'")
            is_over = {*came, *deliveries(self.stage)} <= {"done", "sent", "dead"}
            return (len(came) > more_than and is_over and not waits) or None

        await soon(self.stage, ended)

    async def asked(self, text: str, *answers: str, customer: int = ANNA) -> int:
        """The customer writes; returns the id of the message when everything is done. `answers` are the model's."""
        self.stage.studio.script(*answers) if answers else None
        before = len(inbox(self.stage))
        message = self.stage.telegram.business.say(self.connection, customer, text)
        await self.quiet(before)
        return int(message["message_id"])

    async def owner_writes(self, text: str, customer: int = ANNA, *, offline: bool = False) -> int:
        """The owner writes, or Telegram for him (`offline`); returns the id of the message when all is handled."""
        before = len(inbox(self.stage))
        message = self.stage.telegram.business.say(self.connection, customer, text, by_owner=True, offline=offline)
        await self.quiet(before)
        return int(message["message_id"])

    async def deletes(self, *messages: int, customer: int = ANNA) -> None:
        """Messages are deleted in the chat, all at once."""
        before = len(inbox(self.stage))
        self.stage.telegram.business.delete(self.connection, customer, messages)
        await self.quiet(before)

    async def edits(self, message: int, text: str, customer: int = ANNA) -> None:
        """A message is edited in the chat."""
        before = len(inbox(self.stage))
        self.stage.telegram.business.edit(self.connection, customer, message, text)
        await self.quiet(before)

    async def allows(self, *rights: str) -> None:
        """The owner gives the bot exactly these rights."""
        before = len(inbox(self.stage))
        self.stage.telegram.business.allow(self.connection, rights)
        await self.quiet(before)

    def holds_back(self, seconds: int = 60) -> None:
        """Telegram refuses the next message to the customer for so long."""
        why = f"Too Many Requests: retry after {seconds}"
        self.stage.telegram.fail_next("sendMessage", chat_id=ANNA, code=429, description=why, times=1)

    async def tried(self) -> None:
        """Wait until the bot has tried to write to the customer."""

        def has_called() -> bool | None:
            calls = self.stage.telegram.calls_of("sendMessage")
            return any(str(call.params.get("chat_id")) == str(ANNA) for call in calls) or None

        await soon(self.stage, has_called)

    def said(self, customer: int = ANNA) -> list[str]:
        """The texts in the chat of the account."""
        return [one["text"] for one in self.stage.telegram.business.transcript(self.connection, customer)]

    def told(self) -> list[str]:
        """What Olga has read from the bot."""
        return self.stage.telegram.texts(OLGA)

    async def presses(self, key: str, language: str = "en") -> None:
        await pressed(self.stage, say(language, key), chat=OLGA, user=OLGA)
        await self.quiet()


async def shop(
    stage: Stage, folder: Path, settings: str = "", *, language: str = "en", owner: int = OLGA, **changes: Any
) -> Shop:  # fmt: skip
    """A bot that is connected to Olga's account."""
    (folder / "desk.toml").write_text(f"[business]\n{settings}", "utf-8")
    stage.telegram.state.profile.business = True
    stage.telegram.person("Olga" if language == "en" else "Ольга", language, OLGA)
    await stage.start(desk=folder, owners=frozenset({OLGA}), **changes)
    await stage.ask("/start", OLGA)
    before = len(inbox(stage))
    found = Shop(stage, stage.telegram.business.connect(owner))
    await found.quiet(before)
    return found
