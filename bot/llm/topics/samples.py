"""Questions whose topic is known: the examples of the file, and what operators corrected. Begin with `samples`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.llm.topics.routing_file import MOST, RoutingTable, plain

MOST_SAMPLES = 200  # of a topic
TUNABLE = 100  # samples of every topic, below which tuning does not pay
TIMES = 3  # no topic has so many times as many samples as the smallest, so that none drowns the others
LONGEST = 1_000  # characters of a sample
HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and the key of its topic. `user` is the id of who asked it, 0 for an example of the file."""

    text: str
    topic: str
    user: int = 0


def samples(table: RoutingTable, corrections: Iterable[Sample] = ()) -> list[Sample]:
    """Return the examples of a file, then the corrections of its topics, newest first; no text twice.

    If a text has several topics, the file has precedence over corrections, and a later correction over an earlier one.
    A topic gets at most `MOST_SAMPLES` samples. If the smallest topic has few, it gets at most `TIMES` as many as that
    one, but always as many as a file may give.
    """
    found = {plain(text): Sample(text, key) for key, topic in table.topics.items() for text in topic.examples}
    for sample in reversed(list(corrections)):
        if sample.topic in table.topics and (mark := plain(sample.text)):
            found.setdefault(mark, replace(sample, text=sample.text[:LONGEST]))
    counts = Counter(sample.topic for sample in found.values())
    most = min(MOST_SAMPLES, max(TIMES * min(counts.values(), default=0), MOST))
    taken: Counter[str] = Counter()
    kept = []
    for sample in found.values():
        taken[sample.topic] += 1
        if taken[sample.topic] <= most:
            kept.append(sample)
    return kept


def masked(text: str, names: Collection[str] = (), longest: int = LONGEST) -> str:
    """Return a question without what identifies the person who asked, cut to `longest` characters.

    The `names` of the person, words that look like names, patronymics, addresses and links become "…", digits become 0.
    """
    own = {part.lower() for name in names for part in name.split() if len(part) > 1}
    text = TOKEN.sub(_without_address, text[:longest])
    for pattern in (TOLD, PATRONYMIC, PAIR):  # before single words: a whole name shows its surname
        text = pattern.sub(lambda found: found["before"] + HIDDEN, text)
    text = WORD.sub(lambda found: HIDDEN if found[0].lower() in own else found[0], text)
    return NUMBER.sub("0", text)


def _without_address(found: re.Match[str]) -> str:
    """A word as it is, or … if it is a link, an address or a user name, with the punctuation after it."""
    bare = found[0].rstrip(".,;:!?)»\"'")
    return HIDDEN + found[0][len(bare) :] if "@" in bare or "://" in bare else found[0]


def one_hot(rows: Sequence[Sample]) -> Iterator[str]:
    """Yield the lines of a data set for tuning a classifier: JSON with the text, 1 for its own topic and 0 for each
    other topic.
    """
    topics = list(dict.fromkeys(row.topic for row in rows))
    for row in rows:
        yield json.dumps({"text": row.text, **{key: int(key == row.topic) for key in topics}}, ensure_ascii=False)


def short_of(rows: Iterable[Sample], topics: Iterable[str], least: int = TUNABLE) -> dict[str, int]:
    """The topics with fewer than `least` samples, and how many each has."""
    counts = Counter(row.topic for row in rows)
    return {key: counts[key] for key in topics if counts[key] < least}


NAME = r"[A-ZА-ЯЁ][a-zа-яё]+(?:-[A-ZА-ЯЁ][a-zа-яё]+)?"
TOKEN = re.compile(r"\S+")
WORD = re.compile(r"\w+")
TOLD = re.compile(
    rf"(?P<before>\b(?i:меня зовут|моё имя|мое имя|my name is|call me|name:|имя:|фио:)\s+){NAME}(?:\s+{NAME}){{0,2}}"
)
PATRONYMIC = re.compile(
    rf"(?P<before>)\b(?:{NAME}\s+){{0,2}}[А-ЯЁ][а-яё]+(?:ович|евич|ьич|овн|евн|иничн)[а-яё]{{0,3}}(?:\s+{NAME})?"
)
PAIR = re.compile(rf"(?P<before>(?<=[^.!?…\s])\s+|\b(?i:mr|mrs|ms|dr)\.? ){NAME}\s+{NAME}(?:\s+{NAME})?")
NUMBER = re.compile(r"\d[\d\s.,:/()+-]*\d|\d")
