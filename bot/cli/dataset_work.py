"""`govorun dataset`: what the commands do. Begin with `opened`; `export` and `validate` need no network."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.batch import exports
from bot.batch.dataset_checks import KINDS, CheckedFile, check_file, kind_of
from bot.batch.datasets import DatasetWork, raise_problems
from bot.batch.exports import Export, lines_of
from bot.batch.planning import digest_of
from bot.batch.vendor.opening import open_transfers, open_vendor
from bot.batch.vendor.values import LARGEST_DATASET, MOST_DATASETS, Dataset
from bot.clock import SystemClock
from bot.config import multi_bot
from bot.config.settings import Settings, load
from bot.errors import BadInput
from bot.ports import Agree, Say
from bot.runtime.resources import SharedResources
from bot.storage.repositories.messages import export_judgements
from bot.storage.store import Store, Tx

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio

MOST_BYTES = 300 << 30  # of all datasets of a folder
GIB = 1 << 30
NAMES = {task_type: name for name, task_type in KINDS.items()}
SOURCES = ("liked", "drafts", "topics", "learned")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCommand:
    """The datasets of a folder, with a terminal: `say` prints a line, `agree` asks a yes-or-no question."""

    store: Store
    vendor: VendorStudio
    work: DatasetWork
    bot: int
    say: Say
    agree: Agree

    async def show_all(self) -> None:
        """Print the datasets, newest first, and how full the folder is."""
        found = await self.vendor.list_datasets()
        for one in found:
            self.say(_line(one))
        size = sum(one.size for one in found)
        self.say(
            f"{len(found)} of {MOST_DATASETS} datasets, {size / GIB:,.2f} of {MOST_BYTES / GIB:,.0f} GB "
            f"(a dataset may have {LARGEST_DATASET / GIB:.0f})"
        )

    async def show(self, dataset: str) -> None:
        """Print what the service says of a dataset."""
        found = await self.vendor.describe_dataset(dataset)
        self.say(_line(found))
        for name, value in sorted(found.labels.items()):
            self.say(f"  {name}: {value}")
        for error in found.errors:
            self.say(f"  line {', '.join(map(str, error.lines[:10]))}: {error.description or error.error}")

    async def upload(self, path: Path, kind: str, name: str) -> None:
        """Check a file, upload it, and print the id of the dataset once it is ready."""
        found = await self.work.upload(path, kind_of(path, kind), (name or path.stem)[:63])
        digest = digest_of(path)
        await self.store.write(lambda tx: tx.dataset_people.note_upload(self.bot, digest, found.id, found.name))
        self.say(f"{found.id}: ready, {found.rows:,} rows")

    async def download(self, dataset: str, to: Path) -> None:
        """Write a dataset into a new file."""
        self.say(f"{to}: {await self.work.download(dataset, to):,} rows")

    async def remove(self, dataset: str) -> None:
        """Delete a dataset, once that is agreed to."""
        found = await self.vendor.describe_dataset(dataset)
        if self.agree(f"Delete {found.id} ({found.name}, {found.rows:,} rows)?"):
            await self.vendor.delete_dataset(dataset)
            await self.store.write(lambda tx: tx.dataset_people.note_removal(self.bot, dataset))
            self.say(f"{dataset} is deleted.")


def _line(one: Dataset) -> str:
    day = datetime.fromtimestamp(one.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    kind = NAMES.get(one.task_type, one.task_type)
    return f"{one.id}  {day}  {one.status:<10} {kind:<15} {one.rows:>9,} rows {one.size:>13,} bytes  {one.name}"


def validate(path: Path, kind: str, say: Say) -> None:
    """Check a file by the vendor's limits, and print what was found. Raises `BadInput` with its mistakes."""
    checked = check_file(path, kind_of(path, kind))
    for line in told(checked):
        say(line)
    raise_problems(path, checked)


def told(checked: CheckedFile) -> list[str]:
    """What a check has found that is no mistake, as lines."""
    lines = [f"{NAMES[checked.task_type]}: {checked.rows:,} rows, {checked.size:,} bytes"]
    if checked.classes:
        lines.append("  " + ", ".join(f"{name} {count:,}" for name, count in checked.classes.most_common()))
    return lines + [f"  note: {warning}" for warning in checked.warnings]


async def export(source: str, to: Path, agreed: str, file: Path, bot: int, say: Say) -> None:
    """Write what a bot has learned as rows of a dataset, and beside them a list of what was masked.

    Raises `BadInput` for an unknown source, a file that is there already, and where there is nothing to export.
    """
    if source not in SOURCES:
        raise BadInput(f"{source}: {', '.join(SOURCES)} is expected")
    _check_target(to)
    settings = load()
    number = multi_bot.one_of(settings, bot)
    async with Store.open(settings.database_url, SystemClock()) as store:
        found = await _exported(source, store, settings, number, agreed, file)
        for why, count in found.left_out.items():
            say(f"left out: {count:,} {why}")
        if not found.rows:
            raise BadInput(f"there is nothing to export from {source}")
        _write_secret(to, lines_of(found.rows))
        digest = digest_of(to)
        await store.write(lambda tx: tx.dataset_people.note_export(number, digest, found.people))
    say(f"{to}: {len(found.rows):,} rows")
    if found.hidden:
        beside = to.with_name(f"{to.name}.masked")
        _write_secret(beside, "".join(f"{row}: {' '.join(words)}\n" for row, words in found.hidden.items()).encode())
        say(f"{beside}: what was masked in {len(found.hidden):,} rows; look whether it is enough, then delete it")


async def _exported(source: str, store: Store, settings: Settings, bot: int, agreed: str, file: Path) -> Export:
    chats = None if agreed == "all" else {*settings.owners, *_numbers(agreed)}
    if source == "liked":
        judged = list(export_judgements(settings.database_url, {bot}))
        people = {row["user"] for row in judged}
        names = await store.read(lambda tx: tx.members.read_names(bot, people))
        return exports.liked(judged, chats, names.values())
    if source == "topics":
        from bot.cli.topics import known_samples
        from bot.llm.topics.samples import one_hot

        samples = known_samples(file, bot)
        asked = {sample.user for sample in samples if sample.user}
        return Export(rows=[json.loads(line) for line in one_hot(samples)], people=asked)

    def read(tx: Tx) -> Export:
        return exports.drafts(tx, bot, chats) if source == "drafts" else exports.learned(tx, bot)

    return await store.read(read)


def _check_target(to: Path) -> None:
    if to.suffix.lower() not in (".jsonl", ".ndjson"):
        raise BadInput(f"{to.name}: .jsonl is expected")
    if to.exists():
        raise BadInput(f"{to} is there already")


def _numbers(text: str) -> set[int]:
    try:
        return {int(part) for part in text.split(",") if part.strip()}
    except ValueError:
        raise BadInput(f"--agreed {text}: ids of chats with commas, or all, are expected") from None


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only this user can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


@asynccontextmanager
async def opened(settings: Settings, bot: int, say: Say, agree: Agree) -> AsyncIterator[DatasetCommand]:
    """The datasets of the folder of a bot, which may run meanwhile."""
    clock = SystemClock()
    async with (
        SharedResources.open(settings, clock) as process,
        open_vendor(settings, process.http, clock) as vendor,
    ):
        work = DatasetWork(vendor=vendor, transfers=open_transfers(process.http, clock), clock=clock, say=say)
        yield DatasetCommand(store=await process.store(), vendor=vendor, work=work, bot=bot, say=say, agree=agree)
