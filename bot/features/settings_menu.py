"""The commands /settings, /model and /reasoning: the choices of a chat, and the model that a user prefers everywhere.

Begin with `SettingsMenu.feature`. The model chosen in the chat has precedence over the user's own, this over the model
of the persona, and this over the default of the operator.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.ai import Profile
from bot.billing.pricing import MILLION, currency
from bot.feature import ButtonHandler, Command, Feature
from bot.llm.routing import ModelOption, Routing
from bot.outbox import ALONE, Choice, finish, finish_turn, finish_with, finish_with_notice
from bot.ports import Reply
from bot.prompts.library import Library
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import ChatChoices, Incoming, Permission

STREAMING = ("draft", "edit", "off")
SETTINGS = ("language", "model", "streaming", "notices")
REASONING = ("on", "off", "auto")
SIGNS = {"vision": "👁", "tools": "🔧", "reasoning": "🧠", "asynchronous": "🕓"}


@dataclass(slots=True, kw_only=True)
class SettingsMenu:
    """Shows the choices and stores them. `streaming` is the operator's default: "draft", "edit" or "off"."""

    store: Store
    routing: Routing
    streaming: str
    library: Library = field(default_factory=Library)

    def feature(self) -> Feature:
        """The three commands and their buttons."""
        return Feature(
            commands={
                "/model": Command(self.model, is_notice=True),
                "/reasoning": Command(self.reasoning, in_menu=self._reasons(), is_notice=True),
                "/settings": Command(self.settings, is_notice=True),
            },
            presses={
                **{f"settings.{name}": ButtonHandler(self.press_settings) for name in SETTINGS},
                **{
                    f"{name}.set": ButtonHandler(self.press_set, Permission.CHOOSE) for name in (*SETTINGS, "reasoning")
                },
                "model.everywhere": ButtonHandler(self.press_everywhere),
                "model.mine": ButtonHandler(self.press_mine),
            },
        )

    # --- the model ----------------------------------------------------------------------------------------------------

    async def model(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """List the models, with a button to choose each for this chat."""
        choices, language = incoming.chat, incoming.language
        now, missing = self._now(choices)
        options = [Choice(option.title, "model.set", {"model": option.name}) for option in self.routing.options]
        if choices.model:
            options.append(Choice(say(language, "model.reset"), "model.set", {"model": ""}))
        options.append(Choice(say(language, "model.everywhere"), "model.everywhere"))
        text = self._list(say(language, "model.choose", model=now.title), now, language)
        if missing:
            text = say(language, "model.gone", old=", ".join(missing), new=now.title) + "\n" + text
        await finish_with(self.store, incoming, reply, text, choices=options)

    async def press_everywhere(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """List the models, with a button to choose each for this user in all chats."""
        choices, language = incoming.chat, incoming.language
        options = [Choice(option.title, "model.mine", {"model": option.name}) for option in self.routing.options]
        if choices.own_model:
            options.append(Choice(say(language, "model.reset"), "model.mine", {"model": ""}))
        now, _ = self._now(choices)
        text = self._list(say(language, "model.mine"), now, language)
        await finish_with(self.store, incoming, reply, text, choices=options)

    async def press_mine(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the model that the user prefers in all chats; "" deletes the choice."""
        choices, language, name = incoming.chat, incoming.language, action.payload["model"]
        key = "model.mine.chosen" if name else "model.mine.none"
        sentence = say(language, key, model=self.routing.by_name(name).title)
        if name and choices.model:
            sentence += " " + say(language, "model.mine.here", model=self._now(choices)[0].title)

        def work(tx: Tx) -> None:
            tx.chats.store_own_model(incoming.address.bot, incoming.user.id, name)
            finish_turn(tx, incoming, sentence)

        await finish(self.store, reply, work)

    def _list(self, head: str, now: ModelOption, language: str) -> str:
        precedence = say(language, "model.order", default=self.routing.default.title)
        return "\n\n".join((head, list_models(self.routing, now, language), precedence))

    def _now(self, choices: ChatChoices) -> tuple[ModelOption, tuple[str, ...]]:
        """The model that answers in this chat, and the chosen models that are not offered any more."""
        own = self.library.persona(choices.persona).model
        now, missing = self.routing.resolve(choices.model, choices.own_model, own)
        return now, tuple(name for name in missing if name != own)

    # --- reasoning ----------------------------------------------------------------------------------------------------

    async def reasoning(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Show whether the model reasons before it answers, with a button for each mode."""
        choices, language = incoming.chat, incoming.language
        now, _ = self._now(choices)
        if not now.model.profile.reasoning:
            await finish_with_notice(self.store, incoming, reply, "reasoning.none", model=now.title)
            return
        mode = say(language, f"reasoning.{choices.reasoning or 'auto'}")
        options = [
            Choice(say(language, f"reasoning.{mode}"), "reasoning.set", {"reasoning": "" if mode == "auto" else mode})
            for mode in REASONING
        ]
        text = say(language, "reasoning.choose", model=now.title, mode=mode)
        await finish_with(self.store, incoming, reply, text, choices=options)

    def _reasons(self) -> bool:
        return any(option.model.profile.reasoning for option in self.routing.options)

    # --- the others ---------------------------------------------------------------------------------------------------

    async def settings(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Show the settings of the chat, with a button for each."""
        choices, language = incoming.chat, incoming.language
        text = say(
            language, "settings", language=NAMES[known(language)], model=self._now(choices)[0].title,
            streaming=say(language, f"streaming.{choices.streaming or self.streaming}"),
        )  # fmt: skip
        if not incoming.private:
            text += "\n" + say(language, "notices", notices=say(language, f"notices.{choices.notices or 'all'}"))
        names = SETTINGS[:-1] if incoming.private else SETTINGS
        options = [Choice(say(language, f"settings.{name}"), f"settings.{name}") for name in names]
        await finish_with(self.store, incoming, reply, text, choices=options)

    async def press_settings(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show the values of one setting as buttons."""
        language = incoming.language
        if action.name == "settings.model":
            await self.model(incoming, reply, "")
            return
        name = action.name.partition(".")[2]
        options = [Choice(title, f"{name}.set", {name: value}) for title, value in _values(name, language)]
        await finish_with(self.store, incoming, reply, say(language, "settings.choose"), choices=options)

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store a choice of the chat; in a group also in the audit log."""
        language = action.payload.get("language") or incoming.language
        if action.payload.get("notices") == ALONE and not await reply.is_admin(incoming.address.bot):
            await finish_with_notice(self.store, incoming, reply, "notices.cannot")
            return
        sentence = say(language, "settings.saved")
        if "model" in action.payload:
            now, _ = self._now(replace(incoming.chat, model=action.payload["model"]))
            sentence = say(language, "model.chosen", model=now.title)

        def work(tx: Tx) -> None:
            where = incoming.address
            tx.chats.store_choices(where, **action.payload)
            if not incoming.private:
                tx.audit.add_entry(where.bot, incoming.user.id, "settings", where.chat, **action.payload)
            finish_turn(tx, incoming, sentence)

        await finish(self.store, reply, work)


def _values(setting: str, language: str) -> list[tuple[str, str]]:
    """The values of a setting, as (label, value)."""
    match setting:
        case "language":
            return [(title, code) for code, title in NAMES.items()]
        case "notices":
            return [(say(language, "notices.all"), ""), (say(language, "notices.alone"), ALONE)]
        case _:
            return [(say(language, f"streaming.{mode}"), mode) for mode in STREAMING]


def list_models(routing: Routing, now: ModelOption, language: str) -> str:
    """The offered models, each with its abilities and its price below the title; the model `now` has a tick."""
    rows = [
        f"{'✓' if option is now else '•'} {option.title}\n{_ability(option, language)}" for option in routing.options
    ]
    return "\n".join(rows)


def _ability(option: ModelOption, language: str) -> str:
    profile = option.model.profile
    can = [f"{sign} {say(language, f'can.{name}')}" for name, sign in SIGNS.items() if getattr(profile, name)]
    return " · ".join([*can, say(language, "can.window", tokens=window(profile.window)), *_price(profile, language)])


def window(tokens: int) -> str:
    """A number of tokens in short: 32_768 is "32K", 4_000 is "4K"."""
    return f"{tokens / MILLION:g}M" if tokens >= MILLION else f"{round(tokens / 1024)}K"


def _price(profile: Profile, language: str) -> list[str]:
    """The price of input and output tokens as one item, none if the price is 0 or not known."""
    if not profile.price_in and not profile.price_out:
        return []
    both = [_plain(amount, language) for amount in dict.fromkeys((profile.price_in, profile.price_out))]
    return [say(language, "can.price", price=f"{'/'.join(both)}\u00a0{currency(language, profile.currency)}")]


def _plain(amount: Decimal, language: str) -> str:
    text = f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"
    return text.replace(".", ",") if known(language) == "ru" else text
