"""Writes the answers of a run beside the rows that were asked. Begin with `write_results`."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from bot.batch.planning import digest_of, requests_in
from bot.batch.rows import open_rows
from bot.errors import BadInput
from bot.storage.store import Store
from bot.storage.tables.batch import BatchRequest, BatchRun

PAGE = 500
ADDED = ("answer", "finish", "error")


class Writer(Protocol):
    """Writes rows into a file of one format."""

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows, all with equal columns where the format is a table."""


async def write_results(store: Store, run: BatchRun, to: Path, *, bare: bool = False) -> Counter[str]:
    """Write each row of the user's file, with its answer, into a new file. Returns how many rows ended in which way.

    The ways are answered, truncated, refused, failed and missing (not asked yet). `bare` writes the requests instead of
    the rows, for a file that is gone. Raises `BadInput` if the file has changed since it was asked, and if the new file
    exists already.
    """
    counts: Counter[str] = Counter()
    rows = _bare(store, run) if bare else _rows(store, run)
    with _new_file(to) as path, _writer(path, to, () if bare else _columns(run)) as writer:
        async for page in rows:
            writer.write([columns for columns, _ in page])
            counts.update(end for _, end in page)
    return counts


def write_rows(to: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows into a new file, .jsonl, .csv or .parquet. Returns their number."""
    count, source = 0, iter(rows)
    with _new_file(to) as path, _writer(path, to, ()) as writer:
        while page := list(islice(source, PAGE)):
            writer.write(page)
            count += len(page)
    return count


# --- rows -------------------------------------------------------------------------------------------------------------

Page = list[tuple[Mapping[str, Any], str]]


async def _rows(store: Store, run: BatchRun) -> AsyncIterator[Page]:
    path, options = Path(run.source), run.options
    _check_source(run, path)
    page: list[tuple[Mapping[str, Any], str]] = []
    for row, request in requests_in(path, options=options):
        page.append((row.columns, request.hash))
        if len(page) == PAGE:
            yield await _joined(store, run, page)
            page = []
    if page:
        yield await _joined(store, run, page)


def _check_source(run: BatchRun, path: Path) -> None:
    bare = "--bare writes requests and answers without its columns"
    if not path.exists():
        raise BadInput(f"{path}, which was asked, is gone; {bare}")
    if digest_of(path) != run.digest:
        raise BadInput(f"{path} has changed since it was asked; {bare}")


async def _joined(store: Store, run: BatchRun, page: Sequence[tuple[Mapping[str, Any], str]]) -> Page:
    hashes = {hash_ for _, hash_ in page}
    found = await store.read(lambda tx: {one.hash: one for one in tx.all(BatchRequest, run=run.id, hash=hashes)})
    return [({**columns, **_added(columns, found.get(hash_))}, _end(found.get(hash_))) for columns, hash_ in page]


async def _bare(store: Store, run: BatchRun) -> AsyncIterator[Page]:
    after = 0
    while page := await store.read(lambda tx, after=after: tx.batches.page_requests(run.id, after)):  # type: ignore[misc]
        yield [({"request": json.loads(one.body), **_added({}, one)}, _end(one)) for one in page]
        after = page[-1].place


def _added(columns: Mapping[str, Any], one: BatchRequest | None) -> Mapping[str, Any]:
    answered = one is not None and one.state == "answered"
    values = (
        one.answer if one is not None and answered else "",
        one.finish if one is not None and answered else _end(one),
        one.answer if one is not None and not answered else "",
    )
    return {_free(name, columns): value for name, value in zip(ADDED, values, strict=True)}


def _free(name: str, columns: Mapping[str, Any]) -> str:
    while name in columns:
        name = f"new_{name}"
    return name


def _end(one: BatchRequest | None) -> str:
    if one is None or one.state in ("asked", "sent", "running"):
        return "missing"
    return "truncated" if one.state == "answered" and one.finish == "length" else one.state


# --- files ------------------------------------------------------------------------------------------------------------


def _columns(run: BatchRun) -> Sequence[str]:
    """Return the columns of a table with the answers: those of the first row."""
    first = next(open_rows(Path(run.source)), None) if Path(run.source).exists() else None
    columns: Mapping[str, Any] = first.columns if first is not None else {}
    return [*columns, *(_free(name, columns) for name in ADDED)]


@contextmanager
def _new_file(to: Path) -> Iterator[Path]:
    """Yield a path beside `to`, which becomes `to` when the block has ended well."""
    if to.exists():
        raise BadInput(f"{to} is there already")
    if not to.parent.is_dir():
        raise BadInput(f"{to.parent} is no folder")
    path = to.with_name(f".{to.name}.part")
    try:
        yield path
        os.replace(path, to)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _writer(path: Path, to: Path, columns: Sequence[str]) -> Iterator[Writer]:
    kind = to.suffix.lower()
    if kind in (".jsonl", ".ndjson"):
        with path.open("w", encoding="utf-8") as file:
            yield _JsonLines(file)
    elif kind == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            yield _Table(file, columns)
    elif kind == ".parquet":
        with _parquet(path) as table:
            yield table
    else:
        raise BadInput(f"{to.name}: .jsonl, .csv or .parquet is expected")


class _ParquetFile:
    """Rows as Parquet; what is not text or a number in the first of them is JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._schema: Any = None

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows. Columns that only some of them have can't stand in a table: JSON lines have them."""
        import pyarrow as pa
        from pyarrow import parquet

        if self._file is None:
            kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
            self._schema = pa.schema([(name, kinds.get(type(value), pa.string())) for name, value in rows[0].items()])
            self._file = parquet.ParquetWriter(self._path, self._schema)
        table = []
        for row in rows:
            if list(row) != self._schema.names and set(row) != set(self._schema.names):
                raise BadInput("the rows differ in their columns: fetch them as .jsonl")
            table.append({name: _value(row[name], self._schema.field(name).type) for name in self._schema.names})
        try:
            self._file.write_table(pa.Table.from_pylist(table, schema=self._schema))
        except pa.ArrowException as error:
            raise BadInput(f"a column has values of different kinds ({error}): fetch them as .jsonl") from None

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def _parquet(path: Path) -> Iterator[Writer]:
    if importlib.util.find_spec("pyarrow") is None:
        raise BadInput("Parquet needs the extra `parquet`: pip install 'govorun[parquet]'")
    path.touch()
    file = _ParquetFile(path)
    try:
        yield file
    finally:
        file.close()


def _value(value: Any, kind: Any) -> Any:
    is_text = str(kind) == "string"
    return _cell(value) if is_text and value is not None else value


class _JsonLines:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows."""
        self._file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)


class _Table:
    def __init__(self, file: TextIO, columns: Iterable[str]) -> None:
        self._columns = list(columns)
        self._rows = csv.writer(file)
        self._is_begun = False

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows. Columns that only some of them have can't stand in a table: JSON lines have them."""
        if not self._is_begun:
            self._columns = self._columns or list(rows[0])
            self._rows.writerow(self._columns)
            self._is_begun = True
        for row in rows:
            if unknown := set(row) - set(self._columns):
                raise BadInput(f"the rows differ in their columns ({', '.join(sorted(unknown))}): fetch them as .jsonl")
            self._rows.writerow([_cell(row.get(name, "")) for name in self._columns])


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
