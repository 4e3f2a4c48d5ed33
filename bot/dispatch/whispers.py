"""/whisper: a question in a group whose answer only the asker sees, in a conversation of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.dispatch.questions import Questions
from bot.feature import Command, Handlers
from bot.outbox import finish_with_notice
from bot.ports import Reply
from bot.storage.store import Store
from bot.types import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Whispers:
    """Answers questions in ephemeral messages."""

    store: Store
    questions: Questions

    def feature(self) -> Handlers:
        """The command /whisper, which in a group only the bot sees."""
        return Handlers(commands={"/whisper": Command(self.whisper, ephemeral=True)})

    async def whisper(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Answer so that only the asker sees it. A private chat gets a normal answer.

        An anonymous administrator (a user id below 0) can't be answered alone, and is told so.
        """
        if not rest and not incoming.parts:
            key = "whisper.private" if incoming.private else "whisper.what"
            await finish_with_notice(self.store, incoming, reply, key)
        elif incoming.private or incoming.address.visible_to:
            await self.questions.ask(replace(incoming, text=rest), reply)
        elif incoming.user.id < 0:
            await self.questions.refuse_whisper(incoming, reply)
        else:
            reply.show_only_to(incoming.user.id)
            # The ids of the group's public messages mean nothing in the asker's own conversation.
            asked = replace(incoming, text=rest, address=reply.address, message_id=0, reply_to=0)
            await self.questions.ask(asked, reply)
