"""Questions whose topic is known: the examples of the file, and what operators corrected. Begin with `samples`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.llm.topics.routing_file import MOST, RoutingTable, plain

MOST_SAMPLES = 200  # of a topic
TUNABLE = 100  # samples of every topic, below which tuning does not pay
TIMES = 3  # no topic has so many times as many samples as the smallest, so that none drowns the others
LONGEST = 1_000  # characters of a sample
HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and the key of its topic."""

    text: str
    topic: str


def samples(table: RoutingTable, corrections: Iterable[Sample] = ()) -> list[Sample]:
    """The examples of a file, then the corrections of its topics, newest first.

    A text counts once: the file is believed before a correction, a later correction before an earlier one. No topic
    has more than `MOST_SAMPLES`, nor `TIMES` as many as the smallest where that are more than a file may give.
    """
    found = {plain(text): Sample(text, key) for key, topic in table.topics.items() for text in topic.examples}
    for sample in reversed(list(corrections)):
        if sample.topic in table.topics and (mark := plain(sample.text)):
            found.setdefault(mark, Sample(sample.text[:LONGEST], sample.topic))
    counts = Counter(sample.topic for sample in found.values())
    most = min(MOST_SAMPLES, max(TIMES * min(counts.values(), default=0), MOST))
    taken: Counter[str] = Counter()
    kept = []
    for sample in found.values():
        taken[sample.topic] += 1
        if taken[sample.topic] <= most:
            kept.append(sample)
    return kept


def masked(text: str, names: Collection[str] = ()) -> str:
    """A question without what tells who asked it: `names` (of the person), what is told as a name, patronymics,
    addresses and links become …, digits become 0.
    """
    own = [re.escape(part) for name in names for part in name.split() if len(part) > 1]
    if own:
        text = re.sub(rf"\b(?:{'|'.join(own)})\b", HIDDEN, text, flags=re.IGNORECASE)
    for pattern in (LINK, TOLD, PATRONYMIC, PAIR):
        text = pattern.sub(lambda found: found["before"] + HIDDEN, text)
    return NUMBER.sub("0", text)


def one_hot(rows: Sequence[Sample]) -> Iterator[str]:
    """The lines of a data set to tune a classifier with: JSON with the text, and 1 for its topic, 0 for the others."""
    topics = list(dict.fromkeys(row.topic for row in rows))
    for row in rows:
        yield json.dumps({"text": row.text, **{key: int(key == row.topic) for key in topics}}, ensure_ascii=False)


def short_of(rows: Iterable[Sample], topics: Iterable[str], least: int = TUNABLE) -> dict[str, int]:
    """The topics with fewer than `least` samples, and how many each has."""
    counts = Counter(row.topic for row in rows)
    return {key: counts[key] for key in topics if counts[key] < least}


WORD = r"[A-ZА-ЯЁ][a-zа-яё]+(?:-[A-ZА-ЯЁ][a-zа-яё]+)?"
LINK = re.compile(r"(?P<before>)(?:https?://\S+|\S+@\S+\.\w+|(?<![\w@])@\w{4,})", re.IGNORECASE)
TOLD = re.compile(
    rf"(?P<before>\b(?i:меня зовут|моё имя|мое имя|my name is|call me|name:|имя:|фио:)\s+){WORD}(?:\s+{WORD}){{0,2}}"
)
PATRONYMIC = re.compile(
    rf"(?P<before>)\b(?:{WORD}\s+){{0,2}}[А-ЯЁ][а-яё]+(?:ович|евич|ьич|овн|евн|иничн)[а-яё]{{0,3}}(?:\s+{WORD})?"
)
PAIR = re.compile(rf"(?P<before>(?<=[^.!?…\s])\s+|(?i:\b(?:mr|mrs|ms|dr)\.? )){WORD}\s+{WORD}(?:\s+{WORD})?")
NUMBER = re.compile(r"\d+(?:[\s.,:/()+-]*\d+)*")
