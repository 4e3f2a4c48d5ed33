"""The routes of conversations, which keep the items of a dialogue for the Responses API. Begin with `Conversations`."""

from __future__ import annotations

import secrets

from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.generation.response_store import Conversation, ResponseStore, forget_oldest
from bot.sandbox.ai_studio.wire import Call, Json, Problem, Reply, mapping, page_of, route


class Conversations(Part):
    """The routes under `/v1/conversations`."""

    def __init__(self, core: Core, store: ResponseStore) -> None:
        super().__init__(core)
        self._store = store

    @route("POST /v1/conversations", "conversations")
    async def create(self, call: Call) -> Reply:
        """Handle `POST /v1/conversations`: make a conversation, which may begin with items."""
        body = call.body
        items = self._store.read_items(body["items"]) if body.get("items") else []
        metadata = dict(mapping(body.get("metadata")))
        conversation = Conversation(f"conv_{secrets.token_hex(24)}", int(self._clock.time()), metadata, items)
        self._store.conversations[conversation.id] = conversation
        forget_oldest(self._store.conversations)
        return conversation.value()

    @route("GET /v1/conversations/{id}", "conversation")
    async def get(self, call: Call) -> Reply:
        """Handle `GET /v1/conversations/{id}`: return the conversation without its items."""
        return self._of(call).value()

    @route("POST /v1/conversations/{id}", "conversation/update")
    async def update(self, call: Call) -> Reply:
        """Handle `POST /v1/conversations/{id}`: replace the metadata of a conversation."""
        conversation = self._of(call)
        conversation.metadata = dict(mapping(call.body.get("metadata")))
        return conversation.value()

    @route("DELETE /v1/conversations/{id}", "conversation/delete")
    async def delete(self, call: Call) -> Reply:
        """Handle `DELETE /v1/conversations/{id}`: delete a conversation."""
        id = self._of(call).id
        del self._store.conversations[id]
        return {"id": id, "object": "conversation.deleted", "deleted": True}

    @route("GET /v1/conversations/{id}/items", "items")
    async def items(self, call: Call) -> Reply:
        """Handle `GET /v1/conversations/{id}/items`: return one page of the items, newest first."""
        return page_of(self._of(call).items, call.body)

    @route("POST /v1/conversations/{id}/items", "items/add")
    async def add(self, call: Call) -> Reply:
        """Handle `POST /v1/conversations/{id}/items`: add items at the end."""
        conversation = self._of(call)
        added = self._store.read_items(call.body.get("items"))
        conversation.items += added
        return page_of(added, {"order": "asc", "limit": len(added)})

    @route("GET /v1/conversations/{id}/items/{item}", "item")
    async def item(self, call: Call) -> Reply:
        """Handle `GET /v1/conversations/{id}/items/{item}`: return one item."""
        return self._item_of(call)

    @route("DELETE /v1/conversations/{id}/items/{item}", "item/delete")
    async def delete_item(self, call: Call) -> Reply:
        """Handle `DELETE /v1/conversations/{id}/items/{item}`: delete an item and return the conversation."""
        conversation, item = self._of(call), self._item_of(call)
        conversation.items.remove(item)
        return conversation.value()

    def _of(self, call: Call) -> Conversation:
        return self._store.conversation(call.id)

    def _item_of(self, call: Call) -> Json:
        id = call.request.match_info["item"]
        for item in self._of(call).items:
            if item["id"] == id:
                return item
        raise Problem(5, f"Item with id '{id}' not found.")
