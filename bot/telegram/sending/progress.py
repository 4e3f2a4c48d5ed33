"""How far one delivery has come, and in what simpler way it goes out after a refusal (`simpler`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.ports import Delivery, DeliveryState
from bot.telegram.client.api import BadMarkup, NoMessage, NoMethod, NoThread
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Rung, Screen

SHORTEST = 256  # characters: shorter pieces are not tried where a server finds all of them too long


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far one delivery has come, and what its tries have shown.

    `ids` are the messages that hold its parts so far, `was_left` says that an earlier run began it, `outcome_unknown`
    that the next send may already have been carried out, and `ahead` how many ids above the newest known one that
    message may have got. Where an earlier run began it, that run sent nothing after the monotonic time `since`.
    """

    delivery: Delivery
    rung: Rung
    ids: list[int]
    outcome_unknown: bool
    ahead: int
    was_left: bool
    since: float
    done: int = field(init=False)  # parts that are sent
    last_known_id: int = field(init=False)  # a message of unknown outcome has a higher id than this
    # `last_known_id` as stored, where a search after a crash begins; None: the stored row is not in the state SENDING.
    stored: int | None = field(init=False)
    unnumbered: bool = field(default=False, init=False)  # the server sent the message and did not tell its id
    cleared: set[int] = field(default_factory=set, init=False)  # ids that are other messages
    touched: set[int] = field(default_factory=set, init=False)  # ids that a search may have edited without an answer
    looks: int = field(default=0, init=False)  # how often the search has changed a button to see a message
    thread: bool = field(init=False)  # send into the topic
    head: int = field(default=0, init=False)  # the message that is replied to where the delivery replies to none
    document: bool = field(default=False, init=False)  # send the file as a document
    again: bool = field(default=False, init=False)  # fetch the files that may not be copied, and send them
    apart: bool = field(default=False, init=False)  # send the file in a message of its own, not by an edit
    renewed: bool = field(default=False, init=False)  # a message that could not be edited was given up
    limit: int = field(default=messages.LIMIT, init=False)  # of the text of one message
    failures: int = field(default=0, init=False)  # in a row, without an answer of Telegram
    floods: int = field(default=0, init=False)  # how often Telegram has asked to wait

    def __post_init__(self) -> None:
        self.thread = self.delivery.address.thread >= 0  # a topic that can't be made has a negative number
        self.done = self.delivery.done
        self.last_known_id = self.delivery.last_known_id
        self.stored = self.last_known_id if self.delivery.state is DeliveryState.SENDING else None


class Edit(Protocol):
    """Edits a message into a part of the delivery; may be repeated. Returns what Telegram answers."""

    async def __call__(self, progress: Progress, part: Screen, message_id: int, *, last: bool) -> Any: ...


def simpler(progress: Progress, error: Exception) -> bool:
    """Change how a delivery is sent after a refusal. Returns False when no other way is left."""
    if isinstance(error, NoThread) and progress.thread:
        progress.thread = False
    elif (
        progress.delivery.address.visible_to and progress.limit > messages.SHORT_LIMIT and _is_too_long(progress, error)
    ):
        progress.limit, progress.done = messages.SHORT_LIMIT, 0
    elif progress.delivery.address.visible_to and _goes_apart(progress, error):
        pass
    elif progress.delivery.outgoing.copy[1] and not progress.delivery.outgoing.instead:
        return False  # a word instead would say nothing to the reader; the writer is told
    elif progress.rung is Rung.ENTITIES and _comes_again(progress, error):
        progress.again, progress.done = True, 0
    elif progress.delivery.outgoing.file and not progress.document:
        progress.document = True
    elif isinstance(error, NoMessage | NoMethod) and _elsewhere(progress):
        pass
    elif progress.limit >= 2 * SHORTEST and not progress.delivery.outgoing.file and _is_too_long(progress, error):
        progress.limit, progress.done = progress.limit // 2, 0
    elif progress.rung < Rung.PLAIN:
        progress.rung = Rung(progress.rung + 1)
        progress.done = 0  # simpler parts are cut elsewhere: messages that were sent are edited to fit
    else:
        return _elsewhere(progress)
    return True


def _comes_again(progress: Progress, error: Exception) -> bool:
    """Whether the files of messages that may not be copied are sent again. A message that was deleted stays away."""
    return bool(progress.delivery.outgoing.refs) and not progress.again and "not found" not in str(error)


def _goes_apart(progress: Progress, error: Exception) -> bool:
    """Send the file of an ephemeral delivery as another message if its own is gone, else as a message of its own.

    Returns False if that was tried already.
    """
    if not progress.delivery.outgoing.file or progress.apart or progress.rung is Rung.PLAIN:
        return False
    progress.apart = not (isinstance(error, NoMessage) and _elsewhere(progress))
    return True


def _elsewhere(progress: Progress) -> bool:
    """Give up the message that was to be edited, so that a new one is sent. Returns False if there is none.

    An ephemeral answer is always edited into a message that was just opened, so there this is done only once.
    """
    if progress.done >= len(progress.ids) or (progress.delivery.address.visible_to and progress.renewed):
        return False
    del progress.ids[progress.done :]
    progress.renewed = True
    return True


def _is_too_long(progress: Progress, error: Exception) -> bool:
    return isinstance(error, BadMarkup) and progress.rung > Rung.RICH and "too" in str(error).lower()
