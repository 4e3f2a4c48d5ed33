"""A support desk on a stage: a group of operators, a customer in his topic, and what both sides read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.sandbox.telegram.call import FileKind
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import deliveries, inbox, soon

OLGA, OLEG = 1003, 1004  # operators
BOT = "@govorun_sandbox_bot"


@dataclass(slots=True)
class DeskStage:
    """A stage with a connected group. `language` is that of the group and of Olga."""

    stage: Stage
    group: int

    @property
    def topic(self) -> int:
        """The newest topic of the group."""
        return max(self.stage.telegram.state.chats[self.group].topics)

    async def quiet(self, more_than: int = 0) -> None:
        """Wait until more than so many updates have come, and everything is handled and delivered."""

        def ended() -> bool | None:
            came = inbox(self.stage)
            return (len(came) > more_than and {*came, *deliveries(self.stage)} <= {"done", "sent", "dead"}) or None

        await soon(self.stage, ended)

    async def called(self, customer: int = ANNA) -> str:
        """The customer asks for a person. Returns what the bot says."""
        before = len(inbox(self.stage))
        told = await self.stage.ask("/human", customer)
        await self.quiet(before)
        return told

    async def says(self, text: str, operator: int = OLGA, *, topic: int = 0, reply_to: int = 0) -> dict[str, Any]:
        """An operator writes in a topic; returns the message when everything is delivered."""
        before = len(inbox(self.stage))
        message = self.stage.telegram.say(self.group, text, operator, topic or self.topic, reply_to or None)
        await self.quiet(before)
        return message

    async def writes(self, text: str, customer: int = ANNA, *, reply_to: int = 0) -> dict[str, Any]:
        """The customer writes; returns the message when everything is delivered."""
        before = len(inbox(self.stage))
        message = self.stage.telegram.say(customer, text, None, 0, reply_to or None)
        await self.quiet(before)
        return message

    async def edits(self, message: dict[str, Any], text: str, who: int) -> None:
        """Somebody edits a message of theirs; returns when everything is delivered."""
        before = len(inbox(self.stage))
        self.stage.telegram.edit(message["chat"]["id"], message["message_id"], text, who)
        await self.quiet(before)

    async def sends(self, chat: int, data: bytes, kind: FileKind, **more: Any) -> None:
        """Somebody sends a file; returns when everything is delivered."""
        before = len(inbox(self.stage))
        self.stage.telegram.upload(chat, data, kind, **more)
        await self.quiet(before)

    def count_calls(self, method: str) -> int:
        """How often the bot has called a method of the Bot API."""
        return sum(call.method == method for call in self.stage.telegram.calls)

    async def presses(self, key: str, operator: int = OLGA, *, language: str = "en") -> None:
        """An operator presses a button of the group."""
        await pressed(self.stage, say(language, key), chat=self.group, user=operator)
        await self.quiet()

    def seen(self, topic: int = 0) -> list[str]:
        """The texts of the bot in a topic."""
        return self.stage.telegram.texts(self.group, topic or self.topic)

    def cards(self) -> list[str]:
        """The texts of all cards in the group."""
        return [text for text in self.stage.telegram.texts(self.group) if text.startswith(("#", "№"))]

    def card(self) -> dict[str, Any]:
        """The newest card in the topic."""
        cards = [one for one in self.messages() if one.get("text", "").startswith(("#", "№"))]
        return cards[-1]

    def messages(self, topic: int = 0) -> list[dict[str, Any]]:
        """The messages of a topic."""
        wanted = topic or self.topic
        return [one for one in self.stage.telegram.transcript(self.group) if one.get("message_thread_id") == wanted]

    def labels(self) -> list[str]:
        """The labels of the card's buttons."""
        return [button["text"] for button in buttons_of(self.card())]

    def reactions(self, chat: int = 0) -> dict[int, str]:
        """The bot's newest reaction to each message of a chat, by default of the group."""
        return {
            int(call.params["message_id"]): json.loads(call.params["reaction"])[0]["emoji"]
            for call in self.stage.telegram.calls
            if call.method == "setMessageReaction" and call.chat_id == (chat or self.group)
        }


async def desk_on(
    stage: Stage, folder: Path, *, language: str = "en", team: str = "", **changes: Any
) -> DeskStage:  # fmt: skip
    """Start a bot with a desk whose group is connected by its owner Olga, as the place of a `team` ("": the only)."""
    for number, name in ((OLGA, "Olga" if language == "en" else "Ольга"), (OLEG, "Oleg")):
        stage.telegram.person(name, language, number)
    await stage.start(**{"desk": folder, "owners": frozenset({OLGA, OLEG})} | changes)
    group = stage.telegram.group("Support", [OLGA, OLEG, BORIS], is_forum=True)["id"]
    stage.telegram.promote(group)
    await stage.ask(f"/desk{BOT}", group, OLGA)
    desk = DeskStage(stage, group)
    await pressed(stage, team or say(language, "desk.group.use"), chat=group, user=OLGA)
    await desk.quiet()
    return desk
