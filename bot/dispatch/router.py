"""Finds what somebody meant: a word with a slash, a button, an answer to a question of the bot; all else is the chat's.

What the words and buttons do stands in the features that `runtime/build.py` lists; here are those of the conversation
itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.access.policy import RULES, Access, Actor, Decision
from bot.conversation import branching
from bot.conversation.assistant import Assistant
from bot.conversation.conversation_list import wants_name
from bot.dispatch.fallback import Feed, Mounted
from bot.feature import ButtonHandler, Command, Feature, joined
from bot.media.attachments import Attached
from bot.outbox import aside, language, put, settle, tell
from bot.ports import Handler, Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.chats import Choices
from bot.storage.store import Store, Tx
from bot.texts.catalog import own, say
from bot.types import Incoming, Kind, Outgoing, Permission


@dataclass(slots=True)
class Commands:
    store: Store
    chat: Assistant
    access: Access
    attached: Attached
    features: Sequence[Feature] = ()
    moved_to: Callable[[], Awaitable[None]] | None = None
    reactions: Handler | None = None
    feed: Feed | None = None  # handlers that are not ours
    beside: Mounted = field(init=False)
    _known: Feature = field(init=False)

    def __post_init__(self) -> None:
        self.beside = Mounted(self.store, self.feed)
        self._known = joined([self.feature(), self.attached.feature(), *self.features])

    def feature(self) -> Feature:
        return Feature(
            commands={
                "/help": Command(self.help, aside=True),
                "/new": Command(self.new),
                "/stop": Command(lambda incoming, reply, _rest: self.stop(incoming, reply)),
                "/whisper": Command(self.whisper, alone=True),
            },
            presses={
                "retry": ButtonHandler(self.press_again),
                "resume": ButtonHandler(self.press_again),
                "version": ButtonHandler(self.press_version),
                "attached.again": ButtonHandler(self.press_attached),
            },
        )

    def menu(self, language: str) -> list[tuple[str, str]]:
        """Name and description of every command in the menu."""
        return [_line(word, command, language) for word, command in self._known.commands.items() if command.in_menu]

    @property
    def unseen(self) -> frozenset[str]:
        """The names of commands that nobody but the bot needs to see."""
        return frozenset(word.removeprefix("/") for word, command in self._known.commands.items() if command.alone)

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        await KINDS.get(incoming.kind, Commands.message)(self, incoming, reply)

    async def message(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.address.only and not await reply.confide():
            await self._not_alone(incoming, reply)
            return
        word, *rest = incoming.text.split(maxsplit=1) or [""]
        if incoming.text.startswith("/") and len(word) > 1:
            await self._command(incoming, reply, word, "".join(rest).strip())
        elif not word and not incoming.parts:
            await tell(self.store, incoming, reply, "empty.question")
        elif (question := await self.attached.take(incoming, reply)) is not None:
            await self._ask(question, reply)
            await self.attached.answered(incoming)

    async def _ask(self, incoming: Incoming, reply: Reply) -> None:
        begun = await self.chat.questions.take(incoming)
        if begun.awaited is not None:
            await self._awaited(incoming, reply, begun.awaited)
        else:
            await self.chat.answer(incoming, reply, begun)

    async def _awaited(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """This message was asked for by the bot; where that has no meaning any more, it is a question as any other."""
        answer = self._known.awaits.get(action.name)
        if answer is None or not await answer(incoming, reply, action):
            await self.store.write(lambda tx: tx.buttons.forget(incoming.address, incoming.user.id))
            await self.chat.answer(incoming, reply, await self.chat.questions.take(incoming))

    async def _command(self, incoming: Incoming, reply: Reply, word: str, rest: str) -> None:
        name, at, _ = word.partition("@")
        command = self._known.commands.get(name.lower())
        if command is not None and await self._may(incoming, reply, command.act) is Decision.ALLOWED:
            await self._seen(incoming)
            incoming = await aside(self.store, incoming, reply) if command.aside else incoming
            await command.run(incoming, reply, rest)
        elif await self.beside.take(incoming, reply):
            return
        elif incoming.private or at or incoming.address.only:
            await tell(self.store, incoming, reply, "unknown.command", command=word[:64])
        else:  # in a group it is probably another bot's
            await settle(self.store, incoming, reply)

    async def edit(self, incoming: Incoming, reply: Reply) -> None:
        """A question that was edited: see `branches`."""
        is_question = incoming.text.strip() and not incoming.text.startswith("/")
        if is_question and (begun := await self.chat.questions.revise(incoming)) is not None:
            await self.chat.answer(incoming, reply, begun)
        elif is_question and await self.store.read(lambda tx: branching.is_first(tx, incoming)):
            await self.message(incoming, reply)
        else:
            await settle(self.store, incoming, reply)

    async def stop(self, incoming: Incoming, reply: Reply) -> None:
        stopped = self.chat.stop(incoming.address.key, incoming.data)
        await reply.acknowledge()
        if stopped or not incoming.text:
            await settle(self.store, incoming, reply)
        else:
            await tell(self.store, incoming, reply, "stop.nothing")

    async def gone(self, incoming: Incoming, reply: Reply) -> None:
        where = incoming.address
        away = incoming.kind is Kind.GONE
        if away:
            self.chat.leave(where.bot, where.chat)

        def work(tx: Tx) -> None:
            tx.chats.gone(where.bot, where.chat, gone=away)
            if away:
                tx.deliveries.gone(where.bot, where.chat)

        await settle(self.store, incoming, reply, also=work)

    async def moved(self, incoming: Incoming, reply: Reply) -> None:
        where, new = incoming.address, int(incoming.data)
        await settle(self.store, incoming, reply, also=lambda tx: tx.chats.move(where.bot, where.chat, new))
        if self.moved_to is not None:
            await self.moved_to()

    async def topic(self, incoming: Incoming, reply: Reply) -> None:
        """A topic was made or renamed: the name that a person gave it stays."""

        def work(tx: Tx) -> None:
            conversation = tx.messages.conversation(incoming.address)
            if incoming.data:
                tx.conversations.name(conversation, incoming.data, "user")

        await settle(self.store, incoming, reply, also=work)

    async def reaction(self, incoming: Incoming, reply: Reply) -> None:
        if self.reactions is None:
            await settle(self.store, incoming, reply)
        else:
            await self.reactions(incoming, reply)

    async def other(self, incoming: Incoming, reply: Reply) -> None:
        await self.beside.other(incoming, reply)

    # --- commands -----------------------------------------------------------------------------------------------------

    async def help(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """The menu, and what only some may do to those who may."""
        chosen, actor = await language(self.store, incoming), Actor.of(incoming)
        hidden = [(word, one) for word, one in self._known.commands.items() if not one.in_menu]
        special = [
            _line(word, one, chosen)
            for word, one in hidden
            if one.act is not Permission.TALK and self.access.authorize(actor, one.act) is Decision.ALLOWED
        ]
        menu = [*self.menu(chosen), *special]
        lines = "\n".join(say(chosen, "help.line", name=name, about=text) for name, text in menu)
        await tell(self.store, incoming, reply, "help" if incoming.private else "help.group", commands=lines)

    async def whisper(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """A question whose answer only the asker sees, in a conversation that nobody else is in.

        In private nobody else is there anyway, and an anonymous administrator is nobody whom something could be shown.
        """
        if not rest and not incoming.parts:
            await tell(self.store, incoming, reply, "whisper.private" if incoming.private else "whisper.what")
        elif incoming.private or incoming.address.only:
            await self._whispered(replace(incoming, text=rest), reply)
        elif incoming.user.id < 0:
            await self._not_alone(incoming, reply)
        else:
            reply.aside(incoming.user.id)
            # What everybody sees is no place in a conversation that one person sees.
            await self._whispered(replace(incoming, text=rest, address=reply.address, message_id=0, reply_to=0), reply)

    async def _whispered(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.address.only and not await reply.confide():
            await self._not_alone(incoming, reply)
        elif (question := await self.attached.take(incoming, reply)) is not None:
            await self._ask(question, reply)
            await self.attached.answered(incoming)

    async def _not_alone(self, incoming: Incoming, reply: Reply) -> None:
        """Nothing can be shown to this person alone: said aloud, without a word of what it was about."""
        reply.aside(0)
        incoming = replace(incoming, address=reply.address, message_id=0)
        sentence = Outgoing(say(await language(self.store, incoming), "alone.cannot"), plain=True)
        await settle(self.store, incoming, reply, sentence)

    async def new(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        chosen = await language(self.store, incoming)

        def begin(tx: Tx) -> None:
            self._put_aside(tx, incoming, chosen)
            tx.buttons.forget(incoming.address, incoming.user.id)

        sentence = Outgoing(say(chosen, "new"), plain=True)
        await settle(self.store, incoming, reply, sentence, also=begin)

    def _put_aside(self, tx: Tx, incoming: Incoming, chosen: str) -> None:
        """Begin a new conversation; the old one is named, so that it can be found in /chats."""
        old = tx.messages.current(incoming.address)
        if old is not None and tx.messages.head(old) is not None and self.chat.options.names_topics:
            wants_name(tx, old, incoming, chosen)
        tx.messages.begin(incoming.address)

    # --- buttons ------------------------------------------------------------------------------------------------------

    async def button(self, incoming: Incoming, reply: Reply) -> None:
        def pressed(tx: Tx) -> tuple[ButtonPress | None, Choices]:
            action = tx.buttons.press(incoming.address, incoming.user.id, incoming.data, incoming.message_id)
            return action, tx.chats.choices(incoming.address)

        action, choices = await self.store.read(pressed)
        language = choices.language_for(incoming.user)
        press = self._known.presses.get(action.name) if action else None
        if action is None and await self.beside.take(incoming, reply):
            return
        if action is None or press is None:
            await reply.acknowledge(say(language, "old.button" if incoming.private else "old.button.group"))
            await settle(self.store, incoming, reply)
        elif not await self._may_press(incoming, reply, press, action):
            await reply.acknowledge(say(language, "admins.only"))
            await settle(self.store, incoming, reply)
        else:
            await reply.acknowledge()
            await press.run(incoming, reply, action)

    async def press_again(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Another answer to the same question, or the rest of one."""
        begun = await self.chat.questions.again(incoming, action)
        if begun is None:
            await settle(self.store, incoming, reply)
        else:
            await self.chat.answer(incoming, reply, begun)

    async def press_attached(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """What came with a message is taken after all."""
        sent = self.attached.again(incoming, action)
        if (question := await self.attached.take(sent, reply, agreed=action.payload["agreed"])) is not None:
            await self._ask(question, reply)
            await self.attached.answered(sent)
            await self.store.write(lambda tx: tx.buttons.use_up(action.key))

    async def press_version(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Another version of an answer: it is shown in the same place, and the conversation goes on from it."""

        def work(tx: Tx) -> None:
            chosen = tx.chats.choices(incoming.address).language_for(incoming.user)
            version = branching.turn_to(tx, incoming, action.payload["answer"], chosen, thumbs=self.chat.options.thumbs)
            put(tx, incoming, *([version] if version is not None else []))

        await self.store.write(work)
        await reply.finish()

    # --- what several need --------------------------------------------------------------------------------------------

    async def _may(self, incoming: Incoming, reply: Reply, act: Permission) -> Decision:
        """Whether this user may do that here, now. Who administers a group is asked anew each time."""
        asked = RULES[act].chat_administrator and not incoming.private
        administers = asked and (Actor.of(incoming).is_group or await reply.is_admin(incoming.user.id))
        return self.access.authorize(Actor.of(incoming, administers=administers), act)

    async def _may_press(self, incoming: Incoming, reply: Reply, press: ButtonHandler, action: ButtonPress) -> bool:
        if await self._may(incoming, reply, press.act) is not Decision.ALLOWED:
            return False
        return not action.of_group or await reply.is_admin(incoming.user.id)

    async def _seen(self, incoming: Incoming) -> None:
        def work(tx: Tx) -> None:
            tx.updates.begin(incoming.ids)
            tx.chats.seen(incoming.address, incoming.user, private=incoming.private)

        await self.store.write(work)


def _line(word: str, command: Command, language: str) -> tuple[str, str]:
    """A command's name, and what it is for."""
    name = word.removeprefix("/")
    return name, own(command.about, language) or say(language, f"command.{name}")


KINDS: dict[Kind, Callable[[Commands, Incoming, Reply], Awaitable[None]]] = {
    Kind.MESSAGE: Commands.message,
    Kind.EDIT: Commands.edit,
    Kind.BUTTON: Commands.button,
    Kind.STOP: Commands.stop,
    Kind.GONE: Commands.gone,
    Kind.BACK: Commands.gone,
    Kind.MOVED: Commands.moved,
    Kind.TOPIC: Commands.topic,
    Kind.REACTION: Commands.reaction,
    Kind.OTHER: Commands.other,
}
