"""Feedback on answers: reactions and thumbs, stored with the request that the model was sent for the answer.

Each person has one judgement of an answer: a new one replaces it, and removing the reaction deletes it. In a group,
Telegram sends reactions only to a bot that is an administrator of the group.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from bot.feature import After, Feature, Turn, kind, press
from bot.knowledge.learning.gaps import Dislikes
from bot.storage.store import Store, Tx
from bot.storage.tables.history import Judgement
from bot.storage.tables.knowledge import DISLIKED
from bot.types import Kind

GOOD = frozenset("👍❤🔥👏🎉💯🥰😍🤩🙏👌🏆⚡😁🤗😘💋🍾🆒🦄😇🤝🫡💘😎⭐")
BAD = frozenset("👎💩🤮🤬😢💔😡🖕🥱🤡😨")
VARIATION = "\ufe0f"  # variation selector: may follow an emoji and says only how to draw it


@dataclass(slots=True, kw_only=True)
class Feedback(Feature):
    """Stores judgements (👍, 👎, reactions) of answers. `dislikes` gets the answers from the knowledge base that people
    disliked.
    """

    store: Store
    dislikes: Dislikes | None = None

    @kind(Kind.REACTION)
    def reaction(self, tx: Tx, turn: Turn) -> After | None:
        """Store a reaction. `turn.reply_to` is the message, `turn.data` the emoji, "" for a removed one."""
        delivered = tx.outbox.find_shown(turn.address, turn.reply_to)
        if delivered is None or delivered.outgoing.plain:  # no answer of a model
            return None
        return self.thumb(tx, turn, delivered.turn, turn.data)

    @press("feedback")
    def thumb(self, tx: Tx, judge: Turn, turn: str, sign: str) -> After | None:
        """Store the thumb that somebody has pressed below an answer."""
        is_gap = self._keep(tx, judge, turn, sign)
        return After(None, self.store.metrics.knowledge_gaps.labels(DISLIKED).inc) if is_gap else None

    def _keep(self, tx: Tx, incoming: Turn, turn: str, sign: str) -> bool:
        """Store a judgement of the answer of a turn. Returns whether it is a gap of the knowledge base."""
        answer = tx.messages.find_in_chat(incoming.address, turn, "assistant")
        if answer is None:
            return False
        user, judged = incoming.user.id, value(sign) if sign else 0
        is_gap = self.dislikes is not None and self.dislikes.judge(tx, incoming, answer, judged)
        if not sign:
            tx.remove(Judgement, bot=incoming.address.bot, message_id=answer.id, user=user)
            return is_gap
        request = tx.messages.find_request(answer.id) or {}
        judgement = Judgement(
            message_id=answer.id,
            bot=incoming.address.bot,
            chat=incoming.address.chat,
            user=user,
            value=judged,
            sign=sign[:64],
            model=answer.model,
            prompt=json.dumps(request, ensure_ascii=False),
            at=tx.clock.time(),
        )
        tx.put(judgement, by=["message_id", "user"])
        return is_gap


def value(sign: str) -> int:
    """1 for an emoji of praise, -1 for one of blame, 0 for one that can be either, such as 🤔 and 😱.

    The emoji is stored beside this value, so that a reader of the feedback can judge it differently.
    """
    bare = sign.replace(VARIATION, "")
    return 1 if bare in GOOD else -1 if bare in BAD else 0
