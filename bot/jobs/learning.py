"""The jobs that follow a change of the knowledge base, and the one that reviews entries. Begin with `request_look`."""

from __future__ import annotations

from bot.storage.store import Tx
from bot.types import Address, Job

TELL, REVIEW, STALE = "kb.tell", "kb.review", "kb.stale"


def request_look(tx: Tx, bot: int, *, readers: bool = False) -> None:
    """Have the bot look what a change of the knowledge base means for people who wait, and for what was quoted.

    The jobs are added only if there is something to look at. `readers`: who may read a source has changed, so that an
    unchanged source may answer other people.
    """
    if readers:
        tx.gaps.look_again(bot)
    if tx.quotes.list_ended(bot, 1):
        tx.jobs.add_job(Job(STALE, STALE, Address("telegram", bot, 0), due=tx.clock.time()))
    if tx.gaps.list_wanted(bot, tx.knowledge.generation()):
        tx.jobs.add_job(Job(TELL, TELL, Address("telegram", bot, 0), due=tx.clock.time()))
