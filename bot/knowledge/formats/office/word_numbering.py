"""The numbers that Word shows before paragraphs and keeps out of their text: `Numbering.label`."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from bot.knowledge.formats.office.elements import find, name_of, value_of

MOST_LEVELS = 9
ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"))
ROMAN_UNITS = ((9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
LETTERS = {"lowerLetter": "abcdefghijklmnopqrstuvwxyz", "russianLower": "абвгдежзиклмнопрстуфхцчшщэюя"}


class Numbering:
    """The lists of a document (`root` of numbering.xml, None: it has none), counted while paragraphs are read."""

    def __init__(self, root: Any) -> None:
        children = () if root is None else root
        self._abstract = {value_of(one, "abstractNumId"): one for one in children if name_of(one) == "abstractNum"}
        self._lists = {value_of(one, "numId"): one for one in children if name_of(one) == "num"}
        self._counts: defaultdict[str, list[int]] = defaultdict(lambda: [0] * MOST_LEVELS)

    def label(self, list_id: str, level: int) -> str:
        """The number of the next paragraph of a list, such as "4.2."; "-" for a bullet, "" for no number."""
        abstract = value_of(find(self._lists.get(list_id), "abstractNumId"), "val")
        levels = {value_of(one, "ilvl"): one for one in self._abstract.get(abstract, ()) if name_of(one) == "lvl"}
        counts, shown = self._counts[abstract], levels.get(str(level))
        if shown is None or not 0 <= level < MOST_LEVELS:
            return ""
        for place in range(level + 1):
            if not counts[place] or place == level:
                counts[place] = counts[place] + 1 if counts[place] else _start(levels.get(str(place)))
        counts[level + 1 :] = [0] * (MOST_LEVELS - level - 1)
        if _format(shown) == "bullet":
            return "-"
        text = value_of(find(shown, "lvlText"), "val")
        return re.sub(r"%([1-9])", lambda found: _written(counts, levels, int(found[1]) - 1), text)


def _written(counts: list[int], levels: dict[str, Any], level: int) -> str:
    number, kind = counts[level], _format(levels.get(str(level)))
    if kind in ("lowerRoman", "upperRoman"):
        found = ""
        for value, sign in (*ROMAN, *ROMAN_UNITS):
            found, number = found + sign * (number // value), number % value
        return found.upper() if kind == "upperRoman" else found
    letters = LETTERS.get(f"{kind[:-5]}Lower" if kind == "russianUpper" else kind.replace("upperL", "lowerL"), "")
    if letters and number:
        sign = letters[(number - 1) % len(letters)] * ((number - 1) // len(letters) + 1)
        return sign.upper() if "pper" in kind else sign
    return "" if kind == "none" else str(number)


def _format(level: Any) -> str:
    return value_of(find(level, "numFmt"), "val") or "decimal"


def _start(level: Any) -> int:
    said = value_of(find(level, "start"), "val")
    return int(said) if said.isdecimal() and len(said) < 6 else 1
