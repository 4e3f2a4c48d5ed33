"""The buttons of programmers (`extension.Button`), as a feature."""

from __future__ import annotations

from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision
from bot.dispatch.custom.answers import PRESS, CustomAnswers, sendable
from bot.feature import ButtonHandler, Feature
from bot.outbox import finish, finish_with, remove_buttons
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomPresses:
    """Calls the function of a pressed button. What it returns is stored with the end of the turn."""

    store: Store
    access: Access
    answers: CustomAnswers

    def feature(self) -> Feature:
        """One action for all buttons of programmers."""
        return Feature(presses={PRESS: ButtonHandler(self.press, has_toast=True)})

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Call the function of a button with its stored arguments. Raises what the function raises."""
        own, language = self.answers.presses.get(action.payload["press"]), incoming.language
        if own is None:
            await reply.acknowledge(say(language, "old.button" if incoming.private else "old.button.group"))
            await finish_with(self.store, incoming, reply)
            return
        if own.by == "owners" and self.access.authorize(Actor.of(incoming), Permission.ADMINISTER) is not (
            Decision.ALLOWED
        ):
            await reply.acknowledge(say(language, "press.owners"))
            await finish_with(self.store, incoming, reply)
            return
        await reply.acknowledge()
        await self.store.write(lambda tx: tx.inbox.mark_begun(incoming.ids))
        answers = sendable(await own.run(incoming, reply, **own.read(action.payload["arguments"])))

        def work(tx: Tx) -> None:
            if own.once:
                tx.buttons.expire_button(action.key)
                if not (own.replaces and answers):
                    remove_buttons(tx, incoming, only=action.key)
            self.answers.store_end(tx, incoming, answers, over=own.replaces)

        await finish(self.store, reply, work)
