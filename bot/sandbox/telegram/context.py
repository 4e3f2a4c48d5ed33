"""What all methods of the Bot API work on. Begin with `MethodContext`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.telegram.call import ApiError, Call, bad
from bot.sandbox.telegram.state import Chat, State
from bot.sandbox.telegram.updates import UpdateQueue
from bot.sandbox.telegram.webhook import Webhook

QUERY_LIFE = 150.0
BUSINESS_WINDOW = 86_400.0  # seconds after a person's message in which the bot may answer for a connected account


@dataclass(frozen=True, slots=True)
class Press:
    """A press of an inline button: who pressed, in which chat, at which Unix time. `unseen`: on an
    ephemeral message.
    """

    user: int
    chat: int
    at: float
    unseen: bool = False


@dataclass(slots=True)
class MethodContext:
    """The state, the updates and the settings of one server, passed to each method.

    `queries` are the button presses that wait for answerCallbackQuery: query id -> (user id, Unix time of the
    deadline). `presses` are all presses, answered or not. `remarks` list what the server would have changed silently,
    for tests that want none of it.

    The rules: with `cross_edits` off, a rich message cannot be edited into a plain one, nor a plain one into a rich
    one. `ephemeral` off is a server before Bot API 10.3: it sends ephemeral messages to everybody. With `short_edits`
    an edit of an ephemeral message may have 1,024 characters only. The network takes `distance` seconds to bring an
    answer to the bot.
    """

    state: State
    updates: UpdateQueue
    webhook: Webhook
    cross_edits: bool = True
    ephemeral: bool = True
    short_edits: bool = False
    distance: float = 0.0
    presses: dict[str, Press] = field(default_factory=dict, init=False)
    queries: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)
    remarks: list[str] = field(default_factory=list, init=False)
    settings: dict[str, str] = field(default_factory=dict, init=False)
    webhook_at: float = field(default=float("-inf"), init=False)

    def chat(self, call: Call) -> Chat:
        """The chat of the call. Raises 400 if it is missing or unknown, 403 if the bot may not write there."""
        if not call.text("chat_id"):
            raise bad("chat_id is empty")
        if call.text("business_connection_id") and not call.method.startswith(("copy", "forward")):
            return self._business_chat(call)
        return self.state.chat(call.integer("chat_id"))

    def _business_chat(self, call: Call) -> Chat:
        """The chat of a connected account. Raises 400 for a connection that is gone or a person who has not written
        for a day, 403 without the right to answer.
        """
        connection, person = self.state.connections.get(call.text("business_connection_id")), call.integer("chat_id")
        if connection is None or not connection.is_enabled:
            raise bad("BUSINESS_CONNECTION_INVALID")
        if "can_reply" not in connection.rights:
            raise ApiError(403, "Forbidden: BOT_ACCESS_FORBIDDEN")
        if self.state.clock.time() - connection.heard.get(person, float("-inf")) > BUSINESS_WINDOW:
            raise bad("BUSINESS_PEER_USAGE_MISSING")
        return self.state.business_chat(connection, person)

    def place(self, call: Call) -> tuple[Chat, int]:
        """The chat and the topic (0: none) of the call. Raises what `chat` raises, and 400 for an unknown topic."""
        chat = self.chat(call)
        return chat, self.state.thread(chat, call.integer("message_thread_id"))

    def message_id(self, call: Call) -> int:
        """The message id of the call. Raises 400 if it is missing."""
        number = call.integer("message_id")
        if not number:
            raise bad("message identifier is not specified")
        return number

    def remark(self, call: Call, remarks: list[str]) -> None:
        """Store what the real server would have changed in the text of this call without saying so."""
        self.remarks += [f"{call.method}: {remark}" for remark in remarks]


Method = Callable[[MethodContext, Call], Any | Awaitable[Any]]
