"""`govorun dataset`: the datasets of AI Studio, and files of what the bot has learned."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import TO_ALL, command, format_time
from bot.errors import BadInput

if TYPE_CHECKING:
    from bot.batch.dataset_checks import CheckedFile
    from bot.batch.datasets import DatasetWork
    from bot.batch.exports import Export
    from bot.batch.vendor.values import Dataset
    from bot.runtime.opening import Workspace
    from bot.storage.store import Tx

app = typer.Typer(help="Datasets of AI Studio: check, upload, export what the bot has learned.", no_args_is_help=True)

GIB = 1 << 30
MAX_BYTES = 300 * GIB  # of all datasets of a folder
MAX_LINES = 10  # that are named with a mistake
SOURCES = ("liked", "drafts", "topics", "learned")

File = Annotated[Path, typer.Argument(help="Rows: .jsonl, .csv, .tsv or .parquet.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a dataset, as `govorun dataset list` prints it.")]
Type = Annotated[
    str,
    typer.Option(
        "--type",
        help="requests, pairs, pictures, multiclass, multilabel, embedding-pairs or triplets; none: by the first row.",
    ),
]


@asynccontextmanager
async def open_datasets(work: Workspace) -> AsyncIterator[DatasetWork]:
    """Open the datasets of the folder. Raises as `open_vendor`."""
    from bot.batch.datasets import DatasetWork
    from bot.batch.vendor.opening import open_transfers, open_vendor

    async with open_vendor(work.settings, work.http, work.clock) as vendor:
        transfers = open_transfers(work.http, work.clock)
        yield DatasetWork(vendor=vendor, transfers=transfers, clock=work.clock, say=work.say)


@command(app, "list")
async def list_datasets(work: Workspace) -> None:
    """List the datasets of the folder, newest first, and how full it is."""
    from bot.batch.vendor.values import LARGEST_DATASET, MOST_DATASETS

    async with open_datasets(work) as datasets:
        found = await datasets.vendor.list_datasets()
    for one in found:
        work.say(_line(one))
    work.say(
        f"{len(found)} of {MOST_DATASETS} datasets, {sum(one.size for one in found) / GIB:,.2f} of "
        f"{MAX_BYTES / GIB:,.0f} GB (a dataset may have {LARGEST_DATASET / GIB:.0f})"
    )


@command(app, "show")
async def show_dataset(work: Workspace, dataset: Id) -> None:
    """Show a dataset, and what is wrong with it if anything is."""
    async with open_datasets(work) as datasets:
        found = await datasets.vendor.describe_dataset(dataset)
    work.say(_line(found))
    for name, value in sorted(found.labels.items()):
        work.say(f"  {name}: {value}")
    for error in found.errors:
        work.say(f"  line {', '.join(map(str, error.lines[:MAX_LINES]))}: {error.description or error.error}")


@app.command("validate")
def validate_file(file: File, kind: Type = "") -> None:
    """Check a file by the vendor's limits, without a network: each mistake with its line and what helps."""
    from bot.batch.dataset_checks import check_file, kind_of
    from bot.batch.datasets import raise_problems

    checked = check_file(file, kind_of(file, kind))
    for line in describe(checked):
        typer.echo(line)
    raise_problems(file, checked)


@command(app, "upload")
async def upload_file(
    work: Workspace,
    file: File,
    kind: Type = "",
    name: Annotated[str, typer.Option(help="What it is called; if not given, as the file.")] = "",
) -> None:
    """Check a file, upload it, and wait until the service has checked it."""
    from bot.batch.dataset_checks import kind_of
    from bot.batch.planning import digest_of

    async with open_datasets(work) as datasets:
        found = await datasets.upload(file, kind_of(file, kind), (name or file.stem)[:63])
    digest = digest_of(file)
    await work.store.write(lambda tx: tx.dataset_people.note_upload(work.bot, digest, found.id, found.name))
    work.say(f"{found.id}: ready, {found.rows:,} rows")


@command(app, "download")
async def download_dataset(
    work: Workspace,
    dataset: Id,
    to: Annotated[Path, typer.Option("--to", help="The file to write: .jsonl, .csv or .parquet.")],
) -> None:
    """Write a dataset into a new file."""
    async with open_datasets(work) as datasets:
        work.say(f"{to}: {await datasets.download(dataset, to):,} rows")


@command(app, "remove", yes=TO_ALL)
async def remove_dataset(work: Workspace, dataset: Id) -> None:
    """Delete a dataset at the service."""
    from bot.storage.tables.batch import DatasetPerson

    async with open_datasets(work) as datasets:
        found = await datasets.vendor.describe_dataset(dataset)
        if work.agree(f"Delete {found.id} ({found.name}, {found.rows:,} rows)?"):
            await datasets.vendor.delete_dataset(dataset)
            await work.store.write(lambda tx: tx.remove(DatasetPerson, bot=work.bot, dataset=dataset))
            work.say(f"{dataset} is deleted.")


@command(app, "export")
async def export_rows(
    work: Workspace,
    source: Annotated[str, typer.Argument(help="liked, drafts, topics or learned.")],
    to: Annotated[Path, typer.Option("--to", help="The file to write: .jsonl.")],
    agreed: Annotated[
        str, typer.Option(help="liked, drafts: ids of the chats whose people have agreed, with commas, or all.")
    ] = "",
    file: Annotated[Path, typer.Option(help="topics: the file with the topics.")] = Path("routing.toml"),
) -> None:
    """Write what the bot has learned as rows to tune with, without names and numbers; a list says what was masked."""
    from bot.batch.exports import lines_of
    from bot.batch.planning import digest_of

    if source not in SOURCES:
        raise BadInput(f"{source}: {', '.join(SOURCES)} is expected")
    if to.suffix.lower() not in (".jsonl", ".ndjson"):
        raise BadInput(f"{to.name}: .jsonl is expected")
    if to.exists():
        raise BadInput(f"{to} is there already")
    found = await _collect(work, source, agreed, file)
    for why, number in found.left_out.items():
        work.say(f"left out: {number:,} {why}")
    if not found.rows:
        raise BadInput(f"there is nothing to export from {source}")
    _write_secret(to, lines_of(found.rows))
    digest = digest_of(to)
    await work.store.write(lambda tx: tx.dataset_people.note_export(work.bot, digest, found.people))
    work.say(f"{to}: {len(found.rows):,} rows")
    if found.hidden:
        beside = to.with_name(f"{to.name}.masked")
        _write_secret(beside, "".join(f"{row}: {' '.join(words)}\n" for row, words in found.hidden.items()).encode())
        work.say(f"{beside}: what was masked in {len(found.hidden):,} rows; look whether it is enough, then delete it")


async def _collect(work: Workspace, source: str, agreed: str, file: Path) -> Export:
    from bot.batch import exports
    from bot.cli.topics import known_samples
    from bot.llm.topics.samples import one_hot
    from bot.storage.repositories.messages import export_judgements

    chats = None if agreed == "all" else {*work.settings.owners, *_numbers(agreed)}
    if source == "liked":
        judged = list(export_judgements(work.settings.database_url, {work.bot}))
        people = {row["user"] for row in judged}
        names = await work.store.read(lambda tx: tx.members.read_names(work.bot, people))
        return exports.liked(judged, chats, names.values())
    if source == "topics":
        samples = known_samples(file, work.bot)
        asked = {sample.user for sample in samples if sample.user}
        return exports.Export(rows=[json.loads(line) for line in one_hot(samples)], people=asked)

    def read(tx: Tx) -> Export:
        return exports.drafts(tx, work.bot, chats) if source == "drafts" else exports.learned(tx, work.bot)

    return await work.store.read(read)


def _numbers(text: str) -> set[int]:
    try:
        return {int(part) for part in text.split(",") if part.strip()}
    except ValueError:
        raise BadInput(f"--agreed {text}: ids of chats with commas, or all, are expected") from None


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only this user can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def describe(checked: CheckedFile) -> list[str]:
    """What a check has found that is no mistake, as lines."""
    lines = [f"{_name(checked.task_type)}: {checked.rows:,} rows, {checked.size:,} bytes"]
    if checked.classes:
        lines.append("  " + ", ".join(f"{name} {number:,}" for name, number in checked.classes.most_common()))
    return lines + [f"  note: {warning}" for warning in checked.warnings]


def _line(one: Dataset) -> str:
    size = f"{one.rows:>9,} rows {one.size:>13,} bytes"
    return f"{one.id}  {format_time(one.created)}  {one.status:<10} {_name(one.task_type):<15} {size}  {one.name}"


def _name(task_type: str) -> str:
    from bot.batch.dataset_checks import KINDS

    return next((name for name, one in KINDS.items() if one == task_type), task_type)
