"""Shows the reasoning of a model folded above its answer. Begin with `below`."""

from __future__ import annotations

from bot.telegram.render.cleaning import clean
from bot.telegram.render.defusing import defused
from bot.telegram.render.document import Document, Folded

LONGEST = 2_000  # characters: what matters is the answer, and both share the room of a message
GAP = "\n[…]\n"


def below(thought: str, answer: Document) -> Document:
    """Return a document with the model's reasoning, folded, and the answer below it. The reasoning's markup is shown as
    text.
    """
    text = shortened(clean(thought).strip())
    return Document((Folded(tuple(defused(text))), *answer.blocks)) if text else answer


def shortened(text: str) -> str:
    """Return the beginning and the end of a model's reasoning, which say what it understood and what it decided."""
    half = (LONGEST - len(GAP)) // 2
    return text if len(text) <= LONGEST else f"{text[:half].rstrip()}{GAP}{text[-half:].lstrip()}"
