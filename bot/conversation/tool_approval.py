"""The tap under an action: done once, or not at all, and then the model answers. The action itself is in
`tools/approvals.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation.assistant import Assistant
from bot.conversation.branching import BranchPoint
from bot.conversation.turn_state import TurnContext
from bot.feature import ButtonHandler, Feature
from bot.outbox import put_bare, tell
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.tools import approvals
from bot.types import Incoming

VALID = 24 * 3600.0  # seconds that a question whether to act stands


@dataclass(frozen=True, slots=True)
class Taps:
    store: Store
    chat: Assistant

    def feature(self) -> Feature:
        return Feature(presses={"act.yes": ButtonHandler(self.press), "act.no": ButtonHandler(self.press)})

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Do it, or don't; pressed again after the model had failed: go on from there."""
        turn, yes = action.payload["turn"], action.name == "act.yes"
        begun = await self.store.write(lambda tx: self._begin(tx, incoming, turn, yes=yes))
        if isinstance(begun, TurnContext):
            await self.chat.answer(incoming, reply, begun)
        else:
            sentence, tool = begun
            await tell(self.store, incoming, reply, sentence, tool=tool)

    def _begin(self, tx: Tx, incoming: Incoming, turn: str, *, yes: bool) -> TurnContext | tuple[str, str]:
        """Decide by the row, in one commit; or the key of a sentence and the tool that it is about."""
        tx.updates.begin(incoming.ids)
        operation = tx.operations.of(incoming.address.bot, turn)
        if operation is None or operation.kind != approvals.ACTION or operation.address.chat != incoming.address.chat:
            return "tool.decided", ""
        steps = approvals.load(operation)
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
            approvals.refuse(tx, operation)
        put_bare(tx, incoming)
        decided = tx.operations.of(incoming.address.bot, turn) or operation
        question = tx.messages.get(operation.request["question"])
        if question is None:
            return "tool.decided", name
        place = BranchPoint(question, after=tx.messages.head(question.conversation))
        return self.chat.questions.went_on(tx, incoming, place, decided, steps)
