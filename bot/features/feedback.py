"""Feedback on answers: reactions and thumbs, stored with the request that the model was sent for the answer.

Each person has one judgement of an answer: a new one replaces it, and removing the reaction deletes it. In a group,
Telegram sends reactions only to a bot that is an administrator of the group.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.feature import ButtonHandler, Feature
from bot.outbox import finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.types import Incoming, Kind

GOOD = frozenset("👍❤🔥👏🎉💯🥰😍🤩🙏👌🏆⚡😁🤗😘💋🍾🆒🦄😇🤝🫡💘😎⭐")
BAD = frozenset("👎💩🤮🤬😢💔😡🖕🥱🤡😨")
VARIATION = "\ufe0f"  # variation selector: may follow an emoji and says only how to draw it


@dataclass(slots=True, kw_only=True)
class Feedback:
    """Stores judgements of answers."""

    store: Store

    def feature(self) -> Feature:
        """The handlers of thumbs below an answer, and of reactions to it."""
        return Feature(presses={"feedback": ButtonHandler(self.press)}, kinds={Kind.REACTION: self.reaction})

    async def reaction(self, incoming: Incoming, reply: Reply) -> None:
        """Store a reaction. `incoming.reply_to` is the message, `incoming.data` the emoji, "" for a removed one."""
        where = incoming.address

        def work(tx: Tx) -> None:
            finish_turn(tx, incoming)
            delivered = tx.outbox.find_shown(where, incoming.reply_to)
            if delivered is None or delivered.outgoing.plain:  # no answer of a model
                return
            if (answer := tx.messages.find_in_chat(where, delivered.turn, "assistant")) is not None:
                self._keep(tx, incoming, answer, incoming.data)

        await finish(self.store, reply, work)

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the thumb that somebody has pressed below an answer."""

        def work(tx: Tx) -> None:
            answer = tx.messages.find_in_chat(incoming.address, action.payload["turn"], "assistant")
            if answer is not None:
                self._keep(tx, incoming, answer, action.payload["sign"])
            finish_turn(tx, incoming)

        await finish(self.store, reply, work)

    def _keep(self, tx: Tx, incoming: Incoming, answer: Remembered, sign: str) -> None:
        user = incoming.user.id
        if not sign:
            tx.feedback.delete_judgement(incoming.address.bot, answer.id, user)
            return
        request = tx.messages.find_request(answer.id) or {}
        tx.feedback.store_judgement(incoming.address, answer, user, value(sign), sign, request)


def value(sign: str) -> int:
    """1 for an emoji of praise, -1 for one of blame, 0 for one that can be either, such as 🤔 and 😱.

    The emoji is stored beside this value, so that a reader of the feedback can judge it differently.
    """
    bare = sign.replace(VARIATION, "")
    return 1 if bare in GOOD else -1 if bare in BAD else 0
