"""Adds the jobs in which a model writes a draft for operators, on request of an operator or after a message of a
customer.
"""

from __future__ import annotations

from bot.desk.desk import Desk
from bot.storage.store import Tx
from bot.storage.tables.desk import HELD, WAITING, Case
from bot.types import Job

DRAFT = "desk.draft"  # the job that writes a draft
PAUSE = 2.0  # seconds for which a draft that nobody has asked for waits: a customer writes several messages at once


def order_draft(tx: Tx, case: Case, turn: str, hint: str = "") -> None:
    """Add the job that writes a draft, because an operator has asked for one; `hint` says how to word it."""
    payload = {"case": case.id, "hint": hint[:1000]}
    tx.jobs.add_job(Job(DRAFT, turn, case.address, payload, due=tx.clock.time()))


def order_wanted_draft(tx: Tx, desk: Desk, case: Case) -> None:
    """Add the job that writes a draft for a new message of a customer, if `[draft]` of desk.toml wants one for each
    message.

    Several messages in a row get one draft.
    """
    if wants_draft(desk, case):
        payload = {"case": case.id, "hint": "", "wanted": True}
        tx.jobs.add_job(Job(DRAFT, f"case.{case.id}", case.address, payload, due=tx.clock.time() + PAUSE))


def wants_draft(desk: Desk, case: Case) -> bool:
    """Whether each message of the customer of a case gets a draft now."""
    mode = desk.draft_mode(case)
    return (mode in ("always", "auto") and case.owner == HELD) or (mode == "auto" and case.owner == WAITING)
