"""Makes the requests of a run from the rows of a file. Begin with `request_of`.

A request is canonical JSON, so that equal questions are one request and are paid once; its hash joins the answer to the
rows. How many tokens requests and answers have is estimated here, for prices (`count_request`): nobody but the service
can count the tokens of its open models, and the results of batch runs do not tell them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from bot.ai import Request
from bot.batch.rows import Row
from bot.errors import BadInput, ModelError
from bot.storage.tables.batch import BatchRequest
from bot.types import Image, Message, Role, Text

if TYPE_CHECKING:
    from bot.providers.yandex.tokenizer import Tokenizer

ROLES = get_args(Role)
LARGEST_PICTURE = 5 << 20  # bytes
PICTURES = {b"\xff\xd8": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif", b"RIFF": "image/webp"}
# A token is a sign, or up to six letters of a word, four in Russian: 4.2 and 3.4 characters of articles.
TOKEN = re.compile(r"[а-яё]{1,4}|\w{1,6}|[^\w\s]", re.IGNORECASE)
FRAME, MESSAGE = 9, 5  # tokens that the service adds to a request, and to each of its messages
PICTURE_TOKENS = 256
LONGEST = 8_000  # characters of a request of a sample


def request_of(row: Row, column: str, system: str = "", pictures: Sequence[Path] = ()) -> BatchRequest:
    """Return the request of a row: its question, or the list of messages, below the `system` prompt.

    `pictures` are shown with the last message; of them the request has the SHA-256, and the path to find them by.
    Raises `BadInput` with the line for a row without a question, and for a picture that is none.
    """
    messages: list[dict[str, Any]] = [*_messages(row, column)]
    if system and messages[0]["role"] == "system":
        raise BadInput(f"line {row.number}: the row has a system prompt of its own, leave out --system")
    if system:
        messages = [{"role": "system", "text": system}, *messages]
    if pictures:
        shown = [{"type": "image", "sha256": _digest(row.number, path), "path": str(path)} for path in pictures]
        content = [{"type": "text", "text": messages[-1]["text"]}, *shown]
        messages[-1] = {"role": messages[-1]["role"], "content": content}
    return BatchRequest(hash=_hash(_recognised(messages)), place=row.number, body=_canonical(messages))


def asked(request: BatchRequest, options: Mapping[str, Any], *, shows: bool = True) -> Request:
    """Return what a model is asked by a request of a run with these options (temperature, max_tokens, schema).

    Pictures are read from the disk; not `shows`: they are empty, for estimates. Raises `BadInput` for one that is gone.
    """
    messages = tuple(_message(one, shows) for one in json.loads(request.body))
    return Request(
        messages, temperature=options.get("temperature"), max_tokens=options.get("max_tokens"),
        schema=options.get("schema"),
    )  # fmt: skip


def line_of(request: BatchRequest, *, shows: bool = False) -> bytes:
    """Return the line of a dataset for AI Studio that asks a request.

    `shows`: the dataset has pictures, if not in this line; they are read from the disk. Raises
    `BadInput` for one that is gone.
    """
    if not shows:
        return b'{"request":' + request.body.encode() + b"}\n"
    messages = [
        {"role": one["role"], "content": [_sent(part) for part in _parts(one)]} for one in json.loads(request.body)
    ]
    return json.dumps({"request": messages}, ensure_ascii=False).encode() + b"\n"


def hash_of(messages: Sequence[Mapping[str, Any]], *, shows: bool = False) -> str:
    """Return the hash of the request with these messages, as a result of AI Studio has them.

    `shows`: the dataset had pictures; the parts of a message may stand as JSON in its text.
    """
    found: list[dict[str, Any]] = []
    for one in messages:
        text, content = one.get("text"), one.get("content")
        if shows and content is None and isinstance(text, str) and text.startswith("[{"):
            with suppress(ValueError):
                content = json.loads(text)
        if isinstance(content, list):
            parts = [_recognised_part(part) for part in content]
            texts = [part for part in parts if part["type"] == "text"]
            is_plain = len(texts) == len(parts) == 1
            found.append({"role": one.get("role"), **({"text": texts[0]["text"]} if is_plain else {"content": parts})})
        else:
            found.append({"role": one.get("role"), "text": text if content is None else content})
    return _hash(_canonical(found))


def _canonical(messages: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _recognised(messages: Sequence[Mapping[str, Any]]) -> str:
    """The messages without where their pictures stand on the disk."""
    return _canonical(
        [
            {**one, "content": [_recognised_part(part) for part in one["content"]]} if "content" in one else one
            for one in messages
        ]
    )


def _recognised_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") != "image":
        return {"type": "text", "text": part.get("text")}
    if digest := part.get("sha256"):
        return {"type": "image", "sha256": digest}
    try:
        data = base64.b64decode(part.get("image") or "", validate=True)
    except ValueError:
        data = b""
    return {"type": "image", "sha256": hashlib.sha256(data).hexdigest()}


def _message(one: Mapping[str, Any], shows: bool) -> Message:
    if "content" not in one:
        return Message.of(one["role"], one["text"])
    parts = [
        Text(part["text"]) if part["type"] == "text" else Image(_read(part) if shows else b"", _mime(part["path"]))
        for part in one["content"]
    ]
    return Message(one["role"], tuple(parts))


def _parts(one: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return one["content"] if "content" in one else [{"type": "text", "text": one["text"]}]


def _sent(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part["type"] == "text":
        return part
    return {"type": "image", "image": base64.b64encode(_read(part)).decode()}


def _read(part: Mapping[str, Any]) -> bytes:
    try:
        data = Path(part["path"]).read_bytes()
    except OSError as error:
        raise BadInput(f"{part['path']}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != part["sha256"]:
        raise BadInput(f"{part['path']} has changed since it was planned")
    return data


def _digest(number: int, path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"line {number}: {path}: {error.strerror}") from None
    if not data.startswith(tuple(PICTURES)) or len(data) > LARGEST_PICTURE:
        raise BadInput(f"line {number}: {path.name} is no JPEG, PNG, GIF or WebP of at most {LARGEST_PICTURE >> 20} MB")
    return hashlib.sha256(data).hexdigest()


def _mime(path: str) -> str:
    with Path(path).open("rb") as file:
        head = file.read(4)
    return next((mime for begin, mime in PICTURES.items() if head.startswith(begin)), "image/jpeg")


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def _messages(row: Row, column: str) -> list[dict[str, str]]:
    value = row.columns.get(column)
    if isinstance(value, str) and value.lstrip().startswith("[{"):  # a list of messages in a cell of a table
        with suppress(ValueError):  # a question that only looks like one
            value = json.loads(value)
    if isinstance(value, list):
        return _dialog(value, row.number)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"line {row.number}: {column} has no question")
    return [{"role": "user", "text": value.strip()}]


def _dialog(value: Sequence[Any], number: int) -> list[dict[str, str]]:
    messages = []
    for one in value:
        text = one.get("text", one.get("content")) if isinstance(one, Mapping) else None
        if not isinstance(text, str) or not text.strip() or one.get("role") not in ROLES:
            raise BadInput(
                f'line {number}: a message is {{"role": "user", "text": "…"}}, with role system, user or assistant'
            )
        messages.append({"role": cast("str", one["role"]), "text": text.strip()})
    if not messages or messages[-1]["role"] != "user":
        raise BadInput(f"line {number}: the last message has to be the user's")
    return messages


# --- tokens -----------------------------------------------------------------------------------------------------------


def count_text(text: str) -> int:
    """Return how many tokens a text probably has."""
    return sum(1 for _ in TOKEN.finditer(text))


def count_request(request: BatchRequest) -> int:
    """Return how many tokens a request probably has: its messages with their pictures, and what goes around them."""
    return FRAME + sum(MESSAGE + count_text(text) + PICTURE_TOKENS * pictures for text, pictures in _texts(request))


async def measure(tokenizer: Tokenizer | None, sample: Sequence[BatchRequest]) -> float:
    """Return how many tokens the service counts for one of ours, by a sample of requests: 1.0 if it can't be asked."""
    texts = ["\n".join(text for text, _ in _texts(one))[:LONGEST] for one in sample]
    guessed = sum(map(count_text, texts))
    if tokenizer is None or not guessed:
        return 1.0
    try:
        # The token at the beginning of each text is in `FRAME`.
        counted = sum([max(await tokenizer.count(text) - 1, 0) for text in texts])
    except ModelError:  # an estimate is good enough: what the service says to the requests counts
        return 1.0
    return counted / guessed


def _texts(request: BatchRequest) -> Iterable[tuple[str, int]]:
    """The text and the number of pictures of each message."""
    for one in json.loads(request.body):
        parts = one.get("content") or [{"type": "text", "text": one["text"]}]
        yield (
            "\n".join(part["text"] for part in parts if part["type"] == "text"),
            sum(part["type"] == "image" for part in parts),
        )
