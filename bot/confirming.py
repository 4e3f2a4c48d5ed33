"""The tap under an action: done once, or not at all, and then the model answers. The action itself is in `acts.py`."""

from __future__ import annotations

from dataclasses import dataclass

from bot import acts
from bot.chat import Begun, Chat
from bot.features import Feature, Press
from bot.outbox import tell
from bot.storage.buttons import Action
from bot.storage.operations import Operation
from bot.storage.store import Store, Tx
from bot.toolbox import Steps
from bot.types import Incoming, Message, Reply

VALID = 24 * 3600.0  # seconds that a question whether to act stands


@dataclass(frozen=True, slots=True)
class Confirming:
    store: Store
    chat: Chat

    def feature(self) -> Feature:
        return Feature(presses={"act.yes": Press(self.press), "act.no": Press(self.press)})

    async def press(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Do it, or don't; pressed again after the model had failed: go on from there."""
        turn, yes = action.payload["turn"], action.name == "act.yes"
        begun = await self.store.write(lambda tx: self._begin(tx, incoming, turn, yes=yes))
        if isinstance(begun, Begun):
            await self.chat.answer(incoming, reply, begun)
        else:
            sentence, tool = begun
            await tell(self.store, incoming, reply, sentence, tool=tool)

    def _begin(self, tx: Tx, incoming: Incoming, turn: str, *, yes: bool) -> Begun | tuple[str, str]:
        """Decide by the row, in one commit; or the key of a sentence and the tool that it is about."""
        tx.updates.begin(incoming.ids)
        operation = tx.operations.of(incoming.address.bot, turn)
        if operation is None or operation.kind != acts.ACTION or operation.address.chat != incoming.address.chat:
            return "tool.decided", ""
        steps = acts.load(operation)
        name = steps.pending.call.name if steps.pending else ""
        if operation.state in ("done", "failed"):
            return "tool.decided", name
        if operation.state == "submitting":  # the process died in the middle of it
            tx.operations.end(operation.id, "failed")
            return "tool.unknown", name
        if operation.state == "asked" and self.chat.clock.time() - operation.at > VALID:
            tx.operations.end(operation.id, "failed")
            return "tool.old", name
        if operation.state == "asked" and yes:
            tx.operations.submitting(operation.id)
        elif operation.state == "asked":
            acts.refuse(tx, operation)
        decided = tx.operations.of(incoming.address.bot, turn) or operation
        return self.chat.hold(tx, incoming, self._begun(tx, incoming, decided, steps))

    def _begun(self, tx: Tx, incoming: Incoming, operation: Operation, steps: Steps) -> Begun:
        """The conversation as it was when the model asked: what was said since is not what it had in mind."""
        conversation, question = operation.request["conversation"], operation.request["question"]
        rows = list(tx.messages.last(conversation, self.chat.options.history))
        while rows and (rows[-1].turn != question or rows[-1].message.role != "user"):
            rows.pop()
        history = [row.message for row in rows] or [Message.of("user", "…")]
        choices = tx.chats.choices(incoming.address)
        language = choices.language or incoming.user.language
        return Begun(incoming.id, conversation, history, choices, language, act=operation, steps=steps)
