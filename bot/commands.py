"""Finds what somebody meant: a word with a slash, a button, an answer to a question of the bot; all else is the chat's.

What the words and buttons do stands in the features that `app.py` lists; here are those of the conversation itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot import branches
from bot.access import RULES, Access, Actor, Decision
from bot.access import Action as Act
from bot.chat import Chat
from bot.errors import NotAllowed
from bot.features import Command, Feature, Press, joined
from bot.outbox import language, put, settle, tell
from bot.personas import welcome
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.spending import DAY
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Outgoing, Reply


@dataclass(slots=True)
class Commands:
    store: Store
    chat: Chat
    access: Access
    features: Sequence[Feature] = ()
    _known: Feature = field(init=False)

    def __post_init__(self) -> None:
        self._known = joined([self.feature(), *self.features])

    def feature(self) -> Feature:
        return Feature(
            commands={
                "/start": Command(self.start, in_menu=False),
                "/help": Command(self.help),
                "/new": Command(self.new),
                "/stop": Command(lambda incoming, reply, _rest: self.stop(incoming, reply)),
                "/spending": Command(self.spending, in_menu=False, act=Act.ADMINISTER),
            },
            presses={
                "retry": Press(self.press_again),
                "resume": Press(self.press_again),
                "version": Press(self.press_version),
            },
        )

    def menu(self, language: str) -> list[tuple[str, str]]:
        """Name and description of every command in the menu."""
        shown = [name.removeprefix("/") for name, command in self._known.commands.items() if command.in_menu]
        return [(name, say(language, f"command.{name}")) for name in shown]

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        await KINDS.get(incoming.kind, Commands.message)(self, incoming, reply)

    async def message(self, incoming: Incoming, reply: Reply) -> None:
        word, *rest = incoming.text.split(maxsplit=1) or [""]
        if incoming.text.startswith("/") and len(word) > 1:
            await self._command(incoming, reply, word, "".join(rest).strip())
        elif not word:
            sentence = "unsupported" if incoming.parts else "empty.question"
            await tell(self.store, incoming, reply, sentence)
        else:
            begun = await self.chat.begin(incoming)
            if begun.awaited is not None:
                await self._awaited(incoming, reply, begun.awaited)
            else:
                await self.chat.answer(incoming, reply, begun)

    async def _awaited(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """This message was asked for by the bot; where that has no meaning any more, it is a question as any other."""
        answer = self._known.awaits.get(action.name)
        if answer is None or not await answer(incoming, reply, action):
            await self.store.write(lambda tx: tx.buttons.forget(incoming.address, incoming.user.id))
            await self.chat.answer(incoming, reply, await self.chat.begin(incoming))

    async def _command(self, incoming: Incoming, reply: Reply, word: str, rest: str) -> None:
        name, at, _ = word.partition("@")
        command = self._known.commands.get(name.lower())
        if command is not None and await self._may(incoming, reply, command.act) is Decision.ALLOWED:
            await self._seen(incoming)
            await command.run(incoming, reply, rest)
        elif incoming.private or at:
            await tell(self.store, incoming, reply, "unknown.command", command=word[:64])
        else:  # in a group it is probably another bot's
            await settle(self.store, incoming, reply)

    async def edit(self, incoming: Incoming, reply: Reply) -> None:
        """A question that was edited: see `branches`."""
        is_question = incoming.text.strip() and not incoming.text.startswith("/")
        if is_question and (begun := await self.chat.revise(incoming)) is not None:
            await self.chat.answer(incoming, reply, begun)
        elif is_question and await self.store.read(lambda tx: branches.is_first(tx, incoming)):
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

    # --- commands -----------------------------------------------------------------------------------------------------

    async def start(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        await self.store.write(lambda tx: put(tx, incoming, welcome(tx, incoming, self.chat)))
        await reply.finish()

    async def help(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        menu = self.menu(await language(self.store, incoming))
        lines = "\n".join(f"/{name} - {text}" for name, text in menu)
        await tell(self.store, incoming, reply, "help", commands=lines)

    async def new(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        chosen = await language(self.store, incoming)

        def begin(tx: Tx) -> None:
            tx.messages.begin(incoming.address)
            tx.buttons.forget(incoming.address, incoming.user.id)

        sentence = Outgoing(say(chosen, "new"), plain=True)
        await settle(self.store, incoming, reply, sentence, also=begin)

    async def spending(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """For owners: what today has cost, beside the budgets of the bot."""
        today = self.chat.clock.time() // DAY * DAY

        def question(tx: Tx) -> tuple[int, int]:
            bot = incoming.address.bot
            return tx.usage.since(bot, today).total, tx.operations.ordered(bot, today)

        tokens, images = await self.store.read(question)
        budget = self.chat.budget
        await tell(
            self.store, incoming, reply, "spending", tokens=tokens, most_tokens=budget.tokens.bot or "∞",
            images=images, most_images=budget.images.bot or "∞",
        )  # fmt: skip

    # --- buttons ------------------------------------------------------------------------------------------------------

    async def button(self, incoming: Incoming, reply: Reply) -> None:
        def pressed(tx: Tx) -> tuple[Action | None, Choices]:
            action = tx.buttons.press(incoming.address, incoming.user.id, incoming.data, incoming.message_id)
            return action, tx.chats.choices(incoming.address)

        action, choices = await self.store.read(pressed)
        language = choices.language or incoming.user.language
        press = self._known.presses.get(action.name) if action else None
        if action is None or press is None:
            await reply.acknowledge(say(language, "old.button"))
            await settle(self.store, incoming, reply)
        elif await self._may(incoming, reply, press.act) is not Decision.ALLOWED:
            raise NotAllowed(say(language, "admins.only"))
        else:
            await reply.acknowledge()
            await press.run(incoming, reply, action)

    async def press_again(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Another answer to the same question, or the rest of one."""
        begun = await self.chat.again(incoming, action)
        if begun is None:
            await settle(self.store, incoming, reply)
        else:
            await self.chat.answer(incoming, reply, begun)

    async def press_version(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Another version of an answer: it is shown in the same place, and the conversation goes on from it."""

        def work(tx: Tx) -> None:
            chosen = tx.chats.choices(incoming.address).language or incoming.user.language
            version = branches.turn_to(tx, incoming, action.payload["answer"], chosen)
            put(tx, incoming, *([version] if version is not None else []))

        await self.store.write(work)
        await reply.finish()

    # --- what several need --------------------------------------------------------------------------------------------

    async def _may(self, incoming: Incoming, reply: Reply, act: Act) -> Decision:
        """Whether this user may do that here, now. Who administers a group is asked anew each time."""
        asked = RULES[act].chat_administrator and not incoming.private
        administers = asked and await reply.is_admin(incoming.user.id)
        return self.access.authorize(Actor.of(incoming, administers=administers), act)

    async def _seen(self, incoming: Incoming) -> None:
        def work(tx: Tx) -> None:
            tx.updates.begin(incoming.ids)
            tx.chats.seen(incoming.address, incoming.user, private=incoming.private)

        await self.store.write(work)


KINDS: dict[Kind, Callable[[Commands, Incoming, Reply], Awaitable[None]]] = {
    Kind.MESSAGE: Commands.message,
    Kind.EDIT: Commands.edit,
    Kind.BUTTON: Commands.button,
    Kind.STOP: Commands.stop,
    Kind.GONE: Commands.gone,
    Kind.BACK: Commands.gone,
    Kind.MOVED: Commands.moved,
}
