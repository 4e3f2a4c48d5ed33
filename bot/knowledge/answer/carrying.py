"""Finds the shown sentences that carry a sentence of an answer, or says why none does. Pure. Begin with `Carriers`.

Sentences of sources and documents are compared word by word. Of what tools, functions of a programmer and pictures say
(`Shown.origin`) only the facts are compared: it may be JSON, or in another language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from bot.knowledge.answer.marks import Ref
from bot.knowledge.answer.quotes import Fact, given, missing, plain, stands
from bot.knowledge.answer.shown import PICTURE, Quote, Shown, letter_of
from bot.knowledge.stems import stems

ENOUGH = 0.5  # of a sentence's words: with fewer in its quotes it is not carried (measured on human judgements)
FAR_BETTER = 0.25  # so much more of its words in other sentences, and the mark is wrong
MOST_QUOTES = 3  # of one sentence
MOST_FOUND = 2  # of them where the marks are wrong and code finds the quotes
LEAST_WORDS, LEAST_SHARE = 2, 0.15  # what one more quote must add to a sentence
LOOKED_AT = 400  # characters of a passage that tell its language
MARKUP = re.compile(r"[*_~`|]+")
CYRILLIC = re.compile("[а-яё]{2,}", re.IGNORECASE)
LATIN = re.compile("[a-z]{2,}", re.IGNORECASE)

Place = tuple[int, int]  # of a passage among those that were shown, and of a sentence in it
Nearest = Callable[[str, Mapping[Place, str], Collection[Place]], Place | None]


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
class Carriers:
    """The passages that a model was shown, as they are compared with its sentences.

    `nearest` finds among shown sentences the one that means what a sentence in another language says, given those that
    its marks name; without it a mark across languages is believed. `heard` is what tools and functions have said: facts
    that stand there are given. Those in `asked`, the question, may be repeated only in a sentence that rests on these.
    """

    shown: Sequence[Shown]
    nearest: Nearest | None = None
    heard: str = ""
    asked: str = ""
    _lines: dict[Ref, Line] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for place, passage in enumerate(self.shown):
            russian = is_russian(passage.text[:LOOKED_AT])
            for number, text in enumerate(passage.sentences if not passage.origin else ()):
                self._lines[letter_of(place), number + 1] = Line(place, number, text, russian)

    def carrying(
        self, sentence: str, refs: Collection[Ref], wanted: Sequence[Fact], quotations: Sequence[str]
    ) -> tuple[list[Line], bool] | Dropped:
        """The shown sentences that carry a sentence, and whether its marks (`refs`) named others; else why there are
        none. `wanted` are its facts.
        """
        text = MARKUP.sub(" ", sentence)
        content = frozenset(stems(plain(text)))
        hinted = [self._lines[ref] for ref in refs if ref in self._lines]
        failed = Dropped(sentence, "carried")
        for lines in self._candidates(text, content, hinted, quotations) if content else ():
            failed_here = self._failing(sentence, lines, wanted, quotations)
            if failed_here is None:
                return lines, not set(lines) <= set(hinted)
            failed = failed if failed.facts else failed_here
        return failed

    def resting(
        self, sentence: str, refs: Collection[Ref], wanted: Sequence[Fact], quotations: Sequence[str]
    ) -> tuple[Quote, ...]:
        """What a sentence rests on of the things that are not compared word by word; () if it does not.

        One of them is named by a mark, or has a word or fact of the sentence, or is in another language. All facts and
        quotations of the sentence must stand in them, in the sentences that it names, or in the question; what a
        picture shows can't be looked up.
        """
        loose = [(place, one) for place, one in enumerate(self.shown) if one.origin]
        marked = [(place, one) for place, one in loose if letter_of(place) in {letter for letter, _ in refs}]
        chosen = marked or [(place, one) for place, one in loose if one.origin == PICTURE or _touches(sentence, one)]
        if not chosen:
            return ()
        hinted = self.quotes(self._lines[ref] for ref in refs if ref in self._lines)
        texts = [*(one.text for _, one in loose), *map(self._text, hinted), self.heard, self.asked]
        sees = any(one.origin == PICTURE for _, one in chosen)
        if not sees and (missing(wanted, "\n".join(texts)) or not _all_stand(quotations, texts)):
            return ()
        return (*hinted, *(Quote(place, one.passage, 0, len(one.text)) for place, one in chosen))

    def in_other_languages(self, text: str) -> Mapping[Place, str]:
        """Return the shown sentences whose language is not that of the text."""
        russian, lines = is_russian(text), self._lines.values()
        return {(line.place, line.number): line.text.strip() for line in lines if line.is_russian != russian}

    def foreign(self, text: str, refs: Collection[Ref]) -> list[Line]:
        """The sentences in another language that a text rests on; its marks are `refs`."""
        return self._foreign(text, [self._lines[ref] for ref in refs if ref in self._lines])

    def share(self, content: frozenset[str]) -> float:
        """The share of these stems that the shown sentences with most of them have."""
        return _best(list(self._lines.values()), content, MOST_FOUND)[1]

    def has_heard(self, wanted: Sequence[Fact]) -> bool:
        """Whether tools and functions have said these facts, apart from those of the question."""
        return bool(self.heard) and self.knows(wanted)

    def knows(self, wanted: Sequence[Fact]) -> bool:
        """Whether tools, functions or the question have these facts."""
        return not missing(wanted, f"{self.heard}\n{self.asked}")

    def has_unknown(self, names: Iterable[str]) -> bool:
        """Whether one of these names stands nowhere in what was shown, heard and asked."""
        texts = (*(one.text for one in self.shown), self.heard, self.asked)
        there = {stem[:5] for text in texts for stem in stems(plain(text))}
        return any(stem[:5] not in there for name in names for stem in stems(name))

    def quotes(self, lines: Iterable[Line]) -> tuple[Quote, ...]:
        """The quotes that shown sentences make; those that follow each other are one."""
        quotes: list[Quote] = []
        for line in sorted(lines, key=lambda line: (line.place, line.number)):
            quote = self.shown[line.place].quote(line.place, line.number, line.number)
            last = quotes[-1] if quotes else None
            if last and last.place == line.place and not self.shown[line.place].text[last.end : quote.start].strip():
                quotes[-1] = replace(last, end=quote.end)
            else:
                quotes.append(quote)
        return tuple(quotes)

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
        if lost := missing(wanted, "\n".join((*texts, self.heard))):
            return Dropped(text, "facts", tuple(lost))
        forged = [one for one in quotations if not _all_stand([one], texts)]
        return Dropped(text, "quote", tuple(forged)) if forged else None

    def _foreign(self, text: str, hinted: Sequence[Line]) -> list[Line]:
        """Return the sentences in another language that a sentence rests on: the embedder finds them, or the marks name
        them.
        """
        if not (foreign := self.in_other_languages(text)):
            return []
        if self.nearest is not None:
            found = self.nearest(text, foreign, [(line.place, line.number) for line in hinted])
            return [self._lines[letter_of(found[0]), found[1] + 1]] if found else []
        return [line for line in hinted if (line.place, line.number) in foreign][:MOST_QUOTES]

    def _holding(self, quotations: Sequence[str]) -> list[list[Line]]:
        """Return the sentences that contain all of these quotations; if no sentence does, two in a row that do."""
        lines = list(self._lines.values())
        pairs = ([one, two] for one, two in pairwise(lines) if one.place == two.place)
        singles = [[line] for line in lines if _all_stand(quotations, self._texts([line]))]
        return (singles or [pair for pair in pairs if _all_stand(quotations, self._texts(pair))])[:MOST_QUOTES]

    def _texts(self, lines: Collection[Line]) -> list[str]:
        """The stored texts of sentences; those that follow each other are one text."""
        return [self._text(quote) for quote in self.quotes(lines)]

    def _text(self, quote: Quote) -> str:
        return self.shown[quote.place].text[quote.start : quote.end]


def is_russian(text: str) -> bool:
    """Whether a text has more Russian than English words."""
    return 4 * len(CYRILLIC.findall(text)) >= len(LATIN.findall(text))


def _all_stand(quotations: Iterable[str], texts: Sequence[str]) -> bool:
    return all(any(stands(one, text) for text in texts) for one in quotations)


def _touches(sentence: str, other: Shown) -> bool:
    """Whether a sentence may rest on something that is not compared word by word: they share a word or a fact, or their
    languages differ.
    """
    text = plain(MARKUP.sub(" ", sentence))
    shares = set(stems(text)) & set(stems(plain(other.text))) or given(text) & given(plain(other.text))
    return bool(shares) or is_russian(sentence) != is_russian(other.text[:LOOKED_AT])


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
