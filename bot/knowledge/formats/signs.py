"""Powers, indexes and marks of notes as signs of a line of text: `spelled`, after `raised`, `lowered` and `note_mark`.

A reader of a document tells 10⁶ from 106 by the height of a figure. Text has no height, so it becomes `10^6`.
"""

from __future__ import annotations

import re

# Noncharacters of Unicode: no text has them.
RAISED, LOWERED, END = "\ufdd0", "\ufdd1", "\ufdd2"
BETWEEN_RUNS = re.compile(f"{END}({RAISED}|{LOWERED})")
MARKED = re.compile(f"([{RAISED}{LOWERED}])([^{RAISED}{LOWERED}{END}]*){END}?(?=(.?))", re.DOTALL)
LEFT = str.maketrans("", "", RAISED + LOWERED + END)
SIMPLE = re.compile(r"[+\-−–]?[\w.,]+")
NOTE = re.compile(r"[\[(*†‡§].*|.*[)\]]")
FRACTION, CLOSING = ("/", "⁄"), (")", "]", "}", "|")
ENDING = re.compile(r"[-‐‑]?[^\W\d_]{2,}|[-‐‑][^\W\d_]+|[™®©℠°ºª]")  # 1st, 5-го, a trademark


def raised(text: str) -> str:
    """A text that stands above its line."""
    return f"{RAISED}{text}{END}" if text.strip() else text


def lowered(text: str) -> str:
    """A text that stands below its line."""
    return f"{LOWERED}{text}{END}" if text.strip() else text


def note_mark(mark: str) -> str:
    """The mark of a note, which is never a part of the number before it."""
    return f"[{mark.strip().strip('[]')}]" if mark.strip() else ""


def spelled(text: str) -> str:
    """A text whose raised and lowered parts are written out: 10^6, log_2 8, H2O, 1st."""
    if RAISED not in text and LOWERED not in text:
        return text
    text = BETWEEN_RUNS.sub(lambda found: "" if _kind_before(text, found.start()) == found[1] else found[0], text)
    return MARKED.sub(_spelled, text).translate(LEFT)


def _kind_before(text: str, place: int) -> str:
    return max((RAISED, LOWERED), key=lambda sign: text.rfind(sign, 0, place))


def _spelled(found: re.Match[str]) -> str:
    words, follows = found[2].strip(), found[3]
    before = found.string[max(found.start() - 1, 0) : found.start()]
    if not words or not before or before == "\n":
        return found[2]
    if found[1] == RAISED and follows in FRACTION:  # the upper half of a fraction: 2 1/2
        return f" {words}" if before.isalnum() else words
    gap = " " if follows.isdecimal() and words[-1].isdecimal() else ""
    if found[1] == LOWERED:
        return f"{'_' if gap or before.isdecimal() else ''}{words}{gap}"
    if ENDING.fullmatch(words) or NOTE.fullmatch(words):
        return words
    if not (before.isalnum() or before in CLOSING):  # it is the power of nothing
        return note_mark(words) + gap
    return (f"^{words}" if SIMPLE.fullmatch(words) else f"^({words})") + gap
