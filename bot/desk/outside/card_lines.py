"""Asks a programmer's functions (`App.card`) what the company knows of a customer, and puts it on the card."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.desk.desk import LINES, Desk, Places
from bot.desk.formatting import harmless
from bot.extension import Customer, OwnLines
from bot.handlers import Handlers
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import Case
from bot.texts.catalog import say
from bot.types import Job

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds for each function
LONGEST = 1000  # characters of all lines


@dataclass(frozen=True, slots=True, kw_only=True)
class CardLines:
    """Puts the lines of `functions` on cards. `send` delivers to places in the background."""

    store: Store
    desk: Desk
    functions: Sequence[OwnLines]
    send: Callable[[str, Places], None]

    def feature(self) -> Handlers:
        """The job that asks the functions."""
        return Handlers(jobs={LINES: self.run})

    async def run(self, job: Job) -> None:
        """The job: ask all functions at once, and edit the card. One that fails or is late is a line that says so."""
        case = await self.store.read(lambda tx: tx.one(Case, bot=self.desk.bot, id=int(job.payload["case"])))
        found = await asyncio.gather(*(self._ask(one, case) for one in self.functions)) if case is not None else ()

        def work(tx: Tx) -> Places:
            tx.jobs.delete_done(job)
            now = tx.one(Case, bot=self.desk.bot, id=int(job.payload["case"]))
            seat = self.desk.seat(tx, now) if now is not None else None
            if now is None or seat is None:
                return ()
            failed = say(self.desk.language(tx, seat.place), "desk.lines.failed")
            lines = [line for lines in found for line in (lines if lines is not None else [failed])]
            after = replace(now, lines=harmless("\n".join(lines))[0][:LONGEST])
            if after == now:
                return ()
            tx.cases.store_case(now, after)
            return self.desk.show_card(tx, after, cause="lines")

        self.send("", await self.store.write(work))

    async def _ask(self, function: OwnLines, case: Case) -> Sequence[str] | None:
        """The lines of a function; None if it fails."""
        customer = Customer(case.user, case.name, case.language, case.id, number=case.number)
        try:
            async with asyncio.timeout(PATIENCE):
                lines = await function(customer)
        except Exception:  # code that is not ours: the card comes without it
            log.exception("a function for the card has failed")
            return None
        return [lines] if isinstance(lines, str) else list(lines or ())
