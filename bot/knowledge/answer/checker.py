"""Lets out of a model's answer only the sentences that rest on sentences of the sources. Begin with `Checker`.

A mark such as [a3] is a hint. Code decides which shown sentences carry a sentence, takes them as its quotes, and
compares numbers, links and quotations with them. What fails is left out. This proves that the quotes are true and speak
of the same; not that the sentence follows from them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from bot.knowledge.answer.forms import is_closing, is_greeting
from bot.knowledge.answer.lines import Reader, Unit
from bot.knowledge.answer.marks import Ref
from bot.knowledge.answer.quotes import EMPHASIS, Fact, facts, missing, plain, quoted, stands
from bot.knowledge.answer.shown import Quote, Shown, letter_of, nothing_found
from bot.knowledge.stems import stems
from bot.prompts.catalog import instruct

ENOUGH = 0.5  # of a sentence's words: with fewer in its quotes it is not carried (measured on human judgements)
FAR_BETTER = 0.25  # so much more of its words in other sentences, and the mark is wrong
MOST_QUOTES = 3  # of one sentence
MOST_FOUND = 2  # of them where the marks are wrong and code finds the quotes
LEAST_WORDS, LEAST_SHARE = 2, 0.15  # what one more quote must add to a sentence
MOST_LEAD_WORDS = 10  # of a heading, or of a line such as "You need:"
MOST_HEAD_WORDS = 25  # of the head of a table
TOO_FEW = 0.5
LOOKED_AT = 400  # characters of a passage that tell its language
HEAD = 10  # level of a table's head; headings have 1 to 6
INTRODUCTION = 9
MARKUP = re.compile(r"[*_~`|]+")
BOLD = re.compile(r"(\*\*|__)[^*_]+\1:?")
CYRILLIC = re.compile("[а-яё]{2,}", re.IGNORECASE)
LATIN = re.compile("[a-z]{2,}", re.IGNORECASE)
NEGATION = re.compile(
    r"(?<!\w)(?:не|нет|ни|без|нельзя|никогда|not?|never|without|cannot|\w+n['’]t)(?!\w)", re.IGNORECASE
)
NAME = re.compile(r"(?<![.!?…]\s)(?<!^)\b[A-ZА-ЯЁ][\w-]{2,}")
CODE_MARKS = re.compile(r"[ \t]*+[#/;*-]*+[ \t]*+")

Place = tuple[int, int]  # of a passage among those that were shown, and of a sentence in it
Nearest = Callable[[str, Mapping[Place, str], Collection[Place]], Place | None]


@dataclass(frozen=True, slots=True)
class Piece:
    """What may be sent: a sentence with its quotes. A heading, a greeting or a list's introduction has none.

    `before` is the blank space and the beginning of a line ("- ") in front of it. `seen` tells what is only reported:
    "moved" (the marks named other sentences), "negation", "names".
    """

    before: str
    text: str
    quotes: tuple[Quote, ...] = ()
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sentence that is not sent, and why.

    `reason` is "carried" (no shown sentence has its words), "facts" (numbers or links that are not in its quotes) or
    "quote" (a quotation that is in none). `facts` are these numbers, links or quotations.
    """

    text: str
    reason: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A sentence of the passages that the model was shown, with what other sentences are compared by: its stems and its
    language.
    """

    place: int
    number: int
    text: str
    is_russian: bool

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of the words of the sentence."""
        return frozenset(stems(plain(self.text)))


@dataclass
class Checker:
    """Checks one answer while it arrives: `feed` and `end` return what may be sent.

    `nearest` finds among shown sentences the one that means what a sentence in another language says, given those that
    its marks name (`to_compare` says what it will be asked); without it a mark across languages is believed.
    """

    shown: Sequence[Shown]
    nearest: Nearest | None = None
    kept: list[Piece] = field(default_factory=list, init=False)
    dropped: list[Dropped] = field(default_factory=list, init=False)
    refused: bool = field(default=False, init=False)  # the model said that the sources do not answer
    _reader: Reader = field(default_factory=Reader, init=False)
    _lines: dict[Ref, Line] = field(default_factory=dict, init=False)
    _owed: tuple[str, str] = field(default=("", ""), init=False)  # gap and prefix of what was dropped
    _leads: list[tuple[int, int, Piece]] = field(default_factory=list, init=False)  # level, how many dropped, piece

    def __post_init__(self) -> None:
        for place, passage in enumerate(self.shown):
            russian = _is_russian(passage.text[:LOOKED_AT])
            for number, text in enumerate(passage.sentences):
                self._lines[letter_of(place), number + 1] = Line(place, number, text, russian)

    @property
    def survived(self) -> float:
        """The share of the sentences that may be sent, of those that need a source; 1 for an answer without any."""
        kept = sum(bool(piece.quotes) for piece in self.kept)
        return kept / (kept + len(self.dropped)) if kept or self.dropped else 1.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing with a source is left of the answer: then the bot says that it does not know."""
        return not any(piece.quotes for piece in self.kept)

    @property
    def wants_repair(self) -> bool:
        """Whether more than half of the answer has failed: then it is worth asking the model once more."""
        return self.survived < TOO_FEW

    def repair(self, language: str) -> str:
        """What the model is told about its sentences that failed."""
        lines = (f"- {one.text}: {_reason(one, language)}" for one in self.dropped)
        return instruct(language, "knowledge.repair", failed="\n".join(lines))

    def feed(self, text: str) -> list[Piece]:
        """Take the next part of the answer; return what may be sent now."""
        return self._take(self._reader.feed(text))

    def end(self, *, broken: bool = False) -> list[Piece]:
        """The answer has ended, or is `broken` off; return what may be sent of its rest."""
        return self._take(self._reader.end(broken=broken))

    def quotes_of(self, sentence: str, refs: Sequence[Ref] = ()) -> tuple[Quote, ...]:
        """Return the quotes that carry a sentence without marks; those in `refs` are tried first. () if no quote
        carries it.
        """
        found = self._carrying(Unit("text", sentence, tuple(refs)), facts(sentence), quoted(sentence))
        return () if isinstance(found, Dropped) else self._quotes(found[0])

    def to_compare(self, text: str = "", *, ended: bool = False) -> set[str]:
        """What `nearest` will be asked about when this text has come, or when the answer has `ended`: the sentences in
        another language than shown ones, which no words carry, and these shown ones.
        """
        reader, wanted = deepcopy(self._reader), set[str]()
        for unit in [*reader.feed(text), *(reader.end() if ended else ())]:
            bare, lines = MARKUP.sub(" ", unit.text), list(self._lines.values())
            content = frozenset(stems(plain(bare)))
            if unit.kind == "code" or not content or _is_refusal(unit.text) or is_closing(unit.text):
                continue
            foreign = self._in_other_languages(bare)
            if foreign and _best(lines, content, MOST_FOUND)[1] < ENOUGH:
                wanted |= {bare, *foreign.values()}
        return wanted

    def _take(self, units: Iterable[Unit]) -> list[Piece]:
        before = len(self.kept)
        for unit in units:
            gap = max(self._owed[0], unit.gap, key=lambda one: ("", " ", "\n", "\n\n").index(one))
            prefix = unit.prefix or (self._owed[1] if gap == self._owed[0] and unit.gap == " " else "")
            self._owed = (gap, prefix)
            self._check(unit, gap, prefix)
        return self.kept[before:]

    def _check(self, unit: Unit, gap: str, prefix: str) -> None:
        """Keep a part of the answer, hold it until something follows, or drop it."""
        if unit.kind == "code":
            self._check_code(unit, gap)
            return
        if _is_refusal(unit.text):
            self.refused = True
            return
        if is_greeting(unit.text):
            self._lead(0, Piece(gap + prefix, unit.text))
            return
        if is_closing(unit.text):
            if not self.is_empty:
                self._keep(Piece(gap + prefix, unit.text))
            return
        level = _level(unit)
        if level <= INTRODUCTION and not prefix.strip():
            self._leads = [lead for lead in self._leads if lead[0] < INTRODUCTION or lead[1] == len(self.dropped)]
        wanted = facts(unit.text)
        quotations = [unit.text] if ">" in prefix else quoted(unit.text)
        most = MOST_HEAD_WORDS if unit.kind == "head" else MOST_LEAD_WORDS
        leads = level and not wanted and not quotations and len(unit.text.split()) <= most
        found = None if leads and not unit.refs else self._carrying(unit, wanted, quotations)
        if leads and (found is None or isinstance(found, Dropped)):
            self._lead(level, Piece(gap + prefix, unit.text))
            return
        if found is None or isinstance(found, Dropped):
            self.dropped += [found] if found else []
            return
        lines, moved = found
        self._keep(Piece(gap + prefix, unit.text, self._quotes(lines), _seen(unit.text, lines, moved=moved)))

    def _lead(self, level: int, piece: Piece) -> None:
        """Hold a heading or an introduction until something follows. Held ones of this level and below are dropped:
        nothing has followed them.
        """
        self._leads = [lead for lead in self._leads if lead[0] < level or level == 0]
        self._leads.append((level, len(self.dropped), piece))
        self._owed = ("", "")

    def _keep(self, piece: Piece) -> None:
        for lead in (*(lead for _, _, lead in self._leads), piece):
            before = lead.before if self.kept else lead.before.lstrip("\n ")
            self.kept.append(replace(lead, before=before))
        self._leads.clear()
        self._owed = ("", "")

    # --- what carries a sentence ----------------------------------------------------------------------------------

    def _carrying(
        self, unit: Unit, wanted: Sequence[Fact], quotations: Sequence[str]
    ) -> tuple[list[Line], bool] | Dropped:
        """The shown sentences that carry a sentence, and whether its marks named others; else why there are none."""
        text = MARKUP.sub(" ", unit.text)
        content = frozenset(stems(plain(text)))
        hinted = [self._lines[ref] for ref in unit.refs if ref in self._lines]
        failed = Dropped(unit.text, "carried")
        for lines in self._candidates(text, content, hinted, quotations) if content else ():
            failed_here = self._failing(unit.text, lines, wanted, quotations)
            if failed_here is None:
                return lines, not set(lines) <= set(hinted)
            failed = failed if failed.facts else failed_here
        return failed

    def _candidates(
        self, text: str, content: frozenset[str], hinted: Sequence[Line], quotations: Sequence[str]
    ) -> Iterator[list[Line]]:  # fmt: skip
        """Shown sentences that may carry a sentence, in the order in which they are tried."""
        marked, share = _best(hinted, content, MOST_QUOTES)
        found, other = _best(list(self._lines.values()), content, MOST_FOUND)
        if share >= ENOUGH and share + FAR_BETTER >= other:
            yield marked
        if other >= ENOUGH:
            yield found
        if quotations:
            yield from (lines for lines in self._holding(quotations) if _cover(lines, content) >= ENOUGH)
        if max(share, other) < ENOUGH:
            yield from filter(None, [self._foreign(text, hinted)])

    def _failing(
        self, text: str, lines: Sequence[Line], wanted: Sequence[Fact], quotations: Sequence[str]
    ) -> Dropped | None:
        """Return why a sentence can't be sent with these quotes; None if it can be sent."""
        texts = self._texts(lines)
        if lost := missing(wanted, "\n".join(texts)):
            return Dropped(text, "facts", tuple(lost))
        forged = [one for one in quotations if not any(stands(one, source) for source in texts)]
        return Dropped(text, "quote", tuple(forged)) if forged else None

    def _foreign(self, text: str, hinted: Sequence[Line]) -> list[Line]:
        """Return the sentences in another language that a sentence rests on: the embedder finds them, or the marks name
        them.
        """
        if not (foreign := self._in_other_languages(text)):
            return []
        if self.nearest is not None:
            found = self.nearest(text, foreign, [(line.place, line.number) for line in hinted])
            return [self._lines[letter_of(found[0]), found[1] + 1]] if found else []
        return [line for line in hinted if (line.place, line.number) in foreign][:MOST_QUOTES]

    def _in_other_languages(self, text: str) -> Mapping[Place, str]:
        """Return the shown sentences whose language is not that of the text."""
        russian, lines = _is_russian(text), self._lines.values()
        return {(line.place, line.number): line.text.strip() for line in lines if line.is_russian != russian}

    def _holding(self, quotations: Sequence[str]) -> list[list[Line]]:
        """Return the sentences that contain all of these quotations; if no sentence does, two in a row that do."""
        lines = list(self._lines.values())
        pairs = ([one, two] for one, two in pairwise(lines) if one.place == two.place)
        singles = [[line] for line in lines if self._hold([line], quotations)]
        return (singles or [pair for pair in pairs if self._hold(pair, quotations)])[:MOST_QUOTES]

    def _hold(self, lines: Sequence[Line], quotations: Sequence[str]) -> bool:
        texts = self._texts(lines)
        return all(any(stands(one, text) for text in texts) for one in quotations)

    def _check_code(self, unit: Unit, gap: str) -> None:
        """Check a block of code: it must stand in one passage as it is, apart from blank space."""
        code = " ".join(line for line in unit.text.split("\n") if not CODE_MARKS.fullmatch(line))
        for place, passage in enumerate(self.shown):
            if quotes := _verbatim(code, place, passage):
                fence = re.match(r"`+|~+", unit.prefix)
                closing = fence[0] if fence else "```"
                self._keep(
                    Piece(gap if gap.startswith("\n") else "\n", f"{unit.prefix}\n{unit.text}\n{closing}", quotes)
                )
                return
        self.dropped.append(Dropped(unit.text, "quote", (unit.text[:80],)))

    def _texts(self, lines: Collection[Line]) -> list[str]:
        """The stored texts of sentences; those that follow each other are one text."""
        return [self.shown[quote.place].text[quote.start : quote.end] for quote in self._quotes(lines)]

    def _quotes(self, lines: Iterable[Line]) -> tuple[Quote, ...]:
        quotes: list[Quote] = []
        for line in sorted(lines, key=lambda line: (line.place, line.number)):
            quote = self.shown[line.place].quote(line.place, line.number, line.number)
            last = quotes[-1] if quotes else None
            if last and last.place == line.place and not self.shown[line.place].text[last.end : quote.start].strip():
                quotes[-1] = replace(last, end=quote.end)
            else:
                quotes.append(quote)
        return tuple(quotes)


def _reason(dropped: Dropped, language: str) -> str:
    failed = ", ".join(dropped.facts)
    if dropped.reason == "facts":
        return instruct(language, "knowledge.repair.facts", facts=failed)
    if dropped.reason == "quote":
        return instruct(language, "knowledge.repair.quote", facts=failed)
    return instruct(language, "knowledge.repair.carried")


def _best(lines: Sequence[Line], content: frozenset[str], most: int) -> tuple[list[Line], float]:
    """Return the few sentences that share most words with a sentence of the answer, and the share of its words that
    they have.

    One that adds little is left out: a number alone must not bring its sentence in.
    """
    chosen: list[Line] = []
    left = content
    while lines and len(chosen) < most:
        line = max(lines, key=lambda line: len(left & line.stems))
        added = left & line.stems
        if not added or (chosen and sum(map(str.isalpha, added)) < max(LEAST_WORDS, LEAST_SHARE * len(content))):
            break
        chosen.append(line)
        left -= line.stems
    return chosen, 1 - len(left) / len(content)


def _cover(lines: Iterable[Line], content: frozenset[str]) -> float:
    return len(content & frozenset().union(*(line.stems for line in lines))) / len(content)


def _verbatim(code: str, place: int, passage: Shown) -> tuple[Quote, ...]:
    """Return the quote of a passage in which a piece of code stands; only its blank space may differ."""
    words = [re.escape(word) for word in code.split()]
    found = re.search(r"\s+".join(words), passage.text) if words else None
    return (Quote(place, passage.passage, found.start(), found.end()),) if found else ()


def _level(unit: Unit) -> int:
    """Return the rank of a heading or an introduction: what follows with a higher number belongs to it. 0 for other
    text.
    """
    if unit.kind == "head":
        return HEAD
    if "#" in unit.prefix:
        return unit.prefix.count("#")
    if unit.kind == "text" and (unit.text.rstrip("*_ ").endswith(":") or BOLD.fullmatch(unit.text)):
        return INTRODUCTION
    return 0


def _is_russian(text: str) -> bool:
    return 4 * len(CYRILLIC.findall(text)) >= len(LATIN.findall(text))


def _seen(text: str, lines: Sequence[Line], *, moved: bool) -> tuple[str, ...]:
    """Return what is only reported and blocks no sentence, because it is wrong too often: another negation, names that
    the quotes lack.
    """
    quotes = " ".join(line.text for line in lines)
    there = {stem[:5] for line in lines for stem in line.stems}
    named = any(stem[:5] not in there for name in NAME.findall(text) for stem in stems(name))
    negated = (NEGATION.search(text) is None) != (NEGATION.search(quotes) is None)
    return tuple(name for name, is_so in (("moved", moved), ("negation", negated), ("names", named)) if is_so)


def _is_refusal(text: str) -> bool:
    return plain(EMPHASIS.sub("", text)) in _refusals()


def _refusals() -> frozenset[str]:
    return frozenset(plain(nothing_found(language)) for language in ("en", "ru"))
