"""An answer without a model: the sentences of the sources that have most of the question's words. Pure.

Begin with `extract`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.knowledge.answer.checker import Piece, Quote
from bot.knowledge.answer.shown import Shown
from bot.knowledge.search.gate import idf
from bot.knowledge.stems import stems
from bot.texts.catalog import say

MOST = 3  # sentences of an answer
LEAST = 0.34  # of the best sentence's score that another one needs
NEXT_PASSAGE = 0.85  # what a sentence counts in the second passage, its square in the third, ...
LEANS = re.compile(
    r"\W*(?:он|она|оно|они|его|её|ее|их|ему|ей|им|это|этот|эта|эти|такой|такая|такие|там|тогда|при этом|"
    r"he|she|it|they|his|her|its|their|this|that|these|those|there|then)(?!\w)",
    re.IGNORECASE,
)


def ranked(
    question: str, passages: Sequence[Shown], frequencies: Mapping[str, int], size: int, nearness: Sequence[Sequence[float]] = ()
) -> list[tuple[int, int, float]]:
    """The sentences of the passages (best first) as (place of the passage, place in it, score), best first.

    `frequencies`: in how many of `size` passages each stem of the question stands. `nearness`: the cosine of each
    sentence with the question, where an embedder is at hand.
    """
    whole = sum(idf(term, frequencies, size) for term in frequencies) or 1.0
    found = []
    for place, passage in enumerate(passages):
        for number, sentence in enumerate(passage.sentences):
            there = set(stems(sentence)) & frequencies.keys()
            score = sum(idf(term, frequencies, size) for term in there) / whole
            found.append((place, number, score * NEXT_PASSAGE**place))
    return sorted(found, key=lambda one: -one[2])
