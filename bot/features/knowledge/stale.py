"""Finds answers whose quotes no longer stand in their sources, and lets an admin decide whether the chats are told.

The search follows each reading of a source that changed something. Begin with `StaleAnswers.check`.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.access.directory import stored_access
from bot.access.policy import Access, Actor
from bot.access.rights import Rights
from bot.billing.metering import BillTo
from bot.errors import ConfigError
from bot.feature import Feature, Turn, job, press
from bot.features.knowledge.jobs import send
from bot.jobs.learning import REVIEW, STALE
from bot.knowledge import rights as audiences
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Answer, Choice
from bot.storage.repositories.knowledge.quotes import ASKED, DONE, GONE, LEFT, StoredQuote
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import LEARNED, LEARNED_ENTRIES, SOURCES, KnowledgeSource, LearnedEntry
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing, Permission, User

BATCH = 200  # quotes
DAY = 86_400.0
LONGEST = 600  # characters of a sentence that is shown

Where = tuple[int, int, int]  # a quote stands in this passage now, from start to end
Change = tuple[str, str, int]  # the old sentence, the new one, and the passage of the new one


@dataclass(frozen=True, slots=True)
class _Findings:
    """What became of quotes whose passages ended: moved elsewhere, gone, or gone with another number in their place.

    `doubtful` are learned entries that say what a quote said that is gone.
    """

    moved: Mapping[int, Where]
    gone: Sequence[int]
    changed: Mapping[Change, Sequence[int]]
    doubtful: Sequence[int]


@dataclass(slots=True, kw_only=True)
class StaleAnswers(Feature):
    """Finds stale answers, asks admins about those of the last `days`, and tells the chats what the source says now.

    `deliver` sends the messages that were stored.
    """

    base: KnowledgeBase
    rights: Rights
    days: int
    deliver: Callable[[str, Sequence[Address]], None]

    @property
    def store(self) -> Store:
        """The database."""
        return self.base.store

    # --- the job ------------------------------------------------------------------------------------------------------

    @job(STALE)
    async def check(self, due: Job) -> None:
        """Look at quotes whose passages were replaced or removed, and ask admins about those that the source now
        contradicts.
        """
        bot = due.address.bot
        try:
            check_libraries()
        except ConfigError:
            await self.store.write(lambda tx: tx.jobs.delete_done(due))
            return
        while quotes := await self.store.read(lambda tx: tx.quotes.list_ended(bot, BATCH)):
            found = await self._look(quotes)
            self.deliver(due.key, await self.store.write(lambda tx, found=found: self._store(tx, bot, found)))  # type: ignore[misc]

        def end(tx: Tx) -> None:
            if tx.quotes.list_ended(bot, 1):
                tx.jobs.reschedule(due, tx.clock.time())
            else:
                tx.jobs.delete_done(due)

        await self.store.write(end)

    async def _look(self, quotes: Sequence[StoredQuote]) -> _Findings:
        moved: dict[int, Where] = {}
        gone: list[int] = []
        changed: defaultdict[Change, list[int]] = defaultdict(list)
        since = self.store.clock.time() - self.days * DAY
        for quote in quotes:
            where = await self.store.read(lambda tx, quote=quote: _find(tx, quote))  # type: ignore[misc]
            if where is not None:
                moved[quote.id] = where
                continue
            change = await self._change(quote) if quote.at >= since else None
            if change is None:
                gone.append(quote.id)
            else:
                changed[change].append(quote.id)
        entries, own = await self.store.read(self._learned)
        lost = [quote.text for quote in quotes if quote.id not in moved and quote.source_id not in own]
        return _Findings(moved, gone, changed, await asyncio.to_thread(_doubtful, entries, lost))

    def _learned(self, tx: Tx) -> tuple[Sequence[LearnedEntry], set[int]]:
        """The learned entries, and the ids of their source."""
        sources = tx.all(SOURCES, bot=self.base.bot)
        return tx.all(LEARNED_ENTRIES, bot=self.base.bot), {one.id for one in sources if one.kind == LEARNED}

    async def _change(self, quote: StoredQuote) -> Change | None:
        """What the sources say now in place of a quote, as far as those may read it who got the answer."""
        from bot.knowledge.learning.compare import other_sentence

        nobody = BillTo(Address("telegram", quote.address.bot, 0), 0, "kb")
        found = await self.base.search(quote.text, heard_by(self.rights.access, quote), nobody)
        now = other_sentence(quote.text, (hit.passage for hit in found.hits))
        return (" ".join(quote.text.split()), *now) if now is not None else None

    def _store(self, tx: Tx, bot: int, found: _Findings) -> list[Address]:
        """Note what was found, and ask the admins who may read the new sentence. Returns the chats of these."""
        for quote, where in found.moved.items():
            tx.quotes.move(quote, *where)
        tx.quotes.mark(found.gone, GONE)
        for entry in found.doubtful:
            tx.change_all(LearnedEntry, {"review": tx.clock.time()}, id=entry)
        review = tx.jobs.find_job(bot, REVIEW, REVIEW)
        if found.doubtful and review is not None:
            tx.jobs.reschedule(review, min(review.due, tx.clock.time()))
        sources, chats = tx.all(SOURCES, bot=bot), []
        now = stored_access(self.rights.access, tx, bot)
        for (old, new, passage), quotes in found.changed.items():
            asked, stored = False, tx.quotes.read_quotes(bot, quotes, "")
            for admin in sorted(self.rights.with_role(tx, bot)):
                chat, language = Address("telegram", bot, admin), tx.chats.read_language(bot, admin)
                groups = audiences.groups_of(now.role(Actor(admin, private=True)).word, admin, chat, private=True)
                if not all(_may_read(tx, one, passage, sources, groups) for one in stored):
                    continue
                payload = {"quotes": list(quotes), "passage": passage, "old": old, "new": new}
                choices = [
                    Choice(say(language, "stale.tell"), "stale.tell", payload),
                    Choice(say(language, "stale.leave"), "stale.leave", payload),
                ]
                text = say(language, "stale.ask", old=old[:LONGEST], new=new[:LONGEST], count=len(quotes))
                send(tx, f"stale-{quotes[0]}.o{admin}", chat, text, choices)
                chats.append(chat)
                asked = True
            tx.quotes.mark(quotes, ASKED if asked else GONE)
        return chats

    # --- what an admin decides ----------------------------------------------------------------------------------------

    @press("stale.tell", requires=Permission.MANAGE)
    def tell(self, tx: Tx, turn: Turn, quotes: list[int], passage: int, old: str, new: str) -> Answer:
        """Tell each chat that was shown a stale quote what the source says now, once, if the chat may still read that
        source.
        """
        bot, now, chats = turn.address.bot, self.rights.ensure_admin(tx, turn), []
        asked, sources = tx.quotes.read_quotes(bot, quotes, ASKED), tx.all(SOURCES, bot=bot)
        for quote in asked:
            may_read = _may_read(tx, quote, passage, sources, heard_by(now, quote))
            if not may_read or tx.chats.is_unreachable(quote.address):
                continue
            language = tx.chats.read_choices(quote.address).language or tx.chats.read_language(bot, quote.user)
            text = say(language, "stale.correction", old=old[:LONGEST], new=new[:LONGEST])
            shown = tx.outbox.message_ids(quote.address, quote.turn)
            outgoing = Outgoing(text, plain=True, reply_to=shown[0] if shown else 0)
            tx.outbox.add_answer(f"{quote.turn}.stale{quote.id}", quote.address, outgoing)
            chats.append(quote.address)
        tx.quotes.mark([quote.id for quote in asked], DONE)
        if asked:
            tx.audit.add_entry(bot, turn.user.id, "kb_corrected", chats=len(chats))
        told = turn.say("stale.told" if asked else "learned.gone", count=len(chats))
        return Answer(told, over=True)

    @press("stale.leave", requires=Permission.MANAGE)
    def leave(self, tx: Tx, turn: Turn, quotes: list[int]) -> Answer:
        """Tell nobody."""
        self.rights.ensure_admin(tx, turn)
        asked = tx.quotes.read_quotes(turn.address.bot, quotes, ASKED)
        tx.quotes.mark([quote.id for quote in asked], LEFT)
        return Answer(turn.say("stale.left" if asked else "learned.gone"), over=True)


def heard_by(access: Access, quote: StoredQuote) -> frozenset[str]:
    """Return the audience groups (see `knowledge/rights.py`) of the people who see a message in the chat where a quote
    was shown.
    """
    private = quote.address.chat == quote.user
    asker = Incoming(quote.turn, quote.address, User(quote.user), private=private)
    return audiences.groups_of(access.role(Actor.of(asker)).word, quote.user, quote.address, private=private)


def _may_read(
    tx: Tx, quote: StoredQuote, passage: int, sources: Sequence[KnowledgeSource], groups: frozenset[str]
) -> bool:
    """Whether these groups may read both the article that was quoted and the passage that stands now."""
    readable = audiences.readable(sources, groups)
    old = quote.source_id in readable and quote.audience in ("", *groups)
    return old and bool(tx.knowledge.read_passages([passage], readable, groups))


def _doubtful(entries: Sequence[LearnedEntry], lost: Sequence[str]) -> list[int]:
    """The ids of the entries that say what one of the lost texts said."""
    from bot.knowledge.learning.compare import says_the_same

    return [entry.id for entry in entries if any(says_the_same(text, entry.answer) for text in lost)]


def _find(tx: Tx, quote: StoredQuote) -> Where | None:
    """Where the text of a quote stands in its article now, None where it does not. Other white space is no change."""
    words = re.compile(r"\s+".join(map(re.escape, quote.text.split())))
    for passage, text in tx.quotes.texts_of(quote.article_id).items():
        if (found := words.search(text)) is not None:
            return passage, found.start(), found.end()
    return None
