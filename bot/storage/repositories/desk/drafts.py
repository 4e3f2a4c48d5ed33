"""Drafts: answers that a model has offered to operators, with what was sent to the customer instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select, update

from bot.storage.engines.dialects import insert_or_update, upsert
from bot.storage.repositories.desk.cases import Case
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.desk import desk_automatic, desk_cases, desk_drafts

OFFERED, SENT, EDITED, DROPPED = "offered", "sent", "edited", "dropped"  # the states of a draft
ASKED, ON = "asked", "on"  # of a topic: an administrator was asked; its drafts are sent without a person
ADD = upsert(lambda insert: insert(desk_drafts).on_conflict_do_nothing())
PUT = insert_or_update(desk_automatic, ("bot", "label"), ("state",))
column = desk_drafts.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An answer that a model has written for operators. See `tables.desk.DraftColumns`; `case` is the case's id."""

    id: int = 0
    case: int
    key: str
    question: int
    seen: float
    text: str
    quotes: str = "[]"
    label: str = ""
    model: str = ""
    state: str = OFFERED
    sent: str = ""
    automatic: bool = False
    at: float = 0.0

    @property
    def alone(self) -> str:
        """The key of the delivery that brings the draft to the customer if no person decides about it."""
        return f"{self.key}.alone"[-80:]


class Drafts(Repository):
    """Drafts of answers, and the topics whose drafts are sent without a person."""

    def add_draft(self, bot: int, draft: Draft) -> Draft:
        """Store a draft and return it with its number. If there is a draft with its key, that one is returned."""
        names = ("key", "question", "seen", "text", "quotes", "label", "model", "state", "sent")
        row = {name: getattr(draft, name) for name in names}
        row |= {"bot": bot, "case_id": draft.case, "automatic": int(draft.automatic), "at": self.clock.time()}
        self.connection.execute(ADD(self.connection), row)
        found = self.find_by_key(bot, draft.key)
        assert found is not None  # noqa: S101  it was stored just now
        return found

    def find_draft(self, bot: int, id_: int) -> Draft | None:
        """Return a draft by its number, None if there is none."""
        return self._find(_draft, select(desk_drafts).where(column.bot == bot, column.id == id_))

    def find_by_key(self, bot: int, key: str) -> Draft | None:
        """Return the draft that a delivery shows, None if it shows none."""
        return self._find(_draft, select(desk_drafts).where(column.bot == bot, column.key == key))

    def end_draft(self, draft: Draft, state: str, sent: str = "", *, automatic: bool = False) -> None:
        """Store what became of a draft: it was `SENT` as it is, `EDITED` and sent, or `DROPPED`."""
        values = {"state": state, "sent": sent, "automatic": int(automatic)}
        self.connection.execute(update(desk_drafts).where(column.id == draft.id).values(**values))

    def drop_offered(self, case: Case) -> Sequence[Draft]:
        """Drop the drafts of a case about which nobody has decided, because the customer got another answer or the case
        was closed. Return them.
        """
        offered = (column.case_id == case.id, column.state == OFFERED)
        dropped = [_draft(row) for row in self.connection.execute(select(desk_drafts).where(*offered))]
        self.connection.execute(update(desk_drafts).where(*offered).values(state=DROPPED))
        return dropped

    def list_alone(self, case: Case) -> Sequence[Draft]:
        """Return the drafts of a case that were sent without a person."""
        mine = (column.case_id == case.id, column.state == SENT, column.automatic == 1)
        return [_draft(row) for row in self.connection.execute(select(desk_drafts).where(*mine))]

    def list_states(self, bot: int, label: str, most: int) -> Sequence[str]:
        """Return what operators did with the newest `most` drafts of a topic (`SENT`, `EDITED` or `DROPPED`), newest
        first.
        """
        decided = (column.bot == bot, column.label == label, column.state != OFFERED, column.automatic == 0)
        return list(
            self.connection.scalars(select(column.state).where(*decided).order_by(column.id.desc()).limit(most))
        )

    def count_of_label(self, bot: int, label: str) -> int:
        """Return how many drafts a topic has had."""
        mine = (column.bot == bot, column.label == label)
        return self.connection.scalar(select(func.count()).select_from(desk_drafts).where(*mine)) or 0

    def read_label(self, case: int) -> str:
        """Return the topic of the newest draft of a case, "" if there is none, or it has no topic."""
        newest = select(column.label).where(column.case_id == case).order_by(column.id.desc()).limit(1)
        return self.connection.scalar(newest) or ""

    def count_states(self, bot: int, since: float) -> dict[str, int]:
        """Return the number of drafts in each state, counting those since a Unix time."""
        counted = select(column.state, func.count()).where(column.bot == bot, column.at >= since)
        return {row[0]: row[1] for row in self.connection.execute(counted.group_by(column.state))}

    def list_bots(self) -> Sequence[int]:
        """Return the bots that have drafts."""
        return list(self.connection.scalars(select(column.bot).distinct().order_by(column.bot)))

    def list_decided(self, bot: int) -> Iterator[tuple[Draft, str, tuple[int, int]]]:
        """Return the drafts that people have sent, as they were or edited, the oldest first, each with the name of the
        customer and the ids of customer and operator.
        """
        named = (desk_cases.c.name.label("customer"), desk_cases.c.user.label("user"), desk_cases.c.last_holder)
        query = select(desk_drafts, *named).join(desk_cases)
        wanted = (column.bot == bot, or_(column.state == SENT, column.state == EDITED), column.automatic == 0)
        for row in self.connection.execute(query.where(*wanted).order_by(column.id)):
            yield _draft(row), row.customer, (row.user, row.last_holder)

    # --- topics whose drafts are sent without a person ----------------------------------------------------------------

    def read_automatic(self, bot: int, label: str) -> str:
        """Return `ON` if the drafts of a topic are sent without a person, `ASKED` if an administrator was asked whether
        they may; "" for neither.
        """
        mine = (desk_automatic.c.bot == bot, desk_automatic.c.label == label)
        return self.connection.scalar(select(desk_automatic.c.state).where(*mine)) or ""

    def store_automatic(self, bot: int, label: str, state: str) -> None:
        """Store whether the drafts of a topic are sent without a person; "" ends it."""
        if state:
            self.connection.execute(PUT(self.connection), {"bot": bot, "label": label, "state": state})
        else:
            mine = (desk_automatic.c.bot == bot, desk_automatic.c.label == label)
            self.connection.execute(delete(desk_automatic).where(*mine))


def _draft(row: Any) -> Draft:
    return made(Draft, row, case=row.case_id, automatic=bool(row.automatic))
