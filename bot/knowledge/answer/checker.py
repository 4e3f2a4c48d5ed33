"""Lets out of a model's answer only the sentences that rest on sentences of the sources. Begin with `Checker`.

A mark such as [a3] is a hint. Code decides which shown sentences carry a sentence, takes them as its quotes, and
compares numbers, links and quotations with them. What fails is left out. This proves that the quotes are true and speak
of the same; not that the sentence follows from them. An answer may also have sentences of the model's own (`own`): of
these only what contradicts the shown sentences is left out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property

from bot.knowledge.answer.carrying import ENOUGH, MARKUP, Carriers, Dropped, Line, Nearest
from bot.knowledge.answer.forms import NEGATION, Framing, is_closing, is_greeting
from bot.knowledge.answer.lines import Reader, Unit
from bot.knowledge.answer.marks import Ref
from bot.knowledge.answer.quotes import EMPHASIS, Fact, facts, plain, quoted
from bot.knowledge.answer.shown import Quote, Shown, nothing_found
from bot.knowledge.stems import stems
from bot.prompts.catalog import instruct

MOST_LEAD_WORDS = 10  # of a heading, or of a line such as "You need:"
MOST_HEAD_WORDS = 25  # of the head of a table
TOO_FEW = 0.5
FEW_WORDS = 3  # that an unmarked sentence must share with shown ones to be numbered, unless it states facts
HEAD = 10  # level of a table's head; headings have 1 to 6
INTRODUCTION = 9
BOLD = re.compile(r"(\*\*|__)[^*_]+\1:?")
NAME = re.compile(r"(?<![.!?…]\s)(?<!^)\b[A-ZА-ЯЁ][\w-]{2,}")
CODE_MARKS = re.compile(r"[ \t]*+[#/;*-]*+[ \t]*+")


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


@dataclass
class Checker:
    """Checks one answer while it arrives: `feed` and `end` return what may be sent.

    `nearest`, `heard` and `asked` are those of `Carriers`; `to_compare` says what `nearest` will be asked. With `own` a
    sentence without a mark may be the model's own; if the sources are `sure` to cover the question, it may not state
    facts of its own.
    """

    shown: Sequence[Shown]
    nearest: Nearest | None = None
    heard: str = ""
    asked: str = ""
    own: bool = False
    sure: bool = False
    kept: list[Piece] = field(default_factory=list, init=False)
    dropped: list[Dropped] = field(default_factory=list, init=False)
    refused: bool = field(default=False, init=False)  # the model said that the sources do not answer
    _reader: Reader = field(default_factory=Reader, init=False)
    _carriers: Carriers = field(init=False)
    _owed: tuple[str, str] = field(default=("", ""), init=False)  # gap and prefix of what was dropped
    _leads: list[tuple[int, int, Piece]] = field(default_factory=list, init=False)  # level, how many dropped, piece

    def __post_init__(self) -> None:
        self._carriers = Carriers(self.shown, nearest=self.nearest, heard=self.heard, asked=self.asked)

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
        key = "knowledge.repair.own" if self.own else "knowledge.repair"
        return instruct(language, key, failed="\n".join(lines))

    def stop_comparing(self) -> None:
        """Take each mark for true where sentence and source have different languages: their embeddings can't be had."""
        self._carriers.nearest = None

    def feed(self, text: str) -> list[Piece]:
        """Take the next part of the answer; return what may be sent now."""
        return self._take(self._reader.feed(text))

    def end(self, *, broken: bool = False) -> list[Piece]:
        """The answer has ended, or is `broken` off; return what may be sent of its rest."""
        before = len(self.kept)
        self._take(self._reader.end(broken=broken))
        if self.own and self._leads and self._leads[-1][1] == len(self.dropped):
            self._keep(self._leads.pop()[2])
        return self.kept[before:]

    def quotes_of(self, sentence: str, refs: Sequence[Ref] = ()) -> tuple[Quote, ...]:
        """Return the quotes that carry a sentence without marks; those in `refs` are tried first. () if no quote
        carries it.
        """
        found = self._carriers.carrying(sentence, refs, facts(sentence), quoted(sentence))
        return () if isinstance(found, Dropped) else self._carriers.quotes(found[0])

    def to_compare(self, text: str = "", *, ended: bool = False) -> set[str]:
        """What `nearest` will be asked about when this text has come, or when the answer has `ended`: the sentences in
        another language than shown ones, which no words carry, and these shown ones.
        """
        reader, wanted = deepcopy(self._reader), set[str]()
        for unit in [*reader.feed(text), *(reader.end() if ended else ())]:
            bare = MARKUP.sub(" ", unit.text)
            content = frozenset(stems(plain(bare)))
            if unit.kind == "code" or not content or _is_refusal(unit.text) or is_closing(unit.text):
                continue
            if self.own and not unit.refs:
                continue
            foreign = self._carriers.in_other_languages(bare)
            if foreign and self._carriers.share(content) < ENOUGH:
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
        if self.own and not unit.refs:
            self._check_own(unit, gap, prefix)
            return
        if is_greeting(unit.text):
            self._lead(0, Piece(gap + prefix, unit.text))
            return
        if is_closing(unit.text):
            if not self.is_empty:
                self._keep(Piece(gap + prefix, unit.text))
            return
        level, wanted, quotations = self._read(unit, prefix)
        most = MOST_HEAD_WORDS if unit.kind == "head" else MOST_LEAD_WORDS
        leads = level and not wanted and not quotations and len(unit.text.split()) <= most
        if leads and not self._frames(unit):
            return
        found = None if leads and not unit.refs else self._found(unit, wanted, quotations)
        if leads and (found is None or isinstance(found, Dropped)):
            self._lead(level, Piece(gap + prefix, unit.text))
        elif isinstance(found, Dropped):
            if self.own and wanted and self._carriers.has_heard(wanted):  # the mark of a tool that has none
                self._keep(Piece(gap + prefix, unit.text))
            else:
                self.dropped.append(found)
        elif found is not None:
            quotes, seen = found
            self._keep(Piece(gap + prefix, unit.text, quotes, seen))

    def _frames(self, unit: Unit) -> bool:
        """Whether a heading or an introduction needs no source, or has one in another language."""
        text = MARKUP.sub(" ", unit.text)
        is_framing = self._framing.frames(text, is_head=unit.kind == "head")
        return is_framing or bool(self._carriers.foreign(text, unit.refs))

    @cached_property
    def _framing(self) -> Framing:
        return Framing(self.shown)

    def _check_own(self, unit: Unit, gap: str, prefix: str) -> None:
        """Keep a part without a mark: numbered if shown sentences carry it, else as the model's own. Drop one that says
        other numbers than they do, or that states facts where the sources are sure to have them.
        """
        level, wanted, quotations = self._read(unit, prefix)
        found = self._carriers.carrying(unit.text, (), wanted, quotations)
        words = frozenset(one for one in stems(plain(MARKUP.sub(" ", unit.text))) if one.isalpha())
        share = self._carriers.share(words) if words else 0.0
        if not isinstance(found, Dropped) and (wanted or share * len(words) >= FEW_WORDS):
            self._keep(Piece(gap + prefix, unit.text, self._carriers.quotes(found[0])))
        elif isinstance(found, Dropped) and self._is_refuted(unit, found, wanted, share if len(words) > 1 else 0.0):
            self.dropped.append(found)
        elif level:
            self._lead(level, Piece(gap + prefix, unit.text))
        else:
            self._keep(Piece(gap + prefix, unit.text))

    def _is_refuted(self, unit: Unit, found: Dropped, wanted: Sequence[Fact], share: float) -> bool:
        """Whether a sentence of the model's own may not be sent; shown sentences have this share of its words."""
        if found.reason == "facts" and share >= ENOUGH and not self._carriers.has_heard(wanted):
            return True
        known = self._carriers.knows(wanted) and not self._carriers.has_unknown(NAME.findall(unit.text))
        return self.sure and not known

    def _read(self, unit: Unit, prefix: str) -> tuple[int, Sequence[Fact], Sequence[str]]:
        """The level of a part, its facts, and what it quotes. Introductions that nothing has followed end here."""
        level = _level(unit)
        if level <= INTRODUCTION and not prefix.strip():
            self._leads = [lead for lead in self._leads if lead[0] < INTRODUCTION or lead[1] == len(self.dropped)]
        return level, facts(unit.text), [unit.text] if ">" in prefix else quoted(unit.text)

    def _found(
        self, unit: Unit, wanted: Sequence[Fact], quotations: Sequence[str]
    ) -> tuple[tuple[Quote, ...], tuple[str, ...]] | Dropped:
        """The quotes of a sentence and what is reported of it, or why it can't be sent."""
        found = self._carriers.carrying(unit.text, unit.refs, wanted, quotations)
        if not isinstance(found, Dropped):
            lines, moved = found
            return self._carriers.quotes(lines), _seen(unit.text, lines, moved=moved)
        rests = self._carriers.resting(unit.text, unit.refs, wanted, quotations)
        return (rests, ()) if rests else found

    def _lead(self, level: int, piece: Piece) -> None:
        """Hold a heading or an introduction until something follows. Held ones of this level and below are dropped:
        nothing has followed them.
        """
        stays = len(self.dropped) if self.own else -1
        self._leads = [lead for lead in self._leads if lead[0] < level or level == 0 or lead[1] == stays]
        self._leads.append((level, len(self.dropped), piece))
        self._owed = ("", "")

    def _keep(self, piece: Piece) -> None:
        for lead in (*(lead for _, _, lead in self._leads), piece):
            before = lead.before if self.kept else lead.before.lstrip("\n ")
            self.kept.append(replace(lead, before=before))
        self._leads.clear()
        self._owed = ("", "")

    def _check_code(self, unit: Unit, gap: str) -> None:
        """Check a block of code: it must stand in one passage as it is, apart from blank space."""
        code = " ".join(line for line in unit.text.split("\n") if not CODE_MARKS.fullmatch(line))
        quotes = next(filter(None, (_verbatim(code, place, one) for place, one in enumerate(self.shown))), ())
        if not quotes and (unit.refs or not self.own):
            self.dropped.append(Dropped(unit.text, "quote", (unit.text[:80],)))
            return
        fence = re.match(r"`+|~+", unit.prefix)
        closing = fence[0] if fence else "```"
        self._keep(Piece(gap if gap.startswith("\n") else "\n", f"{unit.prefix}\n{unit.text}\n{closing}", quotes))


def _reason(dropped: Dropped, language: str) -> str:
    failed = ", ".join(dropped.facts)
    if dropped.reason == "facts":
        return instruct(language, "knowledge.repair.facts", facts=failed)
    if dropped.reason == "quote":
        return instruct(language, "knowledge.repair.quote", facts=failed)
    return instruct(language, "knowledge.repair.carried")


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
