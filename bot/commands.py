"""Words with a slash, buttons, and everything else to the chat. The table at the foot is the menu too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot import edits
from bot.access import RULES, Access, Actor, Decision
from bot.access import Action as Act
from bot.chat import Begun, Chat
from bot.errors import LimitReached, NotAllowed
from bot.images import Images
from bot.outbox import Effect, settle, tell
from bot.storage.buttons import Action
from bot.storage.chats import Choices
from bot.storage.spending import DAY
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import Button, Drawing, Incoming, Kind, Outgoing, Reply

STREAMING = ("draft", "edit", "off")


@dataclass(frozen=True, slots=True)
class Command:
    run: Callable[[Commands, Incoming, Reply, str], Awaitable[None]]
    in_menu: bool = True
    act: Act = Act.TALK


@dataclass(frozen=True, slots=True)
class Press:
    run: Callable[[Commands, Incoming, Reply, Action], Awaitable[None]]
    act: Act = Act.TALK


@dataclass(slots=True)
class Commands:
    store: Store
    chat: Chat
    images: Images
    streaming: str
    wake_jobs: Callable[[], None]
    access: Access

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
                await self._awaited(incoming, reply, begun, begun.awaited)
            else:
                await self.chat.answer(incoming, reply, begun)

    async def _command(self, incoming: Incoming, reply: Reply, word: str, rest: str) -> None:
        name, at, _ = word.partition("@")
        command = COMMANDS.get(name.lower())
        if command is not None and await self._may(incoming, reply, command.act) is Decision.ALLOWED:
            await self._seen(incoming)
            await command.run(self, incoming, reply, rest)
        elif incoming.private or at:
            await tell(self.store, incoming, reply, "unknown.command", command=word[:64])
        else:  # in a group it is probably another bot's
            await settle(self.store, incoming, reply)

    async def edit(self, incoming: Incoming, reply: Reply) -> None:
        """A question that was edited: see `edits`."""
        is_question = incoming.text.strip() and not incoming.text.startswith("/")
        if is_question and (begun := await self.chat.revise(incoming)) is not None:
            await self.chat.answer(incoming, reply, begun)
        elif is_question and await self.store.read(lambda tx: edits.is_first(tx, incoming)):
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
        await tell(self.store, incoming, reply, "start", name=incoming.user.name)

    async def help(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        language = await self._language(incoming)
        lines = "\n".join(f"/{name} - {text}" for name, text in menu(language, images=self.images.painter is not None))
        await tell(self.store, incoming, reply, "help", commands=lines)

    async def new(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        language = await self._language(incoming)

        def begin(tx: Tx) -> None:
            tx.messages.begin(incoming.address)
            tx.buttons.forget(incoming.address, incoming.user.id)

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
        press = PRESSES.get(action.name) if action else None
        if action is None or press is None:
            await reply.acknowledge(say(language, "old.button"))
            await settle(self.store, incoming, reply)
        elif await self._may(incoming, reply, press.act) is not Decision.ALLOWED:
            raise NotAllowed(say(language, "admins.only"))
        else:
            await reply.acknowledge()
            await press.run(self, incoming, reply, action)

    async def press_retry(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        begun = await self.chat.again(incoming, action.payload["turn"])
        if begun is None:
            await settle(self.store, incoming, reply)
        else:
            await self.chat.answer(incoming, reply, begun)

    async def press_image(self, incoming: Incoming, reply: Reply, action: Action) -> None:
        """Again (another seed) or in another ratio (the same). It costs money: the button works once."""

        def use_up(tx: Tx) -> None:
            tx.buttons.use_up(action.key)

        drawn = await self.images.drawing(incoming.address, action.payload["turn"])
        if drawn is None:
            await settle(self.store, incoming, reply)
        elif action.name == "image.again":
            wish = Drawing(drawn.prompt, self.images.seed(), drawn.width, drawn.height)
            await self._order(incoming, reply, wish, use_up)
        else:
            wish = Drawing(drawn.prompt, drawn.seed, action.payload["width"], action.payload["height"])
            await self._order(incoming, reply, wish, use_up)

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
        """Store a choice of the chat."""
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

        def forget(tx: Tx) -> None:
            tx.buttons.forget(incoming.address, incoming.user.id)

        drawn = await self.images.drawing(incoming.address, action.payload["turn"])
        if drawn is None or self.images.painter is None:
            await self.store.write(forget)
            await self.chat.answer(incoming, reply, await self.chat.begin(incoming))
        else:  # what is too long is refused and may be said again
            wish = Drawing(f"{drawn.prompt}, {incoming.text.strip()}", drawn.seed, drawn.width, drawn.height)
            try:
                await self._order(incoming, reply, wish, forget)
            except LimitReached:  # it may not be said again soon: what comes next is a question as any other
                await self.store.write(forget)
                raise

    # --- what several need --------------------------------------------------------------------------------------------

    async def _order(self, incoming: Incoming, reply: Reply, drawing: Drawing, also: Effect | None = None) -> None:
        await self.images.order(incoming, reply, await self._language(incoming), drawing, also)
        self.wake_jobs()

    async def _offer(
        self, incoming: Incoming, reply: Reply, text: str, options: list[tuple[str, str, dict[str, str]]]
    ) -> None:
        def work(tx: Tx) -> tuple[tuple[Button, ...], ...]:
            where, user = incoming.address, incoming.user.id
            return tuple(
                [(tx.buttons.add(where, incoming.id, user, label, act, **kept),) for label, act, kept in options]
            )

        rows = await self.store.write(work)
        await settle(self.store, incoming, reply, Outgoing(text, plain=True, buttons=rows))

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

    async def _choices(self, incoming: Incoming) -> Choices:
        return await self.store.read(lambda tx: tx.chats.choices(incoming.address))

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
    "/spending": Command(Commands.spending, in_menu=False, act=Act.ADMINISTER),
}

PRESSES: dict[str, Press] = {
    "retry": Press(Commands.press_retry),
    "image.again": Press(Commands.press_image),
    "image.ratio": Press(Commands.press_image),
    "image.change": Press(Commands.press_change),
    "settings.language": Press(Commands.press_settings),
    "settings.model": Press(Commands.press_settings),
    "settings.streaming": Press(Commands.press_settings),
    "language.set": Press(Commands.press_set, Act.CHOOSE),
    "model.set": Press(Commands.press_set, Act.CHOOSE),
    "streaming.set": Press(Commands.press_set, Act.CHOOSE),
}
