"""Formulas of Office (OMML) and of pages (MathML) on one line: `formula_text`, `joined_formula`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.knowledge.formats.signs import lowered, raised

MAX_DEPTH = 40
POWERS = ("sSup", "msup")
INDEXES = ("sSub", "msub")
FRACTIONS = ("f", "mfrac")
ROOTS = ("rad", "msqrt")
PROPERTIES = "Pr"  # ends the names of elements that only say how something looks


def formula_text(element: Any, depth: int = 0) -> str:
    """A formula as an element of lxml."""
    name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else PROPERTIES
    if name.endswith(PROPERTIES) or depth > MAX_DEPTH:
        return ""
    if name == "t":
        return element.text or ""
    children = [one for one in element if not str(one.tag).endswith(PROPERTIES)]
    return joined_formula(name, [formula_text(one, depth + 1) for one in children])


def joined_formula(name: str, parts: Sequence[str]) -> str:
    """The parts of an element of a formula as a reader means them: a power, an index, a fraction, a root."""
    if name in POWERS and len(parts) == 2:
        return parts[0] + raised(parts[1])
    if name in INDEXES and len(parts) == 2:
        return parts[0] + lowered(parts[1])
    if name in FRACTIONS and len(parts) == 2:
        return "/".join(part if part.isalnum() else f"({part})" for part in parts)
    return f"√({''.join(parts)})" if name in ROOTS else "".join(parts)
