"""Looks through a file for a dataset before it is uploaded, by the vendor's limits. Begin with `check_file`.

What is wrong is said with its line, its column and what helps. The limits are those of the vendor's pages; where the
service's own schema of a line says otherwise (`bind_schema`), it decides.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.batch.rows import Row, open_rows
from bot.batch.vendor.values import (
    EMBEDDING_PAIRS,
    EMBEDDING_TRIPLETS,
    LARGEST_DATASET,
    MULTICLASS,
    MULTILABEL,
    PAIRS,
    PICTURES,
    REQUESTS,
)
from bot.errors import BadInput

KINDS: Mapping[str, str] = {
    "requests": REQUESTS, "pairs": PAIRS, "pictures": PICTURES, "multiclass": MULTICLASS, "multilabel": MULTILABEL,
    "embedding-pairs": EMBEDDING_PAIRS, "triplets": EMBEDDING_TRIPLETS,
}  # fmt: skip
FEWEST: Mapping[str, int] = {PAIRS: 10, MULTICLASS: 100, MULTILABEL: 100}
MOST: Mapping[str, int] = {MULTICLASS: 50_000, MULTILABEL: 50_000}
USUAL: Mapping[str, int] = {PAIRS: 1_000}  # below which tuning seldom helps
MOST_TOKENS, MOST_ANSWER = 8_000, 2_000
MOST_CLASSES, LONGEST_CLASS = 100, 100
CERTAIN, LIKELY = 5.0, 2.5  # characters of a token: the most and the usual in Russian
SHOWN = 20
CONVERSATION = "conversation"  # a column that says what belongs together; it is not uploaded
IMAGES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file: the line (0: of the whole), the column ("" for none), what it is, and what helps."""

    line: int
    column: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = ", ".join(filter(None, [f"line {self.line}" if self.line else "", self.column]))
        return f"{place}: {self.what}; {self.remedy}" if place else f"{self.what}; {self.remedy}"


@dataclass(slots=True)
class CheckedFile:
    """What was found in a file: `rows`, its `size` as it is uploaded, the first `problems` of `wrong` rows, and
    `warnings` that do not prevent anything. `system` is the system prompt of pairs, `classes` counts examples.
    """

    task_type: str
    rows: int = 0
    size: int = 0
    wrong: int = 0
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    system: str = field(default="", init=False)
    classes: Counter[str] = field(default_factory=Counter, init=False)

    def add(self, line: int, column: str, what: str, remedy: str) -> None:
        """Count a problem of the file, and keep it if it is one of the first `SHOWN`: the line (from 1) and the column
        where it is, what is wrong, and what the user can do.
        """
        self.wrong += 1
        if len(self.problems) < SHOWN:
            self.problems.append(Problem(line, column, what, remedy))


class Wrong(Exception):
    """Raised for a row of a dataset that breaks a rule: its column, what is wrong there, and what the user can do."""

    def __init__(self, column: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.column, self.what, self.remedy = column, what, remedy


def kind_of(path: Path, wanted: str = "") -> str:
    """Return the vendor's type of a dataset: the `wanted` kind of `KINDS`, else what the first row looks like.

    Raises `BadInput` for a file without rows, and where neither says it.
    """
    if wanted:
        if wanted not in KINDS:
            raise BadInput(f"--type {wanted}: {', '.join(KINDS)} is expected")
        return KINDS[wanted]
    first = next(open_rows(path), None)
    if first is None:
        raise BadInput(f"{path.name} has no rows")
    row = first.columns
    if "request" in row:
        if "response" in row:
            return PAIRS
        return PICTURES if '"content"' in json.dumps(row["request"], default=str) else REQUESTS
    if "anchor" in row:
        return EMBEDDING_TRIPLETS if "negative" in row else EMBEDDING_PAIRS
    if "text" in row and len(row.keys() - {CONVERSATION}) > 1:
        several = any(sum(_marks(one)) != 1 for _, one in zip(range(1_000), open_rows(path), strict=False))
        return MULTILABEL if several else MULTICLASS
    raise BadInput(f"{path.name}: what is it for? --type says it: {', '.join(KINDS)}")


def _marks(row: Row) -> Iterator[int]:
    return (int(str(value) == "1") for name, value in row.columns.items() if name not in ("text", CONVERSATION))


def check_file(path: Path, task_type: str, schema: Mapping[str, Any] | None = None) -> CheckedFile:
    """Look through a whole file. `schema` is the service's own for a line. Raises `BadInput` if it is unreadable."""
    found = CheckedFile(task_type)
    look, bound = Looker(found), bind_schema(schema)
    for row in open_rows(path):
        found.rows += 1
        line = line_of(row, task_type)
        found.size += len(line)
        try:
            columns = json.loads(line)
            bound(columns)
            look.row(row.number, columns)
        except Wrong as wrong:
            found.add(row.number, wrong.column, wrong.what, wrong.remedy)
    look.whole()
    return found


def line_of(row: Row, task_type: str) -> bytes:
    """Return a row as a line of a dataset, without its conversation; in a table the marks of classes are text."""
    columns = {name: value for name, value in row.columns.items() if name != CONVERSATION}
    if task_type in (MULTICLASS, MULTILABEL):
        columns = {
            name: int(value) if name != "text" and value in ("0", "1") else value for name, value in columns.items()
        }
    elif isinstance(columns.get("request"), str):
        columns["request"] = _json(columns["request"])
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return [{"role": "user", "text": text}]


def bind_schema(schema: Mapping[str, Any] | None) -> Callable[[Mapping[str, Any]], None]:
    """Return what raises `Wrong` for a row whose columns are not those of the service's schema."""
    if not schema:
        return lambda row: None
    required, known = schema.get("required") or [], schema.get("properties") or {}
    is_closed = schema.get("additionalProperties") is False

    def check(row: Mapping[str, Any]) -> None:
        for name in required:
            if name not in row:
                raise Wrong(name, "the service wants this column, and it is missing", "add it")
        if is_closed and (extra := next((name for name in row if name not in known), "")):
            raise Wrong(extra, "the service does not know this column", "leave it out")

    return check


# --- rows -------------------------------------------------------------------------------------------------------------


class Looker:
    """Looks at the rows of one file, and at last at what only all of them show."""

    def __init__(self, found: CheckedFile) -> None:
        self._found = found
        self._columns: list[str] | None = None
        self._topics: dict[int, tuple[int, str]] = {}  # hash of a text: its line, its class
        self._systems: dict[str, int] = {}
        self._long = 0

    def row(self, number: int, row: Mapping[str, Any]) -> None:
        """Look at a row. Raises `Wrong`."""
        ROWS[self._found.task_type](self, number, row)

    def whole(self) -> None:
        """Look at the file as a whole."""
        found, kind = self._found, self._found.task_type
        fewest, most = FEWEST.get(kind, 1), MOST.get(kind)
        if found.rows < fewest:
            found.add(0, "", f"{found.rows} rows, and at least {fewest} are needed", "add examples")
        if most and found.rows > most:
            found.add(0, "", f"{found.rows:,} rows, and at most {most:,} are taken", "leave some out")
        if found.size > LARGEST_DATASET:
            found.add(0, "", f"{found.size:,} bytes, and a dataset has {LARGEST_DATASET:,} at most", "split the file")
        if kind in (MULTICLASS, MULTILABEL):
            self._look_at_classes()
        if len(self._systems) > 1:
            lines = sorted(self._systems.values())[:2]
            what = f"{len(self._systems)} system prompts (lines {lines[0]} and {lines[1]})"
            found.add(0, "", what, "a model is tuned with one, which it is asked with later, too")
        found.system = next(iter(self._systems), "")
        if self._long:
            found.warnings.append(f"{self._long:,} rows may be longer than the service takes")
        if found.rows < USUAL.get(kind, 0):
            found.warnings.append(f"{found.rows:,} examples: below {USUAL[kind]:,} tuning seldom helps")

    def _look_at_classes(self) -> None:
        found = self._found
        if found.rows and len(found.classes) < 2:
            found.add(0, "", "there is one class", "a classifier needs two")
        if len(found.classes) > MOST_CLASSES:
            found.add(0, "", f"{len(found.classes)} classes, and {MOST_CLASSES} are taken", "join some")
        for name, count in found.classes.items():
            if count < 2:
                found.warnings.append(f"the class {name!r} has {count} examples: it can't be learned from that")

    def requests(self, _number: int, row: Mapping[str, Any]) -> None:
        """A question for a batch run."""
        _messages(row, "text")

    def pictures(self, _number: int, row: Mapping[str, Any]) -> None:
        """A question about a picture."""
        for message in _messages(row, "content"):
            for part in message["content"] if isinstance(message["content"], list) else ():
                if not isinstance(part, Mapping) or part.get("type") not in ("text", "image"):
                    raise Wrong("request", "a part is neither text nor image", 'write {"type": "text", "text": "…"}')
                if part["type"] == "image":
                    _check_picture(part.get("image"))

    def pairs(self, number: int, row: Mapping[str, Any]) -> None:
        """A question with the answer to learn."""
        messages = _messages(row, "text")
        answer = _text(row, "response")
        system = next((one["text"] for one in messages if one["role"] == "system"), "")
        self._systems.setdefault(system, number)
        asked = sum(len(one["text"]) for one in messages)
        if len(answer) / CERTAIN > MOST_ANSWER:
            raise Wrong("response", f"more than {MOST_ANSWER:,} tokens ({len(answer):,} characters)", "shorten it")
        if (asked + len(answer)) / CERTAIN > MOST_TOKENS:
            raise Wrong("request", f"more than {MOST_TOKENS:,} tokens with its answer", "shorten it")
        self._long += len(answer) / LIKELY > MOST_ANSWER or (asked + len(answer)) / LIKELY > MOST_TOKENS

    def classes(self, number: int, row: Mapping[str, Any]) -> None:
        """A text with its classes, one of which is 1 (or several)."""
        text, names = _text(row, "text"), [name for name in row if name != "text"]
        if self._columns is None:
            self._columns = sorted(names)
        if sorted(names) != self._columns:
            other = sorted(set(names) ^ set(self._columns))
            raise Wrong(other[0], "other classes than in the first row", "each row has to have all classes, 0 or 1")
        marked = [name for name in names if row[name] == 1]
        for name in names:
            if not 0 < len(name) <= LONGEST_CLASS:
                raise Wrong(name[:30], f"a class has a name of 1 to {LONGEST_CLASS} characters", "rename it")
            if type(row[name]) is not int or row[name] not in (0, 1):
                raise Wrong(name, f"{row[name]!r} is no mark", "write 1 for the classes that the text has, else 0")
        if self._found.task_type == MULTICLASS:
            if len(marked) != 1:
                raise Wrong("", f"{len(marked)} classes are marked", "mark one, or use --type multilabel")
            before = self._topics.setdefault(hash(text.strip().lower()), (number, marked[0]))
            if before[1] != marked[0]:
                what = f"the text of line {before[0]} is in another class there ({before[1]})"
                raise Wrong("text", what, "decide for one")
        self._found.classes.update(dict.fromkeys(names, 0))
        self._found.classes.update(marked)

    def embedding_pairs(self, _number: int, row: Mapping[str, Any]) -> None:
        """Two texts that mean alike."""
        _text(row, "anchor"), _text(row, "positive")

    def triplets(self, _number: int, row: Mapping[str, Any]) -> None:
        """A text, one that means alike, and one that does not."""
        _text(row, "anchor"), _text(row, "positive"), _text(row, "negative")


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Wrong(name, "there is no text", "fill it in or remove the row")
    return value


def _messages(row: Mapping[str, Any], content: str) -> list[Mapping[str, Any]]:
    messages = row.get("request")
    if not isinstance(messages, list) or not messages:
        raise Wrong("request", "there is no list of messages", f'write [{{"role": "user", "{content}": "…"}}]')
    for index, one in enumerate(messages):
        if not isinstance(one, Mapping) or one.get("role") not in ("system", "user", "assistant"):
            raise Wrong("request", "a message has another role than system, user or assistant", "change it")
        if not one.get(content):
            raise Wrong("request", f"a message has no {content}", "fill it in or remove the row")
        if one["role"] == "system" and index:
            raise Wrong("request", "a system prompt stands behind another message", "put it first")
    if all(one["role"] != "user" for one in messages):
        raise Wrong("request", "there is no message of the user", "add one")
    return messages


def _check_picture(value: Any) -> None:
    try:
        data = base64.b64decode(value[:64] if isinstance(value, str) else b"", validate=True)
    except ValueError:
        data = b""
    if not data.startswith(IMAGES):
        raise Wrong("request", "a picture is no JPEG, PNG, GIF or WebP in Base64", "encode the file itself")


ROWS: Mapping[str, Callable[[Looker, int, Mapping[str, Any]], None]] = {
    REQUESTS: Looker.requests, PICTURES: Looker.pictures, PAIRS: Looker.pairs, MULTICLASS: Looker.classes,
    MULTILABEL: Looker.classes, EMBEDDING_PAIRS: Looker.embedding_pairs, EMBEDDING_TRIPLETS: Looker.triplets,
}  # fmt: skip
