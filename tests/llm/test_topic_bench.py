"""The measurement of topics: which questions are drawn, and what is counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.knowledge.topics import auroc, drawn, figures, load
from bench.knowledge.vectors import KeptVectors
from bot.ai import Vector
from bot.sandbox.ai_studio.services.embeddings import vector


class Hashes:
    """An embedder without a model: texts with the same words are near each other."""

    name = "hashes"
    longest = 100
    pace = 0.0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector]:
        return [Vector(vector(text)) for text in texts]


def test_few_examples_are_the_beginning_of_many() -> None:
    rows = [(f"{topic} {number}", topic) for topic in "ab" for number in range(20)]
    three, eight = drawn(rows, 3, 1), drawn(rows, 8, 1)
    assert [len(three), len(eight)] == [6, 16]
    assert set(three) < set(eight)
    assert drawn(rows, 8, 2) != eight


def test_the_area_counts_how_often_a_known_question_scores_above_a_foreign_one() -> None:
    assert auroc([3.0, 2.0], [1.0, 0.0]) == 1.0
    assert auroc([1.0, 3.0], [2.0, 0.0]) == 0.75
    assert auroc([0.0], [1.0]) == 0.0


async def test_topics_of_other_words_are_told_apart(tmp_path: Path) -> None:
    words = {"alpha": "refund money order", "beta": "parcel courier door"}
    rows = [[f"{said} {number}", topic] for topic, said in words.items() for number in range(12)]
    foreign = [[f"xyzzy quux {number}", "oos"] for number in range(5)]
    # Of CLINC150 every seventh topic is taken, by its name.
    others = [[f"{topic}{number} words", topic] for topic in "cdefghi" for number in range(12)]
    kept = {"train": rows + others, "test": rows + others, "oos_test": foreign}
    (tmp_path / "clinc.json").write_text(json.dumps(kept))
    for part in ("train", "test"):
        lines = ["text,category", *(f'"{text}",{topic}' for text, topic in rows)]
        (tmp_path / f"banking.{part}.csv").write_text("\n".join(lines))
    clinc, bank = load(tmp_path, most=10)
    assert {topic for _, topic in clinc.train} == {"alpha", "h"}
    assert [len(clinc.test), len(clinc.foreign), len(bank.test)] == [10, 5, 10]
    found = await figures(bank, 8, 1, KeptVectors(Hashes(), tmp_path / "vectors.db"))
    assert found["accuracy"] == pytest.approx(100)
    assert "out of scope AUROC" not in found
