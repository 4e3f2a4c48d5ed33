"""A message that is no command is a question to the model, unless the bot has asked for this message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Handlers, ReplyHandler
from bot.media.attachments import Attachments
from bot.outbox import Effect, end_question, finish, finish_turn, finish_with, finish_with_notice, with_choices
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Turns attachments into parts of the question, then has the assistant answer.

    `awaits` are the handlers of messages that the bot has asked for, by the action that asked.
    """

    store: Store
    assistant: Assistant
    attached: Attachments
    awaits: Mapping[str, ReplyHandler] = field(default_factory=dict)

    def feature(self) -> Handlers:
        """Edited messages, and buttons: one accepts the price of attachments, one cancels a question of the bot."""
        return Handlers(
            presses={
                "attached.again": ButtonHandler(self.press_attached),
                "ask.cancel": ButtonHandler(self.press_cancel),
            },
            kinds={Kind.EDIT: self.edit},
        )

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

        def work(tx: Tx) -> None:
            finish_turn(tx, incoming, say(with_choices(tx, incoming).language, "alone.cannot"))

        await finish(self.store, reply, work)

    async def edit(self, incoming: Incoming, reply: Reply) -> None:
        """Answer an edited question again, if the edit needs it (`branching.revise` decides that)."""
        is_question = incoming.text.strip() and not incoming.text.startswith("/")
        if is_question and await self.assistant.answer_edited(incoming, reply):
            return
        if is_question and await self.store.read(lambda tx: branching.is_first(tx, incoming)):
            await self.ask(incoming, reply)
        else:
            await finish_with(self.store, incoming, reply)

    async def press_attached(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer a message whose attachments were too expensive at first: the user has accepted the price."""
        sent = self.attached.again(incoming, action)
        if (question := await self.attached.take(sent, reply, agreed=action.payload["agreed"])) is not None:
            spoken = self.attached.answered(sent)

            def then(tx: Tx) -> None:
                tx.buttons.expire_button(action.key)
                if spoken is not None:
                    spoken(tx)

            await self._answer(question, reply, then)

    async def press_cancel(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Stop waiting for the words that the message of this button asked for."""

        def work(tx: Tx) -> None:
            waiting = tx.buttons.find_awaited(incoming.address, incoming.user.id)
            if waiting is not None and waiting.payload.get("asked") == action.payload["asked"]:
                end_question(tx, incoming)
            finish_turn(tx, incoming, say(incoming.language, "ask.cancelled"), over=True)

        await finish(self.store, reply, work)

    async def _answer(self, question: Incoming, reply: Reply, then: Effect | None) -> None:
        """Ask the assistant, or hand the message to the feature that has asked for it."""
        awaited = await self.assistant.answer(question, reply, then=then)
        if awaited is None:
            return
        handler = self.awaits.get(awaited.action.name)
        if handler is None or not await handler(awaited.incoming, reply, awaited.action):
            # The feature no longer needs the message, so it is a question like any other.
            await self.assistant.answer(awaited.incoming, reply, last=True, then=then)
