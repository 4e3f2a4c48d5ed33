"""Finds the handler of an update: of a command, a button or a kind of update; other messages are questions.

The handlers belong to the features that `runtime/wiring.py` lists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from bot.access.policy import RULES, Access, Actor, Decision
from bot.dispatch.fallback import Fallback
from bot.dispatch.questions import Questions
from bot.handlers import ButtonHandler, Handlers
from bot.outbox import as_notice, finish_with, finish_with_notice, with_choices
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Permission

# Handles a message that would else be a question, or returns False.
Take = Callable[[Incoming, Reply], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Calls the handler of an update: the end of the pipeline. `known` are all features as one.

    `fallback` has third-party handlers for updates that no feature handles. `takes` are asked for a message before
    it is a question.
    """

    store: Store
    access: Access
    known: Handlers
    questions: Questions
    fallback: Fallback
    takes: Sequence[Take] = ()

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.kind is Kind.MESSAGE:
            await self._message(incoming, reply)
        elif incoming.kind is Kind.BUTTON:
            await self._button(incoming, reply)
        elif incoming.kind is Kind.UNHANDLED:
            await self.fallback.other(incoming, reply)
        else:
            await self.known.kinds[incoming.kind](incoming, reply)

    async def _message(self, incoming: Incoming, reply: Reply) -> None:
        word, *rest = incoming.text.split(maxsplit=1) or [""]
        if not incoming.text.startswith("/") or len(word) < 2:
            for take in self.takes:
                if await take(incoming, reply):
                    return
            await self.questions.ask(incoming, reply)
        elif await self.questions.can_answer(incoming, reply):
            await self._command(incoming, reply, word, "".join(rest).strip())

    async def _command(self, incoming: Incoming, reply: Reply, word: str, rest: str) -> None:
        name, at, _ = word.partition("@")
        command = self.known.commands.get(name.lower())
        if command is not None and await self._may(incoming, reply, command.requires):
            incoming = await self.store.write(lambda tx: _begun(tx, incoming))
            await command.run(as_notice(incoming, reply) if command.is_notice else incoming, reply, rest)
        elif await self.fallback.take(incoming, reply):
            return
        elif incoming.private or at or incoming.address.visible_to:
            public = [word for word, one in self.known.commands.items() if one.requires is Permission.TALK]
            near = get_close_matches(name.lower(), public, 1, cutoff=0.75)
            key, shown = ("unknown.command.near", near[0]) if near else ("unknown.command", "")
            await finish_with_notice(self.store, incoming, reply, key, command=word[:64], near=shown)
        else:  # in a group the command is probably meant for another bot
            await finish_with(self.store, incoming, reply)

    async def _button(self, incoming: Incoming, reply: Reply) -> None:
        def pressed(tx: Tx) -> tuple[Incoming, ButtonPress | None]:
            action = tx.buttons.find_pressed(incoming.address, incoming.user.id, incoming.data, incoming.message_id)
            return with_choices(tx, incoming), action

        incoming, action = await self.store.read(pressed)
        language = incoming.language
        press = self.known.presses.get(action.name) if action else None
        if action is None and await self.fallback.take(incoming, reply):
            return
        if action is None or press is None:
            await reply.acknowledge(say(language, "old.button" if incoming.private else "old.button.group"))
            await finish_with(self.store, incoming, reply)
        elif not await self._may_press(incoming, reply, press, action):
            await reply.acknowledge(say(language, "admins.only"))
            await finish_with(self.store, incoming, reply)
        else:
            if not press.has_toast:
                await reply.acknowledge()
            await press.run(incoming, reply, action)

    async def _may(self, incoming: Incoming, reply: Reply, act: Permission) -> bool:
        """Whether this user has a permission here. Telegram is asked each time whether the user administers a group."""
        asked = RULES[act].chat_administrator and not incoming.private
        administers = asked and (Actor.of(incoming).is_group or await reply.is_admin(incoming.user.id))
        return self.access.authorize(Actor.of(incoming, administers=administers), act) is Decision.ALLOWED

    async def _may_press(self, incoming: Incoming, reply: Reply, press: ButtonHandler, action: ButtonPress) -> bool:
        if not await self._may(incoming, reply, press.requires):
            return False
        return not action.of_group or await reply.is_admin(incoming.user.id)


def _begun(tx: Tx, incoming: Incoming) -> Incoming:
    """Mark the turn of a command as begun: from now on crashes count against it. Returns it with the chat's choices.

    The command itself is another transaction, so that the mark stays when the command is rolled back.
    """
    tx.inbox.mark_begun(incoming.ids)
    return replace(
        incoming, chat=tx.chats.record_and_read_choices(incoming.address, incoming.user, private=incoming.private)
    )
