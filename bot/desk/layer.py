"""The layer of the support desk: who a message is for. It stands between the admission and the router.

A message in a group of operators, or in a seat that an operator has in private (`team/own_seats.py`), is handled by
`team/operators.py`, one in another private chat by `customers.py`; those pass on what the bot itself answers. In a
group of customers the bot answers; who calls a person there gets a case in private (`group_calls.py`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from bot.desk.customers import Customers
from bot.desk.team.operators import Operators
from bot.desk.team.own_seats import OwnSeats
from bot.ports import Handler, Reply
from bot.types import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLayer:
    """A layer of the pipeline (`dispatch/pipeline.py`). `groups` are the connected groups of operators."""

    groups: Container[int]
    own_seats: OwnSeats
    customers: Customers
    operators: Operators

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.address.chat in self.groups:
            await self.operators.handle(incoming, reply, handler)
        elif incoming.private and (found := await self.own_seats.find(incoming)) is not None:
            await self.operators.handle(found, reply, handler)
        elif incoming.private and await self.own_seats.ask(incoming, reply):
            pass
        elif incoming.private:
            await self.customers.handle(incoming, reply, handler)
        else:
            await self.customers.handle_in_group(incoming, reply, handler)
