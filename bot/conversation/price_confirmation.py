"""The buttons below the price of an expensive answer, which `AnswerCost.ask_first` asks the user to accept."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Handlers
from bot.outbox import finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming


@dataclass(slots=True, kw_only=True)
class PriceConfirmation:
    """Answers an expensive question after the user accepted its price, or drops the question."""

    store: Store
    assistant: Assistant

    def feature(self) -> Handlers:
        """The presses `price.answer`, `price.cheaper` and `price.drop`."""
        answers = dict.fromkeys(("price.answer", "price.cheaper"), ButtonHandler(self.press_answer))
        return Handlers(presses={**answers, "price.drop": ButtonHandler(self.press_drop)})

    async def press_answer(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer the question, with the chosen model or, this once, with the cheaper model of the button."""
        model, gone = action.payload.get("model", ""), say(incoming.language, "price.gone")
        await self.assistant.answer_again(incoming, reply, action, model=model, agreed=True, gone=gone)

    async def press_drop(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Drop the question: it is removed from the history, unless the conversation went on. Nothing was spent."""

        def work(tx: Tx) -> None:
            asked = tx.messages.find_message(action.payload.get("question", 0))
            if asked is not None and tx.messages.find_head(asked.conversation) == asked.id:
                tx.messages.move_head(asked.conversation, asked.parent)
            tx.buttons.expire_button(action.key)
            finish_turn(tx, incoming, say(incoming.language, "price.dropped"), over=True)

        await finish(self.store, reply, work)
