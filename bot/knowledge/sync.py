"""Brings the knowledge base up to date with a source. Begin with `Sync.run`.

Each article is replaced in one transaction, so passages of two versions never stand beside each other, and a sync that
was killed goes on where it was: what it has stored is known as unchanged the next time.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.jobs.learning import request_look
from bot.knowledge.passages import cut
from bot.knowledge.sources.source import (
    Event,
    Found,
    Reader,
    SourceFailed,
    Trouble,
    Unchanged,
    failure,
    stored_failure,
)  # fmt: skip
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource

log = logging.getLogger(__name__)

TOGETHER = 20  # articles that are stored in one transaction
MUCH = 1_000_000  # characters of articles that wait to be stored
MOST_GONE = 0.2  # share of a source's passages that a sync removes without asking
FEW = 20  # passages: a source as small as this may lose more
MOST_PASSAGES = 300_000  # of one bot: above that a search takes longer than people wait
ASKS = "asks"


@dataclass(frozen=True, slots=True)
class Report:
    """What a sync has done: numbers of articles and passages, and what could not be read.

    `held` is how many passages it would have removed if it had been agreed to; `equal`, how many articles were left out
    because another one has their text (they are no `troubles`, which thousands of them would hide).
    """

    new: int = 0
    unchanged: int = 0
    gone: int = 0
    added: int = 0
    ended: int = 0
    held: int = 0
    equal: int = 0
    troubles: tuple[Trouble, ...] = ()


@dataclass(slots=True, kw_only=True)
class Sync:
    """Reads sources of one bot into its knowledge base."""

    store: Store
    bot: int
    _new: list[tuple[Article, Sequence[NewPassage]]] = field(default_factory=list)
    _seen: dict[str, Mapping[str, str]] = field(default_factory=dict)

    async def run(self, source: KnowledgeSource, reader: Reader, *, agreed: bool = False) -> Report:
        """Read a source and store what has changed.

        If more than a fifth of its passages would go, they stay and the source asks (`state`), unless this was `agreed`
        to. What can't be read keeps its passages. Raises `SourceFailed` after noting it in the source's row.
        """
        now = self.store.clock.time()
        await self.store.write(lambda tx: tx.change(source, tried=now))
        try:
            return await self._read(source, reader, agreed=agreed)
        except SourceFailed as error:
            reason = stored_failure(error)
            await self.store.write(lambda tx: tx.change(source, error=reason))
            raise

    async def _read(self, source: KnowledgeSource, reader: Reader, *, agreed: bool) -> Report:
        known = await self.store.read(lambda tx: tx.knowledge.list_validators(source.id))
        report, left = Report(), dict.fromkeys(known)
        async for event in reader.articles(known):
            await asyncio.sleep(0)  # a reader may know of thousands of troubles at once
            report = await self._take(source, event, report, left)
            del event  # it may have two million characters, and the next one comes
            waiting = sum(len(passage.text) for _, passages in self._new for passage in passages)
            if len(self._new) + len(self._seen) >= TOGETHER or waiting >= MUCH:
                report = await self._store(source, report)
        report = await self._store(source, report)
        return await self._finish(source, report, list(left), agreed=agreed)

    async def _take(
        self, source: KnowledgeSource, event: Event, report: Report, left: dict[str, None]
    ) -> Report:  # fmt: skip
        """Note an event. `left` are the known articles that were not mentioned yet."""
        match event:
            case Found():
                left.pop(event.key, None)
                self._new.append(await asyncio.to_thread(prepared, event, self.store.clock.time()))
                return replace(report, new=report.new + 1)
            case Unchanged():
                left.pop(event.key, None)
                self._seen[event.key] = event.validators
                return replace(report, unchanged=report.unchanged + 1)
            case Trouble():
                if not event.is_gone:
                    left.pop(event.key, None)
                log.info("source %s: %s: %s", source.name, event.key, event.reason)
                if event.is_equal:
                    return replace(report, equal=report.equal + 1)
                return replace(report, troubles=(*report.troubles, event))

    async def _store(self, source: KnowledgeSource, report: Report) -> Report:
        new, self._new = self._new, []
        seen, self._seen = self._seen, {}

        def store(tx: Tx) -> tuple[int, int]:
            _check_there(tx, source)
            tx.knowledge.mark_seen(source.id, seen)
            changed = [tx.knowledge.store_article(source.id, article, passages) for article, passages in new]
            return sum(one.added for one in changed), sum(one.ended for one in changed)

        added, ended = await self.store.write(store)
        new.clear()  # the thread of the store keeps what it has done last
        if added and sum(sizes := await self.store.read(self._sizes)) > MOST_PASSAGES:
            raise failure("too_many", passages=sum(sizes), most=MOST_PASSAGES)
        return replace(report, added=report.added + added, ended=report.ended + ended)

    def _sizes(self, tx: Tx) -> Sequence[int]:
        return [passages for _, passages in tx.sources.sizes(self.bot).values()]

    async def _finish(self, source: KnowledgeSource, report: Report, gone: list[str], *, agreed: bool) -> Report:
        """Remove what is no longer there, or ask."""

        def finish(tx: Tx) -> Report:
            _check_there(tx, source)
            all_, lost = tx.knowledge.count_passages(source.id, gone)
            now, error = tx.clock.time(), ""
            if lost > max(MOST_GONE * all_, FEW) and not agreed:
                error = stored_failure(failure("held", articles=len(gone), passages=lost, all=all_))
                tx.change(source, state=ASKS, error=error, synced=now)
                return replace(report, held=lost)
            tx.knowledge.end_articles(source.id, gone)
            was = {"state": "active"} if source.state == ASKS else {}  # it may have been paused meanwhile
            tx.change(source, error=error, synced=now, **was)
            request_look(tx, self.bot)
            return replace(report, gone=len(gone), ended=report.ended + lost)

        return await self.store.write(finish)


def _check_there(tx: Tx, source: KnowledgeSource) -> None:
    if tx.one(SOURCES, id=source.id) is None:
        raise failure("removed", name=source.name)


def prepared(found: Found, now: float) -> tuple[Article, Sequence[NewPassage]]:
    """An article as rows. Its version is the hash of all that a reader sees of it."""
    passages = [
        NewPassage(
            place=piece.place,
            text=piece.text,
            sentences=pack_sentences(piece.sentences),
            sha=piece.sha,
            page=piece.page,
            anchor=piece.anchor,
        )
        for piece in cut(found.title, found.blocks)
    ]
    told = repr((found.title, found.url, found.audience, [(one.sha, one.page, one.anchor) for one in passages]))
    article = Article(
        key=found.key, title=found.title, version=hashlib.sha256(told.encode()).hexdigest(),
        changed=found.changed or now, url=found.url, language=found.language, audience=found.audience,
        validators=found.validators,
    )  # fmt: skip
    return article, passages
