"""The items of responses: those that are kept (`ResponseStore`), and the events of those that are written (`events`).

Responses and conversations are lists of items: messages, tool calls, results of tools. They are lost when the sandbox
ends.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.ai_studio.generation.writer import Answer, Step, sentences
from bot.sandbox.ai_studio.wire import BadRequest, Fields, Json, count_tokens, find, mapping

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
        return find(self.responses, id, "response {} not found")

    def conversation(self, id: str) -> Conversation:
        """A conversation by its id. Raises `Problem` 5 if there is none."""
        return find(self.conversations, id, "Conversation with id '{}' not found.")

    def named(self, body: Fields) -> Conversation | None:
        """The conversation that a request names by its id or as an object with `id`; None if it names none."""
        given = body.get("conversation")
        return self.conversation(str(mapping(given).get("id", given))) if given else None

    def history(self, body: Fields, now: float) -> Items:
        """The items before the input of a request. `now` is a monotonic time.

        Raises `Problem` for an unknown id, for a response that is in progress or was filtered, and for a request that
        has both `previous_response_id` and `conversation`.
        """
        previous, conversation = body.get("previous_response_id"), self.named(body)
        if previous and conversation:
            raise BadRequest("previous_response_id and conversation must not be given together")
        if conversation:
            return list(conversation.items)
        if not previous:
            return []
        stored = self.responses.get(str(previous))
        if stored is None:
            raise BadRequest(f"Previous response with id '{previous}' not found.")
        if stored.is_running(now) or stored.value["status"] == "cancelled":
            raise BadRequest(f"Previous response with id '{previous}' is not completed.")
        if mapping(stored.value["incomplete_details"]).get("reason") == "content_filter":
            raise BadRequest(f"Previous response with id '{previous}' was stopped by the content filter.")
        return [*stored.items, *stored.value["output"]]

    def read_items(self, given: Any) -> Items:
        """The items of an input (a text or a list), each with an id. Raises `Problem` 3 for an empty or broken one."""
        rows = [{"role": "user", "content": given}] if isinstance(given, str) and given else given
        if not isinstance(rows, list) or not rows:
            raise BadRequest("input must not be empty")
        if not all(isinstance(row, Mapping) for row in rows):
            raise BadRequest("an item of input must be an object")
        return [self._referred(row) if row.get("type") == "item_reference" else with_id(row) for row in rows]

    def keep(self, stored: StoredResponse) -> None:
        """Keep a response. The oldest is forgotten when there are many."""
        self.responses[stored.value["id"]] = stored
        forget_oldest(self.responses)

    def _referred(self, reference: Fields) -> Json:
        found = (item for item in self._all_items() if item.get("id") == reference.get("id"))
        if (item := next(found, None)) is None:
            raise BadRequest(f"Item with id '{reference.get('id')}' not found.")
        return item

    def _all_items(self) -> Iterator[Json]:
        for stored in self.responses.values():
            yield from (*stored.items, *stored.value["output"])
        for conversation in self.conversations.values():
            yield from conversation.items


def with_id(item: Fields) -> Json:
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


@dataclass(frozen=True, slots=True)
class ResponseParts:
    """What a response is made of. `output` grows while the response is written; `prompt` are the tokens of
    the prompt; `request` is the body of the request, some fields of which a response repeats.
    """

    id: str
    model: str
    created: int
    prompt: int
    request: Fields
    output: list[Json] = field(default_factory=list)

    def value(self, status: str, done: int = 0, thought: int = 0, **rest: Any) -> Json:
        """The response as JSON. `done` are the tokens of the answer, `thought` those of the reasoning."""
        texts = [part["text"] for item in self.output if item["type"] == "message" for part in item["content"]]
        usage = {
            "input_tokens": self.prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": done + thought,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": self.prompt + done + thought,
        }
        repeated = {
            name: default if self.request.get(name) is None else self.request[name]
            for name, default in REPEATED.items()
        }
        if isinstance(conversation := self.request.get("conversation"), str):
            repeated["conversation"] = {"id": conversation}
        over = status not in ("queued", "in_progress")
        return {
            "id": self.id,
            "object": "response",
            "status": status,
            "created_at": self.created,
            "error": None,
            "incomplete_details": None,
            "model": self.model,
            "output": self.output if over else [],
            "output_text": "".join(texts) if over else "",
            "usage": usage if over else None,
            **repeated,
            **rest,
        }


async def events(
    parts: ResponseParts,
    answer: Answer,
    steps: AsyncIterator[Step],
    *,
    query: str,
    pages: Sequence[str] = (),
    files: Sequence[Json] = (),
) -> AsyncIterator[Json]:
    """The events of a response; the last one carries the whole response.

    `steps` are the pieces of the text, read unless the answer calls tools. `pages` are the addresses that the search
    for `query` finds, `files` the pieces of a vector store; without any nothing is searched.
    """
    for state in ("created", "in_progress"):
        yield {"type": f"response.{state}", "response": parts.value("in_progress")}
    thought = count_tokens(answer.thought)
    for event in (
        *_search(parts, "web", pages, {"action": {"type": "search", "query": query}}, {}),
        *_search(parts, "file", files, {"queries": [query]}, {"results": None}),
        *_reasoning(parts, answer.thought),
        *_calls(parts, answer),
    ):
        yield event
    if answer.calls:
        done = parts.value("completed", count_tokens(str(answer.calls)), thought)
        yield {"type": "response.completed", "response": done}
        return
    last = Step("", "", 0, "FINAL", last=True)
    id, index = f"msg_{parts.id}", len(parts.output)
    item: Json = {"type": "message", "id": id, "role": "assistant", "status": "in_progress", "content": []}
    where: Json = {"item_id": id, "output_index": index, "content_index": 0}
    part: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": item}
    yield {"type": "response.content_part.added", **where, "part": part}
    async for step in steps:
        last = step
        yield {"type": "response.output_text.delta", **where, "delta": step.piece, "logprobs": []}
    notes = [{"type": "url_citation", "url": url, "title": "", "start_index": 0, "end_index": 0} for url in pages]
    names = {row["file_id"]: row["filename"] for row in files}
    # The service tells no place of a file's citation: the index is 0 whatever it stands behind.
    notes += [{"type": "file_citation", "file_id": id_, "filename": name, "index": 0} for id_, name in names.items()]
    for number, note in enumerate(notes):
        place = {**where, "annotation_index": number}
        yield {"type": "response.output_text.annotation.added", **place, "annotation": note}
    part = {**part, "text": last.text, "annotations": notes}
    reason = REASONS.get(last.status)
    status = "incomplete" if reason else "completed"
    parts.output.append({**item, "status": status, "content": [part]})
    yield {"type": "response.output_text.done", **where, "text": last.text, "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": parts.output[-1]}
    rest = {"incomplete_details": {"reason": reason}} if reason else {}
    yield {"type": f"response.{status}", "response": parts.value(status, last.tokens, thought, **rest)}


def _search(parts: ResponseParts, kind: str, found: Sequence[Any], asked: Json, done: Json) -> Iterator[Json]:
    """The events of a search (`web` or `file`) that has found something. `asked` and `done` are fields of its item."""
    if not found:
        return
    item = {"type": f"{kind}_search_call", "id": f"{kind[0]}s_{parts.id}", "status": "in_progress", **asked}
    where = {"item_id": item["id"], "output_index": len(parts.output)}
    states = ("in_progress", "searching", "completed")
    middle = [{"type": f"response.{kind}_search_call.{state}", **where} for state in states]
    yield from _around(parts, item, middle, {"status": "completed", **done})


def _reasoning(parts: ResponseParts, thought: str) -> Iterator[Json]:
    if not thought:
        return
    item: Json = {"type": "reasoning", "id": f"rs_{parts.id}", "summary": [], "content": [], "status": "in_progress"}
    where = {"item_id": item["id"], "output_index": len(parts.output), "content_index": 0}
    content = {"type": "reasoning_text", "text": thought}
    middle: list[Json] = [{"type": "response.content_part.added", **where, "part": {**content, "text": ""}}]
    middle += [{"type": "response.reasoning_text.delta", **where, "delta": piece} for piece in sentences(thought)]
    middle += [{"type": "response.reasoning_text.done", **where, "text": thought}]
    middle += [{"type": "response.content_part.done", **where, "part": content}]
    yield from _around(parts, item, middle, {"status": "completed", "content": [content]})


def _calls(parts: ResponseParts, answer: Answer) -> Iterator[Json]:
    for number, (name, given) in enumerate(answer.calls):
        text = json.dumps(dict(given), ensure_ascii=False)
        id, state = f"fc_{parts.id}_{number}", "in_progress"
        item = {"type": "function_call", "id": id, "call_id": name, "name": name, "arguments": "", "status": state}
        where = {"item_id": id, "output_index": len(parts.output)}
        kind = "response.function_call_arguments"
        middle = [{"type": f"{kind}.delta", **where, "delta": piece} for piece in PIECE.findall(text)]
        middle += [{"type": f"{kind}.done", **where, "name": name, "arguments": text}]
        yield from _around(parts, item, middle, {"status": "completed", "arguments": text})


def _around(parts: ResponseParts, item: Json, middle: Sequence[Json], done: Json) -> Iterator[Json]:
    """The events of an item that is added, filled by the events `middle`, and done with the fields `done`."""
    index = len(parts.output)
    yield {"type": "response.output_item.added", "output_index": index, "item": item}
    yield from middle
    parts.output.append({**item, **done})
    yield {"type": "response.output_item.done", "output_index": index, "item": parts.output[-1]}


PIECE = re.compile(r".{1,12}", re.DOTALL)
REASONS = {"TRUNCATED_FINAL": "max_output_tokens", "CONTENT_FILTER": "content_filter"}
REPEATED: Json = {
    "instructions": None,
    "previous_response_id": None,
    "conversation": None,
    "metadata": {},
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "temperature": 0.3,
    "top_p": 1.0,
    "max_output_tokens": None,
    "text": {"format": {"type": "text"}},
    "store": True,
    "background": False,
    "truncation": "disabled",
}
