"""The board of a group whose operators have seats of their own: one message with a row for each open case.

It is written some seconds after a change, and only if it says something new. A case that begins to wait makes it a new
message, of which Telegram notifies the group; the former one is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.desk.desk import Desk, Places
from bot.desk.formatting import Piece, formatted, harmless
from bot.feature import Feature, job
from bot.storage.repositories.desk import BOARD
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CASES_BY_WAIT, HELD, SNOOZED, WAITING, Case
from bot.texts.catalog import say
from bot.types import Address, Job, Outgoing

AGO = {"date_time_format": "r"}  # how long ago: the reader's app says it, and goes on counting
ROWS = 40  # cases on the board
TAKES = 12  # cases with a button
IN_ROW = 3  # buttons
LONGEST_NAME = 40  # characters of a customer's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Board(Feature):
    """Writes the board of each group of operators: the message with its open cases."""

    store: Store
    desk: Desk
    deliver: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    @job(BOARD)
    def write(self, tx: Tx, due: Job) -> None:
        """Write the board of a group as its cases are now."""
        where, of, key = due.address, f"board.{due.address.chat}", f"{BOARD}.{due.key}"
        language, found = self.desk.language(tx, where.chat), self._cases(tx, where)
        board, waiting = self._rows(tx, found, language), [case for case in found if case.owner == WAITING][:TAKES]
        labels = [f"{say(language, 'desk.take')} #{case.number}" for case in waiting]
        shown = tx.outbox.find_version(where, of)
        before = [button.label for row in shown.outgoing.buttons for button in row] if shown is not None else []
        if shown is None and not found:
            return
        if shown is not None:
            tx.outbox.delete_former(where, BOARD, shown.key)
            if (shown.outgoing.text, shown.outgoing.entities, before) == (board.text, board.entities, labels):
                return
            if not set(labels) <= set(before) and not tx.outbox.is_unsent(where, shown.key):
                tx.outbox.add_answer(f"{key}.gone", where, Outgoing(gone=True, keeps_place=True, over=shown.key))
                shown = None
        buttons = [
            tx.buttons.add_button(where, key, 0, label, "desk.take", case=case.id)
            for label, case in zip(labels, waiting, strict=True)
        ]
        rows = tuple(tuple(buttons[first : first + IN_ROW]) for first in range(0, len(buttons), IN_ROW))
        self.desk.put(tx, where, key, replace(board, of=of, keeps_place=True, buttons=rows), over=shown)

    def _cases(self, tx: Tx, where: Address) -> list[Case]:
        """The open cases that people have or wait for in private, and whose team has this group."""
        found = tx.all(CASES_BY_WAIT, bot=self.desk.bot, owner=(WAITING, HELD, SNOOZED))
        return [case for case in found if self.desk.has_own_seats(case) and self.desk.group_of(tx, case) == where]

    def _rows(self, tx: Tx, found: Sequence[Case], language: str) -> Outgoing:
        pieces = [Piece(say(language, "desk.board", count=len(found)), "bold")]
        for case in found[:ROWS]:
            name = tx.users.read_name(self.desk.bot, case.holder) or str(case.holder) if case.holder else ""
            state = say(language, f"desk.state.{case.owner}", name=name, time=_time(case.snoozed_until))
            customer, since = (harmless(case.name)[0] or "?")[:LONGEST_NAME], case.waiting_since or case.opened
            line = say(language, "desk.line", number=case.number, where="")
            pieces += [
                Piece(f"\n{line} {customer} · {state} · "),
                Piece(_time(since), "date_time", {"unix_time": int(since), **AGO}),
            ]
        if len(found) > ROWS:
            pieces.append(Piece("\n" + say(language, "desk.due.more", count=len(found) - ROWS)))
        return formatted(pieces)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M UTC") if at else ""
