"""Counts what a customer wrote too fast to be taken while a person has the case, and tells both sides how much it was.

Begin with `note_missed`, which the throttle calls for each message that it turns away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.desk.desk import Desk, Places
from bot.feature import Feature, job
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import OPEN_CASE, Case
from bot.texts.catalog import say
from bot.types import Incoming, Job, Outgoing

TELL = "desk.missed"  # the job that tells both sides
MISSED, TOLD = "missed", "missed_told"  # events of a case
PAUSE = 60.0  # seconds in which messages are counted before that is told


def note_missed(tx: Tx, incoming: Incoming) -> None:
    """Count a message that was turned away, if a person has the customer's case."""
    case = tx.one(OPEN_CASE, address=incoming.address)
    if case is None or not case.is_for_people:
        return
    tx.cases.add_event(case, MISSED, incoming.user.id)
    tx.jobs.add_job(Job(TELL, str(case.id), case.address, {"case": case.id}, due=tx.clock.time() + PAUSE))


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedMessages(Feature):
    """Tells a customer and the operators how many messages were not taken."""

    store: Store
    desk: Desk
    deliver: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    @job(TELL)
    def tell(self, tx: Tx, due: Job) -> None:
        """Say how many messages were turned away since that was said last."""
        case = tx.one(Case, bot=self.desk.bot, id=int(due.payload["case"]))
        if case is None or self.desk.seat(tx, case) is None:
            return
        count = tx.cases.count_events(case, MISSED, TOLD)
        tx.cases.add_event(case, TOLD)
        key = f"case.{case.id}.missed.{tx.clock.time():.0f}"
        tx.outbox.add_answer(key, case.address, Outgoing(say(case.language, "desk.missed", count=count), plain=True))
        self.desk.tell_topic(tx, case, f"{key}.team", "desk.missed.team", count=count)
