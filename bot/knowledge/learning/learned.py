"""What people teach the bot: `propose` stores a question with an answer, `learn` makes an article of it.

The articles belong to the source `learned`, which is made with the first of them. They are cut, indexed, checked and
quoted as those of every source.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bot.jobs.learning import REVIEW, request_look
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.passages import Block
from bot.knowledge.sources.source import Found
from bot.storage.store import Tx
from bot.storage.tables.knowledge import (
    ADDED,
    LEARNED,
    PROPOSED,
    SOURCES,
    WITHDRAWN,
    Gap,
    KnowledgeSource,
    LearnedEntry,
)
from bot.types import Address, Job

VALID = 90 * 86_400.0  # seconds until admins are asked whether an entry is still true
LONGEST = 300  # characters of a question


def propose(tx: Tx, entry: LearnedEntry, gaps: Collection[int] = ()) -> LearnedEntry:
    """Store a question with its answer as a proposal, which an admin adds or drops. `gaps` are those it answers."""
    proposal = replace(entry, question=" ".join(entry.question.split())[:LONGEST], state=PROPOSED)
    proposal = tx.add(replace(proposal, id=0, at=tx.clock.time()))
    tx.change_all(Gap, {"learned_id": proposal.id}, id=list(gaps))
    return proposal


def learn(tx: Tx, base: KnowledgeBase, entry: LearnedEntry) -> None:
    """Put an entry into the knowledge base, in place of its earlier text, and add the job that tells people who wait
    for such an answer.
    """
    from bot.knowledge.sync import prepared

    now = tx.clock.time()
    source = _source(tx, base.bot) or base.store_new(tx, KnowledgeSource(name="", kind=LEARNED, address=LEARNED))
    if entry.audience not in source.audience:
        tx.change(source, audience=(*source.audience, entry.audience))
    found = Found(
        key=str(entry.id), title=entry.question, blocks=(Block(entry.answer),), audience=entry.audience, changed=now
    )
    tx.knowledge.store_article(source.id, *prepared(found, now))
    tx.change(source, tried=now, synced=now)
    tx.change(entry, question=entry.question, answer=entry.answer, state=ADDED, at=now, review=now + VALID)
    tx.jobs.add_job(Job(REVIEW, REVIEW, Address("telegram", base.bot, 0), due=now + VALID))
    request_look(tx, base.bot)


def withdraw(tx: Tx, entry: LearnedEntry) -> None:
    """Take an entry out of the knowledge base; the questions that it answered are open again."""
    if (source := _source(tx, entry.bot)) is not None:
        tx.knowledge.end_articles(source.id, [str(entry.id)])
    tx.change(entry, state=WITHDRAWN)
    request_look(tx, entry.bot)


def _source(tx: Tx, bot: int) -> KnowledgeSource | None:
    return next((one for one in tx.all(SOURCES, bot=bot) if one.kind == LEARNED), None)
