"""Which models a bot offers: those of the programmer's extension first, then those of the settings."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.ai import AsyncModel, ImageModel, Model
from bot.clock import Clock
from bot.config.settings import Settings
from bot.extension import Extension
from bot.llm.circuit_breaker import CircuitBreaker
from bot.llm.routing import ModelOption, Routing
from bot.providers import catalog
from bot.providers.yandex.service import YandexStudio

AsyncModels = Callable[[str], AsyncModel | None]  # the asynchronous mode of the model with that name


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models of a bot: language models (`routing`), their asynchronous modes, and a model that draws (None: none).

    `studio` makes the clients of speech, search and embeddings. `chance` is the random generator for the seeds of
    pictures.
    """

    studio: YandexStudio
    routing: Routing
    async_models: AsyncModels
    images: ImageModel | None
    chance: random.Random


def offered(
    settings: Settings, studio: YandexStudio, clock: Clock, extension: Extension, instead: Routing | None = None
) -> Routing:
    """Return the models that users may choose from. A programmer's model replaces one of AI Studio with its name.

    `instead`: models to offer in the place of those that the settings name.
    """
    own = [ModelOption(one.name, one.title, CircuitBreaker(one.model, clock)) for one in extension.models]
    names = {option.name for option in own}
    others: Sequence[ModelOption] = ()
    if instead is not None:
        others = instead.options
    elif not extension.only_models:
        others = _of_settings(settings, studio, clock)
    return Routing([*own, *(option for option in others if option.name not in names)])


def async_models(studio: YandexStudio, extension: Extension) -> AsyncModels:
    """Return a function from a model's name to its asynchronous mode; None for a programmer's own models, which have
    none.
    """
    own = {one.name for one in extension.models}
    return lambda name: None if extension.only_models or name in own else studio.later(name)


def helper_model(settings: Settings, studio: YandexStudio, extension: Extension) -> Model:
    """Return the cheap model for requests beside the conversation; with only a programmer's models it is the first."""
    return extension.models[0].model if extension.only_models else studio.text(settings.helper_model)


def _of_settings(settings: Settings, studio: YandexStudio, clock: Clock) -> Sequence[ModelOption]:
    names = [(entry.name, entry.title) for entry in catalog.choices(settings.models)]
    if settings.model not in [name for name, _ in names]:
        names = [(settings.model, settings.model), *names]
    names = sorted(names, key=lambda row: row[0] != settings.model)
    return [ModelOption(name, title, CircuitBreaker(studio.text(name), clock)) for name, title in names]
