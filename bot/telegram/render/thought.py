"""Shows what a model thought before its answer, folded above the answer. Begin with `below`."""

from __future__ import annotations

from bot.telegram.render.cleaning import clean
from bot.telegram.render.defusing import defused
from bot.telegram.render.document import Document, Folded

LONGEST = 2_000  # characters: what matters is the answer, and both share the room of a message
GAP = "\n[…]\n"


def below(thought: str, answer: Document) -> Document:
    """Return the answer below its thought. Markup in the thought is shown as text, because no reader was meant to see
    it.
    """
    text = shortened(clean(thought).strip())
    return Document((Folded(tuple(defused(text))), *answer.blocks)) if text else answer


def shortened(text: str) -> str:
    """Return the beginning and the end of a thought: what was understood, and what was decided."""
    half = (LONGEST - len(GAP)) // 2
    return text if len(text) <= LONGEST else f"{text[:half].rstrip()}{GAP}{text[-half:].lstrip()}"
