"""The passages as a model is shown them, with numbered sentences it can name. Pure; begin with `sources_block`.

What stands in a source is data. No line of the block begins with text of a source, and what looks like a mark, a fence
or the beginning of another message is defused. What is stored, and quoted to people, stays verbatim.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from bot.prompts.catalog import instruct
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.texts.dates import day

STRICT = ("knowledge.rules", "knowledge.tail")  # what stands above and below the sources
OWN = ("knowledge.own.rules", "knowledge.own.tail")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
OPEN, CLOSE = "[［【⟦〚❲〔", "]］】⟧〛❳〕"
OPENS, CLOSES = re.escape(OPEN), re.escape(CLOSE)  # for a class of characters
CYRILLIC = str.maketrans("абвгдефснкормтух", "abbgdefcnkopmtyx")  # letters that look or sound like these
LIKE_A_MARK = re.compile(
    rf"[{OPENS}](?=[\s\\*`^_{OPENS}]{{0,20}}+(?:[^\W\d_]{{1,2}}[\s._-]?\d|[^\W\d_]\s*+[{CLOSES}]))"
)
LIKE_A_FENCE = re.compile(
    r"`{3,}|~{3,}|<(?=\s*\||[|!/\s]*+(?:s>|<?sys|system|user|assistant|sources?\b|instruct|tool|function|im_|(?:start|end)_of"
    rf"|human|bos|eos|think))|(?<=[|])>|[{OPENS}](?=/?\s*(?:INST|SYS|system|user|assistant|tool))",
    re.IGNORECASE,
)
DEFUSED = {"`": "'''", "~": "'''", "<": "‹", ">": "›"}
TOOL, PROGRAM, PICTURE = "tool", "program", "picture"  # what is shown beside sources and documents
HARMLESS = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})  # categories of characters that nobody sees


@dataclass(frozen=True, slots=True)
class Quote:
    """Sentences of a source that follow each other: `start` and `end` in the stored text of the `passage`.

    `place` is the place of the passage among those that were shown.
    """

    place: int
    passage: int
    start: int
    end: int

    def overlaps(self, other: Quote) -> bool:
        """Whether two quotes have text in common."""
        return self.place == other.place and self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Shown:
    """A passage of one answer. `sentences` joined are its stored text; `changed` is the day of its article.

    `url`, `anchor` and `page` are where it is found, "" and 0 for none. `origin` is `TOOL`, `PROGRAM` or `PICTURE` for
    what is no text of a source or document: its words are not compared.
    """

    passage: int
    title: str
    place: str
    sentences: tuple[str, ...]
    url: str = ""
    anchor: str = ""
    page: int = 0
    changed: date | None = None
    origin: str = ""

    @cached_property
    def text(self) -> str:
        """The stored text of the passage."""
        return "".join(self.sentences)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each sentence begins in the stored text."""
        return tuple(sum(map(len, self.sentences[:place])) for place in range(len(self.sentences)))

    def quote(self, place: int, first: int, last: int) -> Quote:
        """The quote of the sentences from `first` to `last`, counted from 0; this is the passage number `place`."""
        end = self.starts[last] + len(self.sentences[last].rstrip())
        return Quote(place, self.passage, self.starts[first], end)

    @property
    def whole_place(self) -> str:
        """The title and the headings below it."""
        return self.place if self.place.startswith(self.title) else f"{self.title} › {self.place}".strip(" ›")


def letter_of(place: int) -> str:
    """Return the name of the passage at a place: a letter, which a model writes in its marks, or a number for those
    after the last letter.
    """
    return LETTERS[place] if place < len(LETTERS) else str(place)


def of_passage(passage: StoredPassage) -> Shown:
    """Return a passage of the knowledge base in the form in which a model is shown it."""
    return Shown(
        passage=passage.id, title=passage.title, place=passage.place,
        sentences=tuple(passage.text[start:end] for start, end in passage.sentences), url=passage.url,
        anchor=passage.anchor, page=passage.page, changed=datetime.fromtimestamp(passage.changed, UTC).date(),
    )  # fmt: skip


def sources_block(passages: Sequence[Shown], language: str, *, own: bool = False, more: bool = False) -> str:
    """Return the part of the prompt with the sources: the rules in this language, then at most 26 passages with
    numbered sentences.

    `own`: the answer may also have sentences of the model's own. `more`: results of tools and pictures are sources too.
    """
    shown = (_lines(letter, one, language) for letter, one in zip(LETTERS, passages, strict=False))
    block = "\n".join(("<sources>", *shown, "</sources>"))
    told = f" {instruct(language, 'knowledge.more')}" if more else ""
    rules, tail = OWN if own else STRICT
    above = instruct(language, rules, nothing=nothing_found(language), more=told)
    return f"{above}\n\n{block}\n\n{instruct(language, tail)}"


def nothing_found(language: str) -> str:
    """Return the sentence that a model is told to say if the passages do not answer the question; the checker
    recognises it.
    """
    return instruct(language, "knowledge.nothing")


def defused(text: str) -> str:
    """A text of a source in one line, in which nothing looks like a mark, a fence or a message's beginning."""
    seen = "".join(" " if one.isspace() else one for one in text if one.isspace() or _is_seen(one))
    line = LIKE_A_FENCE.sub(lambda found: DEFUSED.get(found[0][0], "("), " ".join(seen.split()))
    return LIKE_A_MARK.sub("(", line)


def _lines(letter: str, passage: Shown, language: str) -> str:
    changed = passage.changed
    told = "" if changed is None else f" ({instruct(language, 'knowledge.as_of', day=day(changed, language))})"
    sentences = (f"{letter}{number} {defused(one)}" for number, one in enumerate(passage.sentences, 1))
    return "\n".join((f"[{letter}] {defused(passage.whole_place)}{told}", *sentences))


def _is_seen(character: str) -> bool:
    return " " <= character < "\x7f" or unicodedata.category(character) not in HARMLESS
