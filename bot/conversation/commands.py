"""What people do to a conversation: begin a new one, stop an answer, ask for another one or for an earlier version."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.conversation_list import wants_name
from bot.feature import ButtonHandler, Command, Feature
from bot.outbox import language, put, settle, tell
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCommands:
    """/new and /stop, and the buttons below an answer: another answer, the rest of one, an earlier version."""

    store: Store
    assistant: Assistant

    def feature(self) -> Feature:
        return Feature(
            commands={
                "/new": Command(self.new),
                "/stop": Command(lambda incoming, reply, _rest: self.stop(incoming, reply)),
            },
            presses={
                "retry": ButtonHandler(self.press_again),
                "resume": ButtonHandler(self.press_again),
                "version": ButtonHandler(self.press_version),
            },
            kinds={Kind.STOP: self.stop},
        )

    async def new(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Begin a new conversation. The old one gets a name, by which /chats finds it."""
        chosen = await language(self.store, incoming)

        def begin(tx: Tx) -> None:
            old = tx.messages.current(incoming.address)
            if old is not None and tx.messages.head(old) is not None and self.assistant.options.names_topics:
                wants_name(tx, old, incoming, chosen)
            tx.messages.begin(incoming.address)
            tx.buttons.forget(incoming.address, incoming.user.id)

        await settle(self.store, incoming, reply, Outgoing(say(chosen, "new"), plain=True), also=begin)

    async def stop(self, incoming: Incoming, reply: Reply) -> None:
        """End the answer that is being written here. Only who typed /stop is told that there was none."""
        stopped = self.assistant.stop(incoming.address.key, incoming.data)
        await reply.acknowledge()
        if stopped or not incoming.text:
            await settle(self.store, incoming, reply)
        else:
            await tell(self.store, incoming, reply, "stop.nothing")

    async def press_again(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Write another answer to a question, or the rest of one that was cut short."""
        begun = await self.assistant.questions.again(incoming, action)
        if begun is None:
            await settle(self.store, incoming, reply)
        else:
            await self.assistant.answer(incoming, reply, begun)

    async def press_version(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show another version of an answer in its place; the conversation goes on from that version."""

        def work(tx: Tx) -> None:
            chosen = tx.chats.choices(incoming.address).language_for(incoming.user)
            thumbs = self.assistant.options.thumbs
            version = branching.turn_to(tx, incoming, action.payload["answer"], chosen, thumbs=thumbs)
            put(tx, incoming, *([version] if version is not None else []))

        await self.store.write(work)
        await reply.finish()
