"""Tool calls that are done only after the user's approval. Begin with `ask`; the buttons are handled in
`conversation/tool_approval.py`.

Such a call is a row of the table of operations, in the state asked -> submitting (being done) -> running (the result is
stored, the model has to be told) -> done. So a crash never repeats a call: a row in the state `submitting` may or may
not have been done, and the user is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.mapping import dump_parts, load_parts
from bot.storage.store import Store, Tx
from bot.storage.tables.work import Operation
from bot.texts.catalog import say
from bot.tools.tool import LONGEST_RESULT, ToolContext, ToolOutput
from bot.tools.toolbox import Pending, Steps, Toolbox, result
from bot.types import Incoming, Message, Outgoing, ToolCall, ToolResult

ACTION = "action"  # the kind of these operations


def ask(tx: Tx, incoming: Incoming, question: int, steps: Steps, number: int) -> Outgoing:
    """Store the pending call of `steps`, and return the message that asks the user to approve or decline it.

    `question` is the id of the message that is being answered, `number` the index of this message in its turn.
    """
    if steps.pending is None:
        raise ValueError("nothing is pending")
    language = incoming.language
    request = {"question": question, "language": language, **_dump(steps)}
    tx.operations.add_operation(ACTION, incoming.id, incoming.address, incoming.user.id, request)
    delivery = f"{incoming.id}.{number}" if number else incoming.id
    row = tuple(
        tx.buttons.add_queued_button(
            incoming.address, delivery, incoming.user.id, say(language, key), action, turn=incoming.id
        )
        for key, action in (("tool.yes", "act.yes"), ("tool.no", "act.no"))
    )
    return Outgoing(steps.pending.question, buttons=(row,))


def load(operation: Operation) -> Steps:
    """Return the tool calls and results (`Steps`) that `ask` has stored in the operation."""
    asked = operation.request
    messages = [Message(row["role"], load_parts(row["parts"])) for row in asked["steps"]]
    (call,) = load_parts(asked["call"])
    if not isinstance(call, ToolCall):
        raise TypeError("an action without its call")
    results = tuple(part for part in load_parts(asked["results"]) if isinstance(part, ToolResult))
    return Steps(messages, pending=Pending(call, results))


def refuse(tx: Tx, operation: Operation) -> None:
    """Store that the user has declined the call."""
    _store_output(tx, operation, ToolOutput(instruct(operation.request["language"], "tool.declined"), failed=True))


async def perform(
    store: Store, toolbox: Toolbox, operation: Operation, steps: Steps, asker: ToolContext, reply: Reply
) -> None:
    """Do the pending call, unless its result is stored already or it was declined; add the result to `steps`.

    During the call `steps.unsure` names the tool, so that an interrupted turn can tell the user.
    """
    pending, steps.pending = steps.pending, None
    if pending is None:
        return
    found = _stored_output(operation.request)
    if found is None:
        steps.unsure = pending.call.name
        found = await _do(toolbox, pending.call, asker, reply)
        await store.write_until_stored(lambda tx: _store_output(tx, operation, found))
        steps.unsure = pending.call.name if found.unsure else ""
    steps.add_results(
        [*pending.results, result(pending.call.id, pending.call.name, found, LONGEST_RESULT, asker.language)]
    )


async def _do(toolbox: Toolbox, call: ToolCall, asker: ToolContext, reply: Reply) -> ToolOutput:
    tool = toolbox.tools.get(call.name)
    if tool is None:
        return ToolOutput(instruct(asker.language, "tool.gone", tool=call.name), failed=True)
    reply.show(tool.progress_text(asker.language))
    found = await tool.call(call.arguments, asker)
    return replace(found, text=f"{found.text} {instruct(asker.language, 'tool.unsure')}") if found.unsure else found


def _store_output(tx: Tx, operation: Operation, found: ToolOutput) -> None:
    result = {"text": found.text, "failed": found.failed, "unsure": found.unsure}
    tx.change(operation, state="running", request={**operation.request, "found": result})


def _stored_output(request: Mapping[str, Any]) -> ToolOutput | None:
    row = request.get("found")
    return ToolOutput(row["text"], failed=row["failed"]) if row else None


def _dump(steps: Steps) -> dict[str, Any]:
    pending = steps.pending or Pending(ToolCall("", "", {}))
    rows = [{"role": message.role, "parts": dump_parts(message.parts)} for message in steps.messages]
    return {"steps": rows, "call": dump_parts((pending.call,)), "results": dump_parts(pending.results)}
