"""The way of an update to its handler: layers around a handler, in the order in which an update meets them.

throttle            turns away updates above the limits, before they are queued
conversation_queue  one queue a conversation; Stop never waits in it
error_boundary      errors become replies
admission           who may talk to this bot
middleware          what a programmer has put around everything that people do (`App.middleware`)
router              finds the command or the button, or asks the model
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bot.ports import Handler, Reply
from bot.types import Incoming

# A layer calls the handler behind it, or ends the turn itself.
Layer = Callable[[Incoming, Reply, Handler], Awaitable[None]]


def pipeline(layers: Sequence[Layer], handler: Handler) -> Handler:
    """Put layers around a handler, and return them as one handler. The first layer sees an update first."""
    for layer in reversed(layers):
        handler = _around(layer, handler)
    return handler


def _around(layer: Layer, handler: Handler) -> Handler:
    async def handle(incoming: Incoming, reply: Reply) -> None:
        await layer(incoming, reply, handler)

    return handle
