"""Operations of services that take minutes. The id of one is stored before it is first polled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, update

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.work import OPEN_OPERATIONS, Operation
from bot.types import Address

COUNT_SUBMIT = Prepared(
    update(Operation.table)
    .where(Operation.id == bindparam("row"))
    .values(state=bindparam("to"), submits=Operation.submits + bindparam("more"))
)


class Operations(Repository):
    """Long-running operations of services, one for each turn at most."""

    def add_operation(self, kind: str, turn: str, where: Address, user: int, request: Mapping[str, Any]) -> None:
        """Add an operation in the state asked. If the turn has an operation already, nothing changes."""
        now = self.clock.time()
        self.add_missing(Operation(kind=kind, turn=turn, address=where, user=user, request=request, at=now))

    def open_money_reservations(self, bot: int) -> set[int]:
        """Return the reservations of money (`held_money`) that unfinished operations settle themselves."""
        return {one.request.get("held_money", 0) for one in self.all(OPEN_OPERATIONS, bot=bot)}

    def mark_submitting(self, id_: int) -> None:
        """Note that an operation is about to be submitted, and count it."""
        self.execute(COUNT_SUBMIT, {"row": id_, "to": "submitting", "more": 1})

    def mark_not_submitted(self, id_: int) -> None:
        """Note that the service refused an operation: it is asked again, and that submit does not count."""
        self.execute(COUNT_SUBMIT, {"row": id_, "to": "asked", "more": -1})

    def ask_again(self, operation: Operation, request: Mapping[str, Any]) -> None:
        """Have an operation submitted once more, with another request."""
        self.change(operation, state="asked", operation="", submits=0, at=self.clock.time(), request=request)
