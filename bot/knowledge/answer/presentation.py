"""How an answer shows what it rests on: numbers behind sentences, the list of sources, the quotes. Pure.

Begin with `Presentation`. All is Markdown, as the answer of a model is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import quote

from bot.http.framing import host_of
from bot.knowledge.answer.checker import Piece
from bot.knowledge.answer.shown import Quote, Shown
from bot.knowledge.citations import named_page, plain_title, web_address
from bot.texts.catalog import say
from bot.texts.dates import day
from bot.types import FOLDED

SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
APART = "\u202f"  # a narrow no-break space, so that ¹ ² is not read as twelve
ENDS = 4  # words at each end of a sentence that a link to its text names
SHORT = 10  # words of a sentence that it names whole
MARKUP = re.compile(r"[\\`*_{}<>#|~$!&]|(?<=\])\(")  # an escaped bracket would begin a formula


@dataclass
class Presentation:
    """Numbers the articles of one answer in the order in which they are quoted, one number each."""

    shown: Sequence[Shown]
    language: str
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict, init=False)
    _quotes: list[Quote] = field(default_factory=list, init=False)

    def show(self, piece: Piece) -> str:
        """A part of the answer, with the numbers of its sources behind it."""
        numbers = sorted({self._number(one) for one in piece.quotes})
        self._quotes += [one for one in piece.quotes if one not in self._quotes]
        if not numbers:
            return piece.before + piece.text
        raised = APART.join(str(one).translate(SUPERSCRIPT) for one in numbers)
        if piece.text.startswith("|"):
            row = piece.text.rstrip().removesuffix("|").rstrip()
            return f"{piece.before}{row} {raised} |"
        below = "\n" if piece.text.endswith(("```", "~~~")) else ""
        return f"{piece.before}{piece.text}{below}{raised}"

    def sources(self) -> str:
        """The list of the sources, each with its place, its date and a link to where its first quote stands."""
        first = {self._number(one): one for one in reversed(self._quotes)}
        lines = [self._line(number, first[number]) for number in sorted(first)]
        return f"**{say(self.language, 'sources')}:**\n" + "\n".join(lines) if lines else ""

    def quotes(self) -> str:
        """The quoted sentences as they stand in the sources, as a quotation that is shown folded."""
        lines: list[str] = []
        quoted = [one for one in self._quotes if not self.shown[one.place].origin]
        for one in sorted(quoted, key=lambda one: (self._number(one), one.passage, one.start)):
            text = " ".join(self.shown[one.place].text[one.start : one.end].split())
            shown = MARKUP.sub(r"\\\g<0>", text)
            lines.append(f"> {'' if lines else FOLDED}{str(self._number(one)).translate(SUPERSCRIPT)} {shown}")
        return "\n>\n".join(lines)

    def _number(self, one: Quote) -> int:
        passage = self.shown[one.place]
        return self._numbers.setdefault((passage.url, passage.title), len(self._numbers) + 1)

    def _line(self, number: int, one: Quote) -> str:
        passage = self.shown[one.place]
        title = named_page(self.language, plain_title(passage.whole_place), passage.page)
        link = address(passage, passage.text[one.start : one.end])
        title = f"[{title or host_of(link)}]({link})" if link else title
        told = "" if passage.changed is None else f" ({day(passage.changed, self.language)})"
        return f"{str(number).translate(SUPERSCRIPT)} {title}{told}"


def without(pieces: Sequence[Piece], left_out: Collection[str]) -> Sequence[Piece]:
    """The pieces of an answer without the sentences with these texts, and without what only introduced those."""
    kept: list[Piece] = []
    for quoted, run in groupby(pieces, lambda piece: bool(piece.quotes)):
        some = list(run)
        if not quoted:
            kept += some
        elif stay := [piece for piece in some if piece.text not in left_out]:
            kept += stay
        else:
            while kept and not kept[-1].quotes:
                kept.pop()
    return kept


def address(passage: Shown, sentence: str) -> str:
    """The web address at which a browser opens a sentence: by page, or by heading and text; "" without one."""
    link = web_address(passage.url)
    if not link:
        return ""
    if passage.page:
        return f"{link.partition('#')[0]}#page={passage.page}"
    words = sentence.split()
    named = [words] if len(words) <= SHORT else [words[:ENDS], words[-ENDS:]]
    text = ",".join(quote(" ".join(some), safe="").replace("-", "%2D") for some in named)
    anchor = quote(passage.anchor or link.partition("#")[2], safe="-._~!$&'*+,;=:@/")
    return f"{link.partition('#')[0]}#{anchor}:~:text={text}"
