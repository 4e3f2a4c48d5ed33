"""A message that is no command is a question to the model, unless the bot has asked for this message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.feature import ENDED, Feature, Instead, Turn, kind, press
from bot.handlers import ReplyHandler
from bot.media.attachments import Attachments
from bot.outbox import Answer, Effect, end_question, finish, finish_turn, finish_with_notice, with_choices
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions(Feature):
    """Turns attachments into parts of the question, then has the assistant answer.

    `awaits` are the handlers of messages that the bot has asked for, by the action that asked.
    """

    store: Store
    assistant: Assistant
    attached: Attachments
    awaits: Mapping[str, ReplyHandler] = field(default_factory=dict)

    async def ask(self, incoming: Incoming, reply: Reply) -> None:
        """Answer a message that is no command. Raises `UserError`s, such as `BadInput` for a file of a wrong kind."""
        if not await self.can_answer(incoming, reply):
            return
        if not incoming.text.strip() and not incoming.parts:
            await finish_with_notice(self.store, incoming, reply, "empty.question")
        elif (question := await self.attached.take(incoming, reply)) is not None:
            await self._answer(question, reply, self.attached.answered(incoming))

    async def can_answer(self, incoming: Incoming, reply: Reply) -> bool:
        """Whether the chat can show the answer. False: an ephemeral answer is impossible, and the turn was ended with a
        sentence that says so.
        """
        if not incoming.address.visible_to or await reply.open_ephemeral():
            return True
        await self.refuse_whisper(incoming, reply)
        return False

    async def refuse_whisper(self, incoming: Incoming, reply: Reply) -> None:
        """Tell the group that nothing can be shown to this user alone, without a word about the question."""
        reply.show_only_to(0)
        incoming = replace(incoming, address=reply.address, message_id=0)

        def refuse(tx: Tx) -> None:
            finish_turn(tx, incoming, say(with_choices(tx, incoming).language, "alone.cannot"))

        await finish(self.store, reply, refuse)

    @kind(Kind.EDIT)
    async def edit(self, turn: Turn, reply: Reply) -> Instead | None:
        """Answer an edited question again, if the edit needs it (`branching.revise` decides that)."""
        if not turn.text.strip() or turn.text.startswith("/"):
            return None
        if await self.assistant.answer_edited(turn, reply):
            return ENDED
        if not await self.store.read(lambda tx: branching.is_first(tx, turn)):
            return None
        await self.ask(turn, reply)
        return ENDED

    @press("attached.again")
    async def answer_attached(self, turn: Turn, reply: Reply, agreed: bool) -> Instead:
        """Answer a message whose attachments were too expensive at first: the user has accepted the price."""
        sent = self.attached.again(turn, turn.pressed)
        if (question := await self.attached.take(sent, reply, agreed=agreed)) is not None:
            spoken = self.attached.answered(sent)

            def then(tx: Tx) -> None:
                tx.buttons.expire_button(turn.data)
                if spoken is not None:
                    spoken(tx)

            await self._answer(question, reply, then)
        return ENDED

    @press("ask.cancel")
    def cancel(self, tx: Tx, turn: Turn, asked: str) -> Answer:
        """Stop waiting for the words that the message of this button asked for."""
        waiting = tx.buttons.find_awaited(turn.address, turn.user.id)
        if waiting is not None and waiting.payload.get("asked") == asked:
            end_question(tx, turn)
        return Answer(turn.say("ask.cancelled"), over=True)

    async def _answer(self, question: Incoming, reply: Reply, then: Effect | None) -> None:
        """Ask the assistant, or hand the message to the feature that has asked for it."""
        awaited = await self.assistant.answer(question, reply, then=then)
        if awaited is None:
            return
        handler = self.awaits.get(awaited.action.name)
        if handler is None or not await handler(awaited.incoming, reply, awaited.action):
            # The feature no longer needs the message, so it is a question like any other.
            await self.assistant.answer(awaited.incoming, reply, last=True, then=then)
