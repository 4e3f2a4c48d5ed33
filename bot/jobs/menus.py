"""The menu of commands of one private chat: its language was chosen in the bot, or its user's role was changed.

`request` adds the job, and `dispatch/help.py` does it: it reads the language and the role when it runs.
"""

from __future__ import annotations

from bot.storage.store import Tx
from bot.types import Address, Job

KIND = "menu"


def request(tx: Tx, where: Address) -> None:
    """Have the messenger show the menu of this private chat as it should be now. The caller wakes the jobs."""
    tx.jobs.add_job(Job(KIND, str(where.chat), where, {}, due=tx.clock.time()))
