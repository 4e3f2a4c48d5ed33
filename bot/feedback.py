"""What people think of an answer: reactions of the messenger and thumbs, kept with what the model was asked.

Each person has one judgement of an answer: another one takes its place, and taking the reaction away takes it away.
In a group Telegram tells reactions only to a bot that is its administrator.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot import outbox
from bot.features import Feature, Press
from bot.storage.buttons import Action
from bot.storage.said import Said
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Message, Reply

UP, DOWN = "👍", "👎"
GOOD = frozenset("👍❤🔥👏🎉💯🥰😍🤩🙏👌🏆⚡😁🤗😘💋🍾🆒🦄😇🤝🫡💘😎⭐")
BAD = frozenset("👎💩🤮🤬😢💔😡🖕🥱🤡😨")
VARIATION = "\ufe0f"  # what may follow an emoji and says only how to draw it


@dataclass(slots=True)
class Opinions:
    """`system` is the operator's system prompt, "" for the bot's own: a part of what the model was asked."""

    store: Store
    system: str = ""

    def feature(self) -> Feature:
        return Feature(presses={"feedback": Press(self.press)})

    async def reaction(self, incoming: Incoming, reply: Reply) -> None:
        """`incoming.reply_to` is the message, `data` the emoji, "" where it was taken away."""
        where = incoming.address

        def work(tx: Tx) -> None:
            answer = tx.said.shown(where.bot, where.chat, incoming.reply_to)
            if answer is not None:
                self._keep(tx, incoming, answer, incoming.data)

        await outbox.settle(self.store, incoming, reply, also=work)

    async def press(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        where = incoming.address

        def work(tx: Tx) -> None:
            answer = tx.said.answer(where.bot, where.chat, action.payload["turn"])
            if answer is not None:
                self._keep(tx, incoming, answer, action.payload["sign"])

        await outbox.settle(self.store, incoming, reply, also=work)

    def _keep(self, tx: Tx, incoming: Incoming, answer: Said, sign: str) -> None:
        user = incoming.user.id
        if not sign:
            tx.feedback.forget(answer.id, user)
            return
        language = tx.chats.choices(incoming.address).language or incoming.user.language
        asked = [Message.of("system", self.system or say(language, "system")), *tx.said.prompt(answer)]
        tx.feedback.keep(incoming.address, answer, user, value(sign), sign, asked)


def value(sign: str) -> int:
    """1 for praise, -1 for blame, 0 for what may be either: 🤔 and 😱 say something, but not whether it was good.

    The sign itself is kept with it, so that who reads it can decide anew.
    """
    bare = sign.replace(VARIATION, "")
    return 1 if bare in GOOD else -1 if bare in BAD else 0
