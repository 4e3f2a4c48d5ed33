"""What a desk does by the clock: reminds of promises, closes quiet cases, tells what is wrong with its file.

One process of a bot does it. Everything is computed anew at each look (`desk/clocks.py`), and what was told is noted in
the commit that tells it, so a pause of the bot ends in one message for each group and a kill in none twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.billing.budget import duration
from bot.desk import clocks
from bot.desk.cases import Close, Release
from bot.desk.clocks import CLOSE, WARNED, Overdue
from bot.desk.desk import Desk, Places
from bot.desk.rating import ask_stars
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CASES_BY_WAIT, GROUPS, HELD, ON_DUTY, SNOOZED, WAITING, Case, OperatorDuty
from bot.texts.catalog import say
from bot.types import Address, Outgoing

log = logging.getLogger(__name__)

EVERY = 30.0  # seconds between two looks
JUMP = 90.0  # seconds by which the wall clock may run apart from the monotonic one between two looks
SETTLED = 600.0  # seconds after a jump until reminders are believed again
NAMED = 10  # cases in one message
DAY, HOUR = 86_400.0, 3_600.0
PIECE = 100  # cases whose words are deleted in one transaction


@dataclass(slots=True, kw_only=True)
class DeskWatch:
    """Looks at the open cases of one bot every half minute, and tells operators and owners what is late.

    `send` delivers to places in the background; `rights` knows the owners, and `serves` says whether a user is an
    operator still. What was said in a closed case is deleted after `keep_days`; 0: never.
    """

    store: Store
    desk: Desk
    rights: Rights
    send: Callable[[str, Places], None]
    serves: Callable[[int], bool]
    keep_days: int = 0
    _next_delete: float = field(default=0.0, init=False)  # monotonic
    _ahead: float | None = field(default=None, init=False)  # how far the wall clock was ahead of the monotonic one
    _settled: float = field(default=0.0, init=False)  # the monotonic time from which reminders are believed
    _problem: str = field(default="", init=False)  # of the file, as the owners know it

    async def run(self) -> None:
        """Look until cancelled. What fails is tried again at the next look."""
        while True:
            await self.store.clock.sleep(EVERY)
            try:
                problem = self.desk.hours.file.problem
                self.send("", await self.store.write(partial(self.look, problem=problem)))
                self._problem = problem
                self._measure(*await self.store.read(self._counts))
                await self._delete_old()
            except Exception as error:
                log.warning("the cases of the desk can't be looked at now: %s", str(error) or type(error).__name__)

    def _counts(self, tx: Tx) -> tuple[dict[str, int], float]:
        """How many cases each owner has, and how many seconds the customer has waited who has waited longest."""
        cases, now = tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=(WAITING, HELD, SNOOZED)), tx.clock.time()
        since = min((case.waiting_since for case in cases if case.owner == WAITING), default=now)
        owners = [case.owner for case in cases]
        return {owner: owners.count(owner) for owner in (WAITING, HELD, SNOOZED)}, now - since

    def _measure(self, counts: dict[str, int], longest: float) -> None:
        for owner, count in counts.items():
            self.store.metrics.desk_cases.labels(owner).set(count)
        self.store.metrics.desk_longest_wait_seconds.set(longest)

    async def _delete_old(self) -> None:
        """Delete, once an hour, what was said in cases that were closed long ago."""
        clock = self.store.clock
        if not self.keep_days or clock.monotonic() < self._next_delete:
            return
        before = clock.time() - self.keep_days * DAY
        while await self.store.write(lambda tx: self._delete_some(tx, before)):
            pass
        self._next_delete = clock.monotonic() + HOUR

    def _delete_some(self, tx: Tx, before: float) -> bool:
        """Delete some of what was said before a Unix time, in cases and in chats of accounts. False: all is deleted."""
        quiet = tx.accounts.list_quiet(self.desk.bot, before, PIECE)
        for where in quiet:
            tx.personal_data.delete_chat_of_account(where)
        return tx.cases.delete_old(self.desk.bot, before, PIECE) or bool(quiet)

    def look(self, tx: Tx, problem: str) -> Places:
        """Do what is due now, and return the addresses that have something to deliver. `problem` says what is wrong
        with desk.toml.
        """
        places = [*self._tell_problem(tx, problem), *self._tell_unreached(tx), *self._release(tx)]
        if self._is_settled(tx):
            places += [*self._remind(tx), *self._close_quiet(tx)]
        return places

    def _is_settled(self, tx: Tx) -> bool:
        """Whether the wall clock can be believed: a jump of it would make promises late that are not."""
        monotonic = tx.clock.monotonic()
        before, self._ahead = self._ahead, tx.clock.time() - monotonic
        if before is not None and abs(self._ahead - before) > JUMP:
            self._settled = monotonic + SETTLED
            log.warning("the clock has jumped by %.0f s: the desk reminds of nothing for a while", self._ahead - before)
        return monotonic >= self._settled

    def _release(self, tx: Tx) -> Places:
        """Let the cases wait again whose holder is no operator any more; who is none is not on duty."""
        for duty in tx.all(ON_DUTY, bot=self.desk.bot):
            if duty.is_on and not self.serves(duty.user):
                tx.put(OperatorDuty(bot=self.desk.bot, user=duty.user, team=duty.team, is_on=False), keep=["assigned"])
        places = list[Address]()
        for case in tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=(HELD, SNOOZED)):
            if not self.serves(case.holder):
                places += self.desk.change(tx, case, Release(case.holder))
        return places

    # --- promises -----------------------------------------------------------------------------------------------------

    def _remind(self, tx: Tx) -> Places:
        """Tell each group once what is nearly or quite late, and the leads of its team what is late."""
        table, now = self.desk.table, tx.clock.time()
        if not any(table.promise_of(team).any for team in table.teams):
            return ()
        found = defaultdict[int, list[Overdue]](list)
        late = defaultdict[int, list[Overdue]](list)
        for case in tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=(WAITING, HELD)):
            team, seat = self.desk.hours.team(case), self.desk.seat(tx, case)
            where = seat.address if seat is not None else self.desk.group_of(tx, case)
            promise = table.promise_of(team)
            due = clocks.overdue(case, promise, table.hours_of(team).hours, now)
            if not due or where is None or (seat is None and not self.desk.has_own_seats(case)):
                continue
            bits = 0
            for one in due:
                bits |= one.bits
                if one.late:
                    tx.cases.add_event(case, "late", detail=one.what)
                found[where.chat].append(one)
                for lead in promise.lead if one.late else ():
                    late[lead].append(one)
            tx.cases.store_case(case, replace(case, told=case.told | bits))
        return [*self._tell_groups(tx, found), *self._tell_leads(tx, late)]

    def _tell_groups(self, tx: Tx, found: dict[int, list[Overdue]]) -> list[Address]:
        """Tell a single reminder in the topic of its case, several in one message of the group."""
        places = []
        for place, due in found.items():
            language = self.desk.language(tx, place)
            where = Address("telegram", self.desk.bot, place)
            if len(due) == 1 and (seat := self.desk.seat(tx, due[0].case)) is not None:
                where = seat.address
            told = Outgoing(self._lines(tx, due, language), plain=True, keeps_place=True)
            tx.outbox.add_answer(f"desk.due.{place}.{tx.clock.time():.0f}", where, told)
            places.append(where)
        return places

    def _tell_leads(self, tx: Tx, late: dict[int, list[Overdue]]) -> list[Address]:
        places = []
        for lead, due in late.items():
            where, language = Address("telegram", self.desk.bot, lead), tx.chats.read_language(self.desk.bot, lead)
            told = Outgoing(self._lines(tx, due, language), plain=True)
            tx.outbox.add_answer(f"desk.late.{lead}.{tx.clock.time():.0f}", where, told)
            places.append(where)
        return places

    def _lines(self, tx: Tx, due: Sequence[Overdue], language: str) -> str:
        lines = [self._line(tx, one, language) for one in sorted(due, key=lambda one: one.left)[:NAMED]]
        if more := len(due) - len(lines):
            lines.append(say(language, "desk.due.more", count=more))
        return "\n".join(lines)

    def _line(self, tx: Tx, one: Overdue, language: str) -> str:
        case = one.case
        holder = tx.users.read_name(self.desk.bot, case.holder) if case.holder else ""
        who = holder or say(language, "desk.due.nobody")
        key = f"desk.due.{'close' if one.what == CLOSE else 'answer'}.{'late' if one.late else 'soon'}"
        return say(language, key, number=case.number, who=who, time=duration(language, abs(one.left)))

    # --- quiet cases --------------------------------------------------------------------------------------------------

    def _close_quiet(self, tx: Tx) -> Places:
        """Warn the customers who have been silent for long, and close the cases of those who were warned."""
        quiet, now, places = self.desk.table.close, tx.clock.time(), list[Address]()
        if not quiet.quiet:
            return ()
        for case in tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=HELD):
            due = clocks.quiet_until(case, quiet)
            if due is None or now < due:
                continue
            places += self._close(tx, case) if case.told & WARNED else self._warn(tx, case, now)
        return places

    def _warn(self, tx: Tx, case: Case, now: float) -> Places:
        key = f"case.{case.id}.quiet.{int(now)}"
        label = say(case.language, "desk.unsolved")
        button = tx.buttons.add_button(case.address, key, case.user, label, "desk.unsolved", case=case.id)
        told = say(case.language, "desk.quiet", time=duration(case.language, self.desk.table.close.grace))
        tx.outbox.add_answer(key, case.address, Outgoing(told, plain=True, buttons=((button,),)))
        tx.cases.store_case(case, replace(case, told=case.told | WARNED, touched=now))
        return [case.address]

    def _close(self, tx: Tx, case: Case) -> Places:
        places = self.desk.change(tx, case, Close())
        return [*places, *ask_stars(tx, tx.one(Case, bot=self.desk.bot, id=case.id) or case)]

    # --- the file -----------------------------------------------------------------------------------------------------

    def _tell_problem(self, tx: Tx, problem: str) -> Places:
        """Tell each owner once what is wrong with the file as it is now."""
        if problem in ("", self._problem):
            return ()
        key = f"desk-{hashlib.sha256(problem.encode()).hexdigest()[:12]}"
        return self._tell_people(tx, key, Role.OWNER, "desk.problem", problem=problem)

    # --- the groups ---------------------------------------------------------------------------------------------------

    def _tell_unreached(self, tx: Tx) -> Places:
        """Tell administrators once, in private, that a group of operators can't be reached, and why."""
        places: list[Address] = []
        for chat in (group.chat for group in tx.all(GROUPS, bot=self.desk.bot)):
            if (found := tx.seats.find_unreached(self.desk.bot, chat)) is not None:
                waits, reason = found
                key = f"desk.unreached.{chat}.{waits}"  # nothing is sent meanwhile: the same one stays the oldest
                places += self._tell_people(tx, key, Role.ADMIN, "desk.group.unreached", reason=reason)
        return places

    def _tell_people(self, tx: Tx, key: str, least: Role, text: str, **values: object) -> list[Address]:
        """Tell all who have at least this role, once for a `key`, a sentence of the catalog. Returns their chats."""
        places = []
        for user in sorted(self.rights.with_role(tx, self.desk.bot, least)):
            where, language = Address("telegram", self.desk.bot, user), tx.chats.read_language(self.desk.bot, user)
            told = Outgoing(say(language, text, **values), plain=True)
            tx.outbox.add_answer(f"{key}.o{user}", where, told)
            places.append(where)
        return places
