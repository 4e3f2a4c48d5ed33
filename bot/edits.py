"""What an edit of a message means, decided and written down inside a transaction. Begin with `apply`.

A question that still waits is replaced where it waits (`middleware.InOrder`). One that is being answered stops that
answer and is answered anew. One that was answered is answered again only while nothing was said after it. All others
stay as they are: the conversation has gone on from them. An edit into a command does nothing.
"""

from __future__ import annotations

from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Incoming, Message, Text

LONGEST = 4096  # characters of one message: a longer question was made of several, of which this edit is only a piece


def apply(tx: Tx, incoming: Incoming, language: str) -> int | None:
    """Put the new words in the place of the old. The answer to those is forgotten, and marked in the chat as outdated.

    Returns the conversation; None where there is nothing to answer.
    """
    conversation = tx.messages.current(incoming.address)
    said = list(tx.messages.last(conversation, 2)) if conversation is not None and incoming.of else []
    turn = [row for row in said if row.turn == incoming.of]
    if conversation is None or not turn or turn[-1] is not said[-1] or turn[0].message.role != "user":
        return None
    old = _words(turn[0].message)
    if len(old) > LONGEST or (old == incoming.text and len(turn) == 2):
        return None  # the same words without an answer: it was interrupted here, and goes on
    tx.messages.replace(conversation, incoming.of, incoming.text)
    if len(turn) == 2:
        tx.messages.forget(incoming.address, incoming.of, "assistant")
        tx.deliveries.outdate(incoming.address, turn[1].message.text, say(language, "outdated.note"))
    return conversation


def _words(question: Message) -> str:
    """What was written, without what the model is told of what came with it."""
    first = question.parts[0] if question.parts else None
    return first.text if isinstance(first, Text) else ""


def is_first(tx: Tx, incoming: Incoming) -> bool:
    """Whether the message becomes a question only now (a photo got a caption, a mention was forgotten at first), and
    nothing was asked here after it.
    """
    if not incoming.of or tx.messages.has(incoming.address, incoming.of):
        return False
    conversation = tx.messages.current(incoming.address)
    said = tx.messages.last(conversation, 2) if conversation is not None else ()
    if any(row.message.role == "user" and len(row.message.text) > LONGEST for row in said):
        return False  # it may have been a piece of that
    return not said or int(said[-1].turn) < int(incoming.of)
