"""What an answer about the documents of a conversation rests on: `noted` finds it when the answer is written. Pure.

The model is given documents as they stand, because it may be asked to translate one or to mend its code, and names the
page of what it takes. Code looks each sentence up, as it does for answers from the knowledge base. Where the document
has it, the sentence gets a number and a quote; where not, it stays as it is: what a user asks about a document of
their own (a summary, an opinion) need not stand in there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.ai import Source
from bot.knowledge.answer.checker import Checker, Piece
from bot.knowledge.answer.lines import BEGINNING, DIVIDER, FENCE, LONGEST_LINE
from bot.knowledge.answer.marks import Ref
from bot.knowledge.answer.presentation import APART, Presentation
from bot.knowledge.answer.quotes import facts, plain
from bot.knowledge.answer.shown import Quote, Shown, letter_of
from bot.knowledge.citations import named_page
from bot.knowledge.sentences import spans
from bot.knowledge.stems import stems
from bot.storage.repositories.files.documents import Passage
from bot.storage.repositories.knowledge.passages import QuotedPassage, StoredPassage
from bot.texts.catalog import LANGUAGES

LONGEST_NAME = 40  # characters of a document's name in the list of sources, so that its page still fits
MOST_QUOTED = 2_000  # characters of quotes below an answer; of one with more, such as a summary, pages are named only
FEW_WORDS = 2  # a sentence that shares fewer words with a page that it does not name has them by chance
CITED = re.compile(r"(?<![ \t])[ \t]*+\[([^\[\]\n]{1,300})\]")
NUMBERS = re.compile(rf"(?<=[^\s⁰¹²³⁴⁵⁶⁷⁸⁹])(?>(?:[ {APART}]?[⁰¹²³⁴⁵⁶⁷⁸⁹])+)(?=\s|$)")
ENDS = frozenset('.!?…»”")]`|*')  # what a number may stand behind, where no model means a power by it
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


@dataclass(frozen=True, slots=True)
class Noted:
    """An answer with the numbers of its sources, and what stands `below` it: the quotes and the pages.

    `spans` are the quotes by the id of their passage, as (start, end); `sources` the pages in the order of the numbers.
    """

    text: str
    below: str
    spans: Mapping[int, Sequence[tuple[int, int]]]
    sources: tuple[Source, ...]


def noted(
    answer: str, passages: Sequence[Passage], language: str, numbered: Sequence[Source] = ()
) -> Noted | None:  # fmt: skip
    """The answer with quotes from these passages; None if none of its sentences stands there.

    `numbered`: the answer was noted before, and these are the sources that its numbers name.
    """
    notes = _Notes(passages, language, numbered)
    text = "".join(map(notes.line, answer.splitlines(keepends=True)))
    return notes.result(text) if notes.quotes else None


def shown(passages: Sequence[Passage], language: str) -> tuple[Shown, ...]:
    """Passages of documents as they are compared. Each page is a source of its own.

    Their ids are negative, as those of the knowledge base count from 1, too.
    """
    return tuple(
        Shown(
            passage=-one.id,
            title=named_page(language, _short(one.name), one.page, one.place),
            place="",
            sentences=tuple(one.text[start:end] for start, end in spans(one.text)),
        )
        for one in passages
    )


def quoted_pages(
    answer: str, sources: Sequence[Source], passages: Sequence[Passage], language: str
) -> Sequence[tuple[Sequence[QuotedPassage], Mapping[int, tuple[str, str]]]]:
    """What a stored answer quotes of documents, by page in the order of its numbers: the quoted passages of a page, and
    by passage the texts beside them.

    `passages` are those of the conversation now, so a document that was deleted is left out.
    """
    places = {one.id: place for place, one in enumerate(passages)}
    named = [source for source in sources if not source.url]
    by_page: dict[Source, list[Passage]] = {source: [] for source in named}
    for one in passages:
        by_page.get(Source(one.name, page=one.page, place=one.place), []).append(one)
    found = noted(answer, [one for page in by_page.values() for one in page], language, named)
    spans = found.spans if found is not None else {}
    pages = []
    for page in by_page.values():
        if not (quoted := [one for one in page if one.id in spans]):
            continue
        around = {
            -one.id: (_beside(passages, places[one.id], -1), _beside(passages, places[one.id], 1)) for one in quoted
        }
        pages.append(([_quoted(one, spans[one.id], language) for one in quoted], around))
    return pages


def _beside(passages: Sequence[Passage], place: int, step: int) -> str:
    """Return the text of the passage that stands `step` passages away in its document; "" if there is none."""
    other = place + step
    is_there = 0 <= other < len(passages) and passages[other].name == passages[place].name
    return passages[other].text if is_there else ""


def _quoted(one: Passage, spans: Sequence[tuple[int, int]], language: str) -> QuotedPassage:
    stored = StoredPassage(
        id=-one.id, source_id=0, article_id=0, ordinal=0, place="", page=0, anchor="", text=one.text,
        sentences=(), title=named_page(language, _short(one.name), one.page, one.place), url="", changed=0,
    )  # fmt: skip
    return QuotedPassage(stored, spans, None, "")


class _Notes:
    """Reads an answer line by line, and numbers the pages that its sentences rest on."""

    def __init__(self, passages: Sequence[Passage], language: str, numbered: Sequence[Source]) -> None:
        self.quotes: list[Quote] = []
        self._passages, self._numbered = passages, numbered
        self._shown = shown(passages, language)
        self._checker = Checker(self._shown, nearest=lambda *_: None)
        self._presentation = Presentation(self._shown, language)
        self._fence = ""  # that of an open block of code or formulas
        self._places: dict[str, list[int]] = {}
        for place, one in enumerate(passages):
            for name in {named_page(language, one.name, one.page, one.place) for language in LANGUAGES}:
                self._places.setdefault(name, []).append(place)

    def result(self, text: str) -> Noted:
        """What was found, with the answer as it is sent."""
        found: dict[int, list[tuple[int, int]]] = {}
        pages: dict[Source, None] = {}
        for quote in self.quotes:
            one = self._passages[quote.place]
            found.setdefault(one.id, []).append((quote.start, quote.end))
            pages[Source(one.name, page=one.page, place=one.place)] = None
        is_short = sum(one.end - one.start for one in self.quotes) <= MOST_QUOTED
        quotes = self._presentation.quotes() if is_short else ""
        below = "\n\n".join(filter(None, (quotes, self._presentation.sources())))
        return Noted(text, below, found, tuple(pages))

    def line(self, line: str) -> str:
        """A line with the numbers of its sources."""
        body = line.rstrip()
        fence = FENCE.match(body)
        mark = fence[1] if fence else "$$" if body.count("$$") % 2 else ""
        if mark:
            self._fence = mark if not self._fence else "" if mark.startswith(self._fence) else self._fence
        beginning = BEGINNING.match(body)
        prefix = beginning[0] if beginning else ""
        if mark or self._fence or "#" in prefix or "$$" in body or DIVIDER.fullmatch(body):
            return line
        return prefix + self._sentences(body[len(prefix) :]) + line[len(body) :]

    def _sentences(self, text: str) -> str:
        clean, at = "", 0
        cited: list[tuple[int, str, list[int]]] = []
        for found in sorted([*CITED.finditer(text), *NUMBERS.finditer(text)], key=lambda one: one.start()):
            pages = self._pages(found)
            if pages is not None:
                clean += text[at : found.start()]
                is_number = found.re is NUMBERS and text[found.start() - 1] in ENDS
                cited.append((len(clean), "" if is_number else found[0], pages))
                at = found.end()
        clean += text[at:]
        if not clean.strip():
            return text
        shown, row = "", text.startswith("|") and text.endswith("|")
        for start, end in ((0, len(clean)),) if row else spans(clean):
            mine = [one for one in cited if start < one[0] <= end or one[0] == start == 0]
            body = clean[start:end].rstrip()
            named = [place for *_, places in mine for place in places]
            apart = clean[:end].count("`") % 2 or "```" in body or (body.startswith("|") and not row)
            apart = apart or len(body) > LONGEST_LINE
            quotes = () if apart else self._carrying(body, named)
            if quotes:
                self.quotes += [quote for quote in quotes if quote not in self.quotes]
                gap = APART if body[-1:].isdigit() else ""  # "42 ¹" is no power
                shown += self._presentation.show(Piece("", body + gap, quotes)) + clean[start + len(body) : end]
                continue
            last = start
            for place, written, _ in mine:
                shown += clean[last:place] + written
                last = place
            shown += clean[last:end]
        return shown

    def _pages(self, found: re.Match[str]) -> list[int] | None:
        """The passages that a citation, or a number of an answer that was noted before, names; None for other text."""
        if found.re is CITED:
            return self._places.get(found[1].strip())
        if not self._numbered and found.string[found.start() - 1] not in ENDS:
            return None
        numbers = [int(one) for one in found[0].translate(DIGITS).replace(APART, " ").split()]
        sources = [self._numbered[number - 1] for number in numbers if 0 < number <= len(self._numbered)]
        return [
            place
            for place, one in enumerate(self._passages)
            if Source(one.name, page=one.page, place=one.place) in sources
        ]

    def _carrying(self, sentence: str, named: Sequence[int]) -> tuple[Quote, ...]:
        """The quotes of a sentence that names the pages of these passages; none if it does not rest on them."""
        refs: list[Ref] = [
            (letter_of(place), number + 1) for place in named for number in range(len(self._shown[place].sentences))
        ]
        quotes = self._checker.quotes_of(sentence, refs)
        if named or not quotes or facts(sentence):
            return quotes
        there = {stem for one in quotes for stem in stems(plain(self._shown[one.place].text[one.start : one.end]))}
        return quotes if len(there & set(stems(plain(sentence)))) >= FEW_WORDS else ()


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
