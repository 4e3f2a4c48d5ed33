"""How many tokens requests and answers probably have, for prices. Begin with `count_request`.

Nobody but the service can count the tokens of its open models, and the results of batch runs do not tell them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bot.errors import ModelError
from bot.storage.repositories.batch.runs import BatchRequest

if TYPE_CHECKING:
    from bot.providers.yandex.tokenizer import Tokenizer

# A token is a sign, or up to six letters of a word, four in Russian: 4.2 and 3.4 characters of articles.
TOKEN = re.compile(r"[а-яё]{1,4}|\w{1,6}|[^\w\s]", re.IGNORECASE)
FRAME, MESSAGE = 9, 5  # tokens that the service adds to a request, and to each of its messages
PICTURE = 256
LONGEST = 8_000  # characters of a request of a sample


def count_text(text: str) -> int:
    """Return how many tokens a text probably has."""
    return sum(1 for _ in TOKEN.finditer(text))


def count_request(request: BatchRequest) -> int:
    """Return how many tokens a request probably has: its messages with their pictures, and what goes around them."""
    return FRAME + sum(MESSAGE + count_text(text) + PICTURE * pictures for text, pictures in _messages(request))


async def measure(tokenizer: Tokenizer | None, sample: Sequence[BatchRequest]) -> float:
    """Return how many tokens the service counts for one of ours, by a sample of requests: 1.0 if it can't be asked."""
    texts = ["\n".join(text for text, _ in _messages(one))[:LONGEST] for one in sample]
    guessed = sum(map(count_text, texts))
    if tokenizer is None or not guessed:
        return 1.0
    try:
        # The token at the beginning of each text is in `FRAME`.
        counted = sum([max(await tokenizer.count(text) - 1, 0) for text in texts])
    except ModelError:  # an estimate is good enough: what the service says to the requests counts
        return 1.0
    return counted / guessed


def _messages(request: BatchRequest) -> Iterable[tuple[str, int]]:
    """The text and the number of pictures of each message."""
    for one in json.loads(request.body):
        parts = one.get("content") or [{"type": "text", "text": one["text"]}]
        yield (
            "\n".join(part["text"] for part in parts if part["type"] == "text"),
            sum(part["type"] == "image" for part in parts),
        )
