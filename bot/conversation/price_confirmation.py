"""The buttons below the price of an expensive answer, which `AnswerCost.ask_first` asks the user to accept."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation.assistant import Assistant
from bot.feature import ENDED, Feature, Instead, Turn, press
from bot.outbox import Answer
from bot.ports import Reply
from bot.storage.store import Store, Tx


@dataclass(slots=True, kw_only=True)
class PriceConfirmation(Feature):
    """Answers an expensive question after the user accepted its price, or drops the question."""

    store: Store
    assistant: Assistant

    @press("price.answer", "price.cheaper")
    async def answer(self, turn: Turn, reply: Reply, model: str = "") -> Instead:
        """Answer the question, with the chosen model or, this once, with the cheaper model of the button."""
        gone = turn.say("price.gone")
        await self.assistant.answer_again(turn, reply, turn.pressed, model=model, agreed=True, gone=gone)
        return ENDED

    @press("price.drop", once=True)
    def drop(self, tx: Tx, turn: Turn, question: int = 0) -> Answer:
        """Drop the question: it is removed from the history, unless the conversation went on. Nothing was spent."""
        asked = tx.messages.find_message(question)
        if asked is not None and tx.messages.find_head(asked.conversation) == asked.id:
            tx.messages.move_head(asked.conversation, asked.parent)
        return Answer(turn.say("price.dropped"), over=True)
