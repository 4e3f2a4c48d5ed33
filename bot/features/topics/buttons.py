"""Buttons about topics: a person says which of two topics a question has, an operator corrects the topic of an answered
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.topic_choice import CORRECT, PICK, WRONG, TopicChooser
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import Choice, finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Permission

SHOWN = 200  # characters of a question


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicButtons:
    """Answers a question whose topic a person has picked, and keeps the corrections of operators as examples.

    `changed` is called after a correction.
    """

    store: Store
    assistant: Assistant
    chooser: TopicChooser
    changed: Callable[[], None]

    def feature(self) -> Handlers:
        """/topic, and the presses `topic.pick`, `topic.wrong` and `topic.correct`."""
        return Handlers(
            commands={"/topic": Command(self.show, Permission.CORRECT, is_notice=True)},
            presses={
                PICK: ButtonHandler(self.press_pick),
                WRONG: ButtonHandler(self.press_wrong, Permission.CORRECT),
                CORRECT: ButtonHandler(self.press_correct, Permission.CORRECT),
            },
        )

    async def press_pick(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer a question after the person who asked has chosen its topic."""
        topic, gone = action.payload["topic"], say(incoming.language, "topic.gone")
        await self.assistant.answer_again(incoming, reply, action, gone=gone, topic=topic)

    async def show(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """The command /topic for operators: show the topics for the question or answer that the command replies to, or
        for the newest question in the chat.
        """

        def work(tx: Tx) -> None:
            where = incoming.address
            found = branching.replied(tx, where, incoming.reply_to)
            if found is None and not incoming.reply_to:
                conversation = tx.messages.find_current_conversation(where)
                newest = tx.question_topics.find_newest(conversation) if conversation is not None else None
                found = tx.messages.find_message(newest.question_id) if newest is not None else None
            if found is not None and found.message.role != "user":
                found = tx.messages.find_message(found.parent or 0)
            self._offer(tx, incoming, found)

        await finish(self.store, reply, work)

    async def press_wrong(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show all topics, so that an operator can choose the right one for the question of this answer."""
        await finish(
            self.store,
            reply,
            lambda tx: self._offer(tx, incoming, tx.messages.find_message(action.payload["question"])),
        )

    def _offer(self, tx: Tx, incoming: Incoming, asked: Remembered | None) -> None:
        """End the turn with a button for each topic that a question could have had instead."""
        table, language = self.chooser.topics.table, incoming.language
        if asked is None or table is None:
            finish_turn(tx, incoming, say(language, "topic.gone"))
            return
        now = self.chooser.find(tx, asked.id)
        choices = [
            Choice(table.title(key, language), CORRECT, {"question": asked.id, "topic": key})
            for key in (*table.topics, table.routing.other)
            if now is None or key != now.choice.topic
        ]
        rows = [choices[first : first + 2] for first in range(0, len(choices), 2)]
        had = table.title(now.choice.topic, language) if now is not None else "–"
        finish_turn(tx, incoming, say(language, "topic.right", question=_short(asked), topic=had), choices=rows)

    async def press_correct(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Give the question the topic that an operator has picked, and keep it as an example."""

        def work(tx: Tx) -> None:
            asked, key = tx.messages.find_message(action.payload["question"]), action.payload["topic"]
            picked = self.chooser.pick(tx, asked, key) if asked is not None else None
            if asked is None or picked is None or picked.choice.topic != key:
                finish_turn(tx, incoming, say(incoming.language, "topic.gone"), over=True)
                return
            self.chooser.keep_example(tx, incoming.address.bot, asked, key)
            title = picked.table.title(key, incoming.language)
            finish_turn(tx, incoming, say(incoming.language, "topic.corrected", title=title), over=True)

        await finish(self.store, reply, work)
        self.changed()


def _short(asked: Remembered) -> str:
    words = " ".join(asked.words.split())
    return words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"
