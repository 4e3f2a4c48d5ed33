"""Who answers the rows of a batch run, and what tuned models have learned. Begin with `BatchModels`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Set
from pathlib import Path

from bot.sandbox.ai_studio.generation.text_request import TextRequest
from bot.sandbox.ai_studio.generation.writer import AnswerSource
from bot.sandbox.ai_studio.services.embeddings import Embeddings, TunedClassifier
from bot.sandbox.ai_studio.validation import Access, Uri
from bot.sandbox.ai_studio.wire import Json, count_tokens

PAUSE = 50  # rows between two looks at what else is to be done


class BatchModels:
    """The models of the sandbox: rows of datasets are answered by whom its other answers are written by, and tuned
    models are given and taken by the suffix of their URIs.

    A tuned text model answers the questions of its dataset as the dataset does, all others as its base, and ends each
    text with `[suffix]`. A classifier tells the classes of its dataset. An embedding model has vectors of its own.
    """

    def __init__(self, access: Access, source: AnswerSource, embeddings: Embeddings) -> None:
        self._access = access
        self._source = source
        self._embeddings = embeddings

    async def write(self, source: Path, result: Path, uri: Uri, limit: int, schema: Json | None) -> int:
        """Answer all lines of a dataset in their order, each with at most `limit` tokens (0: all), as the lines of a
        result. Returns how many tokens were read and written.
        """
        tokens = 0
        with source.open("rb") as lines, result.open("w") as answers:
            for number, line in enumerate(lines):
                row = json.loads(line)
                request = _request(row, uri, limit, schema)
                text = await self._source.text(request)
                tokens += request.prompt_tokens + count_tokens(text)
                answers.write(_line({"request": row["request"], "response": text}))
                if number % PAUSE == 0:
                    await asyncio.sleep(0)
        return tokens

    def learn(self, suffix: str, task_type: str, rows: Iterable[Json]) -> None:
        """Let a model answer that was tuned by these rows."""
        if task_type == "TextToTextGeneration":
            self._source.tuned[suffix] = {row["request"][-1]["text"].strip(): row["response"] for row in rows}
        elif task_type.startswith("TextClassification"):
            self._embeddings.tuned[suffix] = _classifier(list(rows), several=task_type.endswith("Multilabel"))

    def archive(self, suffix: str) -> None:
        """Let nobody use a model any more."""
        self._access.archived.add(suffix)


def damage(result: Path, faults: Set[str]) -> None:
    """Do to the lines of a result what the lasting failures want that are switched on."""
    if faults.isdisjoint(("missing", "failed_rows", "doubled", "unknown", "shuffled", "column")):
        return
    found = [json.loads(line) for line in result.read_text().splitlines()]
    if not faults.isdisjoint(("missing", "failed_rows")):
        found = [row for number, row in enumerate(found, 1) if number % 3]
    if "doubled" in faults:
        found += found[2::3]
    if "unknown" in faults:
        found.append({"request": [{"role": "user", "text": "nobody asked this"}], "response": "An answer to nobody."})
    if "shuffled" in faults:
        found = found[1::2] + found[::2]
    if "column" in faults:
        found = [{"request": row["request"], "answer": row["response"]} for row in found]
    result.write_text("".join(map(_line, found)))


def _line(row: Json) -> str:
    return json.dumps(row) + "\n"


def _request(row: Json, uri: Uri, limit: int, schema: Json | None) -> TextRequest:
    messages = [{"role": message["role"], "text": _text(message)} for message in row["request"]]
    pictures = [
        base64.b64decode(part["image"])
        for message in row["request"]
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part["type"] == "image"
    ]
    return TextRequest(uri, messages, streams=False, limit=limit, schema=schema, pictures=pictures)


def _text(message: Json) -> str:
    content = message.get("text", message.get("content"))
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part["type"] == "text")


def _classifier(rows: list[Json], *, several: bool) -> TunedClassifier:
    labels = [name for name in rows[0] if name != "text"]
    samples = [{"text": row["text"], "label": name} for row in rows for name in labels if row[name]]
    return TunedClassifier(labels, samples, several=several)
