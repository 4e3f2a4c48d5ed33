"""What people think of an answer: reactions of the messenger and thumbs, kept with what the model was asked.

Each person has one judgement of an answer: another one takes its place, and taking the reaction away takes it away.
In a group Telegram tells reactions only to a bot that is its administrator.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.feature import ButtonHandler, Feature
from bot.outbox import finish, finish_turn, with_choices
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.messages import Remembered
from bot.storage.store import Store, Tx
from bot.types import Incoming, Kind, Message

GOOD = frozenset("👍❤🔥👏🎉💯🥰😍🤩🙏👌🏆⚡😁🤗😘💋🍾🆒🦄😇🤝🫡💘😎⭐")
BAD = frozenset("👎💩🤮🤬😢💔😡🖕🥱🤡😨")
LONGEST = 60  # messages of a prompt that are kept with a judgement
VARIATION = "\ufe0f"  # what may follow an emoji and says only how to draw it


@dataclass(slots=True)
class Feedback:
    """`system` is the operator's system prompt, "" for the bot's own: a part of what the model was asked."""

    store: Store
    system: str = ""

    def feature(self) -> Feature:
        return Feature(presses={"feedback": ButtonHandler(self.press)}, kinds={Kind.REACTION: self.reaction})

    async def reaction(self, incoming: Incoming, reply: Reply) -> None:
        """`incoming.reply_to` is the message, `data` the emoji, "" where it was taken away."""
        where = incoming.address

        def work(tx: Tx) -> None:
            finish_turn(tx, incoming)
            shown = tx.outbox.find_shown(where, incoming.reply_to)
            if shown is None or shown.outgoing.plain:  # no answer of a model
                return
            if (answer := tx.messages.find_in_chat(where, shown.turn, "assistant")) is not None:
                self._keep(tx, incoming, answer, incoming.data)

        await finish(self.store, reply, work)

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
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
        language = with_choices(tx, incoming).language
        read = [row.message for row in tx.messages.list_before(answer, LONGEST)]
        asked = [Message.of("system", self.system or instruct(language, "system")), *read]
        tx.feedback.store_judgement(incoming.address, answer, user, value(sign), sign, asked)


def value(sign: str) -> int:
    """1 for praise, -1 for blame, 0 for what may be either: 🤔 and 😱 say something, but not whether it was good.

    The sign itself is kept with it, so that who reads it can decide anew.
    """
    bare = sign.replace(VARIATION, "")
    return 1 if bare in GOOD else -1 if bare in BAD else 0
