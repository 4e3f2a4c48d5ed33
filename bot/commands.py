"""Words with a slash, buttons, and everything else to the chat. The table at the foot is the menu too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.chat import Begun, Chat
from bot.errors import NotAllowed
from bot.images import Images
from bot.outbox import Effect, settle
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import Button, Drawing, Incoming, Kind, Outgoing, Reply

STREAMING = ("draft", "edit", "off")


@dataclass(frozen=True, slots=True)
class Command:
    run: Callable[[Commands, Incoming, Reply, str], Awaitable[None]]
    in_menu: bool = True


@dataclass(slots=True)
class Commands:
    store: Store
    chat: Chat
    images: Images
    streaming: str
    wake_jobs: Callable[[], None]

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        await KINDS.get(incoming.kind, Commands.message)(self, incoming, reply)

    async def message(self, incoming: Incoming, reply: Reply) -> None:
        word, *rest = incoming.text.split(maxsplit=1) or [""]
        if incoming.text.startswith("/") and len(word) > 1:
            await self._command(incoming, reply, word, "".join(rest).strip())
        elif not word:
            sentence = "unsupported" if incoming.parts else "empty.question"
            await self._say(incoming, reply, say(await self._language(incoming), sentence))
        else:
            begun = await self.chat.begin(incoming)
            if begun.awaited is not None:
                await self._awaited(incoming, reply, begun, begun.awaited)
            else:
                await self.chat.answer(incoming, reply, begun)

    async def _command(self, incoming: Incoming, reply: Reply, word: str, rest: str) -> None:
        name, at, _ = word.partition("@")
        command = COMMANDS.get(name.lower())
        if command is not None:
            await self._seen(incoming)
            await command.run(self, incoming, reply, rest)
        elif incoming.private or at:
            language = await self._language(incoming)
            await self._say(incoming, reply, say(language, "unknown.command", command=word[:64]))
        else:  # in a group it is probably another bot's
            await settle(self.store, incoming, reply)

    async def edit(self, incoming: Incoming, reply: Reply) -> None:
        """The question was already answered or is being answered: what it says now is asked as a new one.

        An edit into a command does nothing: commands run once, when they are sent. Nor does one that leaves the words
        as they are: Telegram tells of those too.
        """
        is_question = incoming.text.strip() and not incoming.text.startswith("/")
        if is_question and not await self.chat.was_asked(incoming):
            await self.message(incoming, reply)
        else:
            await settle(self.store, incoming, reply)

    async def stop(self, incoming: Incoming, reply: Reply) -> None:
        stopped = self.chat.stop(incoming.address.key, incoming.data)
        await reply.acknowledge()
        if stopped or not incoming.text:
            await settle(self.store, incoming, reply)
        else:
            await self._say(incoming, reply, say(await self._language(incoming), "stop.nothing"))

    async def gone(self, incoming: Incoming, reply: Reply) -> None:
        self.chat.stop(incoming.address.key)
        where = incoming.address
        away = incoming.kind is Kind.GONE

        async def work(tx: Tx) -> None:
            await tx.chats.gone(where.bot, where.chat, gone=away)
            if away:
                await tx.deliveries.gone(where.bot, where.chat)

        await settle(self.store, incoming, reply, also=work)

    async def moved(self, incoming: Incoming, reply: Reply) -> None:
        where, new = incoming.address, int(incoming.data)
        await settle(self.store, incoming, reply, also=lambda tx: tx.chats.move(where.bot, where.chat, new))

    # --- commands -----------------------------------------------------------------------------------------------------

    async def start(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        language = await self._language(incoming)
        await self._say(incoming, reply, say(language, "start", name=incoming.user.name))

    async def help(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        language = await self._language(incoming)
        lines = "\n".join(f"/{name} - {text}" for name, text in menu(language, images=self.images.painter is not None))
        await self._say(incoming, reply, say(language, "help", commands=lines))

    async def new(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        language = await self._language(incoming)

        async def begin(tx: Tx) -> None:
            await tx.messages.begin(incoming.address)
            await tx.buttons.forget(incoming.address, incoming.user.id)

        sentence = Outgoing(say(language, "new"), plain=True)
        await settle(self.store, incoming, reply, sentence, also=begin)

    async def image(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        await self._order(incoming, reply, Drawing(rest, self.images.seed()))

    async def model(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language or incoming.user.language
        routing = self.chat.routing
        now = routing.pick(choices.model)
        options = [(offer.title, "model.set", {"model": offer.name}) for offer in routing.offers]
        text = say(language, "model.choose", model=now.title)
        if choices.model and now.name != choices.model:
            text = say(language, "model.gone", old=choices.model, new=now.title) + "\n" + text
        await self._offer(incoming, reply, text, options)

    async def settings(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        choices = await self._choices(incoming)
        language = choices.language or incoming.user.language
        text = say(
            language, "settings", language=NAMES[known(language)], model=self.chat.routing.pick(choices.model).title,
            streaming=say(language, f"streaming.{choices.streaming or self.streaming}"),
        )  # fmt: skip
        names = ("language", "model", "streaming")
        await self._offer(incoming, reply, text, [(say(language, f"settings.{n}"), f"settings.{n}", {}) for n in names])

    # --- buttons ------------------------------------------------------------------------------------------------------

    async def button(self, incoming: Incoming, reply: Reply) -> None:
        async with self.store.read() as tx:
            action = await tx.buttons.press(incoming.address, incoming.user.id, incoming.data)
            choices = await tx.chats.choices(incoming.address)
        language = choices.language or incoming.user.language
        run = ACTIONS.get(action.name) if action else None
        if action is None or run is None:
            await reply.acknowledge(say(language, "old.button"))
            await settle(self.store, incoming, reply)
            return
        await reply.acknowledge()
        await run(self, incoming, reply, action)

    async def press_retry(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        begun = await self.chat.again(incoming, action.payload["turn"])
        if begun is None:
            await settle(self.store, incoming, reply)
        else:
            await self.chat.answer(incoming, reply, begun)

    async def press_image(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Again (another seed) or in another ratio (the same)."""
        drawn = await self.images.drawing(incoming.address, action.payload["turn"])
        if drawn is None:
            await settle(self.store, incoming, reply)
        elif action.name == "image.again":
            await self._order(incoming, reply, Drawing(drawn.prompt, self.images.seed(), drawn.width, drawn.height))
        else:
            wish = Drawing(drawn.prompt, drawn.seed, action.payload["width"], action.payload["height"])
            await self._order(incoming, reply, wish)

    async def press_change(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        language = await self._language(incoming)
        user, turn = incoming.user.id, action.payload["turn"]
        question = Outgoing(say(language, "image.change.ask"), plain=True, ask_reply=True)
        await settle(
            self.store, incoming, reply, question,
            also=lambda tx: tx.buttons.wait_for(incoming.address, user, "image.change", turn=turn),
        )  # fmt: skip

    async def press_settings(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        language = await self._language(incoming)
        if action.name == "settings.model":
            await self.model(incoming, reply, "")
            return
        options = (
            [(title, "language.set", {"language": code}) for code, title in NAMES.items()]
            if action.name == "settings.language"
            else [(say(language, f"streaming.{mode}"), "streaming.set", {"streaming": mode}) for mode in STREAMING]
        )
        await self._offer(incoming, reply, say(language, "settings.choose"), options)

    async def press_set(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Store a choice of the chat. In a group its administrators decide."""
        if not incoming.private and not await reply.is_admin(incoming.user.id):
            raise NotAllowed(say(await self._language(incoming), "admins.only"))
        language = action.payload.get("language") or await self._language(incoming)
        sentence = say(language, "settings.saved")
        if "model" in action.payload:
            sentence = say(language, "model.chosen", model=self.chat.routing.pick(action.payload["model"]).title)
        await settle(
            self.store, incoming, reply, Outgoing(sentence, plain=True),
            also=lambda tx: tx.chats.choose(incoming.address, **action.payload),
        )  # fmt: skip

    async def _awaited(self, incoming: Incoming, reply: Reply, begun: Begun, action: Action) -> None:
        """The user answered the bot's question "what should be different?"."""

        async def forget(tx: Tx) -> None:
            await tx.buttons.forget(incoming.address, incoming.user.id)

        drawn = await self.images.drawing(incoming.address, action.payload["turn"])
        if drawn is None or self.images.painter is None:
            await self.store.write(forget)
            await self.chat.answer(incoming, reply, await self.chat.begin(incoming))
        else:  # what is too long is refused and may be said again
            wish = Drawing(f"{drawn.prompt}, {incoming.text.strip()}", drawn.seed, drawn.width, drawn.height)
            await self._order(incoming, reply, wish, forget)

    # --- what several need --------------------------------------------------------------------------------------------

    async def _order(self, incoming: Incoming, reply: Reply, drawing: Drawing, also: Effect | None = None) -> None:
        await self.images.order(incoming, reply, await self._language(incoming), drawing, also)
        self.wake_jobs()

    async def _offer(
        self, incoming: Incoming, reply: Reply, text: str, options: list[tuple[str, str, dict[str, str]]]
    ) -> None:
        async def work(tx: Tx) -> tuple[tuple[Button, ...], ...]:
            where, user = incoming.address, incoming.user.id
            return tuple([(await tx.buttons.add(where, user, label, act, **kept),) for label, act, kept in options])

        rows = await self.store.write(work)
        await settle(self.store, incoming, reply, Outgoing(text, plain=True, buttons=rows))

    async def _say(self, incoming: Incoming, reply: Reply, sentence: str) -> None:
        await settle(self.store, incoming, reply, Outgoing(sentence, plain=True))

    async def _seen(self, incoming: Incoming) -> None:
        async def work(tx: Tx) -> None:
            await tx.updates.begin(incoming.ids)
            await tx.chats.seen(incoming.address, incoming.user, private=incoming.private)

        await self.store.write(work)

    async def _choices(self, incoming: Incoming) -> Choices:
        async with self.store.read() as tx:
            return await tx.chats.choices(incoming.address)

    async def _language(self, incoming: Incoming) -> str:
        return (await self._choices(incoming)).language or incoming.user.language


def menu(language: str, *, images: bool) -> list[tuple[str, str]]:
    """Name and description of every command in the menu."""
    shown = [name.removeprefix("/") for name, command in COMMANDS.items() if command.in_menu]
    return [(name, say(language, f"command.{name}")) for name in shown if images or name != "image"]


KINDS: dict[Kind, Callable[[Commands, Incoming, Reply], Awaitable[None]]] = {
    Kind.MESSAGE: Commands.message,
    Kind.EDIT: Commands.edit,
    Kind.BUTTON: Commands.button,
    Kind.STOP: Commands.stop,
    Kind.GONE: Commands.gone,
    Kind.BACK: Commands.gone,
    Kind.MOVED: Commands.moved,
}

COMMANDS: dict[str, Command] = {
    "/start": Command(Commands.start, in_menu=False),
    "/help": Command(Commands.help),
    "/new": Command(Commands.new),
    "/stop": Command(lambda self, incoming, reply, _rest: self.stop(incoming, reply)),
    "/image": Command(Commands.image),
    "/img": Command(Commands.image, in_menu=False),
    "/model": Command(Commands.model),
    "/settings": Command(Commands.settings),
}

ACTIONS: dict[str, Callable[[Commands, Incoming, Reply, Action], Awaitable[None]]] = {
    "retry": Commands.press_retry,
    "image.again": Commands.press_image,
    "image.ratio": Commands.press_image,
    "image.change": Commands.press_change,
    "settings.language": Commands.press_settings,
    "settings.model": Commands.press_settings,
    "settings.streaming": Commands.press_settings,
    "language.set": Commands.press_set,
    "model.set": Commands.press_set,
    "streaming.set": Commands.press_set,
}
