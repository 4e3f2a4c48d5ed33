"""Events of chats: the bot was blocked or unblocked, a group got a new id, a topic was created or renamed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.feature import Handlers
from bot.outbox import Effect, finish, finish_turn
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.types import Incoming, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEvents:
    """Stores events of chats.

    `leave` stops the answers that are being written in a chat, given the ids of the bot and of the chat. `moved` is
    called after a chat got a new id: it reloads the cached members.
    """

    store: Store
    leave: Callable[[int, int], None]
    moved: Callable[[], Awaitable[None]]

    def feature(self) -> Handlers:
        """Handlers for the four kinds of events."""
        presence = {Kind.BLOCKED: self.blocked, Kind.UNBLOCKED: self.unblocked}
        return Handlers(kinds={**presence, Kind.MIGRATED: self.migrated, Kind.TOPIC: self.topic})

    async def blocked(self, incoming: Incoming, reply: Reply) -> None:
        """Handle a block by the user, or the removal from a group: nothing is delivered to that chat any more."""
        where = incoming.address
        self.leave(where.bot, where.chat)

        def work(tx: Tx) -> None:
            tx.chats.set_unreachable(where.bot, where.chat, gone=True)
            tx.outbox.dead_letter_chat(where.bot, where.chat)

        await self._finish(incoming, reply, work)

    async def unblocked(self, incoming: Incoming, reply: Reply) -> None:
        """Note that the chat can be reached again."""
        where = incoming.address
        await self._finish(incoming, reply, lambda tx: tx.chats.set_unreachable(where.bot, where.chat, gone=False))

    async def migrated(self, incoming: Incoming, reply: Reply) -> None:
        """Handle a group that became a supergroup: all its rows get the new chat id, which is in `incoming.data`."""
        where, new = incoming.address, int(incoming.data)
        await self._finish(incoming, reply, lambda tx: tx.chats.change_id(where.bot, where.chat, new))
        await self.moved()

    async def topic(self, incoming: Incoming, reply: Reply) -> None:
        """Handle a topic that a user created or renamed: its conversation gets this title, and none by a model."""

        def work(tx: Tx) -> None:
            conversation = tx.messages.current_conversation(incoming.address)
            if incoming.data:
                tx.conversations.set_title(conversation, incoming.data, "user")

        await self._finish(incoming, reply, work)

    async def _finish(self, incoming: Incoming, reply: Reply, change: Effect) -> None:
        """Call `change` and end the turn without an answer, in one transaction."""

        def work(tx: Tx) -> None:
            change(tx)
            finish_turn(tx, incoming)

        await finish(self.store, reply, work)
