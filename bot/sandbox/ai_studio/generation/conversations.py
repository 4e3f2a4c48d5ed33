"""The routes of conversations, which keep the items of a dialogue for the Responses API. Begin with `Conversations`."""

from __future__ import annotations

import secrets

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.generation.response_store import Conversation, ResponseStore, forget_oldest
from bot.sandbox.ai_studio.wire import Call, Json, Problem, json_response, mapping, page_of


class Conversations:
    """The routes under `/v1/conversations`."""

    def __init__(self, clock: Clock, store: ResponseStore) -> None:
        self._clock = clock
        self._store = store

    async def create(self, call: Call) -> web.Response:
        """Handle `POST /v1/conversations`: make a conversation, which may begin with items."""
        body = call.body
        items = self._store.read_items(body["items"]) if body.get("items") else []
        metadata = dict(mapping(body.get("metadata")))
        conversation = Conversation(f"conv_{secrets.token_hex(24)}", int(self._clock.time()), metadata, items)
        self._store.conversations[conversation.id] = conversation
        forget_oldest(self._store.conversations)
        return json_response(call, conversation.value())

    async def get(self, call: Call) -> web.Response:
        """Handle `GET /v1/conversations/{id}`: return the conversation without its items."""
        return json_response(call, self._of(call).value())

    async def update(self, call: Call) -> web.Response:
        """Handle `POST /v1/conversations/{id}`: replace the metadata of a conversation."""
        conversation = self._of(call)
        conversation.metadata = dict(mapping(call.body.get("metadata")))
        return json_response(call, conversation.value())

    async def delete(self, call: Call) -> web.Response:
        """Handle `DELETE /v1/conversations/{id}`: delete a conversation."""
        id = self._of(call).id
        del self._store.conversations[id]
        return json_response(call, {"id": id, "object": "conversation.deleted", "deleted": True})

    async def items(self, call: Call) -> web.Response:
        """Handle `GET /v1/conversations/{id}/items`: return one page of the items, newest first."""
        return json_response(call, page_of(self._of(call).items, call.body))

    async def add(self, call: Call) -> web.Response:
        """Handle `POST /v1/conversations/{id}/items`: add items at the end."""
        conversation = self._of(call)
        added = self._store.read_items(call.body.get("items"))
        conversation.items += added
        return json_response(call, page_of(added, {"order": "asc", "limit": len(added)}))

    async def item(self, call: Call) -> web.Response:
        """Handle `GET /v1/conversations/{id}/items/{item}`: return one item."""
        return json_response(call, self._item_of(call))

    async def delete_item(self, call: Call) -> web.Response:
        """Handle `DELETE /v1/conversations/{id}/items/{item}`: delete an item and return the conversation."""
        conversation, item = self._of(call), self._item_of(call)
        conversation.items.remove(item)
        return json_response(call, conversation.value())

    def _of(self, call: Call) -> Conversation:
        return self._store.conversation(call.request.match_info["id"])

    def _item_of(self, call: Call) -> Json:
        id = call.request.match_info["item"]
        for item in self._of(call).items:
            if item["id"] == id:
                return item
        raise Problem(5, f"Item with id '{id}' not found.")
