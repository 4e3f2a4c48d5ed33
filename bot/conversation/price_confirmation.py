"""What becomes of an expensive question that its asker was asked about. `money.question` made the buttons."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation.assistant import Assistant
from bot.feature import ButtonHandler, Feature
from bot.outbox import put_over, tell
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Outgoing


@dataclass(slots=True)
class Confirming:
    store: Store
    chat: Assistant

    def feature(self) -> Feature:
        return Feature(
            presses={
                "price.answer": ButtonHandler(self.press_answer),
                "price.cheaper": ButtonHandler(self.press_answer),
                "price.drop": ButtonHandler(self.press_drop),
            }
        )

    async def press_answer(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Answer now, with the model that was chosen or with the cheaper one, this time."""
        model = action.payload.get("model", "")
        begun = await self.chat.questions.again(incoming, action, model=model, agreed=True)
        if begun is None:
            await tell(self.store, incoming, reply, "price.gone")
        else:
            await self.chat.answer(incoming, reply, begun)

    async def press_drop(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Forget what was asked. A picture was not ordered yet; a question stands in the history until now."""

        def work(tx: Tx) -> None:
            asked = tx.messages.get(action.payload.get("question", 0))
            if asked is not None and tx.messages.head(asked.conversation) == asked.id:
                tx.messages.move(asked.conversation, asked.parent)
            tx.buttons.use_up(action.key)
            chosen = tx.chats.choices(incoming.address).language_for(incoming.user)
            put_over(tx, incoming, Outgoing(say(chosen, "price.dropped"), plain=True))

        await self.store.write(work)
        await reply.finish()
