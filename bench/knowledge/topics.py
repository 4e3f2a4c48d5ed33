"""`python -m bench.knowledge.topics --data FOLDER`: how well topics are told apart by a few examples of each.

CLINC150 (20 of its topics, and 1,000 questions about something else) and BANKING77 (77 close topics of one bank). The
examples are drawn by chance, three times; the figures are means.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TypeVar

from bench.knowledge.vectors import KeptVectors
from bot.ai import Embedder, Vector
from bot.cli.topics import services
from bot.config.settings import load as load_settings
from bot.llm.topics.classifiers import Question
from bot.llm.topics.nearest import NearestCentroid
from bot.providers.local.embeddings import OfflineEmbeddings

Item = TypeVar("Item")
Row = tuple[str, str]  # question and topic
ASK_BELOW = 0.12
DRAWS = 3
GOALS = {
    ("CLINC150, 20 topics", 8): {"accuracy": 97.0, "out of scope AUROC": 0.965},
    ("BANKING77, 77 topics", 8): {"accuracy": 76.5},
}


@dataclass(frozen=True, slots=True)
class TopicSet:
    """Questions to draw examples from, questions to test with, and questions about something else."""

    name: str
    train: Sequence[Row]
    test: Sequence[Row]
    foreign: Sequence[str] = ()


def load(folder: Path, most: int | None) -> list[TopicSet]:
    """The sets of a folder; `most`: how many questions of each to test with (None: all)."""
    clinc = json.loads((folder / "clinc.json").read_text("utf-8"))
    kept = set(sorted({topic for _, topic in clinc["train"]})[::7][:20])
    train, test = ([(text, topic) for text, topic in clinc[part] if topic in kept] for part in ("train", "test"))
    foreign = [text for text, _ in clinc["oos_test"]]
    bank = {part: _rows(folder / f"banking.{part}.csv") for part in ("train", "test")}
    return [
        TopicSet("CLINC150, 20 topics", train, _some(test, most), _some(foreign, most)),
        TopicSet("BANKING77, 77 topics", bank["train"], _some(bank["test"], most)),
    ]


def drawn(rows: Sequence[Row], count: int, draw: int) -> list[Row]:
    """So many examples of each topic, by chance. Fewer are the beginning of more."""
    by_topic: dict[str, set[str]] = defaultdict(set)
    for text, topic in rows:
        by_topic[topic].add(text)
    chance = Random(draw)
    return [(text, topic) for topic in sorted(by_topic) for text in chance.sample(sorted(by_topic[topic]), 8)[:count]]


async def figures(asked: TopicSet, examples: int, draw: int, embedder: KeptVectors) -> dict[str, float]:
    """What one draw of examples gives."""
    rows = drawn(asked.train, examples, draw)
    learned, test, foreign = [
        await _questions([text for text, _ in part], embedder)
        for part in (rows, asked.test, [(text, "") for text in asked.foreign])
    ]
    near = NearestCentroid([question.vector or () for question in learned], [topic for _, topic in rows])
    topics = sorted({topic for _, topic in rows})
    ranked = [sorted(near.ranking(question).items(), key=lambda row: -row[1]) for question in test]
    right = [row[0][0] == topic for row, (_, topic) in zip(ranked, asked.test, strict=True)]
    sure = [row[0][1] - row[1][1] >= ASK_BELOW for row in ranked]
    values = {
        "accuracy": 100 * fmean(right),
        "in top 3": 100 * fmean(topic in dict(row[:3]) for row, (_, topic) in zip(ranked, asked.test, strict=True)),
        "asked about": 100 - 100 * fmean(sure),
        "accuracy of the rest": 100 * fmean(found for found, is_sure in zip(right, sure, strict=True) if is_sure),
    }
    if foreign:
        here, there = [near.nearness(question) for question in test], [near.nearness(question) for question in foreign]
        values["out of scope AUROC"] = auroc(here, there)
        values["known kept"] = 100 * fmean([bool(await near(question, topics)) for question in test])
        values["foreign refused"] = 100 * fmean([not await near(question, topics) for question in foreign])
    return values


def auroc(known: Sequence[float], foreign: Sequence[float]) -> float:
    """How often a known question scores above a foreign one."""
    ranked = sorted([(score, True) for score in known] + [(score, False) for score in foreign])
    below = won = 0
    for _, is_known in ranked:
        below += not is_known
        won += below * is_known
    return won / len(known) / len(foreign)


async def measure(options: argparse.Namespace) -> bool:
    """Print the figures of each set; return whether all goals are reached."""
    async with _embedder(options.embedder) as embedder:
        kept = KeptVectors(embedder, options.out / "vectors.db")
        reached = True
        for asked in load(options.data, options.most):
            for examples in (3, 5, 8):
                begun = time.monotonic()
                draws = [await figures(asked, examples, draw, kept) for draw in range(1, DRAWS + 1)]
                values = {name: fmean(draw[name] for draw in draws) for name in draws[0]}
                goals = GOALS.get((asked.name, examples), {})
                missed = [name for name, least in goals.items() if values[name] < least]
                reached = reached and not missed
                shown = " · ".join(f"{name} {value:.{3 if value <= 1 else 1}f}" for name, value in values.items())
                verdict = f" (MISSED {', '.join(missed)})" if missed else " (reached)" if goals else ""
                seconds = time.monotonic() - begun
                print(f"{asked.name}, {examples} examples: {shown}{verdict}; {seconds:.0f} s", flush=True)
    return reached


@asynccontextmanager
async def _embedder(name: str) -> AsyncIterator[Embedder]:
    if name == "offline":
        yield OfflineEmbeddings(Path())
        return
    async with services(load_settings()) as (embedder, _):
        yield embedder


async def _questions(texts: Sequence[str], embedder: KeptVectors) -> list[Question]:
    vectors = await embedder.embed(texts, question=True)
    return [
        Question(text, vector.numbers)
        for text, vector in zip(texts, vectors, strict=True)
        if isinstance(vector, Vector)
    ]


def _rows(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [(row["text"], row["category"]) for row in csv.DictReader(stream)]


def _some(rows: list[Item], most: int | None) -> list[Item]:
    return rows if most is None else Random(1).sample(rows, min(most, len(rows)))


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.topics", description=__doc__)
parser.add_argument(
    "--data", type=Path, required=True, help="folder with clinc.json, banking.train.csv, banking.test.csv"
)
parser.add_argument("--out", type=Path, default=Path(".bench/knowledge"), help="where vectors are kept")
parser.add_argument("--embedder", choices=["offline", "settings"], default="offline", help="settings: AI Studio, paid")
parser.add_argument("--most", type=int, help="how many questions of each set are asked; not given: all")

if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
