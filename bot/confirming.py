"""What becomes of an expensive question that its asker was asked about. `money.question` made the buttons."""

from __future__ import annotations

from dataclasses import dataclass

from bot.chat import Chat
from bot.features import Feature, Press
from bot.outbox import language, settle, tell
from bot.storage.buttons import Action
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Outgoing, Reply


@dataclass(slots=True)
class Confirming:
    store: Store
    chat: Chat

    def feature(self) -> Feature:
        return Feature(
            presses={
                "price.answer": Press(self.press_answer),
                "price.cheaper": Press(self.press_answer),
                "price.drop": Press(self.press_drop),
            }
        )

    async def press_answer(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Answer now, with the model that was chosen or with the cheaper one, this time."""
        model = action.payload.get("model", "")
        begun = await self.chat.again(incoming, action.payload["turn"], model=model, agreed=True)
        if begun is None:
            await tell(self.store, incoming, reply, "price.gone")
        else:
            await self.chat.answer(incoming, reply, begun)

    async def press_drop(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Forget what was asked. A picture was not ordered yet; a question stands in the history until now."""
        turn = action.payload.get("turn", "")

        def work(tx: Tx) -> None:
            conversation = tx.messages.conversation(incoming.address)
            last = [row.turn for row in tx.messages.last(conversation, 1)]
            if turn and last == [turn]:
                tx.messages.forget(incoming.address, turn, "user")
            tx.buttons.use_up(action.key)

        said = say(await language(self.store, incoming), "price.dropped")
        await settle(self.store, incoming, reply, Outgoing(said, plain=True), also=work)
