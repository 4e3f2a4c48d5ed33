"""Tells operators that a customer asks again what was answered within a week: `asked_already`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bot.desk.formatting import harmless
from bot.prompts.beside import for_people
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.texts.dates import day
from bot.types import Address

WEEK = 7 * 86_400.0  # seconds
MAX_MESSAGES = 400  # of a week that are compared
MAX_ANSWER = 300  # characters that are shown
FEWEST_WORDS = 3  # of a question: "thank you" is said again and again
WORD = re.compile(r"\w+")


def asked_already(tx: Tx, where: Address, words: str, language: str, *, before: int = 0) -> str:
    """The line that shows the newest answer to an equal question in this chat; "" without one.

    Questions are equal if they have the same words in the same order. `before` is the id of the stored message that
    asks now, 0 while it is not stored.
    """
    wanted = _words(words)
    if len(wanted) < FEWEST_WORDS:
        return ""
    asked: dict[int, float] = {}  # when, by conversation, while no answer has been met
    found: tuple[float, str] | None = None
    for message, at in tx.messages.list_since(where, tx.clock.time() - WEEK, MAX_MESSAGES):
        if before and message.id >= before:
            break
        if message.message.role == "user":
            if _words(message.words) == wanted:
                asked[message.conversation] = at
        elif message.conversation in asked and (answer := " ".join(for_people(message.message).split())):
            found = asked.pop(message.conversation), answer
    if found is None:
        return ""
    when, answer = found
    shown = harmless(answer if len(answer) <= MAX_ANSWER else f"{answer[:MAX_ANSWER]}…")[0]
    return say(language, "desk.asked_already", day=day(datetime.fromtimestamp(when, UTC), language), answer=shown)


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold().replace("ё", "е"))
