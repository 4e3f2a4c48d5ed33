"""The buttons of programmers (`extension.Button`), as a feature."""

from __future__ import annotations

from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision
from bot.dispatch.custom.answers import PRESS
from bot.dispatch.custom.dialogues import Call, Dialogues
from bot.handlers import ButtonHandler, Handlers
from bot.outbox import finish_with
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.types import Incoming, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomPresses:
    """Calls the function of a pressed button. What it returns is stored with the end of the turn."""

    store: Store
    access: Access
    dialogues: Dialogues

    def feature(self) -> Handlers:
        """One action for all buttons of programmers."""
        return Handlers(presses={PRESS: ButtonHandler(self.press, has_toast=True)})

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Call the function of a button with its stored arguments. Raises what the function raises."""
        own, language = self.dialogues.answers.presses.get(action.payload["press"]), incoming.language
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
        call = Call(
            press=own.name, arguments=action.payload["arguments"], button=action.key, message=incoming.message_id
        )  # fmt: skip
        await self.dialogues.run(incoming, reply, call)
