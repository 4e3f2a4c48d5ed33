"""The Responses API: streams, background responses, dialogues, web search, agents, conversations. Begin with
`Responses.create`.

A request is rewritten as a chat request and checked as one; the answers come from the `AnswerSource` of all APIs.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bot.sandbox import scripted_model as scripted
from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.generation.response_items import (
    Conversation,
    Items,
    ResponseParts,
    ResponseStore,
    StoredResponse,
    events,
    forget_oldest,
)
from bot.sandbox.ai_studio.generation.text_request import TextRequest, as_chat, openai_request
from bot.sandbox.ai_studio.generation.writer import AnswerSource, PendingAnswer, Piece, read_last, sentences
from bot.sandbox.ai_studio.wire import (
    BadRequest,
    Call,
    Fields,
    Json,
    Problem,
    Reply,
    deleted,
    encode,
    find,
    mapping,
    page_of,
    route,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has been read: all items of the dialogue, the last `sent` of which are its own input."""

    request: TextRequest
    items: Items
    sent: int


class Responses(Part):
    """The routes of the Responses API.

    `agents` are the prompts of the console's agents by id. `pages` are the addresses that a web search finds. A
    background response takes `seconds` and `polls` requests for it. `search_files` finds pieces of a vector store (its
    id) for a question.
    """

    def __init__(self, core: Core, source: AnswerSource) -> None:
        super().__init__(core)
        self.agents: dict[str, str] = {"fvtsandboxagent000000": "You are the agent of the sandbox."}
        self.search_files: Callable[[str, str], Sequence[Json]] = lambda _store, _question: ()
        self.pages = ["https://example.com/news", "https://ya.ru/"]
        self.seconds, self.polls = 0.0, 0
        self.store = ResponseStore()
        self._source = source

    @route("POST /v1/responses", "responses", streams=True)
    async def create(self, call: Call) -> Reply:
        """Write a response, whole, as a stream or in the background."""
        asked = self._read(call)
        question = scripted.question(asked.request.messages)
        tools = [mapping(tool) for tool in call.body.get("tools") or ()]
        searches = any(tool.get("type") == "web_search" for tool in tools)
        stores = [str(id_) for tool in tools for id_ in tool.get("vector_store_ids") or ()]
        if len(stores) > 1:
            raise BadRequest("file_search takes one vector store")
        files = self.search_files(stores[0], question)[:MAX_FILES] if stores and question else ()

        async def write(pending: PendingAnswer) -> Reply:
            parts = ResponseParts(
                id=str(uuid.uuid4()),
                model=str(asked.request.uri),
                created=int(self._clock.time()),
                prompt=asked.request.prompt_tokens,
                request=call.body,
            )
            steps = self._source.steps(pending, sentences, asked.request.limit)
            pages = self.pages if searches and question else []
            found = events(parts, pending.answer, steps, pages=pages, files=files, query=question)
            if call.body.get("stream") is True:
                return await self._source.stream(call, "text/event-stream").write(self._pieces(call, asked, found))
            return await self._whole(call, asked, found, parts)

        with self._quotas.session():
            return await self._source.respond(call, asked.request, "text/event-stream", write)

    @route("GET /v1/responses/{id}", "response")
    async def get(self, call: Call) -> Reply:
        """Return a response. Raises `Problem` 12 if a stream of it is asked for."""
        stored = self._find(call)
        if call.body.get("stream") == "true":
            raise Problem(12, "the sandbox streams a response only once, while it is written; get it without stream")
        running = stored.is_running(self._clock.monotonic())
        stored.polls_left -= 1
        hidden: Json = {"status": "in_progress", "output": [], "output_text": "", "usage": None}
        return {**stored.value, **(hidden if running else {})}

    @route("DELETE /v1/responses/{id}", "response/delete")
    async def delete(self, call: Call) -> Reply:
        """Delete a response."""
        id = self._find(call).value["id"]
        del self.store.responses[id]
        return deleted(id, "response")

    @route("POST /v1/responses/{id}/cancel", "response/cancel")
    async def cancel(self, call: Call) -> Reply:
        """Raises `Problem` 3 for a response that is completed."""
        stored = self._find(call)
        if not stored.is_running(self._clock.monotonic()):
            raise BadRequest("the response is completed already")
        stored.value = {**stored.value, "status": "cancelled", "output": [], "output_text": ""}
        stored.due, stored.polls_left = self._clock.monotonic(), 0
        return stored.value

    @route("GET /v1/responses/{id}/input_items", "response/items")
    async def input_items(self, call: Call) -> Reply:
        """Return one page of the items of the request, newest first."""
        stored = self._find(call)
        return page_of(stored.items[-stored.sent :], call.body)

    @route("POST /v1/responses/input_tokens", "response/tokens")
    async def input_tokens(self, call: Call) -> Reply:
        """Count the tokens of a request's prompt, without answering it."""
        count = self._read(call).request.prompt_tokens
        return {"object": "response.input_tokens", "input_tokens": count}

    def _read(self, call: Call) -> Asked:
        body = call.body
        if body.get("background") is True and body.get("store") is False:
            raise BadRequest("background requires store: the response could not be fetched")
        instructions = [str(body["instructions"])] if body.get("instructions") else []
        agent = mapping(body.get("prompt")).get("id")
        if agent and agent not in self.agents:
            raise Problem(5, f"prompt {agent} not found")
        system = [self.agents[agent], *instructions] if agent else instructions
        history, given = self.store.history(body, self._clock.monotonic()), self.store.read_items(body.get("input"))
        model = body.get("model") or (f"gpt://{self._access.folder}/yandexgpt/latest" if agent else None)
        chat = as_chat(body, [*history, *given], system, model)
        return Asked(openai_request(call, self._access, chat), [*history, *given], len(given))

    def _find(self, call: Call) -> StoredResponse:
        return self.store.response(call.id)

    async def _pieces(self, call: Call, asked: Asked, found: AsyncIterator[Json]) -> AsyncIterator[Piece]:
        number = 0
        async for event in found:
            data, last = encode({**event, "sequence_number": number}), event["type"] in ENDS
            yield b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n", last
            number += 1
            if last:
                self._keep(call, asked, event["response"])

    async def _whole(self, call: Call, asked: Asked, found: AsyncIterator[Json], parts: ResponseParts) -> Reply:
        value: Json = (await read_last(found))["response"]
        if call.fault is not None:  # the answer is lost
            return value
        self._keep(call, asked, value)
        return parts.value("queued") if call.body.get("background") is True else value

    def _keep(self, call: Call, asked: Asked, value: Fields) -> None:
        """Keep a response, unless `store` is false, and add it to the conversation that the request names."""
        call.seen.answer = value["output_text"]
        if conversation := self.store.named(call.body):
            conversation.items += [*asked.items[-asked.sent :], *value["output"]]
        if call.body.get("store") is False:
            return
        background = call.body.get("background") is True
        due = self._clock.monotonic() + (self.seconds if background else 0.0)
        polls_left = self.polls if background else 0
        self.store.keep(
            StoredResponse(value=dict(value), items=asked.items, sent=asked.sent, due=due, polls_left=polls_left)
        )


MAX_FILES = 3  # pieces of files that an answer names
ENDS = ("response.completed", "response.incomplete")


class Conversations(Part):
    """The routes under `/v1/conversations`."""

    def __init__(self, core: Core, store: ResponseStore) -> None:
        super().__init__(core)
        self._store = store

    @route("POST /v1/conversations", "conversations")
    async def create(self, call: Call) -> Reply:
        """Make a conversation, which may begin with items."""
        body = call.body
        items = self._store.read_items(body["items"]) if body.get("items") else []
        metadata = dict(mapping(body.get("metadata")))
        conversation = Conversation(f"conv_{secrets.token_hex(24)}", int(self._clock.time()), metadata, items)
        self._store.conversations[conversation.id] = conversation
        forget_oldest(self._store.conversations)
        return conversation.value()

    @route("GET /v1/conversations/{id}", "conversation")
    async def get(self, call: Call) -> Reply:
        """Return the conversation without its items."""
        return self._of(call).value()

    @route("POST /v1/conversations/{id}", "conversation/update")
    async def update(self, call: Call) -> Reply:
        """Replace the metadata of a conversation."""
        conversation = self._of(call)
        conversation.metadata = dict(mapping(call.body.get("metadata")))
        return conversation.value()

    @route("DELETE /v1/conversations/{id}", "conversation/delete")
    async def delete(self, call: Call) -> Reply:
        """Delete a conversation."""
        id = self._of(call).id
        del self._store.conversations[id]
        return deleted(id, "conversation.deleted")

    @route("GET /v1/conversations/{id}/items", "items")
    async def items(self, call: Call) -> Reply:
        """Return one page of the items, newest first."""
        return page_of(self._of(call).items, call.body)

    @route("POST /v1/conversations/{id}/items", "items/add")
    async def add(self, call: Call) -> Reply:
        """Add items at the end."""
        conversation = self._of(call)
        added = self._store.read_items(call.body.get("items"))
        conversation.items += added
        return page_of(added, {"order": "asc", "limit": len(added)})

    @route("GET /v1/conversations/{id}/items/{item}", "item")
    async def item(self, call: Call) -> Reply:
        """Return one item."""
        return self._item_of(call)

    @route("DELETE /v1/conversations/{id}/items/{item}", "item/delete")
    async def delete_item(self, call: Call) -> Reply:
        """Delete an item and return the conversation."""
        conversation, item = self._of(call), self._item_of(call)
        conversation.items.remove(item)
        return conversation.value()

    def _of(self, call: Call) -> Conversation:
        return self._store.conversation(call.id)

    def _item_of(self, call: Call) -> Json:
        id = call.request.match_info["item"]
        return find({item["id"]: item for item in self._of(call).items}, id, "Item with id '{}' not found.")
