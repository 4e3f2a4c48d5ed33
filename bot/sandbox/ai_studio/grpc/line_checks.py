"""What AI Studio checks in the lines of an uploaded dataset, in one table: the JSON schema of each type. Begin with
`check`.

Messages of errors are ours; the vendor's are unknown. Row numbers begin with 1.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.sandbox.ai_studio.wire import Json, count_tokens

MAX_PROMPT, MAX_ANSWER = 8_000, 2_000  # tokens of a pair to learn from
MAX_CLASS = 100
MAX_CLASSES = 100
MAX_ROW_NUMBERS = 10_000


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
        if len(found.rows) < MAX_ROW_NUMBERS:
            found.rows.append(row)


class Bad(Exception):
    """Raised for a row that is wrong, with the kind of the error and a text that says what is expected."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def check_file(task_type: str, path: Path, fewest: int = 1) -> Checked:
    """Check all lines of a file. Fewer than `fewest` rows are an error, too. All rows of a classification must have the
    classes of the first one.
    """
    found, classes = Checked(), set[str]()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            found.total += 1
            try:
                row = parse(line)
                check(task_type, row)
                classes = classes or {*row}
                if task_type in MARKED and classes != {*row}:
                    raise Bad("SCHEMA_MISMATCH", "the classes differ from those of the first row")
            except Bad as bad:
                found.add(bad.error, bad.description, number)
            else:
                found.valid += 1
    if found.total < fewest:
        found.add("NOT_ENOUGH_ROWS", f"the dataset has {found.total} rows, at least {fewest} are needed", found.total)
    return found


def parse(line: bytes) -> Json:
    """The object of a line. Raises `Bad` for what is no JSON object in UTF-8."""
    try:
        row = json.loads(line.decode(), parse_constant=int)
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeError:
        raise Bad("INVALID_ENCODING", "the line is not UTF-8, or has a lone surrogate") from None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise Bad("INVALID_JSON", "the line is not a valid JSON object")
    return row


def rows(lines: Iterable[bytes]) -> Iterator[Json]:
    """Yield the rows of lines that were found valid."""
    return map(parse, lines)


def check(task_type: str, row: Json) -> None:
    """Check a row by the schema of its task type, and what no schema can say. Raises `Bad`."""
    _fit(row, SCHEMAS[task_type], "the line")
    if "request" in row:
        _check_messages(row["request"])
    if task_type == "TextToTextGeneration":
        tokens = sum(count_tokens(message["text"]) for message in row["request"])
        if tokens > MAX_PROMPT or count_tokens(row["response"]) > MAX_ANSWER:
            raise Bad("TOO_LONG", f"a request may have {MAX_PROMPT} tokens, a response {MAX_ANSWER}")
    if task_type in MARKED:
        names = [*filter("text".__ne__, row)]
        if not 2 <= len(names) <= MAX_CLASSES or not all(1 <= len(name) <= MAX_CLASS for name in names):
            raise Bad("INVALID_CLASSES", f"there must be 2 to {MAX_CLASSES} classes of 1 to {MAX_CLASS} letters")
        if sum(row[name] for name in names) not in MARKED[task_type]:
            raise Bad("INVALID_CLASSES", "exactly one class must be marked 1")


def _fit(value: Any, schema: Json, where: str) -> None:
    """Check a value by those keywords of JSON Schema that stand in the table."""
    options = schema.get("anyOf", [schema])
    form = next((one for one in options if type(value) is KINDS[one["type"]]), None)
    if form is None or (isinstance(value, str | list) and not value):
        raise Bad("INVALID_FIELD", f"{where} must be {' or '.join(one['type'] for one in options)}, and not empty")
    if isinstance(value, str) and not value.strip():
        raise Bad("INVALID_FIELD", f"{where} must not be blank")
    if "enum" in form and value not in form["enum"]:
        raise Bad("INVALID_FIELD", f"{where} must be one of {', '.join(map(str, form['enum']))}")
    for number, item in enumerate(value if isinstance(value, list) else (), 1):
        _fit(item, form["items"], f"{where}: item {number}")
    if not isinstance(value, dict):
        return
    if missing := {*form["required"]} - {*value}:
        raise Bad("MISSING_FIELD", f"the field {min(missing)!r} is missing")
    for name, item in value.items():
        inner = form["properties"].get(name, form["additionalProperties"])
        if not inner:
            raise Bad("UNKNOWN_FIELD", f"unknown field: {name[:200]}")
        _fit(item, inner, f"the field {name!r}")


def _check_messages(messages: list[Json]) -> None:
    roles = [message["role"] for message in messages]
    if "system" in roles[1:] or "user" not in roles:
        raise Bad("INVALID_ROLE", "only the first message may be a system message, and one of the user is needed")
    parts = [part for message in messages if isinstance(message.get("content"), list) for part in message["content"]]
    for part in parts:
        if not isinstance(part.get(part["type"]), str):
            raise Bad("INVALID_CONTENT", "a part must be {type: text, text} or {type: image, image}")
        if part["type"] == "image":
            _check_picture(part["image"])


def _check_picture(text: str) -> None:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")):
        raise Bad("INVALID_IMAGE", "a picture must be a JPEG, PNG, GIF or WebP in Base64")


def _object(more: Json | bool = False, **fields: Json) -> Json:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": more}


KINDS = {"object": dict, "array": list, "string": str, "integer": int}
STRING: Json = {"type": "string", "minLength": 1}
ROLE: Json = {"type": "string", "enum": ["system", "user", "assistant"]}
PART = {**_object(STRING, type={"type": "string", "enum": ["text", "image"]})}
PARTS: Json = {"anyOf": [STRING, {"type": "array", "minItems": 1, "items": PART}]}
MESSAGES: Json = {"type": "array", "minItems": 1, "items": _object(role=ROLE, text=STRING)}
PICTURES: Json = {"type": "array", "minItems": 1, "items": _object(role=ROLE, content=PARTS)}
CLASSES = _object({"type": "integer", "enum": [0, 1]}, text=STRING)
SCHEMAS: dict[str, Json] = {
    "TextToTextGenerationRequest": _object(request=MESSAGES),
    "TextToTextGeneration": _object(request=MESSAGES, response=STRING),
    "ImageTextToTextGenerationRequest": _object(request=PICTURES),
    "TextClassificationMulticlass": CLASSES,
    "TextClassificationMultilabel": CLASSES,
    "TextEmbeddingsPair": _object(anchor=STRING, positive=STRING),
    "TextEmbeddingsTriplet": _object(anchor=STRING, positive=STRING, negative=STRING),
}
# How many classes of a row may be marked 1.
MARKED = {"TextClassificationMulticlass": (1,), "TextClassificationMultilabel": range(MAX_CLASSES + 1)}
