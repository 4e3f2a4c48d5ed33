"""Answers in a group that only the person who asked sees, because they rest on sources that the group may not read.

The group is shown one sentence with a button. If the bot administers the group, it sends the answer by itself as a
message that only the asker sees; otherwise the asker presses the button first. Where the messenger allows no such
message, the button becomes a link, and the asker gets the answer in the private chat. Either way the answer is a turn
of its own, in the conversation that only the asker has. Begin with `PrivateAnswers.answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.conversation.assistant import Assistant
from bot.conversation.turn_end import ALONE
from bot.feature import ENDED, Feature, Instead, Turn, job, press
from bot.outbox import Answer, finish_with_notice, remove_buttons
from bot.ports import Reply, Transport
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.types import Address, Button, Incoming, Job, Kind, Outgoing, User

LINK = "alone-"  # begins what a link sends after /start; the key of the button follows


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateAnswers(Feature):
    """Answers people in a group so that nobody else sees it.

    The payload of the button is {"question": the text that is answered, "turn": the id of the turn in the group, below
    whose message the answer stands}. `link` makes a link that opens the private chat and sends `/start` with a code
    there; `deliver` sends the messages that were stored for other chats.
    """

    assistant: Assistant
    transport: Transport
    link: Callable[[str], str]
    deliver: Callable[[str, Sequence[Address]], None]

    @property
    def store(self) -> Store:
        """The database."""
        return self.assistant.store

    @press(ALONE)
    async def answer(self, turn: Turn, reply: Reply) -> Answer | Instead:
        """Answer the person who asked, so that nobody else sees it. If that is impossible, the button becomes a link to
        the private chat.
        """
        action = turn.pressed
        reply.show_only_to(turn.user.id)
        if await reply.open_ephemeral():
            await self._answer(replace(turn, address=reply.address), reply, action)
            self.deliver(turn.id, [turn.address])
            return ENDED
        reply.show_only_to(0)
        link = self.link(LINK + action.key.removeprefix(Button.IN_TURN))
        return Answer(Outgoing(f"{turn.say('kb.alone')} [{turn.say('kb.alone.link')}]({link})"), over=True)

    async def follow(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Answer in the private chat a person who has followed the link; nobody but the asker gets an
        answer from it.
        """
        key, bot, user = Button.IN_TURN + rest.removeprefix(LINK), incoming.address.bot, incoming.user.id
        action = await self.store.read(lambda tx: tx.buttons.find_unpressed(bot, user, key, ALONE))
        if action is None:
            await finish_with_notice(self.store, incoming, reply, "kb.alone.gone")
        else:
            await self._answer(incoming, reply, action)

    @job(ALONE)
    async def answer_unasked(self, due: Job) -> None:
        """Answer without a press. Telegram allows that only to a bot that administers the group;
        otherwise the button stays.
        """
        bot, user, key = due.address.bot, int(due.payload["user"]), due.payload["button"]
        action = await self.store.read(lambda tx: tx.buttons.find_unpressed(bot, user, key, ALONE))
        turn = f"{due.key}.alone"
        reply = self.transport.reply(replace(due.address, visible_to=user), turn)
        if action is None or not await reply.open_ephemeral():
            await self.store.write(lambda tx: tx.jobs.delete_done(due))
            return
        asker = User(user, language=due.payload["language"])
        asked = Incoming(turn, reply.address, asker, private=False)
        await self._answer(asked, reply, action, due)
        self.deliver(turn, [due.address])

    async def _answer(self, incoming: Incoming, reply: Reply, action: ButtonPress, due: Job | None = None) -> None:
        """Answer in the conversation at the address of `incoming`. The button works once, and goes from the group."""
        public = replace(incoming, address=replace(incoming.address, visible_to=0))

        def then(tx: Tx) -> None:
            tx.buttons.expire_button(action.key)
            if not incoming.private:
                shown = tx.outbox.message_ids(public.address, action.payload["turn"])
                remove_buttons(tx, public, message=shown[0] if shown else 0, only=action.key)
            if due is not None:
                tx.jobs.delete_done(due)

        # The ids of the group's public messages mean nothing in the asker's own conversation.
        number = incoming.message_id if incoming.private else 0
        asked = replace(
            incoming, kind=Kind.MESSAGE, text=action.payload["question"], message_id=number, reply_to=0, data=""
        )
        await self.assistant.answer(asked, reply, last=True, then=then)
