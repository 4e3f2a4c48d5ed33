"""/ban: an operator locks a customer out of the bot, for a time or for good, and the case is closed.

The job does it, since a change of roles has to reach all processes of a bot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.access.directory import MemberDirectory, stored_access
from bot.access.policy import Access, Actor, Role
from bot.access.rights import Rights
from bot.desk.cases import Close, NotPossible
from bot.desk.desk import Desk, Places
from bot.desk.policy.desk_file import seconds_of
from bot.feature import Feature, job
from bot.storage.store import Tx
from bot.storage.tables.desk import Case
from bot.types import Job

BAN = "desk.ban"  # the job
LONGEST = 500  # characters of a reason


def order_ban(tx: Tx, case: Case, operator: int, turn: str, said: str) -> None:
    """Have the customer of a case locked out; `said` is a time such as "7d" (else: for good) and the reason."""
    first, _, rest = said.partition(" ")
    seconds = seconds_of(first)
    reason = (rest if seconds else said).strip()[:LONGEST]
    payload = {"case": case.id, "operator": operator, "seconds": seconds or 0.0, "reason": reason}
    tx.jobs.add_job(Job(BAN, turn, case.address, payload, due=tx.clock.time()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bans(Feature):
    """Locks customers out. `store` is the directory, which holds the roles in memory."""

    store: MemberDirectory
    desk: Desk
    rights: Rights
    access: Access
    deliver: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    @job(BAN)
    def ban(self, tx: Tx, due: Job) -> None:
        """Lock the customer of a case out and close the case, or say in its topic why not."""
        of, bot = due.payload, self.desk.bot
        case = tx.one(Case, bot=bot, id=int(of["case"]))
        if case is None:
            return
        by, seconds, key = int(of["operator"]), float(of["seconds"]), f"{due.key}.told"
        if stored_access(self.access, tx, bot).role(Actor(case.user, private=True)) >= Role.OPERATOR:
            self.desk.tell_topic(tx, case, key, "desk.ban.colleague")
            return
        if not case.closed:
            try:
                self.desk.change(tx, case, Close(by), who=by)
            except NotPossible as error:
                self.desk.tell_topic(tx, case, key, error.key, **error.values)
                return
        self.rights.set_role(tx, bot, case.user, Role.BLOCKED, by, tx.clock.time() + seconds if seconds else None)
        tx.audit.add_entry(bot, by, "role", case.user, role=Role.BLOCKED.word, reason=str(of["reason"]))
        tx.cases.add_event(case, "banned", by, str(of["reason"]))
        self.desk.tell_topic(tx, case, key, "desk.banned.time" if seconds else "desk.banned")
