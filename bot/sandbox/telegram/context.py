"""What the methods of the Bot API share: the state, the updates, the open button presses. Begin with `Api`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.state import State
from bot.sandbox.telegram.updates import Updates
from bot.sandbox.telegram.webhook import Webhook

QUERY_LIFE = 150.0


@dataclass(frozen=True, slots=True)
class Press:
    """Who pressed a button, in which chat, when (Unix time); `unseen`: of a message that only that person sees."""

    user: int
    chat: int
    at: float
    unseen: bool = False


@dataclass(slots=True)
class Api:
    """`queries` are the button presses that wait for an answer: id -> (user id, until). `remarks` tell what the server
    would have changed or dropped without a word, for tests that want none of it. With `cross_edits` off, a rich message
    and a plain one can't be edited into each other. `ephemeral` off is a server that does not know messages for one
    person; with `short_edits` it takes 1,024 characters in an edit of one. `presses` are all presses, answered or not.
    """

    state: State
    updates: Updates
    webhook: Webhook
    cross_edits: bool = True
    ephemeral: bool = True
    short_edits: bool = False
    presses: dict[str, Press] = field(default_factory=dict)
    queries: dict[str, tuple[int, float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    webhook_at: float = float("-inf")

    def chat_id(self, call: Call) -> int:
        """The chat of the call. Raises 400 when there is none."""
        if not call.text("chat_id"):
            raise bad("chat_id is empty")
        return call.integer("chat_id")

    def message_id(self, call: Call) -> int:
        number = call.integer("message_id")
        if not number:
            raise bad("message identifier is not specified")
        return number

    def remark(self, call: Call, remarks: list[str]) -> None:
        self.remarks += [f"{call.method}: {remark}" for remark in remarks]


Method = Callable[[Api, Call], Any | Awaitable[Any]]
