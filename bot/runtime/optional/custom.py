"""What a programmer has added around messages (`App`), and what is switched off of the bot's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches

from bot.dispatch.custom.answers import CustomAnswers
from bot.dispatch.custom.commands import CustomCommands
from bot.dispatch.custom.dialogues import Dialogues
from bot.dispatch.custom.middleware import CustomMiddleware
from bot.dispatch.custom.presses import CustomPresses
from bot.dispatch.pipeline import Layer
from bot.dispatch.router import Take
from bot.errors import ConfigError
from bot.extension.extension import HandlerExtension
from bot.features.times import reading, zones
from bot.handlers import Handlers, joined
from bot.runtime.parts import Given, Ground

KEPT = ("persona.ask",)  # questions that the greeting suggests


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomParts:
    """The features of a programmer, the layers that stand between the admission and the router, what may take a
    message before it is a question (`Router.takes`), and what makes rows of buttons.
    """

    features: Sequence[Handlers]
    layers: Sequence[Layer]
    answers: CustomAnswers
    takes: Sequence[Take] = ()


def custom_parts(given: Given, ground: Ground) -> CustomParts:
    """The parts that hold what a programmer has added. What was not added has no part."""
    added, store = given.added.handlers, given.store
    answers = CustomAnswers(store=store, presses={press.name: press for press in added.presses})
    dialogues = Dialogues(
        store=store,
        answers=answers,
        commands={command.word: command for command in added.commands},
        read_day=_read_day,
    )
    features = [CustomCommands(dialogues=dialogues, commands=added.commands).feature()]
    if added.presses:
        features.append(CustomPresses(store=store, access=ground.people.access, dialogues=dialogues).feature())
    asks = bool(added.commands or added.presses)
    if asks:
        features.append(dialogues.feature())
    layers = [CustomMiddleware(store=store, answers=answers, functions=added.middleware)] if added.middleware else []
    return CustomParts(features=features, layers=layers, answers=answers, takes=(dialogues.take,) if asks else ())


def _read_day(text: str, now: float, zone: str) -> date | None:
    return reading.read_day(text, datetime.fromtimestamp(now, zones.zone(zone) or UTC))


def offered(
    own: Sequence[Handlers],
    added: Sequence[Handlers],
    panel: Callable[[Sequence[Handlers]], Handlers],
    handlers: HandlerExtension,
) -> list[Handlers]:
    """Return the bot's `own` features, those that a programmer has `added`, and the settings panel of all of them.

    `handlers.without` are words of commands that the programmer does not want: they go, and with the last command of a
    feature all that people see of it. Its jobs stay, so that what was begun is ended. Raises `ConfigError` for a word
    that is no command.
    """
    without = handlers.without
    features = [*(_cut(feature, without) for feature in own), *added]
    settings = panel(features)
    names = [word.removeprefix("/") for word in joined([*own, settings]).commands]
    for word in without:
        if word not in names:
            near = "".join(f"; did you mean {one}?" for one in get_close_matches(word, names, 1))
            raise ConfigError(f"{handlers.place}App(without=...): there is no command {word}{near}")
    return [*features, _cut(settings, without)]


def _cut(feature: Handlers, words: Collection[str]) -> Handlers:
    if not words:
        return feature
    unwanted = [command.run for name, command in feature.commands.items() if name.removeprefix("/") in words]
    left = {name: command for name, command in feature.commands.items() if command.run not in unwanted}
    if left or not feature.commands:
        sections = {name: section for name, section in feature.sections.items() if name not in words}
        return replace(feature, commands=left, sections=sections)
    presses = {name: press for name, press in feature.presses.items() if name in KEPT}
    return Handlers(presses=presses, jobs=feature.jobs, kinds=feature.kinds)
