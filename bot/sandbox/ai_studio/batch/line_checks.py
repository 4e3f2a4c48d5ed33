"""What AI Studio checks in the lines of an uploaded dataset. Begin with `check`.

Messages of errors are ours; the vendor's are unknown. Row numbers begin with 1.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.sandbox.ai_studio.wire import Json, count_tokens

MOST_PROMPT, MOST_ANSWER = 8_000, 2_000  # tokens of a pair to learn from
LONGEST_CLASS = 100
MOST_CLASSES = 100
MOST_ROW_NUMBERS = 10_000


@dataclass(slots=True)
class LineError:
    """One kind of error and the rows that have it."""

    error: str
    description: str
    rows: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Checked:
    """The result of a check: how many rows there are, how many of them are valid, and the errors by kind."""

    total: int = 0
    valid: int = 0
    errors: dict[str, LineError] = field(default_factory=dict)

    def add(self, error: str, description: str, row: int) -> None:
        """Count an error in a row."""
        found = self.errors.setdefault(error, LineError(error, description))
        if len(found.rows) < MOST_ROW_NUMBERS:
            found.rows.append(row)


class Bad(Exception):
    """Raised for a row that is wrong, with the kind of the error and a text that says what is expected."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def check(task_type: str, lines: Iterable[bytes], fewest: int = 1) -> Checked:
    """Check all lines of a dataset. Fewer than `fewest` rows are an error, too."""
    found, columns = Checked(), Columns()
    for number, line in enumerate(lines, 1):
        found.total += 1
        try:
            row = parse(line)
            KINDS[task_type](row)
            columns.check(task_type, row)
        except Bad as bad:
            found.add(bad.error, bad.description, number)
        else:
            found.valid += 1
    if found.total < fewest:
        found.add("NOT_ENOUGH_ROWS", f"the dataset has {found.total} rows, at least {fewest} are needed", found.total)
    return found


def check_file(task_type: str, path: Path, fewest: int = 1) -> Checked:
    """Check all lines of a file."""
    with path.open("rb") as lines:
        return check(task_type, lines, fewest)


def parse(line: bytes) -> Json:
    """The object of a line. Raises `Bad` for what is no JSON object in UTF-8."""
    try:
        row = json.loads(line.decode(), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise Bad("INVALID_ENCODING", "the line is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Bad("INVALID_JSON", "the line is not a valid JSON object") from None
    if not isinstance(row, dict):
        raise Bad("INVALID_JSON", "the line is not a valid JSON object")
    return row


def rows(lines: Iterable[bytes]) -> Iterator[Json]:
    """Yield the rows of lines that `check` has found valid."""
    return map(parse, lines)


class Columns:
    """The columns of the first row: all others of a classification must have them as well."""

    def __init__(self) -> None:
        self._first: list[str] | None = None

    def check(self, task_type: str, row: Json) -> None:
        """Raise `Bad` if the classes differ from those of the first row."""
        if task_type not in CLASSIFICATIONS:
            return
        if self._first is None:
            self._first = list(row)
        elif sorted(self._first) != sorted(row):
            raise Bad("SCHEMA_MISMATCH", "the classes differ from those of the first row")


def _no_number(word: str) -> None:
    raise ValueError(word)


def _text(row: Json, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Bad("MISSING_FIELD", f"the field {name!r} must be a text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Bad("INVALID_ENCODING", "a lone surrogate is no text") from None
    return value


def _only(row: Json, *names: str) -> None:
    if extra := set(row) - set(names):
        raise Bad("UNKNOWN_FIELD", f"unknown fields: {', '.join(sorted(extra))[:200]}")


def _messages(row: Json, content: Callable[[Json], str] = lambda message: _text(message, "text")) -> int:
    """Check the messages of a row and return how many tokens they have."""
    messages = row.get("request")
    if not isinstance(messages, list) or not messages:
        raise Bad("MISSING_FIELD", "the field 'request' must be a list of messages that is not empty")
    tokens, roles = 0, []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
            raise Bad("INVALID_ROLE", "a message must have the role system, user or assistant")
        roles.append(message["role"])
        tokens += count_tokens(content(message))
    if roles.count("system") > 1 or "system" in roles[1:]:
        raise Bad("INVALID_ROLE", "only the first message may be a system message")
    if "user" not in roles:
        raise Bad("INVALID_ROLE", "there is no message of the user")
    return tokens


def _parts(message: Json) -> str:
    """The text of a message with pictures, which must be Base64."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise Bad("MISSING_FIELD", "the field 'content' must be a list of parts that is not empty")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "image") or not isinstance(part.get(kind), str):
            raise Bad("INVALID_CONTENT", "a part must be {type: text, text} or {type: image, image}")
        if kind == "image":
            _check_picture(part["image"])
    return " ".join(part["text"] for part in content if part["type"] == "text")


def _check_picture(text: str) -> None:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Bad("INVALID_IMAGE", "a picture must be Base64") from None
    if not data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")):
        raise Bad("INVALID_IMAGE", "a picture must be a JPEG, PNG, GIF or WebP")


def _request(row: Json) -> None:
    _messages(row)
    _only(row, "request")


def _pair(row: Json) -> None:
    tokens, answer = _messages(row), count_tokens(_text(row, "response"))
    _only(row, "request", "response")
    if tokens > MOST_PROMPT or answer > MOST_ANSWER:
        raise Bad("TOO_LONG", f"a request may have {MOST_PROMPT} tokens, a response {MOST_ANSWER}")


def _pictures(row: Json) -> None:
    _messages(row, _parts)
    _only(row, "request")


def _classes(row: Json) -> list[int]:
    _text(row, "text")
    names = [name for name in row if name != "text"]
    if not 2 <= len(names) <= MOST_CLASSES:
        raise Bad("INVALID_CLASSES", f"there must be 2 to {MOST_CLASSES} classes")
    if any(len(name) > LONGEST_CLASS or not name for name in names):
        raise Bad("INVALID_CLASSES", f"the name of a class has 1 to {LONGEST_CLASS} characters")
    marks = [row[name] for name in names]
    if any(type(mark) is not int or mark not in (0, 1) for mark in marks):
        raise Bad("INVALID_CLASSES", "each class must be marked 0 or 1")
    return marks


def _multiclass(row: Json) -> None:
    if sum(_classes(row)) != 1:
        raise Bad("INVALID_CLASSES", "exactly one class must be marked 1")


def _embedding_pair(row: Json) -> None:
    _text(row, "anchor"), _text(row, "positive")
    _only(row, "anchor", "positive")


def _triplet(row: Json) -> None:
    _text(row, "anchor"), _text(row, "positive"), _text(row, "negative")
    _only(row, "anchor", "positive", "negative")


def _schema(**fields: Any) -> Json:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


CLASSIFICATIONS = ("TextClassificationMulticlass", "TextClassificationMultilabel")
KINDS: dict[str, Callable[[Json], Any]] = {
    "TextToTextGenerationRequest": _request,
    "TextToTextGeneration": _pair,
    "ImageTextToTextGenerationRequest": _pictures,
    "TextClassificationMulticlass": _multiclass,
    "TextClassificationMultilabel": _classes,
    "TextEmbeddingsPair": _embedding_pair,
    "TextEmbeddingsTriplet": _triplet,
}
STRING = {"type": "string", "minLength": 1}
ROLE = {"type": "string", "enum": ["system", "user", "assistant"]}
MESSAGES = {"type": "array", "minItems": 1, "items": _schema(role=ROLE, text=STRING)}
PICTURES = {"type": "array", "minItems": 1, "items": _schema(role=ROLE, content={"type": ["string", "array"]})}
CLASSES = {
    "type": "object",
    "properties": {"text": STRING},
    "required": ["text"],
    "additionalProperties": {"type": "integer", "enum": [0, 1]},
}
SCHEMAS: dict[str, Json] = {
    "TextToTextGenerationRequest": _schema(request=MESSAGES),
    "TextToTextGeneration": _schema(request=MESSAGES, response=STRING),
    "ImageTextToTextGenerationRequest": _schema(request=PICTURES),
    "TextClassificationMulticlass": CLASSES,
    "TextClassificationMultilabel": CLASSES,
    "TextEmbeddingsPair": _schema(anchor=STRING, positive=STRING),
    "TextEmbeddingsTriplet": _schema(anchor=STRING, positive=STRING, negative=STRING),
}
