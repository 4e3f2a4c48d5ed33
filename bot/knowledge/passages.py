"""What a source is cut into: articles of blocks, passages, sentences. Pure; begin with `cut`.

A passage has 600 to 1,200 characters where the text under its heading allows it, and no overlap with its neighbours, so
that a sentence stands in one passage only. Its place (title › heading › heading) is kept beside the text: it goes in
front of the text for the embedding and into the index of words, which finds 4.4 points (nDCG@10) more on a real
documentation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from bot.knowledge.sentences import each_span, spans

LONGEST = 1_200  # characters of a passage: far below the 2,048 tokens of an embedding
SHORT = 600  # a passage shorter than this is joined with what follows under its heading
LONGEST_PLACE = 300
MOST_HEADINGS = 6  # of a place; deeper ones are left out in the middle
BETWEEN = " › "


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list, a table's row or a piece of code, as it stands in an article.

    `headings` are those above it, the outermost first, without the article's title. `page` counts from 1, 0 for none;
    `anchor` is the part of its address after "#", "" for none.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int = 0
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage that is not stored yet. `sentences` are (start, end) in its text; joined they are the text."""

    place: str
    text: str
    page: int = 0
    anchor: str = ""

    @property
    def sentences(self) -> tuple[tuple[int, int], ...]:
        """The sentences as (start, end) in the text."""
        return spans(self.text)

    @property
    def sha(self) -> bytes:
        """The key of the passage's embedding (32 bytes): equal where place and text are, so a moved text costs none."""
        return hashlib.sha256(self.indexed.encode()).digest()

    @property
    def indexed(self) -> str:
        """The text that is embedded and whose words are indexed: the place in front of the passage."""
        return f"{self.place}\n{self.text}" if self.place else self.text


def cut(title: str, blocks: Iterable[Block]) -> list[Piece]:
    """Cut an article into passages, in its order. Blank blocks are left out, and no passage spans two headings or two
    pages.
    """
    pieces: list[Piece] = []
    for (headings, page), part in groupby(blocks, key=lambda block: (block.headings, block.page)):
        kept = [block for block in part if block.text.strip()]
        if kept:
            place = place_of((title, *headings))
            pieces += [Piece(place, text, page, kept[0].anchor) for text in _joined([one.text for one in kept])]
    return pieces


def place_of(headings: Sequence[str]) -> str:
    """Title and headings as one line, each once in a row; the middle of a deep one is left out."""
    names = [name for name, _ in groupby(" ".join(heading.split()) for heading in headings if heading.strip())]
    if len(names) > MOST_HEADINGS:
        names = [*names[: MOST_HEADINGS - 2], "…", *names[-2:]]
    place = BETWEEN.join(name[:LONGEST_PLACE] for name in names)
    return place if len(place) <= LONGEST_PLACE else place[: LONGEST_PLACE - 1] + "…"


def _joined(texts: Iterable[str]) -> Iterator[str]:
    """Join short texts with the next one, cut long ones."""
    waiting = ""
    for part in (part for text in texts for part in _parts(text.strip())):
        if waiting and (len(waiting) >= SHORT or len(waiting) + 2 + len(part) > LONGEST):
            yield waiting
            waiting = ""
        waiting = f"{waiting}\n\n{part}" if waiting else part
    if waiting:
        yield waiting


def _parts(text: str) -> Iterator[str]:
    """A text in parts of at most `LONGEST` characters: cut between sentences, else at a space, else anywhere."""
    if len(text) <= LONGEST:
        yield text
        return
    aim = len(text) / -(-len(text) // LONGEST)  # equal parts instead of a short rest
    start = end = 0
    for _, last in each_span(text):
        if last - start > LONGEST and end > start:
            yield text[start:end].strip()
            start = end
        while last - start > LONGEST:  # one sentence that is too long
            window = text[start : start + LONGEST]
            place = window.rfind(" ") + 1 or LONGEST
            yield window[:place].strip()
            start += place
        end = last
        if end - start >= aim:
            yield text[start:end].strip()
            start = end
    if text[start:].strip():
        yield text[start:].strip()
