"""The files of a batch run at the service: its requests as a dataset, and the answers in a Parquet file.

Begin with `write_requests` and `store_answers`. Answers are joined to requests by the hash of the request, because the
order of a result is not promised.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.batch.requests import hash_of, line_of
from bot.batch.rows import open_rows
from bot.batch.vendor.values import LineError, VendorRun
from bot.errors import BadInput
from bot.llm import prompt
from bot.storage.repositories.batch.runs import BatchRequest, BatchRun
from bot.storage.repositories.batch.vendor_runs import VendorStep
from bot.storage.store import Store

PAGE = 500
SHOWN_ERRORS, SHOWN_LINES = 5, 10
REASON = 500  # characters
UNANSWERED = "the service has no answer to it"


async def write_requests(store: Store, step: VendorStep, path: Path, *, shows: bool = False) -> Mapping[str, Any]:
    """Write the requests of a run without an answer as the lines of a dataset, in the order of the user's file.

    Returns the size of the file in bytes and its SHA-256 (`digest`). Each request remembers its line. `shows`: it is a
    dataset with pictures. Raises `BadInput` for a picture that is gone.
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
    return {"size": size, "digest": digest.hexdigest(), "lines": number}


async def describe_errors(store: Store, run: BatchRun, step: VendorStep, errors: Sequence[LineError]) -> str:
    """Say what the service found wrong in a dataset, with the lines of the user's own file."""
    marks = {_mark(step, line) for error in errors for line in error.lines[:SHOWN_LINES]}
    found = await store.read(lambda tx: tx.vendor_runs.find_lines(run.id, sorted(marks)))
    told = []
    for error in errors[:SHOWN_ERRORS]:
        places = [found[mark].place for line in error.lines[:SHOWN_LINES] if (mark := _mark(step, line)) in found]
        more = f" and {len(error.lines) - len(places)} more" if len(error.lines) > len(places) else ""
        where = f"line {', '.join(map(str, places))}{more}: " if places else ""
        told.append(f"{where}{error.description or error.error}")
    name = Path(run.source).name
    return f"the service does not take {name}: {'; '.join(told) or 'it does not say why'}"[:REASON]


async def store_answers(store: Store, run: BatchRun, paths: Sequence[Path], task: VendorRun, step: VendorStep) -> str:
    """Store the answers of the files of a result. Returns what was odd about them, "" for nothing.

    An answer that is there already stays; so the same files may be stored again.
    """
    await _store_line_errors(store, run, step, task.line_errors)
    ratio, counts = prompt.Ratio(), Counter[str]()
    for page in _pages(paths, shows=bool(run.options.get("images"))):
        answers: dict[str, tuple[str, int]] = {}
        for hash_, text, size in page:
            answers.setdefault(hash_, (text, size))
        found = await store.read(lambda tx, hashes=set(answers): tx.batches.list_requests(run.id, hashes))  # type: ignore[misc]
        known = {one.hash for one in found}
        counts["known"] += sum(hash_ in known for hash_, _, _ in page)
        counts["unknown"] += sum(hash_ not in known for hash_, _, _ in page)
        rows = [_answered(one, *answers[one.hash], ratio) for one in found if one.state != "answered"]
        await store.write_until_stored(lambda tx, rows=rows: tx.vendor_runs.store_answers(run.id, rows))  # type: ignore[misc]
    states = await store.read(lambda tx: tx.vendor_runs.count_attempt(run.id, step.attempt))
    counts["missing"] = states.get("running", 0)
    counts["doubled"] = max(counts["known"] - states.get("answered", 0), 0)
    return ", ".join(f"{counts[name]:,} {name}" for name in ("missing", "doubled", "unknown") if counts[name])


async def _store_line_errors(store: Store, run: BatchRun, step: VendorStep, errors: Mapping[int, str]) -> None:
    lines = sorted(errors)
    for start in range(0, len(lines), PAGE):
        marks = {_mark(step, line): errors[line] for line in lines[start : start + PAGE]}
        found = await store.read(lambda tx, marks=marks: tx.vendor_runs.find_lines(run.id, list(marks)))  # type: ignore[misc]
        rows = [
            _row(one.hash, "failed", (marks[mark] or UNANSWERED)[:REASON])
            for mark, one in found.items()
            if one.state != "answered"
        ]
        await store.write(lambda tx, rows=rows: tx.vendor_runs.store_answers(run.id, rows))  # type: ignore[misc]


def _pages(paths: Sequence[Path], *, shows: bool) -> Iterator[list[tuple[str, str, int]]]:
    """The hash, the answer and the size of the request of each row, in pages."""
    page = []
    for path in paths:
        for row in open_rows(path):
            request, answer = row.columns.get("request"), _answer_of(row.columns)
            if not isinstance(request, list):
                raise BadInput(f"the result has no column `request`, only {', '.join(row.columns)}")
            hash_, size = hash_of(request, shows=shows)
            page.append((hash_, answer, size))
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


def _answered(one: BatchRequest, text: str, size: int, ratio: prompt.Ratio) -> dict[str, Any]:
    if not text.strip():
        return _row(one.hash, "failed", "the answer is empty")
    return {**_row(one.hash, "answered", text), "ended": "stop", "read": ratio.tokens(size),
            "written": ratio.tokens(len(text))}  # fmt: skip


def _row(hash_: str, state: str, text: str) -> dict[str, Any]:
    return {"of_hash": hash_, "to_state": state, "text": text, "ended": "", "read": 0, "written": 0}


def _mark(step: VendorStep, line: int) -> str:
    """What a request has as its operation: where in which dataset it stands."""
    return f"{step.attempt}:{line}"
