"""The menus of a card: after [Canned], [Snooze] and [Give] its buttons are what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.billing.budget import duration
from bot.desk.desk import Desk
from bot.desk.policy.canned import CannedAnswers
from bot.outbox import Choice
from bot.storage.tables.desk import Case

SPANS = (30 * 60.0, 2 * 3600.0, 24 * 3600.0)  # seconds for which a case can be put aside by a button
MOST = 12  # choices of a menu
BACK = "←"


@dataclass(frozen=True, slots=True)
class Menus:
    """What the menus of the cards of a `desk` offer."""

    desk: Desk
    canned: CannedAnswers

    def choices(self, case: Case, menu: str, language: str, colleagues: Mapping[int, str]) -> Sequence[Choice]:
        """The buttons of a menu ("canned", "snooze", "give"), () if there is nothing to choose from; `colleagues` are
        the names of all operators by their ids.
        """
        found = (
            {"canned": self._canned, "snooze": self._snooze}[menu](case, language)
            if menu != "give"
            else (self._give(case, language, colleagues))
        )
        return [*found[:MOST], Choice(BACK, "desk.card", {"case": case.id})] if found else ()

    def _canned(self, case: Case, _language: str) -> Sequence[Choice]:
        return [Choice(name, "desk.canned", {"case": case.id, "name": name}) for name in self.canned.names()]

    def _snooze(self, case: Case, language: str) -> Sequence[Choice]:
        return [Choice(duration(language, span), "desk.snooze", {"case": case.id, "span": span}) for span in SPANS]

    def _give(self, case: Case, language: str, colleagues: Mapping[int, str]) -> Sequence[Choice]:
        table, here = self.desk.table, self.desk.hours.team(case)
        teams = [team for team in table.teams if team != here]
        people = [(id_, name) for id_, name in sorted(colleagues.items(), key=lambda one: one[1]) if id_ != case.holder]
        return [
            *(Choice(table.title(team, language), "desk.give", {"case": case.id, "team": team}) for team in teams),
            *(Choice(name or str(id_), "desk.give", {"case": case.id, "to": id_}) for id_, name in people),
        ]
