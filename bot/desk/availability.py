"""When the people behind a case work, and what its customer is told while they do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from zoneinfo import ZoneInfo

from bot.desk.formatting import Piece, formatted
from bot.desk.policy.desk_file import DeskFile, WorkingHours
from bot.prompts.schema import said
from bot.storage.store import Tx
from bot.storage.tables.desk import Case
from bot.texts.catalog import say
from bot.texts.dates import day
from bot.types import Outgoing

LOCAL = {"date_time_format": "wDt"}  # weekday, date, time: without it clients show the text as it stands
MANY, FEW = 20, 5  # waits that are known, for the usual one
PLACE = "{opening}"  # in the words of an operator: where the next opening is named


@dataclass(frozen=True, slots=True)
class Availability:
    """The hours of the teams, by the `file` of the desk as it is now."""

    file: DeskFile

    def team(self, case: Case) -> str:
        """The team that a case belongs to."""
        return case.team or self.file.table.teams[0]

    def of(self, case: Case) -> WorkingHours:
        """The hours of the team of a case."""
        return self.file.table.hours_of(self.team(case))

    def next_opening(self, case: Case, now: float) -> float | None:
        """When the team works again (Unix time); None while it works, or if it never does in the next 400 days."""
        opening = self.of(case).hours.next_opening(now)
        return None if opening == now else opening

    def named(self, case: Case, opening: float, language: str) -> str:
        """Return an opening as words, in the time zone of the team: "23 November, 09:00"."""
        local = datetime.fromtimestamp(opening, ZoneInfo(self.of(case).zone))
        return f"{day(local.date(), language, year=False)}, {local:%H:%M}"

    def away(self, case: Case, opening: float, language: str) -> Outgoing:
        """What a customer is told while nobody works. Telegram shows the opening in the reader's own time zone."""
        hours = self.of(case)
        text = said(hours.text, language, "") or say(language, f"desk.away.{hours.away}", opening=PLACE)
        before, found, after = text.partition(PLACE)
        if not found:
            return Outgoing(text, plain=True)
        named = Piece(self.named(case, opening, language), "date_time", {"unix_time": int(opening), **LOCAL})
        return formatted([Piece(before), named, Piece(after)])


def usual_wait(tx: Tx, bot: int, language: str) -> str:
    """How long customers have waited for a person of late, in words; "" while too little is known."""
    waits = tx.cases.read_waits(bot, MANY)
    if len(waits) < FEW:
        return ""
    return say(language, "duration.minutes", minutes=max(1, math.ceil(median(waits) / 60)))
