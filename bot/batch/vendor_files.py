"""The files of a batch run at the service: its requests as a dataset, and the answers in a Parquet file.

Begin with `write_requests` and `store_answers`. Answers are joined to requests by the hash of the request, because the
order of a result is not promised.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bot.batch.requests import count_request, count_text, hash_of, line_of
from bot.batch.rows import open_rows
from bot.batch.vendor.values import LARGEST_DATASET, LineError, VendorRun
from bot.errors import BadInput
from bot.storage.store import Store
from bot.storage.tables.batch import BatchRequest, BatchRun, VendorStep

PAGE = 500
SHOWN_ERRORS, SHOWN_LINES = 5, 10
REASON = 500  # characters
NEAR = 0.6  # of the limit: our count of the tokens of an answer may be so much too low
ENDS = tuple(".!?…:;)]}»”\"'`*|")
UNANSWERED = "the service has no answer to it"


async def write_requests(store: Store, step: VendorStep, path: Path, *, shows: bool = False) -> Mapping[str, Any]:
    """Write the requests of a run without an answer as the lines of a dataset, in the order of the user's file.

    Returns the size of the file in bytes and its SHA-256 (`digest`). Each request remembers its line. `shows`: it is a
    dataset with pictures. Raises `BadInput` for a picture that is gone, and for more than the service takes.
    """
    after, number, size, digest = 0, 0, 0, hashlib.sha256()
    with path.open("wb") as file:
        while page := await store.read(lambda tx, after=after: tx.vendor_runs.page_unanswered(step.run, after)):  # type: ignore[misc]
            marks = []
            for one in page:
                number += 1
                line = line_of(one, shows=shows)
                size += len(line)
                digest.update(line)
                file.write(line)
                marks.append((one.hash, _mark(step, number)))
            await store.write(lambda tx, marks=marks: tx.vendor_runs.mark_lines(step.run, marks))  # type: ignore[misc]
            after = page[-1].place
            if size > LARGEST_DATASET:
                raise BadInput(f"the dataset has more than {LARGEST_DATASET >> 30} GB: split the file")
    return {"size": size, "digest": digest.hexdigest(), "lines": number}


async def describe_errors(store: Store, run: BatchRun, step: VendorStep, errors: Sequence[LineError]) -> str:
    """Say what the service found wrong in a dataset, with the lines of the user's own file."""
    marks = {_mark(step, line) for error in errors[:SHOWN_ERRORS] for line in error.lines[:SHOWN_LINES]}
    found = await store.read(
        lambda tx: {one.operation: one for one in tx.all(BatchRequest, run=run.id, operation=sorted(marks))}
    )
    told = []
    for error in errors[:SHOWN_ERRORS]:
        places = [found[mark].place for line in error.lines[:SHOWN_LINES] if (mark := _mark(step, line)) in found]
        more = f" and {len(error.lines) - len(places):,} more" if len(error.lines) > len(places) else ""
        where = f"line {', '.join(map(str, places))}{more}: " if places else ""
        told.append(f"{where}{error.description or error.error}")
    if len(errors) > SHOWN_ERRORS:
        told.append(f"and {len(errors) - SHOWN_ERRORS:,} more errors")
    name = Path(run.source).name
    return f"the service does not take {name}: {'; '.join(told) or 'it does not say why'}"[:REASON]


async def store_answers(store: Store, run: BatchRun, paths: Sequence[Path], task: VendorRun, step: VendorStep) -> str:
    """Store the answers of the files of a result. Returns what was odd about them, "" for nothing.

    An answer that is there already stays; so the same files may be stored again.
    """
    await _store_line_errors(store, run, step, task.line_errors)
    counts, limit = Counter[str](), int(run.options.get("max_tokens") or 0)
    for page in _pages(paths, shows=bool(run.options.get("images"))):
        answers: dict[str, str] = {}
        for hash_, text in page:
            answers.setdefault(hash_, text)
        found = await store.read(lambda tx, hashes=set(answers): tx.all(BatchRequest, run=run.id, hash=hashes))  # type: ignore[misc]
        known = {one.hash for one in found}
        counts["known"] += sum(hash_ in known for hash_, _ in page)
        counts["unknown"] += sum(hash_ not in known for hash_, _ in page)
        rows = [_answered(one, answers[one.hash], limit) for one in found if one.state != "answered"]
        await store.write_until_stored(lambda tx, rows=rows: tx.vendor_runs.store_answers(run.id, rows))  # type: ignore[misc]
    states = await store.read(lambda tx: tx.vendor_runs.count_attempt(run.id, step.attempt))
    counts["missing"] = states.get("running", 0)
    counts["doubled"] = max(counts["known"] - states.get("answered", 0), 0)
    return ", ".join(f"{counts[name]:,} {name}" for name in ("missing", "doubled", "unknown") if counts[name])


async def _store_line_errors(
    store: Store, run: BatchRun, step: VendorStep, errors: Sequence[tuple[int, int, str]]
) -> None:  # fmt: skip
    """Store which requests have an error instead of an answer. Of several errors of a line the first counts."""
    lines = ((line, text) for first, last, text in errors for line in range(first, min(last, run.requests) + 1))
    while page := list(islice(lines, PAGE)):
        marks = {_mark(step, line): text for line, text in reversed(page)}
        found = await store.read(
            lambda tx, marks=marks: tx.all(BatchRequest, run=run.id, operation=list(marks), state="running")  # type: ignore[misc]
        )
        rows = [_row(one.hash, "failed", (marks[one.operation] or UNANSWERED)[:REASON]) for one in found]
        await store.write(lambda tx, rows=rows: tx.vendor_runs.store_answers(run.id, rows))  # type: ignore[misc]


def _pages(paths: Sequence[Path], *, shows: bool) -> Iterator[list[tuple[str, str]]]:
    """The hash of the request and the answer of each row, in pages."""
    page = []
    for path in paths:
        for row in open_rows(path):
            request, answer = row.columns.get("request"), _answer_of(row.columns)
            if not isinstance(request, list):
                raise BadInput(f"the result has no column `request`, only {', '.join(row.columns)}")
            page.append((hash_of(request, shows=shows), answer))
            if len(page) == PAGE:
                yield page
                page = []
    if page:
        yield page


def _answer_of(columns: Mapping[str, Any]) -> str:
    """The answer of a row: in the column `response`, else in the only other one."""
    others = [name for name in columns if name != "request"]
    name = "response" if "response" in columns else others[0] if len(others) == 1 else ""
    if not name:
        raise BadInput(f"the result has no column `response`, only {', '.join(columns)}")
    value = columns[name]
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _answered(one: BatchRequest, text: str, limit: int) -> dict[str, Any]:
    if not text.strip():
        return _row(one.hash, "failed", "the answer is empty")
    ended = "length" if limit and is_cut(text, limit) else "stop"
    return {**_row(one.hash, "answered", text), "ended": ended, "read": count_request(one), "written": count_text(text)}


def is_cut(text: str, limit: int) -> bool:
    """Whether an answer was probably cut off at so many tokens, which the service does not tell: it is about as long
    as that, and neither a sentence nor JSON has ended.
    """
    if count_text(text) < limit * NEAR or text.rstrip().endswith(ENDS):
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def _row(hash_: str, state: str, text: str) -> dict[str, Any]:
    return {"of_hash": hash_, "to_state": state, "text": text, "ended": "", "read": 0, "written": 0}


def _mark(step: VendorStep, line: int) -> str:
    """What a request has as its operation: where in which dataset it stands."""
    return f"{step.attempt}:{line}"
