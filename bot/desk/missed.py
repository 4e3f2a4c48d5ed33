"""Counts what a customer wrote too fast to be taken while a person has the case, and tells both sides how much it was.

Begin with `note_missed`, which the throttle calls for each message that it turns away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.desk.desk import Desk, Places
from bot.feature import Feature
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Job, Outgoing

TELL = "desk.missed"  # the job that tells both sides
MISSED, TOLD = "missed", "missed_told"  # events of a case
PAUSE = 60.0  # seconds in which messages are counted before that is told


def note_missed(tx: Tx, incoming: Incoming) -> None:
    """Count a message that was turned away, if a person has the customer's case."""
    case = tx.cases.find_open(incoming.address)
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

    def feature(self) -> Feature:
        """The job that tells both sides."""
        return Feature(jobs={TELL: self.tell})

    async def tell(self, job: Job) -> None:
        """The job: say how many messages were turned away since that was said last."""

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            case = tx.cases.find_case(self.desk.bot, int(job.payload["case"]))
            seat = self.desk.seat(tx, case) if case is not None else None
            if case is None or seat is None:
                return ()
            count = tx.cases.count_events(case, MISSED, TOLD)
            tx.cases.add_event(case, TOLD)
            customer = Outgoing(say(case.language, "desk.missed", count=count), plain=True)
            told = say(self.desk.language(tx, seat.place), "desk.missed.team", count=count)
            key = f"case.{case.id}.missed.{tx.clock.time():.0f}"
            tx.outbox.add_answer(key, case.address, customer)
            tx.outbox.add_answer(f"{key}.team", seat.address, Outgoing(told, plain=True, keeps_place=True))
            return [case.address, seat.address]

        self.send("", await self.store.write(work))
