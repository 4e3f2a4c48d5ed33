"""What tuned models have learned, for those who answer by them. Begin with `TunedModels.learn`."""

from __future__ import annotations

from collections.abc import Iterable

from bot.sandbox.ai_studio.generation.writer import AnswerSource
from bot.sandbox.ai_studio.services.embeddings import Embeddings, TunedClassifier
from bot.sandbox.ai_studio.validation import Access
from bot.sandbox.ai_studio.wire import Json


class TunedModels:
    """Gives and takes tuned models by the suffix of their URIs.

    A tuned text model answers the questions of its dataset as the dataset does, all others as its base, and ends each
    text with `[suffix]`. A classifier tells the classes of its dataset. An embedding model has vectors of its own.
    """

    def __init__(self, access: Access, source: AnswerSource, embeddings: Embeddings) -> None:
        self._access = access
        self._source = source
        self._embeddings = embeddings

    def learn(self, suffix: str, task_type: str, rows: Iterable[Json]) -> None:
        """Let a model answer that was tuned by these rows."""
        if task_type == "TextToTextGeneration":
            self._source.tuned[suffix] = {row["request"][-1]["text"].strip(): row["response"] for row in rows}
        elif task_type.startswith("TextClassification"):
            self._embeddings.tuned[suffix] = _classifier(list(rows), several=task_type.endswith("Multilabel"))

    def archive(self, suffix: str) -> None:
        """Let nobody use a model any more."""
        self._access.archived.add(suffix)


def _classifier(rows: list[Json], *, several: bool) -> TunedClassifier:
    labels = [name for name in rows[0] if name != "text"]
    samples = [{"text": row["text"], "label": name} for row in rows for name in labels if row[name]]
    return TunedClassifier(labels, samples, several=several)
