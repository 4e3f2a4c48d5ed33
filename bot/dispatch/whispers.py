"""/whisper: a question in a group whose answer only the asker sees, in a conversation that nobody else is in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.dispatch.questions import Questions
from bot.feature import Command, Feature
from bot.outbox import finish_with_notice
from bot.ports import Reply
from bot.storage.store import Store
from bot.types import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Whispers:
    store: Store
    questions: Questions

    def feature(self) -> Feature:
        return Feature(commands={"/whisper": Command(self.whisper, ephemeral=True)})

    async def whisper(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Answer the asker alone. In private nobody else is there anyway, so the question is answered as usual.

        To an anonymous administrator (a user id below 0) nothing can be shown alone.
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
            # The ids of messages that everybody sees mean nothing in a conversation that one person sees.
            await self.questions.ask(
                replace(incoming, text=rest, address=reply.address, message_id=0, reply_to=0), reply
            )
