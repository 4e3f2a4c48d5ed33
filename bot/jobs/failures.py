"""Tells people that what they have started keeps failing by an error of ours. Begin with `FailureNotice`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.storage.store import Store, Tx
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import say
from bot.types import Address, Job, Outgoing

AWAITED = frozenset(
    {"broadcast", "export", "image", "later", "reminder", "voice"}
)  # kinds of jobs that a chat waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureNotice:
    """Records a job that keeps failing as an incident, and tells its chat the code. `deliver` sends what was stored."""

    store: Store
    incidents: IncidentLog
    deliver: Callable[[str, Sequence[Address]], None]

    async def __call__(self, job: Job, error: Exception) -> None:
        """Tell the chat of a job once; a job that nobody waits for stays in the log."""
        if job.kind not in AWAITED:
            return
        code, where = self.incidents.record(error, job.key), job.address

        def work(tx: Tx) -> None:
            text = say(tx.chats.read_language(where.bot, where.chat), "error.job", code=code)
            tx.outbox.add_answer(f"{job.key}.failed", where, Outgoing(text, plain=True))

        await self.store.write(work)
        self.deliver(job.key, [where])
