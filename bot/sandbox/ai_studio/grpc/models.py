"""The models of batch runs: who writes the answers, and what tuned models have learned. Begin with `BatchModels`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterable, Set
from itertools import islice
from pathlib import Path

from bot.sandbox.ai_studio.generation.text_request import TextRequest
from bot.sandbox.ai_studio.generation.writer import AnswerSource
from bot.sandbox.ai_studio.services.embeddings import Embeddings, TunedClassifier
from bot.sandbox.ai_studio.validation import Uri
from bot.sandbox.ai_studio.wire import Json, count_tokens

OPEN_TOKEN = re.compile(r"[а-яё]{1,4}|\w{1,6}|[^\w\s]", re.IGNORECASE)
PAUSE = 50  # rows between two looks at what else is to be done


class BatchModels:
    """Writes the answers of batch runs, and teaches tuned models.

    The rows of a dataset are answered by the `AnswerSource` that writes all other answers of the sandbox. Tuned models
    are known by the suffix of their URI. A tuned text model answers the questions of its dataset with the answers
    there, and all others as its base model does; each of its texts ends with `[suffix]`. A tuned classifier tells the
    classes of its dataset. A tuned embedding model has vectors of its own.
    """

    def __init__(self, source: AnswerSource, embeddings: Embeddings) -> None:
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
                request = _request(row, uri, schema)
                text = _shortened(await self._source.text(request), limit)
                more = [count_open(message["text"]) - count_tokens(message["text"]) for message in request.messages]
                tokens += request.prompt_tokens + sum(more) + count_open(text)
                answers.write(_line({"request": row["request"], "response": text}))
                if number % PAUSE == 0:
                    await asyncio.sleep(0)
        return tokens

    def learn(self, suffix: str, task_type: str, rows: Iterable[Json]) -> None:
        """Keep the model with this suffix, which was tuned with these rows: requests can use it from now on."""
        if task_type == "TextToTextGeneration":
            self._source.tuned[suffix] = {row["request"][-1]["text"].strip(): row["response"] for row in rows}
        elif task_type.startswith("TextClassification"):
            rows = list(rows)
            labels = [name for name in rows[0] if name != "text"]
            samples = [{"text": row["text"], "label": name} for row in rows for name in labels if row[name]]
            several = task_type.endswith("Multilabel")
            self._embeddings.tuned[suffix] = TunedClassifier(labels, samples, several=several)


def damage(result: Path, faults: Set[str]) -> None:
    """Change the lines of a result as the failures that are switched on demand: rows are missing, doubled, not asked
    for, out of order, or have their answer under another name.
    """
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


def count_open(text: str) -> int:
    """How many tokens the open models, which batch runs have, count in a text: more for Russian than YandexGPT."""
    return sum(1 for _ in OPEN_TOKEN.finditer(text))


def _line(row: Json) -> str:
    return json.dumps(row) + "\n"


def _shortened(text: str, limit: int) -> str:
    """A text with at most so many tokens (0: all)."""
    ends = [token.end() for token in islice(OPEN_TOKEN.finditer(text), limit + 1)]
    return text[: ends[limit - 1]] if limit and len(ends) > limit else text


def _request(row: Json, uri: Uri, schema: Json | None) -> TextRequest:
    messages, pictures = [], []
    for message in row["request"]:
        content = message.get("text", message.get("content"))
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        pictures += [base64.b64decode(part["image"]) for part in parts if part["type"] == "image"]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        messages.append({"role": message["role"], "text": text})
    return TextRequest(uri, messages, streams=False, limit=0, schema=schema, pictures=pictures)
