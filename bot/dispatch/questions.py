"""What is not a command is a question to the model, unless the bot has asked for this message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Feature, ReplyHandler
from bot.media.attachments import Attached
from bot.outbox import language, settle, tell
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Turns attachments into parts of the question, then asks the assistant.

    `awaits` has the handlers of messages that the bot has asked for, by the action that asked.
    """

    store: Store
    assistant: Assistant
    attached: Attached
    awaits: Mapping[str, ReplyHandler] = field(default_factory=dict)

    def feature(self) -> Feature:
        return Feature(
            presses={"attached.again": ButtonHandler(self.press_attached)},
            kinds={Kind.EDIT: self.edit},
        )

    async def ask(self, incoming: Incoming, reply: Reply) -> None:
        """Answer a message that is no command."""
        if not await self.can_answer(incoming, reply):
            return
        if not incoming.text.strip() and not incoming.parts:
            await tell(self.store, incoming, reply, "empty.question")
        elif (question := await self.attached.take(incoming, reply)) is not None:
            await self._answer(question, reply)
            await self.attached.answered(incoming)

    async def can_answer(self, incoming: Incoming, reply: Reply) -> bool:
        """Whether the answer can be shown where the message was said. False: the user was told that it can't."""
        if not incoming.address.only or await reply.confide():
            return True
        await self.refuse_whisper(incoming, reply)
        return False

    async def refuse_whisper(self, incoming: Incoming, reply: Reply) -> None:
        """Tell everybody that nothing can be shown to this person alone, without a word of what it was about."""
        reply.aside(0)
        incoming = replace(incoming, address=reply.address, message_id=0)
        sentence = Outgoing(say(await language(self.store, incoming), "alone.cannot"), plain=True)
        await settle(self.store, incoming, reply, sentence)

    async def edit(self, incoming: Incoming, reply: Reply) -> None:
        """Answer a question whose text was changed: see `conversation/branching.py`."""
        is_question = incoming.text.strip() and not incoming.text.startswith("/")
        if is_question and (begun := await self.assistant.questions.revise(incoming)) is not None:
            await self.assistant.answer(incoming, reply, begun)
        elif is_question and await self.store.read(lambda tx: branching.is_first(tx, incoming)):
            await self.ask(incoming, reply)
        else:
            await settle(self.store, incoming, reply)

    async def press_attached(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer a message whose attachments were too expensive at first: the user has agreed to the price."""
        sent = self.attached.again(incoming, action)
        if (question := await self.attached.take(sent, reply, agreed=action.payload["agreed"])) is not None:
            await self._answer(question, reply)
            await self.attached.answered(sent)
            await self.store.write(lambda tx: tx.buttons.use_up(action.key))

    async def _answer(self, question: Incoming, reply: Reply) -> None:
        begun = await self.assistant.questions.take(question)
        if begun.awaited is not None:
            handler = self.awaits.get(begun.awaited.name)
            if handler is not None and await handler(question, reply, begun.awaited):
                return
            # What the bot had asked for has no meaning any more: the message is a question like any other.
            await self.store.write(lambda tx: tx.buttons.forget(question.address, question.user.id))
            begun = await self.assistant.questions.take(question)
        await self.assistant.answer(question, reply, begun)
