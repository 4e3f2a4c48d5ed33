"""What an operator's message in the topic of a customer means: an answer to the customer, a note (`//`), a command of
the desk, ... Begin with `intent_of`. Pure.

Only the operator who holds the case speaks to the customer. Everything else stays in the topic as a note: messages of
others, messages marked with `//` or `/note`, replies to a note or a colleague, and messages that begin with a mention
(@name).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.lookalikes import slashed
from bot.storage.tables.desk import CUSTOMER, HELD, OPERATOR, SNOOZED, WAITING, Case, Relay
from bot.types import Incoming

NOTES = ("//", "/note")


class Intent(StrEnum):
    """What is done with a message in a customer's topic; `intent_of` decides it."""

    ANSWER = "answer"  # it goes to the customer
    TAKE = "take"  # the writer takes the case, and the message goes to the customer
    OFFER = "offer"  # it stays, with a button that takes the case and sends it
    OTHERS = "others"  # it stays as a note, and the writer is told who has the case
    NOTE = "note"  # it stays as a note
    FOREIGN = "foreign"  # it stays as a note, and the writer is told that only operators answer
    WORD = "word"  # it is a command of the desk
    NOBODY = "nobody"  # no customer is seen in the topic


@dataclass(frozen=True, slots=True)
class Heard:
    """A message in a customer's topic, with what is known about it.

    `replied` is the relayed message that it replies to, if any. `is_operator`: the sender may answer customers, and has
    written it in person. `alone`: nobody but the sender reads the chat.
    """

    incoming: Incoming
    case: Case | None
    is_operator: bool
    replied: Relay | None = None
    alone: bool = False


def intent_of(heard: Heard) -> Intent:
    """What is done with a message in a customer's topic."""
    incoming, case, text = heard.incoming, heard.case, slashed(heard.incoming.text).rstrip()
    if case is None:
        return Intent.NOBODY
    if not heard.is_operator:
        return Intent.FOREIGN
    if is_note(text):
        return Intent.NOTE
    if is_word(text):
        return Intent.WORD
    replied = heard.replied
    colleague = replied is not None and replied.side == OPERATOR and replied.author != incoming.user.id
    named = text.startswith("@") or any(one.get("type") == "text_mention" for one in incoming.entities)
    if named or colleague or (replied is not None and replied.side not in (CUSTOMER, OPERATOR)):
        return Intent.NOTE
    if case.owner == HELD:
        return Intent.ANSWER if case.holder == incoming.user.id else Intent.OTHERS
    is_free = case.owner == WAITING or (case.owner == SNOOZED and case.holder == incoming.user.id)
    if (replied is not None and replied.side == CUSTOMER) or (heard.alone and is_free):
        return Intent.TAKE
    return Intent.OFFER


def is_note(text: str) -> bool:
    """Return whether an operator has marked a text as a note, which the customer does not get.

    Whatever looks like the mark is one: a note that reaches the customer can't be taken back.
    """
    seen = slashed(text)
    word = seen.split(maxsplit=1)[0].partition("@")[0].lower() if seen else ""
    return seen.startswith(NOTES[0]) or word == NOTES[1]


def is_word(text: str) -> bool:
    """Return whether a text begins as a command does, and is no note."""
    seen = slashed(text).rstrip()
    return seen.startswith("/") and len(seen) > 1 and not is_note(text)
