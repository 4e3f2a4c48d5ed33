"""/whisper: a question in a group whose answer only the asker sees, in a conversation of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.dispatch.questions import Questions
from bot.feature import ENDED, Feature, Instead, Turn, command
from bot.outbox import Answer
from bot.ports import Reply
from bot.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Whispers(Feature):
    """Answers questions in ephemeral messages."""

    store: Store
    questions: Questions

    @command("/whisper", ephemeral=True)
    async def whisper(self, turn: Turn, reply: Reply) -> Answer | Instead:
        """Answer so that only the asker sees it. A private chat gets a normal answer.

        An anonymous administrator (a user id below 0) can't be answered alone, and is told so.
        """
        if not turn.rest and not turn.parts:
            return Answer(turn.say("whisper.private" if turn.private else "whisper.what"), is_notice=True)
        if turn.private or turn.address.visible_to:
            await self.questions.ask(replace(turn, text=turn.rest), reply)
        elif turn.user.id < 0:
            await self.questions.refuse_whisper(turn, reply)
        else:
            reply.show_only_to(turn.user.id)
            # The ids of the group's public messages mean nothing in the asker's own conversation.
            asked = replace(turn, text=turn.rest, address=reply.address, message_id=0, reply_to=0)
            await self.questions.ask(asked, reply)
        return ENDED
