"""Embeddings and text classification. Begin with `Embeddings`.

A vector is made of hashed words and letter triples, so that similar texts are near each other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.validation import CLASSIFIERS, EMBEDDINGS, V2_EMBEDDINGS, any_model, check_text
from bot.sandbox.ai_studio.wire import BadRequest, Call, Fields, Json, Reply, count_tokens, integer, route

EMBEDDING_TOKENS = 2_048
SAMPLE_TOKENS = 6_000  # all samples of a request together
CLASSIFIED_TOKENS = 8_000  # of a text for a tuned classifier


@dataclass(frozen=True, slots=True)
class TunedClassifier:
    """The samples that a tuned classifier has learned from.

    `several`: a text may have several labels, each with a confidence of its own; otherwise the confidences sum to 1.
    """

    labels: Sequence[str] = ("good", "bad")
    samples: Sequence[Fields] = ()
    several: bool = False


class Embeddings(Part):
    """The routes that turn texts into vectors or into confidences of labels.

    `tuned` holds the tuned classifiers by the suffix of their URI; every other suffix means one that tells good from
    bad.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.tuned: dict[str, TunedClassifier] = {}

    @route("POST /foundationModels/v1/textEmbedding", "textEmbedding")
    async def embed(self, call: Call) -> Reply:
        """Return the vector of a text."""
        uri = any_model(self._access, call.get("modelUri"), "emb", EMBEDDINGS | V2_EMBEDDINGS)
        text = call.body.get("text")
        size = dimension(uri.name, call.body.get("dim"))
        [found] = self.vectors([text], size, "textEmbedding")
        if uri.tuned:
            found = vector(f"{uri.tuned} {text}", size)
        tokens = str(count_tokens(str(text)) + 2)
        return {"embedding": found, "numTokens": tokens, "modelVersion": "06.12.2023"}

    def vectors(self, texts: Sequence[Any], size: int, route: str) -> list[list[float]]:
        """The vectors of texts with `size` numbers each. Raises `Problem` for a text that is too long, and 8 over the
        quota of `route`, which counts requests.
        """
        for text in texts:
            check_text(text)
            if (count := count_tokens(text)) > EMBEDDING_TOKENS:
                raise BadRequest(f"number of input tokens must be no more than {EMBEDDING_TOKENS}, got {count}")
        self._quotas.take(route)
        return [vector(text, size) for text in texts]

    @route("POST /foundationModels/v1/fewShotTextClassification", "fewShotTextClassification")
    async def few_shot(self, call: Call) -> Reply:
        """Return the confidence of each label, by samples in the request."""
        any_model(self._access, call.get("modelUri"), "cls", CLASSIFIERS)
        labels, samples = call.body.get("labels"), call.body.get("samples") or []
        if not isinstance(labels, list) or not 2 <= len(labels) <= 20 or not all(map(_word, labels)):
            raise BadRequest("the number of labels must be from 2 to 20")
        if not isinstance(samples, list) or not all(isinstance(sample, Mapping) for sample in samples):
            raise BadRequest("samples must be objects with text and label")
        if (count := sum(count_tokens(str(sample.get("text", ""))) for sample in samples)) > SAMPLE_TOKENS:
            raise BadRequest(f"number of input tokens must be no more than {SAMPLE_TOKENS}, got {count}")
        check_text(call.body.get("text"))
        self._quotas.take("fewShotTextClassification")
        tokens = str(40 + count_tokens(json.dumps(call.body, ensure_ascii=False)))
        found = {"predictions": classify(call.body["text"], labels, samples), "modelVersion": "23.10.2024"}
        return {**found, "inputTokens": tokens}

    @route("POST /foundationModels/v1/textClassification", "textClassification")
    async def classify(self, call: Call) -> Reply:
        """By a tuned classifier only. Raises `Problem` 3 for another model."""
        uri = any_model(self._access, call.get("modelUri"), "cls", CLASSIFIERS)
        if not uri.tuned:
            raise BadRequest(f"Failed to get model: {uri} is not a tuned classifier")
        check_text(call.body.get("text"))
        if (count := count_tokens(call.body["text"])) > CLASSIFIED_TOKENS:
            raise BadRequest(f"number of input tokens must be no more than {CLASSIFIED_TOKENS}, got {count}")
        self._quotas.take("textClassification")
        model = self.tuned.get(uri.tuned, TunedClassifier())
        predictions = classify(call.body["text"], model.labels, model.samples, several=model.several)
        return {"predictions": predictions, "inputTokens": str(count)}


def dimension(name: str, asked: Any) -> int:
    """The length of a vector: 256 by default; newer models offer 512 and 768. Raises `Problem` 3 for another one."""
    if asked is None:
        return 256
    size = integer(asked, "dim")
    if size not in ((256, 512, 768) if name in V2_EMBEDDINGS else (256,)):
        raise BadRequest(f"dim {size} is not supported by {name}")
    return size


def vector(text: str, size: int = 256) -> list[float]:
    """The unit vector of a text, from its words and letter triples. One text always gives one vector."""
    found = [0.0] * size
    for word in re.findall(r"\w+|[^\w\s]", text.lower().replace("ё", "е")) or [text]:
        _add(found, word, 1.0)
        for start in range(len(word) - 2):
            _add(found, "#" + word[start : start + 3], 0.5)
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]


def _add(found: list[float], feature: str, weight: float) -> None:
    digest = crc32(feature.encode("utf-8", "replace"))
    found[(digest >> 1) % len(found)] += weight if digest & 1 else -weight
    found[(digest >> 11) % len(found)] += weight / 2 if digest & 2 else -weight / 2


def classify(text: str, labels: Sequence[str], samples: Sequence[Fields], *, several: bool = False) -> list[Json]:
    """The labels in the given order with confidences by likeness of the text to each label or its samples. They sum to
    1, unless a text may have `several` labels.
    """
    here = vector(text)
    scores = []
    for label in labels:
        texts = [str(sample.get("text", "")) for sample in samples if sample.get("label") == label]
        scores.append(max(_likeness(here, other) for other in (texts or [label])))
    if several:
        found = [1 / (1 + math.exp(-12 * (score - 0.5))) for score in scores]
    else:
        powers = [math.exp(12 * (score - max(scores))) for score in scores]
        found = [power / sum(powers) for power in powers]
    return [{"label": label, "confidence": value} for label, value in zip(labels, found, strict=True)]


def _likeness(here: list[float], other: str) -> float:
    return sum(a * b for a, b in zip(here, vector(other), strict=True))


def _word(label: Any) -> bool:
    return isinstance(label, str) and bool(label)
