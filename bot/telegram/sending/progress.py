"""How far one delivery has come, and in what simpler way it goes out after a refusal (`simpler`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.ports import Delivery
from bot.telegram.client.api import BadMarkup, NoMessage, NoMethod, NoThread
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Rung

SHORTEST = 256  # characters: shorter pieces are not tried where a server finds all of them too long


@dataclass(slots=True)
class Progress:
    """How far a delivery has come, and what was learned on the way."""

    delivery: Delivery
    rung: Rung
    ids: list[int]
    done: int
    outcome_unknown: bool  # the next send may already have been carried out
    last_known_id: int  # what it may have left has a higher id
    stored: int | None  # the marker on disk, where a search after a crash begins; None: the row is not SENDING there
    ahead: int  # how many ids behind the newest known one it may have got
    unnumbered: bool = False  # the server says that it sent it, and does not say as which message
    cleared: set[int] = field(default_factory=set)  # ids that it has not got
    touched: set[int] = field(default_factory=set)  # ids that a search may have edited without hearing of it
    was_left: bool = False  # from before the start
    looks: int = 0
    thread: bool = True
    document: bool = False
    apart: bool = False  # a file that one person sees can't be written into a message
    renewed: bool = False  # a message that could not be edited was given up
    limit: int = messages.LIMIT  # of the text of one message
    failures: int = 0  # in a row, without an answer of Telegram
    floods: int = 0  # how often Telegram has asked to wait


def simpler(progress: Progress, error: Exception) -> bool:
    """Change the way of sending after a refusal; False when there is no other way left."""
    if isinstance(error, NoThread) and progress.thread:
        progress.thread = False
    elif (
        progress.delivery.address.visible_to and progress.limit > messages.SHORT_LIMIT and _is_too_long(progress, error)
    ):
        progress.limit, progress.done = messages.SHORT_LIMIT, 0
    elif progress.delivery.address.visible_to and _goes_apart(progress, error):
        pass
    elif progress.delivery.outgoing.file and not progress.document:
        progress.document = True
    elif isinstance(error, NoMessage | NoMethod) and _elsewhere(progress):
        pass
    elif progress.limit >= 2 * SHORTEST and not progress.delivery.outgoing.file and _is_too_long(progress, error):
        progress.limit, progress.done = progress.limit // 2, 0
    elif progress.rung < Rung.PLAIN:
        progress.rung = Rung(progress.rung + 1)
        progress.done = 0  # simpler parts end elsewhere: those that stand already are edited to fit
    else:
        return _elsewhere(progress)
    return True


def _goes_apart(progress: Progress, error: Exception) -> bool:
    """A file that one person sees, into another message if its own is gone, or into none."""
    if not progress.delivery.outgoing.file or progress.apart or progress.rung is Rung.PLAIN:
        return False
    progress.apart = not (isinstance(error, NoMessage) and _elsewhere(progress))
    return True


def _elsewhere(progress: Progress) -> bool:
    """Give up the message that was to be edited, so that a new one is sent.

    What one person sees is always edited into a message that was just opened: there it is done once.
    """
    if progress.done >= len(progress.ids) or (progress.delivery.address.visible_to and progress.renewed):
        return False
    del progress.ids[progress.done :]
    progress.renewed = True
    return True


def _is_too_long(progress: Progress, error: Exception) -> bool:
    return isinstance(error, BadMarkup) and progress.rung > Rung.RICH and "too" in str(error).lower()
