"""Duty: which operators take cases now, and when each was offered a case last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from bot.storage.engines.dialects import insert_or_update
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.desk import desk_operators

PUT = insert_or_update(desk_operators, ("bot", "user"), ("team", "is_on", "paused_until"))


@dataclass(frozen=True, slots=True)
class OnDuty:
    """The duty of an operator in a team. `paused_until` and `assigned` (the time of the newest case that was offered)
    are Unix times, 0.0 for none.
    """

    user: int
    team: str
    is_on: bool
    paused_until: float = 0.0
    assigned: float = 0.0

    def works(self, now: float) -> bool:
        """Whether the operator takes cases at the Unix time `now`."""
        return self.is_on and self.paused_until <= now


class Duty(Repository):
    """The duty of operators. Who may answer customers is decided by their role alone."""

    def find_duty(self, bot: int, user: int) -> OnDuty | None:
        """Return the duty of an operator; None for one who has never said anything about it."""
        operators = desk_operators.c
        return self._find(_duty, select(desk_operators).where(operators.bot == bot, operators.user == user))

    def list_duties(self, bot: int) -> Sequence[OnDuty]:
        """Return the duties of all operators who are on duty, also those that pause; first the operator who was offered
        a case longest ago.
        """
        query = select(desk_operators).where(desk_operators.c.bot == bot, desk_operators.c.is_on == 1)
        rows = self.connection.execute(query.order_by(desk_operators.c.assigned, desk_operators.c.user))
        return [_duty(row) for row in rows]

    def store_duty(self, bot: int, user: int, team: str, *, is_on: bool, paused_until: float = 0.0) -> None:
        """Store whether an operator takes cases of a team."""
        row = {
            "bot": bot, "user": user, "team": team, "is_on": int(is_on), "paused_until": paused_until, "assigned": 0.0,
        }  # fmt: skip
        self.connection.execute(PUT(self.connection), row)

    def note_assigned(self, bot: int, user: int) -> None:
        """Note that an operator was assigned a case now."""
        mine = (desk_operators.c.bot == bot, desk_operators.c.user == user)
        self.connection.execute(update(desk_operators).where(*mine).values(assigned=self.clock.time()))


def _duty(row: Any) -> OnDuty:
    return OnDuty(
        user=row.user, team=row.team, is_on=bool(row.is_on), paused_until=row.paused_until, assigned=row.assigned
    )
