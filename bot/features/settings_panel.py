"""The settings panel: /settings, /model, /reasoning and /language open one message that changes in place.

Begin with `SettingsPanel.settings`, the overview, which lists the sections of all features (`feature.Section`). A
press on a section shows its page in the same message; a press on a value stores it, marks it with a tick and says so
in a toast. The model chosen in the chat has precedence over the user's own, this over the model of the persona, and
this over the default of the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.access.audit_log import store_choices
from bot.ai import Profile
from bot.billing.pricing import MILLION, currency
from bot.feature import ButtonHandler, Command, Handlers, Section
from bot.jobs import menus
from bot.llm.routing import ModelOption, Routing
from bot.outbox import ALONE, Choice, Page, finish, finish_page, finish_with
from bot.ports import Reply
from bot.prompts.library import Library
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import ChatChoices, Incoming, Permission

STREAMING = ("draft", "edit", "off")
REASONING = ("auto", "on", "off")
TEMPERATURES = ("", "exact", "even", "free")
CHOICES = ("language", "model", "streaming", "notices", "reasoning", "temperature")  # columns of the table of chats
ORDER = (
    "model", "persona", "reasoning", "temperature", "answers", "voice", "language", "zone", "streaming", "notices",
    "memory", "templates", "jobs", "data",
)  # fmt: skip
SIGNS = {"vision": "👁", "tools": "🔧", "reasoning": "🧠", "asynchronous": "🕓"}


@dataclass(slots=True, kw_only=True)
class SettingsPanel:
    """Shows the choices of a chat and stores them. `streaming` is the operator's default: "draft", "edit" or "off".

    `others` are the sections of the other features, by their names; `hidden` are names of sections that are
    switched off. `wake_jobs` is called after a job was added.
    """

    store: Store
    routing: Routing
    streaming: str
    others: Mapping[str, Section]
    wake_jobs: Callable[[], None]
    library: Library = field(default_factory=Library)
    hidden: Collection[str] = ()

    def feature(self) -> Handlers:
        """The four commands, the buttons of the panel, and the sections about models, language and streaming."""
        stores = ButtonHandler(self.press_set, Permission.CHOOSE, has_toast=True)
        return Handlers(
            commands={
                "/model": Command(self.model, is_notice=True),
                "/settings": Command(self.settings, is_notice=True),
                "/reasoning": Command(self.reasoning, is_notice=True),
                "/language": Command(self.language, is_notice=True),
            },
            presses={
                "settings": ButtonHandler(self.press_settings),
                # Panels of before this button had one action for each section.
                **{f"settings.{name}": ButtonHandler(self.press_settings) for name in CHOICES[:-2]},
                **{f"{name}.set": stores for name in (*CHOICES, "answers")},
                "model.everywhere": ButtonHandler(self.press_everywhere),
                "model.mine": ButtonHandler(self.press_mine, has_toast=True),
            },
            sections=self._own_sections(),
        )

    @property
    def sections(self) -> Mapping[str, Section]:
        """All sections of the panel by their names."""
        sections = {**self.others, **self._own_sections()}
        return {name: section for name, section in sections.items() if name not in self.hidden}

    def _own_sections(self) -> dict[str, Section]:
        return {
            "model": Section(page=self._model_page, value=lambda _tx, incoming: self._now(incoming.chat)[0].title),
            "reasoning": Section(
                page=self._reasoning_page,
                value=lambda _tx, incoming: say(incoming.language, f"reasoning.{incoming.chat.reasoning or 'auto'}"),
                offered=lambda incoming: self._now(incoming.chat)[0].model.profile.reasoning,
            ),
            "temperature": Section(
                page=lambda _tx, incoming: _values_page(
                    incoming, "temperature", incoming.chat.temperature,
                    [(one, say(incoming.language, f"temperature.{one or 'usual'}")) for one in TEMPERATURES],
                ),
                value=lambda _tx, incoming: say(
                    incoming.language, f"temperature.{incoming.chat.temperature or 'usual'}"
                ),
            ),
            "language": Section(
                page=lambda _tx, incoming: _values_page(
                    incoming, "language", known(incoming.language), [(code, name) for code, name in NAMES.items()]
                ),
                value=lambda _tx, incoming: NAMES[known(incoming.language)],
            ),
            "streaming": Section(
                page=lambda _tx, incoming: _values_page(
                    incoming, "streaming", self._streaming(incoming), _named(incoming, "streaming", STREAMING)
                ),
                value=lambda _tx, incoming: say(incoming.language, f"streaming.{self._streaming(incoming)}"),
            ),
            "notices": Section(
                page=lambda _tx, incoming: _values_page(
                    incoming, "notices", incoming.chat.notices,
                    [("", say(incoming.language, "notices.all")), (ALONE, say(incoming.language, "notices.alone"))],
                ),
                value=lambda _tx, incoming: say(incoming.language, f"notices.{incoming.chat.notices or 'all'}"),
                offered=lambda incoming: not incoming.private,
            ),
            "answers": Section(
                page=lambda _tx, incoming: _values_page(
                    incoming, "answers", incoming.chat.answers,
                    [("", say(incoming.language, "answers.mentions")), ("all", say(incoming.language, "answers.all"))],
                ),
                value=lambda _tx, incoming: say(incoming.language, f"answers.{incoming.chat.answers or 'mentions'}"),
                offered=lambda incoming: not incoming.private and incoming.address.thread != 0,
            ),
        }  # fmt: skip

    # --- the overview -------------------------------------------------------------------------------------------------

    async def settings(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Open a panel with the overview: each setting with its value, and a button for each."""
        await self._show(incoming, reply, "")

    async def press_settings(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show a section in the panel, or the overview again."""
        await self._show(incoming, reply, action.payload.get("section") or action.name.partition(".")[2])

    async def model(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Open a panel with the models, and a button to choose each for this chat."""
        await self._show(incoming, reply, "model")

    async def reasoning(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Open a panel that says whether the model reasons before it answers, with a button for each mode."""
        await self._show(incoming, reply, "reasoning")

    async def language(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Open a panel with the languages, and a button to choose each for this chat."""
        await self._show(incoming, reply, "language")

    async def _show(self, incoming: Incoming, reply: Reply, name: str) -> None:
        def work(tx: Tx) -> None:
            section = self.sections.get(name)
            if section is None:
                finish_page(tx, incoming, self._overview(tx, incoming), back=False)
            else:
                finish_page(tx, incoming, section.page(tx, incoming))

        await finish(self.store, reply, work)

    def _overview(self, tx: Tx, incoming: Incoming) -> Page:
        language, known_sections = incoming.language, self.sections
        names = [name for name in ORDER if name in known_sections and known_sections[name].offered(incoming)]
        titles = {name: say(language, f"settings.{name}") for name in names}
        values = {name: known_sections[name].value(tx, incoming) for name in names}
        lines = [say(language, "settings"), "", *(f"{titles[name]}: {values[name]}" for name in names if values[name])]
        if incoming.address.thread:
            lines += ["", say(language, "settings.topic")]
        buttons = [Choice(titles[name], "settings", {"section": name}) for name in names]
        return Page("\n".join(lines), pairs(buttons))

    # --- the model ----------------------------------------------------------------------------------------------------

    def _model_page(self, _tx: Tx, incoming: Incoming) -> Page:
        choices, language = incoming.chat, incoming.language
        now, missing = self._now(choices)
        about = [say(language, "model.choose", model=now.title), _ability(now, language)]
        if different := _differences(self.routing.options, language):
            about += ["", *different]
        text = "\n".join(about)
        if missing:
            text = say(language, "model.gone", old=", ".join(missing), new=now.title) + "\n" + text
        rows = pairs(
            [_ticked(option.title, option is now, "model.set", option.name) for option in self.routing.options]
        )
        if choices.model:
            rows = [*rows, [Choice(say(language, "model.reset"), "model.set", {"model": ""})]]
        return Page(text, [*rows, [Choice(say(language, "model.everywhere"), "model.everywhere")]])

    def _own_model_page(self, incoming: Incoming) -> Page:
        language, mine = incoming.language, incoming.chat.own_model
        options = [_ticked(one.title, one.name == mine, "model.mine", one.name) for one in self.routing.options]
        options.append(_ticked(say(language, "model.reset"), not mine, "model.mine", ""))
        rows = [*pairs(options), [Choice(say(language, "settings.model.chat"), "settings", {"section": "model"})]]
        return Page(say(language, "model.mine") + "\n\n" + self._precedence(language), rows)

    async def press_everywhere(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Show the models that this user can choose for all chats."""
        await finish(self.store, reply, lambda tx: finish_page(tx, incoming, self._own_model_page(incoming)))

    async def press_mine(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store the model that the user prefers in all chats; "" deletes the choice."""
        language, name = incoming.language, action.payload["model"]
        key = "model.mine.chosen" if name else "model.mine.none"
        toast = say(language, key, model=self.routing.by_name(name).title)
        if name and incoming.chat.model:
            toast += " " + say(language, "model.mine.here", model=self._now(incoming.chat)[0].title)
        changed = replace(incoming, chat=replace(incoming.chat, own_model=name))

        def work(tx: Tx) -> None:
            tx.chats.store_own_model(incoming.address.bot, incoming.user.id, name)
            finish_page(tx, incoming, self._own_model_page(changed))

        await finish(self.store, reply, work)
        await reply.acknowledge(toast)

    def _precedence(self, language: str) -> str:
        return say(language, "model.order", default=self.routing.default.title)

    def _now(self, choices: ChatChoices) -> tuple[ModelOption, tuple[str, ...]]:
        """The model that answers in this chat, and the chosen models that are not offered any more."""
        own = self.library.persona(choices.persona).model
        now, missing = self.routing.resolve(choices.model, choices.own_model, own)
        return now, tuple(name for name in missing if name != own)

    # --- the others ---------------------------------------------------------------------------------------------------

    def _reasoning_page(self, _tx: Tx, incoming: Incoming) -> Page:
        language, model = incoming.language, self._now(incoming.chat)[0]
        if not model.model.profile.reasoning:
            return Page(say(language, "reasoning.none", model=model.title))
        mode = incoming.chat.reasoning
        text = say(language, "reasoning.choose", model=model.title, mode=say(language, f"reasoning.{mode or 'auto'}"))
        values = [
            ("" if value == "auto" else value, title) for value, title in _named(incoming, "reasoning", REASONING)
        ]
        return _values_page(incoming, "reasoning", mode, values, text)

    def _streaming(self, incoming: Incoming) -> str:
        return incoming.chat.streaming or self.streaming

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Store a choice of the chat, in a group also in the audit log, and show it in the panel."""
        if action.payload.get("notices") == ALONE and not await reply.is_admin(incoming.address.bot):
            await finish_with(self.store, incoming, reply)
            await reply.acknowledge(say(incoming.language, "notices.cannot"))
            return
        changed = replace(incoming, chat=replace(incoming.chat, **action.payload))
        section = self.sections[action.name.partition(".")[0]]

        def work(tx: Tx) -> None:
            store_choices(tx, incoming, action.payload)
            if incoming.private and "language" in action.payload:
                menus.request(tx, incoming.address)
            finish_page(tx, changed, section.page(tx, changed))

        await finish(self.store, reply, work)
        self.wake_jobs()
        toast = say(changed.language, "settings.saved")
        if "model" in action.payload:
            toast = say(changed.language, "model.chosen", model=self._now(changed.chat)[0].title)
        await reply.acknowledge(toast)


def _values_page(incoming: Incoming, setting: str, now: str, values: Sequence[tuple[str, str]], text: str = "") -> Page:
    """The page of a setting with few values, each given as (value, label), with its own text or the usual one."""
    language = incoming.language
    about = text or f"{say(language, f'settings.{setting}')}\n\n{say(language, f'settings.{setting}.about')}"
    return Page(about, [[_ticked(label, value == now, f"{setting}.set", value)] for value, label in values])


def _named(incoming: Incoming, setting: str, values: Sequence[str]) -> list[tuple[str, str]]:
    return [(value, say(incoming.language, f"{setting}.{value}")) for value in values]


def _ticked(label: str, is_now: bool, action: str, value: str) -> Choice:
    """The button of a value of the setting that the action names; the value of now has a tick."""
    return Choice(("✓ " if is_now else "") + label, action, {action.partition(".")[0]: value})


def pairs(choices: Sequence[Choice]) -> list[Sequence[Choice]]:
    """Return the buttons in rows of two."""
    return [choices[first : first + 2] for first in range(0, len(choices), 2)]


def _ability(option: ModelOption, language: str) -> str:
    profile = option.model.profile
    can = [f"{sign} {say(language, f'can.{name}')}" for name, sign in SIGNS.items() if getattr(profile, name)]
    price = [say(language, "can.price", price=_price(profile, language))] if _is_paid(profile) else []
    return " · ".join([*can, say(language, "can.window", tokens=window(profile.window)), *price])


def _differences(options: Sequence[ModelOption], language: str) -> list[str]:
    """A line for each ability that only some models have, and one with the lowest and the highest price."""
    lines = []
    for name, sign in SIGNS.items():
        able = [option.title for option in options if getattr(option.model.profile, name)]
        if 0 < len(able) < len(options):
            lines.append(f"{sign} {say(language, f'can.{name}')}: {', '.join(able)}")
    paid = sorted((option for option in options if _is_paid(option.model.profile)), key=_both_prices)
    if paid and _both_prices(paid[0]) != _both_prices(paid[-1]):
        low, high = (f"{_price(one.model.profile, language)} ({one.title})" for one in (paid[0], paid[-1]))
        lines.append(say(language, "can.prices", low=low, high=high))
    return lines


def window(tokens: int) -> str:
    """A number of tokens in short: 32_768 is "32K", 4_000 is "4K"."""
    return f"{tokens / MILLION:g}M" if tokens >= MILLION else f"{round(tokens / 1024)}K"


def _is_paid(profile: Profile) -> bool:
    """Whether the model has a price, and it is known."""
    return bool(profile.price_in or profile.price_out)


def _both_prices(option: ModelOption) -> Decimal:
    return option.model.profile.price_in + option.model.profile.price_out


def _price(profile: Profile, language: str) -> str:
    """The price of input and output tokens: "0.50/1.20 RUB", or one amount where they cost the same."""
    both = [_plain(amount, language) for amount in dict.fromkeys((profile.price_in, profile.price_out))]
    return f"{'/'.join(both)}\u00a0{currency(language, profile.currency)}"


def _plain(amount: Decimal, language: str) -> str:
    text = f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"
    return text.replace(".", ",") if known(language) == "ru" else text
