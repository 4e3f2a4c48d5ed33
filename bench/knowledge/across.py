"""`python -m bench.knowledge.across --data FOLDER`: is the sentence found that an answer in another language rests on?

XQuAD has the same paragraphs in Russian and in English. Where both have as many sentences, each sentence of one
language is an answer, and its translation is what must be found among the sentences of several paragraphs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.knowledge.vectors import KeptVectors
from bot.knowledge.answer.across import Across, Place
from bot.knowledge.sentences import spans

SHOWN = 8  # passages of an answer
GOAL = 99.0  # % of the answers whose sentence is the nearest
SHIFTED = {226, 236}  # paragraphs whose translation divides the text elsewhere, into as many sentences


async def measure(options: argparse.Namespace) -> bool:
    """Print the figures of both directions; return whether the goal is reached."""
    from bot.providers.local.embeddings import OfflineEmbeddings

    paragraphs = [_sentences(options.data / f"xquad.{language}.json") for language in ("ru", "en")]
    same = [
        place
        for place, (ru, en) in enumerate(zip(*paragraphs, strict=True))
        if len(ru) == len(en) and place not in SHIFTED
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    embedder = KeptVectors(OfflineEmbeddings(Path()), options.out / "vectors.db")
    across, reached = Across(lambda: embedder), True
    for name, said, read in (("ru to en", *paragraphs), ("en to ru", *reversed(paragraphs))):
        await across.learn([text for place in same for text in (*said[place], *read[place])])
        dice, counts = random.Random(1), Counter[str]()
        for place in same:
            rest = [one for one in same if one != place]
            for number, text in enumerate(said[place]):
                own, shown = (place, number), [place, *dice.sample(rest, SHOWN - 1)]
                among = {(one, at): sentence for one in shown for at, sentence in enumerate(read[one])}
                others = {at: one for at, one in among.items() if at != own}
                mark = dice.choice(list(others))
                counts["sentences"] += 1
                counts["nearest"] += _nearest(across, text, among) == own
                for marked, at in (("right mark", own), ("wrong mark", mark)):
                    found = across.nearest(text, among, [at])
                    counts[f"{marked}: right"] += found == own
                    counts[f"{marked}: another"] += found not in (None, own)
                counts["not shown: another"] += across.nearest(text, others, [mark]) is not None
        shares = {what: 100 * count / counts["sentences"] for what, count in counts.items()}
        figures = ", ".join(f"{what} {share:.1f} %" for what, share in shares.items() if what != "sentences")
        print(
            f"{name}: {counts['sentences']} sentences among {SHOWN} paragraphs: {figures} (nearest >= {GOAL})",
            flush=True,
        )
        reached = reached and shares["nearest"] >= GOAL
    return reached


def _sentences(file: Path) -> Sequence[Sequence[str]]:
    texts = [one["text"] for one in json.loads(file.read_text("utf-8"))["paras"]]
    return [[text[start:end].strip() for start, end in spans(text)] for text in texts]


def _nearest(across: Across, text: str, among: Mapping[Place, str]) -> Place | None:
    """The nearest sentence, however near it is."""
    places = set(among)
    return across.nearest(text, among, places)


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.across", description=__doc__)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--out", type=Path, default=Path(".bench/knowledge"), help="where vectors are kept")

if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
