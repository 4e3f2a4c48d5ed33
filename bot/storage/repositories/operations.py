"""Operations of services that take minutes. The id of one is stored before it is first polled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository, address, columns, made
from bot.storage.tables.work import OperationRow
from bot.types import Address

ADD = Prepared(lambda insert: insert(OperationRow.table).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running operation of a service, or an action that waits for the user's approval.

    `state` is asked, submitting (it is unknown whether the service has it), running, done or failed. `operation` is the
    service's id, `submits` how often it was submitted, `at` when the user asked for it (Unix seconds).
    """

    id: int
    kind: str
    turn: str
    address: Address
    user: int
    request: Mapping[str, Any]
    state: str
    operation: str
    submits: int
    at: float


class Operations(Repository):
    """Long-running operations of services, one for each turn at most."""

    def add_operation(self, kind: str, turn: str, where: Address, user: int, request: Mapping[str, Any]) -> None:
        """Add an operation in the state asked. If the turn has an operation already, nothing changes."""
        row = {
            **columns(where), "kind": kind, "turn": turn, "user": user, "request": _json(request), "state": "asked",
            "operation": "", "submits": 0, "at": self.clock.time(),
        }  # fmt: skip
        self.execute(ADD, row)

    def find_of_turn(self, bot: int, turn: str) -> Operation | None:
        """Return the operation of a turn, None if there is none."""
        query = select(OperationRow.table).where(OperationRow.address.bot == bot, OperationRow.turn == turn)
        return self._find(_operation, query)

    def list_open(self, where: Address, user: int) -> Sequence[Operation]:
        """Return the operations of a user in a chat that are not done and have not failed, oldest first."""
        query = select(OperationRow.table).where(
            OperationRow.address.bot == where.bot, OperationRow.address.chat == where.chat, OperationRow.user == user,
            OperationRow.state.in_(("asked", "submitting", "running")),
        )  # fmt: skip
        return [_operation(row) for row in self.connection.execute(query.order_by(OperationRow.id))]

    def open_money_reservations(self, bot: int) -> set[int]:
        """Return the reservations of money (`held_money`) that unfinished operations settle themselves."""
        query = select(OperationRow.request).where(
            OperationRow.address.bot == bot, OperationRow.state.in_(("asked", "submitting", "running"))
        )
        return {json.loads(request).get("held_money", 0) for request in self.connection.scalars(query)}

    def mark_submitting(self, id_: int) -> None:
        """Note that an operation is about to be submitted, and count it."""
        self._set(id_, state="submitting", submits=OperationRow.submits + 1)

    def mark_not_submitted(self, id_: int) -> None:
        """Note that the service refused an operation: it is asked again, and that submit does not count."""
        self._set(id_, state="asked", submits=OperationRow.submits - 1)

    def mark_running(self, id_: int, operation: str) -> None:
        """Store the service's id of an operation that it has accepted."""
        self._set(id_, state="running", operation=operation)

    def ask_again(self, id_: int, request: Mapping[str, Any]) -> None:
        """Have an operation submitted once more, with another request."""
        self._set(id_, state="asked", operation="", submits=0, at=self.clock.time(), request=_json(request))

    def store_progress(self, id_: int, state: str, request: Mapping[str, Any]) -> None:
        """Store the new state of an operation, and its request with the results so far."""
        self._set(id_, state=state, request=_json(request))

    def store_end(self, id_: int, state: str) -> None:
        """Store the last state of an operation: done or failed."""
        self._set(id_, state=state)

    def replace_request(self, id_: int, request: Mapping[str, Any]) -> None:
        """Replace the stored request of an operation by a shorter one, when parts of it are not needed any more."""
        self._set(id_, request=_json(request))

    def _set(self, id_: int, **values: Any) -> None:
        self.connection.execute(update(OperationRow.table).where(OperationRow.id == id_).values(**values))


def _json(request: Mapping[str, Any]) -> str:
    return json.dumps(request, ensure_ascii=False)


def _operation(row: Row[Any]) -> Operation:
    return made(Operation, row, address=address(row), request=json.loads(row.request))
