"""An answer without a model: the sentences of the sources that have most of the question's words. Pure.

Begin with `extract`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.knowledge.answer.checker import Piece
from bot.knowledge.answer.shown import Shown
from bot.knowledge.search.gate import coverage
from bot.texts.catalog import say

MOST = 3  # sentences of an answer
LEAST = 0.25  # of the best score, for another sentence to be shown as well
NEXT_PASSAGE = 0.2  # what a sentence loses for each passage that was found before its own
LEANS = re.compile(
    r"\W*(?:он|она|оно|они|его|её|ее|их|ему|ей|им|это|этот|эта|эти|такой|такая|такие|там|тогда|при этом"
    r"|he|she|it|they|his|her|its|their|this|that|these|those|there|then)(?!\w)",
    re.IGNORECASE,
)


def extract(
    passages: Sequence[Shown], frequencies: Mapping[str, int], size: int, language: str, *, doubtful: bool = False
) -> list[Piece]:
    """The answer, one to three sentences behind fixed words; nothing where no sentence has a word of the question.
    `doubtful`: these words say that it may be something else.

    `passages` are the found ones, best first; `frequencies`: in how many of `size` passages each stem of the question
    stands. A sentence that begins with a pronoun comes with the one before it.
    """
    pieces: list[Piece] = []
    for place, number in best(passages, frequencies, size):
        passage = passages[place]
        first = number - 1 if number and LEANS.match(passage.sentences[number]) else number
        quote = passage.quote(place, first, number)
        if not any(quote.overlaps(one) for piece in pieces for one in piece.quotes):
            text = " ".join(passage.text[quote.start : quote.end].split())
            pieces.append(Piece("\n\n", text, (quote,)))
    lead = "sources.maybe" if doubtful else "sources.extract"
    return [Piece("", say(language, lead)), *pieces] if pieces else []


def best(passages: Sequence[Shown], frequencies: Mapping[str, int], size: int) -> list[tuple[int, int]]:
    """Return the places of the best sentences, best first: (place of the passage, place of the sentence in it)."""
    scores = {}
    for place, passage in enumerate(passages):
        for number, sentence in enumerate(passage.sentences):
            if share := coverage(sentence, frequencies, size):
                scores[place, number] = share - NEXT_PASSAGE * place
    chosen = sorted(scores, key=lambda one: -scores[one])[:MOST]
    return [one for one in chosen if scores[one] >= LEAST * scores[chosen[0]]]
