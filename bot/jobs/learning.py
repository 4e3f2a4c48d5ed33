"""The jobs of what the bot learns: look whether the sources answer those who wait (`request_look`), review entries."""

from __future__ import annotations

from bot.storage.store import Tx
from bot.types import Address, Job

TELL, REVIEW = "kb.tell", "kb.review"


def request_look(tx: Tx, bot: int) -> None:
    """Add the job that answers people who wait, if there are any that a change of the knowledge base may help."""
    if tx.gaps.list_wanted(bot, tx.knowledge.generation()):
        tx.jobs.add_job(Job(TELL, TELL, Address("telegram", bot, 0), due=tx.clock.time()))
