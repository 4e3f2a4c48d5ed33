"""Responses and conversations that the sandbox keeps, for `previous_response_id` and `conversation`. Begin with
`ResponseStore.history`.

Both are lists of items: messages, tool calls, results of tools. They are lost when the sandbox ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.ai_studio.wire import Json, Problem, mapping

Items = list[Json]


@dataclass(slots=True)
class StoredResponse:
    """A response that can be fetched again, and `items`, which led to it: all of the dialogue before its output.

    `sent` is how many of the items, the last ones, came with the request. The response is in progress until the
    monotonic time `due` and `polls_left` more requests.
    """

    value: Json
    items: Items
    sent: int
    due: float
    polls_left: int = 0

    def is_running(self, now: float) -> bool:
        """Whether the response is in progress at a monotonic time."""
        return now < self.due or self.polls_left > 0


@dataclass(slots=True)
class Conversation:
    """A conversation; every response that names it adds its input and its output to `items`."""

    id: str
    created: int
    metadata: Json
    items: Items = field(default_factory=list)

    def value(self) -> Json:
        """The conversation as JSON, without its items."""
        return {"id": self.id, "object": "conversation", "created_at": self.created, "metadata": self.metadata}


class ResponseStore:
    """The newest responses and conversations by id. Unknown ids raise `Problem`."""

    def __init__(self) -> None:
        self.responses: dict[str, StoredResponse] = {}
        self.conversations: dict[str, Conversation] = {}

    def response(self, id: str) -> StoredResponse:
        """A response by its id. Raises `Problem` 5 if there is none."""
        if id not in self.responses:
            raise Problem(5, f"response {id} not found")
        return self.responses[id]

    def conversation(self, id: str) -> Conversation:
        """A conversation by its id. Raises `Problem` 5 if there is none."""
        if id not in self.conversations:
            raise Problem(5, f"Conversation with id '{id}' not found.")
        return self.conversations[id]

    def named(self, body: Mapping[str, Any]) -> Conversation | None:
        """The conversation that a request names by its id or as an object with `id`; None if it names none."""
        given = body.get("conversation")
        return self.conversation(str(mapping(given).get("id", given))) if given else None

    def history(self, body: Mapping[str, Any], now: float) -> Items:
        """The items before the input of a request. `now` is a monotonic time.

        Raises `Problem` for an unknown id, for a response that is in progress or was filtered, and for a request that
        has both `previous_response_id` and `conversation`.
        """
        previous, conversation = body.get("previous_response_id"), self.named(body)
        if previous and conversation:
            raise Problem(3, "previous_response_id and conversation must not be given together")
        if conversation:
            return list(conversation.items)
        if not previous:
            return []
        stored = self.responses.get(str(previous))
        if stored is None:
            raise Problem(3, f"Previous response with id '{previous}' not found.")
        if stored.is_running(now) or stored.value["status"] == "cancelled":
            raise Problem(3, f"Previous response with id '{previous}' is not completed.")
        if mapping(stored.value["incomplete_details"]).get("reason") == "content_filter":
            raise Problem(3, f"Previous response with id '{previous}' was stopped by the content filter.")
        return [*stored.items, *stored.value["output"]]

    def read_items(self, given: Any) -> Items:
        """The items of an input (a text or a list), each with an id. Raises `Problem` 3 for an empty or broken one."""
        rows = [{"role": "user", "content": given}] if isinstance(given, str) and given else given
        if not isinstance(rows, list) or not rows:
            raise Problem(3, "input must not be empty")
        if not all(isinstance(row, Mapping) for row in rows):
            raise Problem(3, "an item of input must be an object")
        return [self._referred(row) if row.get("type") == "item_reference" else with_id(row) for row in rows]

    def keep(self, stored: StoredResponse) -> None:
        """Keep a response. The oldest is forgotten when there are many."""
        self.responses[stored.value["id"]] = stored
        forget_oldest(self.responses)

    def _referred(self, reference: Mapping[str, Any]) -> Json:
        found = (item for item in self._all_items() if item.get("id") == reference.get("id"))
        if (item := next(found, None)) is None:
            raise Problem(3, f"Item with id '{reference.get('id')}' not found.")
        return item

    def _all_items(self) -> Iterator[Json]:
        for stored in self.responses.values():
            yield from (*stored.items, *stored.value["output"])
        for conversation in self.conversations.values():
            yield from conversation.items


def with_id(item: Mapping[str, Any]) -> Json:
    """An item with its type and an id, as the API lists it. The text of a message becomes a list with one part."""
    kind = item.get("type") or "message"
    found = {**item, "type": kind, "id": item.get("id") or f"{PREFIXES.get(kind, 'item')}_{secrets.token_hex(12)}"}
    if kind == "message":
        role, content = item.get("role"), item.get("content")
        part = {"type": "output_text", "annotations": []} if role == "assistant" else {"type": "input_text"}
        found["content"] = [{**part, "text": content}] if isinstance(content, str) else content
        found.setdefault("status", "completed")
    return found


def forget_oldest(kept: dict[str, Any]) -> None:
    """Remove the oldest entries of a dictionary that has more than `REMEMBERED`."""
    while len(kept) > REMEMBERED:
        del kept[next(iter(kept))]


REMEMBERED = 200
PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
