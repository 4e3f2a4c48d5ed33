"""Looks through a file before anything is paid: how many requests it has, and what they cost. Begin with `plan`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from bot.ai import Profile, Usage
from bot.batch.requests import asked, count_request, measure, request_of
from bot.batch.rows import Row, open_rows, question_column
from bot.batch.vendor.values import LARGEST_DATASET
from bot.billing import pricing
from bot.errors import BadInput
from bot.llm import prompt
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import BatchRequest

if TYPE_CHECKING:
    from bot.providers.yandex.tokenizer import Tokenizer

LIKELY = 300  # tokens of an answer of some paragraphs
SHOWN = 10  # rows that are wrong
PAGE = 500  # requests in one transaction
SAMPLE = 10  # requests whose tokens the service counts
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The size and the price of a run. `estimate` is the highest price in millionths of the currency, `likely` the
    price if answers are as long as `LIKELY`.
    """

    rows: int
    requests: int
    likely: int
    estimate: int
    digest: str


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file. Raises `BadInput` for one that can't be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    return found.hexdigest()


def _check_size(path: Path) -> None:
    size = path.stat().st_size if path.is_file() else 0
    if size > LARGEST_DATASET:
        raise BadInput(f"{path.name} has {size / 2**30:,.1f} GB, and may have {LARGEST_DATASET >> 30}: split it")


def requests_in(path: Path, *, options: Mapping[str, Any] = {}) -> Iterator[tuple[Row, BatchRequest]]:
    """Yield the rows of a file, each with its request; of the `options` column, system and images count.

    Raises `BadInput` that lists the first rows without a question, once the file was looked through.
    """
    wrong: list[str] = []
    column, system, images = (str(options.get(name, "")) for name in ("column", "system", "images"))
    for row in open_rows(path):
        column = column if column in row.columns else question_column(row, column)
        try:
            request = request_of(row, column, system, _pictures(row, images, path.parent) if images else ())
        except BadInput as error:
            wrong.append(str(error))
            if len(wrong) == SHOWN:
                break
            continue
        yield row, request
    if wrong:
        more = ", and perhaps more" if len(wrong) == SHOWN else ""
        raise BadInput(f"{path.name} can't be asked{more}:\n" + "\n".join(wrong))


def _pictures(row: Row, column: str, folder: Path) -> list[Path]:
    """The pictures of a row: a path in a cell, or a list of them, from the folder of the file on."""
    value = row.columns.get(column)
    if column not in row.columns:
        raise BadInput(f"line {row.number}: there is no column {column!r} with pictures")
    names = value if isinstance(value, list) else [value] if value else []
    return [folder / str(name) for name in names]


async def plan(
    store: Store, run: int, path: Path, *, options: dict[str, Any], profile: Profile, mode: str,
    tokenizer: Tokenizer | None = None,
) -> Plan:  # fmt: skip
    """Store the requests of a file as the requests of a run, and return how many they are and what they cost.

    `tokenizer` counts the tokens of a few of them, so that the likely price is right. Raises `BadInput` for a file
    without rows, or with rows that have no question.
    """
    rows, page = 0, dict[str, BatchRequest]()
    _check_size(path)
    next(requests_in(path, options=options), None)  # what is no such file at all is said at once
    digest = digest_of(path)

    async def flush() -> None:
        found = list(page.values())
        await store.write(lambda tx: tx.batches.add_requests(run, found))
        page.clear()

    for _, request in requests_in(path, options=options):
        rows += 1
        page.setdefault(request.hash, request)
        if len(page) == PAGE:
            await flush()
    await flush()
    if not rows:
        raise BadInput(f"{path.name} has no rows")

    requests, tokens, price, sample = await store.read(lambda tx: _count(tx, run, options, profile, mode))
    answer = min(options.get("max_tokens") or profile.max_tokens, LIKELY)
    usual = Usage(round(tokens * await measure(tokenizer, sample)), answer * requests)
    return Plan(
        rows=rows, requests=requests, likely=pricing.cost(profile, usual, mode), estimate=price, digest=digest
    )  # fmt: skip


def _count(
    tx: Tx, run: int, options: dict[str, Any], profile: Profile, mode: str
) -> tuple[int, int, int, list[BatchRequest]]:
    """Of a run the requests, their tokens (probably), what they cost at most, and some of them by lot."""
    given, ratio, lot = {"max_tokens": profile.max_tokens, **options}, prompt.Ratio(), Random(0)  # noqa: S311
    requests, tokens, price, sample = 0, 0, 0, list[BatchRequest]()
    for one in tx.batches.iterate_requests(run):
        requests, tokens = requests + 1, tokens + count_request(one)
        price += pricing.cost(profile, prompt.most(asked(one, given, shows=False), ratio), mode)
        if len(sample) < SAMPLE:
            sample.append(one)
        elif (place := lot.randrange(requests)) < SAMPLE:
            sample[place] = one
    return requests, tokens, price, sample
