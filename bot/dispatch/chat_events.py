"""Events of chats: the bot was blocked or unblocked, a group got a new id, a topic was created or renamed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.feature import After, Feature, Turn, kind
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEvents(Feature):
    """Stores events of chats.

    `leave` stops the answers that are being written in a chat, given the ids of the bot and of the chat. `moved` is
    called after a chat got a new id: it reloads the cached members.
    """

    store: Store
    leave: Callable[[int, int], None]
    moved: Callable[[], Awaitable[None]]

    @kind(Kind.BLOCKED)
    async def block(self, turn: Turn, _reply: Reply) -> Callable[[Tx], None]:
        """The user has blocked the bot, or a group has removed it: nothing is delivered to that chat any more."""
        where = turn.address
        self.leave(where.bot, where.chat)

        def close(tx: Tx) -> None:
            tx.chats.set_unreachable(where.bot, where.chat, gone=True)
            tx.outbox.dead_letter_chat(where.bot, where.chat)

        return close

    @kind(Kind.UNBLOCKED)
    def unblock(self, tx: Tx, turn: Turn) -> None:
        """Note that the chat can be reached again."""
        tx.chats.set_unreachable(turn.address.bot, turn.address.chat, gone=False)

    @kind(Kind.MIGRATED)
    def migrate(self, tx: Tx, turn: Turn) -> After:
        """A group became a supergroup: all its rows get the new chat id, which is in `turn.data`."""
        tx.chats.change_id(turn.address.bot, turn.address.chat, int(turn.data))
        return After(None, self.moved)

    @kind(Kind.TOPIC)
    def title_topic(self, tx: Tx, turn: Turn) -> None:
        """A user has created or renamed a topic: its conversation gets this title, and none by a model."""
        conversation = tx.messages.current_conversation(turn.address)
        if turn.data:
            tx.conversations.set_title(conversation, turn.data, "user")
