"""Adds the jobs that look for consequences when the knowledge base has changed. Begin with `request_look`.

The kinds of the jobs: TELL answers people who wait for an answer, STALE finds quotes that no longer stand in their
source, REVIEW asks whether old entries are still true.
"""

from __future__ import annotations

from bot.storage.store import Tx
from bot.storage.tables.knowledge import WANTED, WANTED_GAPS, Gap
from bot.types import Address, Job

TELL, REVIEW, STALE = "kb.tell", "kb.review", "kb.stale"


def request_look(tx: Tx, bot: int, *, readers: bool = False) -> None:
    """Add the jobs TELL and STALE after a change of the knowledge base, each only if it has something to do.

    `readers`: the change is who may read a source. Then people who wait may be answered from sources that are
    unchanged, so their questions are tried again, too.
    """
    if readers:
        tx.change_all(Gap, {"checked": -1}, bot=bot, tell=WANTED)
    if tx.quotes.list_ended(bot, 1):
        tx.jobs.add_job(Job(STALE, STALE, Address("telegram", bot, 0), due=tx.clock.time()))
    if tx.all(WANTED_GAPS, bot=bot, generation=tx.knowledge.generation()):
        tx.jobs.add_job(Job(TELL, TELL, Address("telegram", bot, 0), due=tx.clock.time()))
