"""Counts what a customer wrote too fast to be taken while a person has the case, and tells both sides how much it was.

Begin with `note_missed`, which the throttle calls for each message that it turns away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.desk.desk import Desk, Places
from bot.feature import Handlers
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
class MissedMessages:
    """Tells a customer and the operators how many messages were not taken. `send` delivers in the background."""

    store: Store
    desk: Desk
    send: Callable[[str, Places], None]

    def feature(self) -> Handlers:
        """The job that tells both sides."""
        return Handlers(jobs={TELL: self.tell})

    async def tell(self, job: Job) -> None:
        """The job: say how many messages were turned away since that was said last."""

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            case = tx.one(Case, bot=self.desk.bot, id=int(job.payload["case"]))
            if case is None or self.desk.seat(tx, case) is None:
                return ()
            count = tx.cases.count_events(case, MISSED, TOLD)
            tx.cases.add_event(case, TOLD)
            key = f"case.{case.id}.missed.{tx.clock.time():.0f}"
            customer = Outgoing(say(case.language, "desk.missed", count=count), plain=True)
            tx.outbox.add_answer(key, case.address, customer)
            return [case.address, *self.desk.tell_topic(tx, case, f"{key}.team", "desk.missed.team", count=count)]

        self.send("", await self.store.write(work))
