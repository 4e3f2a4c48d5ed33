"""The layer of the support desk: who a message is for. It stands between the admission and the router.

A message in a group of operators is handled by `team/operators.py`, one in a private chat by `customers.py`; those pass
on what the bot itself answers. Other updates go straight to the router.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from bot.desk.customers import Customers
from bot.desk.team.operators import Operators
from bot.ports import Handler, Reply
from bot.types import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLayer:
    """A layer of the pipeline (`dispatch/pipeline.py`). `groups` are the connected groups of operators."""

    groups: Container[int]
    customers: Customers
    operators: Operators

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.address.chat in self.groups:
            await self.operators.handle(incoming, reply, handler)
        elif incoming.private:
            await self.customers.handle(incoming, reply, handler)
        else:
            await handler(incoming, reply)
