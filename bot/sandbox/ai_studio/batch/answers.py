"""The answers of a batch run, by whom the sandbox's other answers are written. Begin with `BatchAnswers.write`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence, Set
from dataclasses import dataclass

from bot.sandbox.ai_studio.generation.text_request import TextRequest
from bot.sandbox.ai_studio.generation.writer import AnswerSource
from bot.sandbox.ai_studio.validation import Uri
from bot.sandbox.ai_studio.wire import Json, count_tokens

PAUSE = 50  # rows between two looks at what else is to be done


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows of a result and how many tokens they took."""

    rows: list[Json]
    tokens: int


class BatchAnswers:
    """Answers the rows of datasets."""

    def __init__(self, source: AnswerSource) -> None:
        self._source = source

    async def write(self, requests: Sequence[Json], uri: Uri, limit: int, schema: Json | None) -> Answered:
        """Answer all requests in their order, each with at most `limit` tokens (0: all)."""
        rows, tokens = [], 0
        for number, row in enumerate(requests):
            request = _request(row, uri, limit, schema)
            text = await self._source.text(request)
            tokens += request.prompt_tokens + count_tokens(text)
            rows.append({"request": row["request"], "response": text})
            if number % PAUSE == 0:
                await asyncio.sleep(0)
        return Answered(rows, tokens)


def answered_rows(rows: Sequence[Json], faults: Set[str]) -> list[Json]:
    """The rows as the result has them, with the lasting failures that are switched on."""
    found = list(rows)
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
    return found


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
