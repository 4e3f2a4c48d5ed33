"""Reads the marks of a model's sentence, such as "[a3,b1]", however they are written, and takes them out. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.knowledge.answer.shown import CLOSE, CLOSES, CYRILLIC, OPEN, OPENS
from bot.knowledge.sentences import spans

Ref = tuple[str, int]  # letter and number: ("a", 3)

LONGEST = 130  # characters between the brackets of a mark
MOST_REFS = 12  # of one mark
MOST_BEGUN = 3  # marks that may be open at the end of a text
# Each character of a body can be read in one way only, so that a search takes time in proportion to the text.
BODY = rf"(?>(?:[{OPENS}{CLOSES}\\\s,;:/&+.^\d–—-]|[^\W\d_](?=\s?\d))*)"
MARK = re.compile(
    rf"(?P<around>`|\*\*|)\\?[{OPENS}]{BODY}"  # [a3], [a3,b1], [[a3]], [a1][b2], [a1-a3], [12], `[a3]`
    r"|(?<=[.!?…»”\"])[¹²³⁰⁴-⁹]+"
)
WORDY = re.compile(  # [a], [source a3], [a3: Returns]; a link is none
    rf"[{OPENS}](?:\s*[^\W\d_]\s*|[^{OPENS}{CLOSES}\n]{{0,20}}?(?<!\w)[^\W\d_]\s?\d{{1,3}}(?!\w)"
    rf"[^{OPENS}{CLOSES}\n]{{0,80}})[{CLOSES}](?!\()"
)
REF = re.compile(r"(?<![^\W\d_])([^\W\d_])?\s?(\d{1,3})|[-–—]")
BEGUN = re.compile(rf"[{OPENS}](?>(?:[^\W_]|[\s,;–—-])*)")
AROUND = "`*_\\"  # marks of Markdown that may stand around a mark
LINK = re.compile(r"\([^()\s]{0,300}\)")
ENDING = re.compile(r"[.!?…].", re.DOTALL)
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
AFTER = frozenset(" \n\t.,;:!?…)»”|")
ENDS = frozenset(".!?…")
CLOSING = "»”\")'"


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence without its marks, and what the marks name. `end` is the place in the line where it ended."""

    text: str
    refs: tuple[Ref, ...]
    end: int


def cut(text: str, *, finished: bool, code: bool = False) -> list[Marked]:
    """Cut a line into sentences, each with its marks, which may stand before or after its full stop.

    If the line is not `finished` the last sentence is left out, because its marks may still come. `code` is not cut.
    """
    if not finished and ENDING.search(text) is None:
        return []
    clean, origin, marks = _unmarked(text if finished else text[: _begun_at(text)], code=code)
    while clean and clean[-1].isspace():
        clean.pop()
    line = "".join(clean)
    starts = [0] if code else _starts(line, [place for place, _ in marks])
    found = []
    for number, start in enumerate(starts):
        last = number + 1 == len(starts)
        if last and not finished:
            break
        end = len(line) if last else starts[number + 1]
        refs = [ref for place, some in marks for ref in some if start < place <= end or place == start == 0]
        raw = len(text) if last else origin[end]
        found.append(Marked(line[start:end].strip(), tuple(dict.fromkeys(refs)), raw))
    return found


def without_begun(text: str) -> str:
    """Return the text without an incomplete mark at its end."""
    start = _last_opening(text, len(text))
    if start < 0 or BEGUN.fullmatch(text, start) is None:
        return text
    return text[:start].rstrip(OPEN).rstrip()


def _begun_at(text: str) -> int:
    """Return where the end of the text begins that may still become a mark: at an open bracket, or at a character
    before one.
    """
    start = len(text)
    for _ in range(MOST_BEGUN):
        opening = _last_opening(text, start)
        if opening < 0 or any(one in CLOSE or one == "\n" for one in text[opening:start]):
            break
        start = opening
    if start < len(text):
        return len(text[:start].rstrip(AROUND + " \t\n\r"))
    return len(text[:start].rstrip(AROUND).rstrip()) if text.endswith(tuple(AROUND)) else start


def _last_opening(text: str, end: int) -> int:
    """Return the place of the last open bracket before `end`, at most `LONGEST` characters before it; -1 if there is
    none.
    """
    return max(text.rfind(one, max(0, end - LONGEST - 1), end) for one in OPEN)


def _unmarked(text: str, *, code: bool) -> tuple[list[str], list[int], list[tuple[int, tuple[Ref, ...]]]]:
    """Return the characters of the text without its marks, the place of each in the text, and the marks by where they
    stood among these characters.
    """
    clean: list[str] = []
    origin: list[int] = []
    marks: list[tuple[int, tuple[Ref, ...]]] = []
    at = 0
    while found := MARK.search(text, at):
        end, refs = _read(text, found, code=code)
        if not end:
            end = found.end() if found.end() > found.start() and found[0][-1:] in CLOSE else found.start() + 1
            clean += text[at:end]
            origin += range(at, end)
        else:
            clean += text[at : found.start()]
            origin += range(at, found.start())
            if not code and (text[end : end + 1] in AFTER or end == len(text)):
                while clean and clean[-1] in " \t":
                    clean.pop(), origin.pop()
            marks.append((len("".join(clean).rstrip()) if clean and clean[-1].isspace() else len(clean), refs))
        at = end
    return clean + list(text[at:]), [*origin, *range(at, len(text)), len(text)], marks


def _read(text: str, found: re.Match[str], *, code: bool) -> tuple[int, tuple[Ref, ...]]:
    """Return where a mark ends and what it names; 0 if it is no mark."""
    glued = found.start() > 0 and (text[found.start() - 1].isalnum() or text[found.start() - 1] == "_")
    body = found[0]
    if body[0] in SUPERSCRIPTS:
        return (0 if code else found.end()), ()
    last = max(body.rfind(one) for one in CLOSE)
    end, refs = found.start() + last + 1, _refs(body[: last + 1])
    if not refs and (last < 0 or code or glued or not any(map(str.isdigit, body[: last + 1]))):
        wordy = WORDY.match(text, found.start())
        if wordy is None or code or glued or wordy[0][1:-1].strip() in {"x", "X", "х", "Х"}:  # a box that is checked
            return 0, ()
        return wordy.end(), _refs(wordy[0])
    if found["around"] and not text.startswith(found["around"], end):
        return 0, ()
    end += len(found["around"])
    link = LINK.match(text, end)
    return (link.end() if link else end), refs


def _refs(body: str) -> tuple[Ref, ...]:
    found: list[Ref] = []
    letter, ranged = "", False
    for match in REF.finditer(body.lower().translate(CYRILLIC)):
        if match[2] is None:
            ranged = bool(found)
            continue
        letter, number = match[1] or letter, int(match[2])
        if letter:
            first = found[-1][1] + 1 if ranged and found[-1][0] == letter else number
            found += [(letter, one) for one in range(min(first, number), number + 1)][-MOST_REFS:]
        ranged = False
    return tuple(dict.fromkeys(found))[:MOST_REFS]


def _starts(line: str, marks: list[int]) -> list[int]:
    """Return where the sentences of a line begin. A mark at the end of a sentence belongs to it. Nothing is cut inside
    quotation marks.
    """
    starts = {start for start, _ in spans(line)} | {0}
    for place in marks:
        if 0 < place < len(line) and line[:place].rstrip(CLOSING)[-1:] in ENDS:
            starts.add(place + len(line[place:]) - len(line[place:].lstrip()))
    kept, opened, at = [], "", 0
    for start in sorted(starts):
        opened = _opened(line[at:start], opened)
        if not opened and start < max(len(line), 1):
            kept.append(start)
        at = start
    return kept


def _opened(part: str, opened: str) -> str:
    """Return the quotation marks that are open after a part of a line, if `opened` were open before it."""
    for one in part:
        if one in "»”" or (one == '"' and opened.endswith('"')) or (one == "“" and opened.endswith("„")):
            opened = opened[:-1]
        elif one in '«„“"':
            opened += one
    return opened
