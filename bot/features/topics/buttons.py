"""Buttons about topics: a person says which of two topics a question has, an operator corrects the topic of an answered
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.topic_choice import CORRECT, PICK, WRONG, TopicChooser
from bot.feature import ENDED, After, Feature, Instead, Turn, command, press
from bot.outbox import Answer, Choice
from bot.ports import Reply
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import NEWEST_CHOICE
from bot.types import Permission

SHOWN = 200  # characters of a question


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicButtons(Feature):
    """Answers a question whose topic a person has picked, and keeps the corrections of operators as examples.

    `changed` is called after a correction.
    """

    store: Store
    assistant: Assistant
    chooser: TopicChooser
    changed: Callable[[], None]

    @press(PICK)
    async def pick(self, turn: Turn, reply: Reply, topic: str) -> Instead:
        """Answer a question after the person who asked has chosen its topic."""
        await self.assistant.answer_again(turn, reply, turn.pressed, gone=turn.say("topic.gone"), topic=topic)
        return ENDED

    @command("/topic", requires=Permission.CORRECT, is_notice=True)
    def show(self, tx: Tx, turn: Turn) -> Answer:
        """Show operators the topics for the question or answer that the command replies to, or for the newest question
        in the chat.
        """
        found = branching.replied(tx, turn.address, turn.reply_to)
        if found is None and not turn.reply_to:
            conversation = tx.messages.find_current_conversation(turn.address)
            newest = tx.one(NEWEST_CHOICE, conversation_id=conversation) if conversation is not None else None
            found = tx.messages.find_message(newest.question_id) if newest is not None else None
        if found is not None and found.message.role != "user":
            found = tx.messages.find_message(found.parent or 0)
        return self._offer(tx, turn, found)

    @press(WRONG, requires=Permission.CORRECT)
    def show_others(self, tx: Tx, turn: Turn, question: int) -> Answer:
        """Show all topics, so that an operator can choose the right one for the question of this answer."""
        return self._offer(tx, turn, tx.messages.find_message(question))

    def _offer(self, tx: Tx, turn: Turn, asked: Remembered | None) -> Answer:
        """A button for each topic that a question could have had instead."""
        table, language = self.chooser.topics.table, turn.language
        if asked is None or table is None:
            return Answer(turn.say("topic.gone"))
        now = self.chooser.find(tx, asked.id)
        choices = [
            Choice(table.title(key, language), CORRECT, {"question": asked.id, "topic": key})
            for key in (*table.topics, table.routing.other)
            if now is None or key != now.choice.topic
        ]
        rows = [choices[first : first + 2] for first in range(0, len(choices), 2)]
        had = table.title(now.choice.topic, language) if now is not None else "–"
        return Answer(turn.say("topic.right", question=_short(asked), topic=had), choices=rows)

    @press(CORRECT, requires=Permission.CORRECT)
    def correct(self, tx: Tx, turn: Turn, question: int, topic: str) -> After:
        """Give the question the topic that an operator has picked, and keep it as an example."""
        asked = tx.messages.find_message(question)
        picked = self.chooser.pick(tx, asked, topic) if asked is not None else None
        if asked is None or picked is None or picked.choice.topic != topic:
            return After(Answer(turn.say("topic.gone"), over=True), self.changed)
        self.chooser.keep_example(tx, turn.address.bot, asked, topic)
        title = picked.table.title(topic, turn.language)
        return After(Answer(turn.say("topic.corrected", title=title), over=True), self.changed)


def _short(asked: Remembered) -> str:
    words = " ".join(asked.words.split())
    return words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"
