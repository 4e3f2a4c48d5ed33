"""Calls a person for somebody who asks in a group: the case opens in the private chat with that person.

In a group the bot answers everybody, so a colleague who wrote there would speak beside it, and others would read the
case. A bot may not write first: who has never written to it gets a link that begins the chat and calls (`BEGIN`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from bot.desk.cards import WHY
from bot.desk.desk import Desk, Places
from bot.outbox import finish, finish_turn, remove_buttons, with_choices
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import OPEN_CASE
from bot.texts.catalog import say
from bot.types import Address, Incoming

BEGIN = "human"  # of the link: `/start human`


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCalls:
    """`groups` are the connected groups of operators; `link` makes the link that sends `/start CODE` in private."""

    store: Store
    desk: Desk
    groups: Collection[int]
    link: Callable[[str], str]
    send: Callable[[str, Places], None]

    async def call(
        self, incoming: Incoming, reply: Reply, reason: str, *, pressed: str = "", question: str = ""
    ) -> None:
        """Call a person to the asker's private chat, and say in the group where the answer comes."""

        def work(tx: Tx) -> Places:
            known, asked = with_choices(tx, incoming), question
            if pressed:
                asked = asked or _question(tx, incoming)
                remove_buttons(tx, incoming, only=pressed)
                tx.buttons.expire_button(pressed)
            own = replace(incoming, address=_own_chat(incoming), private=True, message_id=0, reply_to=0)
            if not self.groups:
                finish_turn(tx, known, say(known.language, "desk.nobody"))
            elif own.user.id < 0 or not tx.chats.is_reachable(own.address.bot, own.address.chat):
                finish_turn(tx, known, self._how_to_begin(known))
            else:
                places = self._called(tx, with_choices(tx, own), reason, asked)
                finish_turn(tx, known, say(known.language, "desk.in_private"))
                return places
            return ()

        self.send("", await self.store.write(work))
        await reply.finish()

    async def answer(self, incoming: Incoming, reply: Reply) -> None:
        """Say to /bot that in a group the bot answers anyway: the case of a member is ended in private only."""
        await finish(
            self.store, reply, lambda tx: finish_turn(tx, incoming, say(incoming.language, "desk.is_bots.here"))
        )

    def _called(self, tx: Tx, own: Incoming, reason: str, question: str) -> Places:
        told, places = self.desk.call(tx, own, reason)
        case = tx.one(OPEN_CASE, address=own.address)
        if case is not None and question:
            tx.cases.add_event(case, WHY, detail=question)
        tx.outbox.add_answer(f"{own.id}.in_private", own.address, told)
        return [*places, own.address]

    def _how_to_begin(self, incoming: Incoming) -> str:
        if incoming.address.messenger:
            return say(incoming.language, "desk.begin.write")
        return say(incoming.language, "desk.begin", link=self.link(BEGIN))


def is_begun(incoming: Incoming) -> bool:
    """Whether a message in a private chat is the one that the link sends."""
    return incoming.text.split() == ["/start", BEGIN]


def _own_chat(incoming: Incoming) -> Address:
    """The private chat of a user, which in Telegram has the user's id."""
    return Address(incoming.address.transport, incoming.address.bot, incoming.user.id)


def _question(tx: Tx, incoming: Incoming) -> str:
    """The question above the pressed button, "" where it is not known."""
    shown = tx.outbox.find_shown(incoming.address, incoming.message_id)
    asked = tx.messages.find_in_chat(incoming.address, shown.turn, "user") if shown is not None else None
    return asked.words if asked is not None else ""
