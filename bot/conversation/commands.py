"""/new, /stop, and the buttons below an answer: another answer, the rest of the answer, another version."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.conversation_list import request_title
from bot.conversation.request import Options
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import end_question, finish, finish_turn, finish_with, finish_with_notice
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCommands:
    """What users do to a conversation. `options.names_topics`: /new has the old conversation titled."""

    store: Store
    assistant: Assistant
    options: Options

    def feature(self) -> Handlers:
        """/new and /stop, the presses `retry`, `resume` and `version`, and the messenger's own Stop button."""
        return Handlers(
            commands={
                "/new": Command(self.new),
                "/stop": Command(lambda incoming, reply, _rest: self.stop(incoming, reply)),
            },
            presses={
                **dict.fromkeys((branching.RETRY, branching.RESUME), ButtonHandler(self.press_again)),
                branching.TURN: ButtonHandler(self.press_version),
            },
            kinds={Kind.STOP: self.stop},
        )

    async def new(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Begin a new conversation. The old conversation gets a title, under which /chats lists it."""

        def begin(tx: Tx) -> None:
            old = tx.messages.find_current_conversation(incoming.address)
            if old is not None and tx.messages.find_head(old) is not None and self.options.names_topics:
                request_title(tx, old, incoming, incoming.language)
            tx.messages.begin_conversation(incoming.address)
            end_question(tx, incoming)
            finish_turn(tx, incoming, say(incoming.language, "new"))

        await finish(self.store, reply, begin)

    async def stop(self, incoming: Incoming, reply: Reply) -> None:
        """Stop the answer that is being written in this conversation. A typed /stop says so if there is none."""
        stopped = self.assistant.writer.stop(incoming.address.key, incoming.data)
        await reply.acknowledge()
        if stopped or not incoming.text:
            await finish_with(self.store, incoming, reply)
        else:
            await finish_with_notice(self.store, incoming, reply, "stop.nothing")

    async def press_again(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Write another answer to the question, or continue the answer that was cut short."""
        await self.assistant.answer_again(incoming, reply, action)

    async def press_version(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show another version of an answer in the same message; the conversation continues from that version."""

        def work(tx: Tx) -> None:
            answer, thumbs = action.payload["answer"], self.options.thumbs
            version = branching.show_version(tx, incoming, answer, incoming.language, thumbs=thumbs)
            finish_turn(tx, incoming, *([version] if version is not None else []))

        await finish(self.store, reply, work)
