"""Who may talk to this bot: nobody by default. `access/onboarding.py` answers those who may not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.access.policy import Access, Actor, Decision
from bot.ports import Handler, Reply
from bot.types import Incoming, Kind, Permission

SIGNALS = (Kind.BLOCKED, Kind.UNBLOCKED, Kind.LEFT, Kind.MIGRATED, Kind.BUSINESS)  # nobody asks for anything by them
Refusal = Callable[[Incoming, Reply, Decision], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A layer that passes on the updates of admitted users; `refuse` ends the turns of all others."""

    access: Access
    refuse: Refusal

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        action = Permission.SIGNAL if is_signal(incoming) else Permission.TALK
        actor = Actor.of(incoming)
        decision = self.access.authorize(actor, action)
        if decision is not Decision.ALLOWED:
            await self.refuse(incoming, reply, decision)
            return
        await handler(incoming, reply)
        if incoming.kind is Kind.UNBLOCKED and not self.access.is_here(actor):
            await self.refuse(incoming, reply, Decision.NOT_HERE)


def is_signal(incoming: Incoming) -> bool:
    """Whether this update was not caused by a user, so that nobody has to be admitted.

    A Stop without a user is such an update: Telegram does not say who pressed its own Stop button.
    """
    return incoming.kind in SIGNALS or (incoming.kind in (Kind.STOP, Kind.UNHANDLED) and not incoming.user.id)
