"""What the messenger tells of a chat: it can't be reached any more, it is back, it has a new id, a topic has a name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.feature import Feature
from bot.outbox import Effect, finish, finish_turn
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.types import Incoming, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEvents:
    """`leave` ends the answers that are being written in a chat (its bot's id and its own).

    `moved` is called after a chat got a new id: what is remembered of members is read anew.
    """

    store: Store
    leave: Callable[[int, int], None]
    moved: Callable[[], Awaitable[None]]

    def feature(self) -> Feature:
        return Feature(
            kinds={
                Kind.BLOCKED: self.blocked,
                Kind.UNBLOCKED: self.unblocked,
                Kind.MIGRATED: self.migrated,
                Kind.TOPIC: self.topic,
            }
        )

    async def blocked(self, incoming: Incoming, reply: Reply) -> None:
        """The user blocked the bot, or a group removed it: nothing is delivered there any more."""
        where = incoming.address
        self.leave(where.bot, where.chat)

        def work(tx: Tx) -> None:
            tx.chats.set_unreachable(where.bot, where.chat, gone=True)
            tx.outbox.dead_letter_chat(where.bot, where.chat)

        await self._finish(incoming, reply, work)

    async def unblocked(self, incoming: Incoming, reply: Reply) -> None:
        """The chat can be reached again."""
        where = incoming.address
        await self._finish(incoming, reply, lambda tx: tx.chats.set_unreachable(where.bot, where.chat, gone=False))

    async def migrated(self, incoming: Incoming, reply: Reply) -> None:
        """The group became a supergroup: every row of it gets the new id, which `incoming.data` holds."""
        where, new = incoming.address, int(incoming.data)
        await self._finish(incoming, reply, lambda tx: tx.chats.change_id(where.bot, where.chat, new))
        await self.moved()

    async def topic(self, incoming: Incoming, reply: Reply) -> None:
        """A person made or renamed a topic: its conversation is called so, and the bot does not name it any more."""

        def work(tx: Tx) -> None:
            conversation = tx.messages.current_conversation(incoming.address)
            if incoming.data:
                tx.conversations.set_title(conversation, incoming.data, "user")

        await self._finish(incoming, reply, work)

    async def _finish(self, incoming: Incoming, reply: Reply, change: Effect) -> None:
        """Change the chat, and end the turn without a word."""

        def work(tx: Tx) -> None:
            change(tx)
            finish_turn(tx, incoming)

        await finish(self.store, reply, work)
