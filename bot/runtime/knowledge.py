"""The knowledge base of a bot: what embeds its passages, what it answers with. Begin with `knowledge_base`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.access.policy import Access, Actor
from bot.ai import Embedder
from bot.billing.budget import Budget
from bot.billing.metering import Meter
from bot.billing.pricing import Price, PriceList
from bot.concurrency.child_pool import ChildPool
from bot.config.settings import Settings
from bot.knowledge.answering import KnowledgeAnswers
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.learning.gaps import Dislikes
from bot.providers.yandex.service import YandexStudio
from bot.storage.repositories.money.ledger import EMBEDDING
from bot.storage.store import Store
from bot.types import Incoming


def knowledge_base(
    settings: Settings, *, store: Store, bot: int, files: ChildPool, studio: YandexStudio | None, budget: Budget
) -> KnowledgeBase | None:
    """The bot's own sources; None with KNOWLEDGE=off. Until there is a source, nothing of their libraries is imported.

    `studio` None: there is no key, so AI Studio embeds nothing.
    """
    if settings.knowledge == "off":
        return None
    embedder, prices = embedder_of(settings, studio)
    meter = Meter(store=store, budget=budget, tariffs=prices)
    return KnowledgeBase(
        store=store, bot=bot, files=files, meter=meter, cache=settings.knowledge_cache, embedder=embedder
    )


def knowledge_answers(base: KnowledgeBase | None, settings: Settings, access: Access) -> KnowledgeAnswers | None:
    """What answers questions from the sources; None without a knowledge base."""
    if base is None:
        return None
    return KnowledgeAnswers(base=base, level=settings.knowledge, role=_role(access))


def dislikes(base: KnowledgeBase | None, access: Access) -> Dislikes | None:
    """What notes answers from the sources that are disliked; None without a knowledge base."""
    return None if base is None else Dislikes(role=_role(access))


def _role(access: Access) -> Callable[[Incoming], str]:
    return lambda incoming: access.role(Actor.of(incoming)).word


def embedder_of(settings: Settings, studio: YandexStudio | None) -> tuple[Embedder | None, PriceList]:
    """What embeds the passages of the knowledge base, by the settings, and the prices with those of its vectors.

    `studio` None: there is no key. Raises `ConfigError` if a library is missing.
    """
    prices = PriceList.from_settings(settings)
    if settings.embeddings == "offline":
        from bot.providers.local.embeddings import OfflineEmbeddings

        own = OfflineEmbeddings()
        free = Price(EMBEDDING, own.name)
        return own, replace(prices, documents=free, questions=free)
    return (studio.embeddings() if studio and settings.embeddings == "yandex" else None), prices
