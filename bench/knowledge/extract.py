"""`python -m bench.knowledge.extract --data FOLDER`: how often an answer without a model holds the gold answer.

Each question of XQuAD is searched among all paragraphs; then the first sentence, and the first three, are looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from pathlib import Path

from bench.knowledge.data import xquad
from bench.knowledge.retrieval import found
from bench.knowledge.vectors import KeptVectors
from bot.ai import Embedder
from bot.knowledge.answer.extract import best, extract
from bot.knowledge.answer.shown import Shown
from bot.knowledge.sentences import spans
from bot.knowledge.stems import stems

GOALS = {"ru": (76.0, 90.0), "en": (78.5, 91.5)}  # the first sentence, one of three
MOST_PASSAGES = 8


async def measure(options: argparse.Namespace) -> bool:
    """Print the shares for both languages; return whether the goals are reached."""
    embedder: Embedder | None = None
    if not options.words:
        from bot.providers.local.embeddings import OfflineEmbeddings

        embedder = KeptVectors(OfflineEmbeddings(Path()), options.out / "vectors.db")
    options.out.mkdir(parents=True, exist_ok=True)
    reached = True
    for language, goals in GOALS.items():
        results = await found(xquad(options.data, language, language, sentences=False), embedder, options.out)
        data = json.loads((options.data / f"xquad.{language}.json").read_text("utf-8"))
        texts = {one["id"]: one["text"] for one in data["paras"]}
        frequencies = Counter(stem for text in texts.values() for stem in set(stems(text)))
        first = three = quoted = 0
        for question, keys in zip(data["qs"], results, strict=True):
            ids = [int(next(iter(key)).partition("/")[0]) for key in keys[:MOST_PASSAGES]]
            shown = [
                Shown(one, "", "", tuple(texts[one][start:end] for start, end in spans(texts[one]))) for one in ids
            ]
            asked = {stem: frequencies[stem] for stem in dict.fromkeys(stems(question["q"]))}
            chosen = [shown[place].sentences[number] for place, number in best(shown, asked, len(texts))]
            holds = [question["answer"] in sentence for sentence in chosen]
            first += bool(holds[:1] and holds[0])
            three += any(holds)
            quoted += sum(bool(piece.quotes) for piece in extract(shown, asked, len(texts), language))
        shares = [round(100 * count / len(data["qs"]), 1) for count in (first, three)]
        missed = [goal for share, goal in zip(shares, goals, strict=True) if share < goal]
        reached = reached and not missed
        print(
            f"{language}: gold answer in the first sentence {shares[0]} % (goal {goals[0]}), in three {shares[1]} % "
            f"(goal {goals[1]}); {quoted / len(data['qs']):.1f} quotes an answer",
            flush=True,
        )
    return reached


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.extract", description=__doc__)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--out", type=Path, default=Path(".bench/knowledge"))
parser.add_argument("--words", action="store_true", help="without embeddings")

if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
