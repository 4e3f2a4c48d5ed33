"""The work of `govorun kb`: keeps the knowledge base from the command line. Begin with `opened`."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from bot.access.policy import Access
from bot.billing.budget import BotBudget, Everybody, duration
from bot.billing.metering import BillTo, Meter
from bot.billing.pricing import shown
from bot.clock import SystemClock
from bot.concurrency.allocator import return_freed_memory
from bot.config.settings import Settings, has_key
from bot.errors import BadInput, ConfigError, LimitReached
from bot.features.knowledge.jobs import request_sync
from bot.knowledge import rights
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.knowledge.embedding import CHARACTERS
from bot.knowledge.sources.source import SourceFailed, failure_text, trouble_text
from bot.ports import Agree, Say
from bot.providers.yandex.service import YandexStudio
from bot.runtime.models import Embedders
from bot.runtime.resources import SharedResources
from bot.storage.engines.sqlite_files import alone
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations
from bot.storage.repositories.knowledge.passages import VECTOR_STORE
from bot.storage.repositories.knowledge.sources import KnowledgeSource
from bot.storage.store import Tx
from bot.types import Address

SPANS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
SHOWN_TROUBLES = 20
LONGEST_SHOWN = 200  # characters of a passage that is found


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeCommand:
    """The knowledge base of one bot, with a terminal: `say` prints a line, `agree` asks a yes-or-no question."""

    base: KnowledgeBase
    currency: str
    say: Say
    agree: Agree

    async def add(self, wish: KnowledgeSource) -> None:
        """Add a source, read it, print what its embeddings cost, and buy them if the person at the terminal agrees."""
        source = await self.base.add(wish)
        if source.every:
            bot, id_, every = self.base.bot, source.id, source.every
            await self.base.store.write(lambda tx: request_sync(tx, bot, id_, after=every))
        self.say(f"{source.name}: {source.kind} {source.address}")
        if not source.audience:
            self.say(f"Nobody may read it yet: govorun kb read {source.name} members (or everyone, admins, user:ID).")
        await self.sync(source.name)

    async def sync(self, name: str) -> None:
        """Read a source again, and go on with it if it was paused. Before articles are deleted, and before embeddings
        are bought, the person at the terminal is asked.
        """
        source = await self.base.find(name)
        if source.state == "paused":
            await self.base.store.write(lambda tx: self._resume(tx, source))
        began = time.monotonic()
        report = await self.base.sync(source)
        if report.held:
            if self.agree(f"{name}: {counted(report.held, 'passage')} gone at the source. Remove here, too?"):
                report = await self.base.sync(source, agreed=True)
            else:
                self.say("They stay, and the source asks again at its next sync.")
        self.say(
            f"{source.name}: {counted(report.new, 'article')} read, {report.unchanged} as they were, "
            f"{report.gone} gone; {counted(report.added, 'passage')} new, {report.ended} ended; "
            f"{time.monotonic() - began:.1f} s"
        )
        if report.equal:
            self.say(f"  {report.equal} more have the text of another one, which was read once")
        for trouble in report.troubles[:SHOWN_TROUBLES]:
            self.say(f"  {trouble.key}: {told(trouble.reason)}")
        if (more := len(report.troubles) - SHOWN_TROUBLES) > 0:
            self.say(f"  ... and {more} more")
        await self.embed()

    async def sync_all(self) -> bool:
        """Read all sources that are not paused, and say of each that can't be read why. Returns whether all could."""
        failed = False
        for name in await self.names():
            try:
                await self.sync(name)
            except (SourceFailed, BadInput) as error:
                self.say(f"{name}: {error}")
                failed = True
        return not failed

    async def embed(self) -> None:
        """Buy the missing embeddings, if the person at the terminal agrees to the price. Raises `BadInput` where
        the whole bot may not spend as much.
        """
        wanted = await self.base.estimate()
        if not wanted.passages:
            return
        price = shown("en", wanted.cost, self.currency) if wanted.cost else "free of charge"
        time_ = f", about {duration('en', wanted.seconds)}" if wanted.seconds else ""
        line = f"{counted(wanted.passages, 'passage')} to embed, about {wanted.tokens:,} tokens: {price}{time_}."
        if wanted.cost and not self.agree(f"{line} Go on?"):
            found = "by their former embeddings" if wanted.again else "by their words"
            self.say(f"Until then they are found {found}: govorun kb embed asks again.")
            return
        self.say(line)
        try:
            await self.base.embed(wanted.cost, self._countdown())
        except LimitReached as error:
            raise BadInput(
                f"no embedding is bought: {error} It is the limit of the whole bot (DAILY_MONEY, MONTHLY_MONEY)."
            ) from None
        if (await self.base.estimate()).passages:
            self.say("The rest costs more than was said: govorun kb embed asks again.")

    async def agree_to_questions(self, texts: Collection[str]) -> bool:
        """Print what the embeddings of these questions cost, and return whether they may be bought. Embeddings that
        cost nothing may.
        """
        retrieval = await self.base.retrieval()
        await retrieval.index.follow()
        tokens = int(sum(map(len, texts)) / CHARACTERS)
        cost = retrieval.vectors.meter.tariffs.questions.cost(tokens)
        if not cost or not retrieval.index.embedded or retrieval.vectors.embedder is None:
            return True
        price = shown("en", cost, self.currency)
        return self.agree(f"{len(texts)} questions to embed, about {tokens:,} tokens: {price}. Go on?")

    async def tell_stores(self, among: Collection[int] | None = None) -> None:
        """Print which of the sources `among` (None: all) are vector stores of AI Studio, of which the bot can look at a
        part only.
        """
        bot = self.base.bot
        sources, sizes = await self.base.store.read(lambda tx: (tx.sources.list_sources(bot), tx.sources.sizes(bot)))
        for source in sources:
            if source.kind == VECTOR_STORE and (among is None or source.id in among):
                self.say(
                    f"{source.name} is a vector store, which is not asked here: of it only the "
                    f"{sizes.get(source.id, (0, 0))[1]} passages are looked at that it has found for people so far."
                )

    async def show_sources(self) -> None:
        """Print the sources with their sizes, ages and problems."""
        store, bot = self.base.store, self.base.bot
        sources, sizes = await store.read(lambda tx: (tx.sources.list_sources(bot), tx.sources.sizes(bot)))
        for source in sources:
            articles, passages = sizes.get(source.id, (0, 0))
            age = date(source.synced) if source.synced else "never read"
            who = ", ".join(source.audience) or "nobody"
            self.say(
                f"{source.name:<20} {source.kind:<12} {counted(articles, 'article'):>15} "
                f"{counted(passages, 'passage'):>16}  {age}  {who}"
                + ("" if source.state == "active" else f"  [{source.state}]")
            )
            if source.kind == VECTOR_STORE:
                self.say("  AI Studio searches it at each question: counted is what was found so far")
            if source.error:
                self.say(f"  {failure_text('en', source.error)}")
        if not sources:
            self.say("There is no source yet: govorun kb add FOLDER or ADDRESS.")

    async def names(self) -> list[str]:
        """Return the names of the sources that are not paused."""
        sources = await self.base.store.read(lambda tx: tx.sources.list_sources(self.base.bot))
        return [source.name for source in sources if source.state != "paused"]

    async def set_readers(self, name: str, groups: tuple[str, ...]) -> None:
        """Set the audience of a source."""
        source = await self.base.find(name)
        await self.base.store.write(lambda tx: tx.sources.change_source(source.id, audience=groups))
        self.say(f"{name} may be read by {', '.join(groups) or 'nobody'}.")

    async def pause(self, name: str) -> None:
        """Read a source no more by itself."""
        source = await self.base.find(name)
        await self.base.store.write(lambda tx: tx.sources.change_source(source.id, state="paused"))
        self.say(f"{name} is paused: what is known of it stays. govorun kb sync {name} goes on with it.")

    async def rename(self, name: str, to: str) -> None:
        """Give a source another name. Raises `BadInput` where that is taken or no name."""
        await self.base.rename(await self.base.find(name), to)
        self.say(f"{name} is {to} now.")

    async def remove(self, name: str) -> None:
        """Remove a source, if the person at the terminal agrees."""
        source = await self.base.find(name)
        sizes = await self.base.store.read(lambda tx: tx.sources.sizes(self.base.bot))
        articles, passages = sizes.get(source.id, (0, 0))
        size = f"{counted(articles, 'article')} ({counted(passages, 'passage')})"
        if self.agree(f"Remove {name} with its {size}?"):
            await self.base.store.write(lambda tx: tx.sources.remove_source(source.id))
            self.say(f"{name} is removed.")

    async def search(self, question: str, groups: frozenset[str]) -> None:
        """Print what these groups would be answered from, with scores and the time it took."""
        nobody = BillTo(Address("telegram", self.base.bot, 0), 0, "kb")
        found = await self.base.search(question, groups, nobody)  # the first one builds the index
        began = time.perf_counter()
        found = await self.base.search(question, groups, nobody)
        took = 1_000 * (time.perf_counter() - began)
        for hit in found.hits:
            passage = hit.passage
            by_store = f"store {hit.store:.2f}  " if hit.store else ""
            self.say(
                f"{hit.score:.2f}  {by_store}words {hit.words:.1f}  cosine {hit.cosine:.2f}  "
                f"{passage.place or passage.title}"
            )
            self.say("      " + " ".join(passage.text[:LONGEST_SHOWN].split()))
        self.say(
            f"{counted(len(found.hits), 'passage')}, {took:.0f} ms"
            if found.hits
            else "Nothing that they may read fits."
        )

    async def show_gaps(self, file: str) -> None:
        """Print what the sources did not answer in the last 7 days, or write it into a CSV (`file` not "")."""
        check_libraries()
        from bot.knowledge.learning.clusters import WEEK, clusters, table

        store, bot, now = self.base.store, self.base.bot, self.base.store.clock.time()
        found = clusters(await store.read(lambda tx: tx.gaps.list_open(bot, now - 2 * WEEK)), now)
        if file:
            await asyncio.to_thread(Path(file).write_text, table(found), "utf-8-sig")
            self.say(f"{len(found)} questions in {file}")
            return
        for one in found:
            self.say(f"{one.now:>5} {one.trend:>5}  {one.central.question}")
        if not found:
            self.say("In the last 7 days the sources had an answer to every question.")

    async def show_stale(self) -> None:
        """Print the quotes of answers that no longer stand in their source, with the number of these answers."""
        quotes = await self.base.store.read(lambda tx: tx.quotes.list_stale(self.base.bot))
        counts = Counter((one.title, " ".join(one.text.split()), one.stale) for one in quotes)
        for (title, text, state), count in counts.most_common():
            self.say(f"{count:>5}  {state:<5}  {title}: {text[:LONGEST_SHOWN]}")
        if not quotes:
            self.say("All that answers quote stands in the sources.")

    def _resume(self, tx: Tx, source: KnowledgeSource) -> None:
        tx.sources.change_source(source.id, state="active")
        if source.every:
            request_sync(tx, self.base.bot, source.id, after=source.every)

    def _countdown(self) -> Callable[[int], None]:
        last = [time.monotonic()]

        def tell(left: int) -> None:
            if time.monotonic() - last[0] >= 5 and left:
                last[0] = time.monotonic()
                self.say(f"{left} passages left")

        return tell


@asynccontextmanager
async def opened(settings: Settings, bot: int, say: Say, agree: Agree) -> AsyncIterator[KnowledgeCommand]:
    """Open the knowledge base of a bot, which may run meanwhile. Raises `ConfigError` for another schema than its."""
    return_freed_memory()
    clock, url = SystemClock(), settings.database_url
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(alone(url) if is_sqlite(url) else nullcontext())
        except ConfigError:
            await migrations.insist(url)  # a schema that the running bot does not know would end it
        process = await stack.enter_async_context(SharedResources.open(settings, clock))
        keyed = has_key(settings)
        if not keyed:  # sources can be added without one, and are found by their words
            settings = settings.model_copy(update={"yc_api_key": SecretStr("none")})
        studio = YandexStudio(settings=settings, http=process.http, clock=clock, random=random.Random())  # noqa: S311
        embedders = Embedders(settings=settings, studio=studio, is_keyed=keyed)
        embedder, prices = embedders.chosen()
        store = await process.store()
        base = KnowledgeBase(
            store=store, bot=bot, files=process.files, cache=settings.knowledge_cache, embedder=embedder,
            meter=Meter(
                store=store, tariffs=prices,
                budget=BotBudget.from_settings(settings, Access(), Everybody()),
            ),
            former=embedders.others(),
        )  # fmt: skip
        base.reads_hidden = settings.read_hidden
        base.vector_stores = studio.vector_stores() if keyed else None
        yield KnowledgeCommand(base=base, currency=settings.currency, say=say, agree=agree)


def counted(count: int, what: str) -> str:
    """Return a count with its noun: "1 article", "1,200 articles"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def span(text: str) -> int:
    """The seconds of "30m", "6h", "1d" or "2w"; 0 for "". Raises `BadInput`."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d{1,4})\s*([mhdw])", text.strip().lower())
    if found is None or not int(found[1]):
        raise BadInput(f"--every {text}: a time like 30m, 6h, 1d or 2w is expected")
    return int(found[1]) * SPANS[found[2]]


def audience(text: str) -> tuple[str, ...]:
    """The groups of a list with commas between them. Raises `BadInput`."""
    return rights.check_audience(text.split(","))


def told(reason: str) -> str:
    """Return what the reason of a `Trouble` (a page that can't be read) means, in English."""
    return trouble_text("en", reason)


def date(at: float) -> str:
    """Return a time (Unix seconds) as a date with hours and minutes."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
