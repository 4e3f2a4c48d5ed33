"""The settings panel: /settings, /model, /reasoning and /language open one message that changes in place.

Begin with `SettingsPanel.settings`, the overview, which lists the sections of all features (`handlers.Section`). A
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
from bot.feature import Feature, Turn, command, press, section
from bot.handlers import Section
from bot.jobs import menus
from bot.llm.routing import ModelOption, Routing
from bot.outbox import ALONE, Answer, Choice, Page
from bot.ports import Reply
from bot.prompts.library import Library
from bot.storage.store import Store, Tx
from bot.texts.catalog import NAMES, known, say
from bot.types import ChatChoices, Incoming, Permission

STREAMING = ("draft", "edit", "off")
REASONING = ("auto", "on", "off")
TEMPERATURES = ("", "exact", "even", "free")
CHOICES = ("language", "model", "streaming", "notices", "reasoning", "temperature")  # columns of the table of chats
ORDER = (
    "model",
    "persona",
    "reasoning",
    "temperature",
    "answers",
    "voice",
    "language",
    "zone",
    "streaming",
    "notices",
    "memory",
    "templates",
    "jobs",
    "data",
)
SIGNS = {"vision": "👁", "tools": "🔧", "reasoning": "🧠", "asynchronous": "🕓"}


@dataclass(slots=True, kw_only=True)
class SettingsPanel(Feature):
    """Shows the choices of a chat and stores them. `streaming` is the operator's default: "draft", "edit" or "off".

    `others` are the sections of the other features, by their names; `hidden` are names of sections that are
    switched off.
    """

    store: Store
    routing: Routing
    streaming: str
    others: Mapping[str, Section]
    wake_jobs: Callable[[], None]
    library: Library = field(default_factory=Library)
    hidden: Collection[str] = ()

    @property
    def sections(self) -> Mapping[str, Section]:
        """All sections of the panel by their names."""
        sections = {**self.others, **self.feature().sections}
        return {name: section for name, section in sections.items() if name not in self.hidden}

    # --- the overview -------------------------------------------------------------------------------------------------

    @command("/settings", is_notice=True)
    def settings(self, tx: Tx, turn: Turn) -> Page:
        """Open a panel with the overview: each setting with its value, and a button for each."""
        return self._overview(tx, turn)

    # Panels of before this button had one action for each section.
    @press("settings", *(f"settings.{name}" for name in CHOICES[:-2]))
    def show(self, tx: Tx, turn: Turn, section: str = "") -> Page:
        """Show a section in the panel, or the overview again."""
        return self._page(tx, turn, section or turn.pressed.name.partition(".")[2])

    @command("/model", is_notice=True)
    @command("/reasoning", is_notice=True)
    @command("/language", is_notice=True)
    def open(self, tx: Tx, turn: Turn) -> Page:
        """Open a panel with the section that the command names."""
        return self._page(tx, turn, turn.text.split(maxsplit=1)[0].partition("@")[0].lower().removeprefix("/"))

    def _page(self, tx: Tx, turn: Turn, section: str) -> Page:
        found = self.sections.get(section)
        return self._overview(tx, turn) if found is None else found.page(tx, turn)

    def _overview(self, tx: Tx, incoming: Incoming) -> Page:
        language, known_sections = incoming.language, self.sections
        names = [name for name in ORDER if name in known_sections and known_sections[name].offered(incoming)]
        titles = {name: say(language, f"settings.{name}") for name in names}
        values = {name: known_sections[name].value(tx, incoming) for name in names}
        lines = [say(language, "settings"), "", *(f"{titles[name]}: {values[name]}" for name in names if values[name])]
        if incoming.address.thread:
            lines += ["", say(language, "settings.topic")]
        buttons = [Choice(titles[name], "settings", {"section": name}) for name in names]
        return Page("\n".join(lines), pairs(buttons), back=False)

    # --- the model ----------------------------------------------------------------------------------------------------

    @section("model", value=lambda self, _tx, turn: self._now(turn.chat)[0].title)
    def model_page(self, _tx: Tx, incoming: Turn) -> Page:
        """The models, and a button to choose each for this chat."""
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

    @press("model.everywhere")
    def show_own(self, _tx: Tx, turn: Turn) -> Page:
        """Show the models that this user can choose for all chats."""
        return self._own_model_page(turn)

    @press("model.mine", has_toast=True)
    def choose_own(self, tx: Tx, turn: Turn, model: str) -> Page:
        """Store the model that the user prefers in all chats; "" deletes the choice."""
        toast = turn.say("model.mine.chosen" if model else "model.mine.none", model=self.routing.by_name(model).title)
        if model and turn.chat.model:
            toast += " " + turn.say("model.mine.here", model=self._now(turn.chat)[0].title)
        tx.chats.store_own_model(turn.address.bot, turn.user.id, model)
        page = self._own_model_page(replace(turn, chat=replace(turn.chat, own_model=model)))
        return replace(page, toast=toast)

    def _precedence(self, language: str) -> str:
        return say(language, "model.order", default=self.routing.default.title)

    def _now(self, choices: ChatChoices) -> tuple[ModelOption, tuple[str, ...]]:
        """The model that answers in this chat, and the chosen models that are not offered any more."""
        own = self.library.persona(choices.persona).model
        now, missing = self.routing.resolve(choices.model, choices.own_model, own)
        return now, tuple(name for name in missing if name != own)

    # --- the others ---------------------------------------------------------------------------------------------------

    @section(
        "reasoning",
        value=lambda _self, _tx, turn: say(turn.language, f"reasoning.{turn.chat.reasoning or 'auto'}"),
        offered=lambda self, turn: self._now(turn.chat)[0].model.profile.reasoning,
    )
    def reasoning_page(self, _tx: Tx, incoming: Turn) -> Page:
        """Whether the model reasons before it answers, with a button for each mode."""
        language, model = incoming.language, self._now(incoming.chat)[0]
        if not model.model.profile.reasoning:
            return Page(say(language, "reasoning.none", model=model.title))
        mode = incoming.chat.reasoning
        text = say(language, "reasoning.choose", model=model.title, mode=say(language, f"reasoning.{mode or 'auto'}"))
        values = [
            ("" if value == "auto" else value, title) for value, title in _named(incoming, "reasoning", REASONING)
        ]
        return _values_page(incoming, "reasoning", mode, values, text)

    @section(
        "temperature",
        value=lambda _self, _tx, turn: say(turn.language, f"temperature.{turn.chat.temperature or 'usual'}"),
    )
    def temperature_page(self, _tx: Tx, turn: Turn) -> Page:
        """How freely the model writes."""
        values = [(one, turn.say(f"temperature.{one or 'usual'}")) for one in TEMPERATURES]
        return _values_page(turn, "temperature", turn.chat.temperature, values)

    @section("language", value=lambda _self, _tx, turn: NAMES[known(turn.language)])
    def language_page(self, _tx: Tx, turn: Turn) -> Page:
        """The languages, and a button to choose each for this chat."""
        return _values_page(turn, "language", known(turn.language), list(NAMES.items()))

    def _streaming(self, turn: Incoming) -> str:
        return turn.chat.streaming or self.streaming

    @section("streaming", value=lambda self, _tx, turn: say(turn.language, f"streaming.{self._streaming(turn)}"))
    def streaming_page(self, _tx: Tx, turn: Turn) -> Page:
        """How an answer is shown while it is being written."""
        return _values_page(turn, "streaming", self._streaming(turn), _named(turn, "streaming", STREAMING))

    @section(
        "notices",
        value=lambda _self, _tx, turn: say(turn.language, f"notices.{turn.chat.notices or 'all'}"),
        offered=lambda _self, turn: not turn.private,
    )
    def notices_page(self, _tx: Tx, turn: Turn) -> Page:
        """Who sees the notices of a group."""
        values = [("", turn.say("notices.all")), (ALONE, turn.say("notices.alone"))]
        return _values_page(turn, "notices", turn.chat.notices, values)

    @section(
        "answers",
        value=lambda _self, _tx, turn: say(turn.language, f"answers.{turn.chat.answers or 'mentions'}"),
        offered=lambda _self, turn: not turn.private and turn.address.thread != 0,
    )
    def answers_page(self, _tx: Tx, turn: Turn) -> Page:
        """Which messages in a topic of a group are answered."""
        values = [("", turn.say("answers.mentions")), ("all", turn.say("answers.all"))]
        return _values_page(turn, "answers", turn.chat.answers, values)

    @press(*(f"{name}.set" for name in (*CHOICES, "answers")), requires=Permission.CHOOSE, has_toast=True)
    async def choose(self, turn: Turn, reply: Reply) -> Answer | Callable[[Tx], Page]:
        """Store a choice of the chat, in a group also in the audit log, and show it in the panel."""
        chosen = turn.pressed.payload
        if chosen.get("notices") == ALONE and not await reply.is_admin(turn.address.bot):
            return Answer(toast=turn.say("notices.cannot"))
        changed = replace(turn, chat=replace(turn.chat, **chosen))
        shown = self.sections[turn.pressed.name.partition(".")[0]]

        def store_choice(tx: Tx) -> Page:
            store_choices(tx, turn, chosen)
            if turn.private and "language" in chosen:
                menus.request(tx, turn.address)
            page, toast = shown.page(tx, changed), changed.say("settings.saved")
            if "model" in chosen:
                toast = changed.say("model.chosen", model=self._now(changed.chat)[0].title)
            back = [Choice(changed.say("panel.back"), "settings")]  # in the language that was chosen
            return replace(page, rows=[*page.rows, back], back=False, toast=toast)

        return store_choice


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
