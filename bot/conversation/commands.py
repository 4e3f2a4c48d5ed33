"""/new, /stop, and the buttons below an answer: another answer, the rest of the answer, another version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.conversation_list import request_title
from bot.conversation.request import Options
from bot.feature import ENDED, Feature, Instead, Turn, command, kind, press
from bot.outbox import Answer, end_question
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.types import Kind, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCommands(Feature):
    """What users do to a conversation. `options.names_topics`: /new has the old conversation titled."""

    store: Store
    assistant: Assistant
    options: Options
    wake_jobs: Callable[[], None]

    @command("/new")
    def new(self, tx: Tx, turn: Turn) -> str:
        """Begin a new conversation. The old conversation gets a title, under which /chats lists it."""
        old = tx.messages.find_current_conversation(turn.address)
        if old is not None and tx.messages.find_head(old) is not None and self.options.names_topics:
            request_title(tx, old, turn, turn.language)
        tx.messages.begin_conversation(turn.address)
        end_question(tx, turn)
        return turn.say("new")

    @command("/stop")
    @kind(Kind.STOP)
    async def stop(self, turn: Turn, reply: Reply) -> Answer | None:
        """Stop the answer that is being written in this conversation. A typed /stop says so if there is none."""
        stopped = self.assistant.writer.stop(turn.address.key, turn.data)
        await reply.acknowledge()
        return None if stopped or not turn.text else Answer(turn.say("stop.nothing"), is_notice=True)

    @press(branching.RETRY, branching.RESUME)
    async def answer_again(self, turn: Turn, reply: Reply) -> Instead:
        """Write another answer to the question, or continue the answer that was cut short."""
        await self.assistant.answer_again(turn, reply, turn.pressed)
        return ENDED

    @press(branching.TURN)
    def show_version(self, tx: Tx, turn: Turn, answer: int) -> Outgoing | None:
        """Show another version of an answer in the same message; the conversation continues from that version."""
        return branching.show_version(tx, turn, answer, turn.language, thumbs=self.options.thumbs)
