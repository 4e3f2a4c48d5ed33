"""Makes text of all origins alike before it is stored: `tidy`, `paragraphs`, `language_of`. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

ENOUGH_LETTERS = 10  # fewer say nothing about a language
WRAPPED, WIDEST = 45, 140  # characters of a line that an editor wrapped
# Ligatures as letters, hyphens of all kinds as one, spaces of all widths as a space; without soft hyphens, marks of
# width 0 and of overridden direction, control characters. The joiners that Persian and emoji need stay.
CHARACTERS = {
    0xFB00: "ff",
    0xFB01: "fi",
    0xFB02: "fl",
    0xFB03: "ffi",
    0xFB04: "ffl",
    0xFB05: "st",
    0xFB06: "st",
    **dict.fromkeys((0x2010, 0x2011), "-"),
    **dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " "),
    **dict.fromkeys((0x0B, 0x0C, 0x85, 0x2028, 0x2029), "\n"),
    **dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    **dict.fromkeys((*range(9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0))),
    **dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}"),
}
ITEM = re.compile(r"\s*(?:[-*•·–—]|\(?\w{1,3}[.)])\s")


def tidy(text: str, *, code: bool = False) -> str:
    """A text as it is stored: NFC, one kind of space and of line end, no soft hyphens, at most one blank line.

    In `code` spaces stay as many as they are. Letters are not changed: ё stays ё.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").translate(CHARACTERS))
    if not code:
        text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"(?<![ \t])[ \t]+\n", "\n", text)).strip("\n" if code else None)


def one_line(text: str) -> str:
    """A title, a heading or a cell: on one line."""
    return " ".join(tidy(text).split())


def paragraphs(text: str, *, hyphens: bool = False) -> Iterator[str]:
    """The paragraphs of a text, with lines joined that an editor has wrapped.

    With `hyphens` (of a PDF) a word that was divided at the end of a line is one word again.
    """
    if hyphens:
        text = re.sub(r"(?<=[^\W\d_])[-\xad]\n(?=[a-zа-яё])", "", text.replace("\r\n", "\n"))
    for part in tidy(text).split("\n\n"):
        lines = part.split("\n")
        joined = lines[0]
        for before, line in pairwise(lines):
            wrapped = WRAPPED <= len(before) <= WIDEST and not ITEM.match(line)
            joined += (" " if wrapped else "\n") + line.strip()
        if joined.strip():
            yield joined.strip()


def language_of(text: str, said: str = "") -> str:
    """ "ru" or "en" by the share of Cyrillic letters, else "". `said` is what a page says of itself, such as "de-AT".

    Many Russian pages call themselves English, since their template does: there the letters count.
    """
    said = re.split(r"[-_]", said.strip().lower())[0]
    cyrillic = len(re.findall(r"[а-яё]", text, re.IGNORECASE))
    latin = len(re.findall(r"[a-z]", text, re.IGNORECASE))
    other = len(re.findall(r"[^\W\d_]", text)) - cyrillic - latin
    if cyrillic + latin < ENOUGH_LETTERS or other > cyrillic + latin:
        counted = ""
    elif cyrillic >= latin:
        counted = "ru"
    else:
        counted = "en" if latin >= 4 * cyrillic else "ru"
    return counted if said == "en" and counted else said or counted
