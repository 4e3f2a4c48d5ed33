"""The layer with a programmer's middleware: it stands around everything that an admitted person does, but not around
Stop and around what the messenger itself reports.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot import extension
from bot.dispatch.admission import is_signal
from bot.dispatch.custom.answers import CustomAnswers
from bot.dispatch.custom.asking import CustomReply
from bot.extension import Answer, Middleware, Next
from bot.extension.mistakes import blaming
from bot.ports import Handler, Reply
from bot.storage.store import Store, Tx
from bot.types import Incoming, Kind

log = logging.getLogger(__name__)

SPEAKS = (Kind.MESSAGE, Kind.EDIT, Kind.BUTTON)  # what an answer is sent to


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMiddleware:
    """A layer (`dispatch/pipeline.py`) that calls functions around the handler, the first one outermost.

    What a function returns without calling the next one is the answer, and ends the turn.
    """

    store: Store
    answers: CustomAnswers
    functions: Sequence[Middleware]

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        if incoming.kind is Kind.STOP or is_signal(incoming):
            await handler(incoming, reply)
            return
        handled = False

        async def rest(incoming: Incoming, given: extension.Reply) -> Answer:
            nonlocal handled
            if handled:
                raise RuntimeError("a middleware has called the next one twice")
            handled = True
            await handler(incoming, given.inner if isinstance(given, CustomReply) else given)
            return None

        way: Next = rest
        for function in reversed(self.functions):
            way = _around(function, way)
        incoming = await self.store.write(lambda tx: _begun(tx, incoming))
        given = CustomReply(reply)
        answer = await way(incoming, given.as_reply)
        if not handled:
            answer = answer if answer is not None else given.written or None
            await reply.acknowledge()
            with blaming(self.functions[0]):
                await self.answers.finish(incoming, reply, answer if incoming.kind in SPEAKS else None)
        elif answer is not None:
            log.error("turn %s: a middleware has returned an answer to a turn that had ended; dropped", incoming.id)


def _around(function: Middleware, following: Next) -> Next:
    async def call(incoming: Incoming, reply: extension.Reply) -> Answer:
        return await function(incoming, reply, following)

    return call


def _begun(tx: Tx, incoming: Incoming) -> Incoming:
    """Mark the turn as begun, so that crashes count against it, and read what was chosen in the chat."""
    tx.inbox.mark_begun(incoming.ids)
    return replace(incoming, chat=tx.chats.read_choices(incoming.address, incoming.user.id))
