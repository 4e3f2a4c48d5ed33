"""The buttons "yes" and "no" below a tool call that needs the user's approval; afterwards the model answers.

The call itself, which is done at most once, is in `tools/approvals.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation.assistant import Assistant
from bot.conversation.branching import BranchPoint
from bot.conversation.turn_start import Approval
from bot.feature import ENDED, Feature, Instead, Turn, press
from bot.outbox import finish_turn, notice_of, remove_buttons
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.storage.tables.work import Operation
from bot.texts.catalog import say
from bot.tools import approvals
from bot.types import Incoming

VALID = 24 * 3600.0  # seconds in which the user can approve a call


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolApproval(Feature):
    """Records the user's decision on a tool call, and has the assistant continue its answer."""

    assistant: Assistant

    @property
    def store(self) -> Store:
        """The database."""
        return self.assistant.store

    @press("act.yes", "act.no")
    async def decide(self, pressed: Turn, reply: Reply, turn: str) -> Instead:
        """Approve or decline the tool call. Pressed again after the model failed, the button asks the model again."""
        yes = pressed.pressed.name == "act.yes"
        await self.assistant.answer_approved(pressed, reply, lambda tx: self._decide(tx, pressed, turn, yes=yes))
        return ENDED

    def _decide(self, tx: Tx, incoming: Incoming, turn: str, *, yes: bool) -> Approval | None:
        """Store the decision in the row of the tool call. None: the turn has ended with a notice instead."""
        tx.inbox.mark_begun(incoming.ids)
        operation = tx.one(Operation, bot=incoming.address.bot, turn=turn)
        if operation is None or operation.kind != approvals.ACTION or operation.address.chat != incoming.address.chat:
            return self._end(tx, incoming, "tool.decided")
        steps = approvals.load(operation)
        name = steps.pending.call.name if steps.pending else ""
        if operation.state in ("done", "failed"):
            return self._end(tx, incoming, "tool.decided", name)
        if operation.state == "submitting":  # a process died during the call
            tx.change(operation, state="failed")
            return self._end(tx, incoming, "tool.unknown", name)
        if operation.state == "asked" and tx.clock.time() - operation.at > VALID:
            tx.change(operation, state="failed")
            return self._end(tx, incoming, "tool.old", name)
        if operation.state == "asked" and yes:
            tx.operations.mark_submitting(operation.id)
        elif operation.state == "asked":
            approvals.refuse(tx, operation)
        outcome = say(incoming.language, "tool.approved" if yes else "tool.refused")
        remove_buttons(tx, incoming, note=outcome if operation.state == "asked" else "")
        decided = tx.one(Operation, bot=incoming.address.bot, turn=turn) or operation
        question = tx.messages.find_message(operation.request["question"])
        if question is None:
            return self._end(tx, incoming, "tool.decided", name)
        return Approval(BranchPoint(question, after=tx.messages.find_head(question.conversation)), decided, steps)

    @staticmethod
    def _end(tx: Tx, incoming: Incoming, key: str, tool: str = "") -> None:
        finish_turn(tx, notice_of(incoming), say(incoming.language, key, tool=tool))
