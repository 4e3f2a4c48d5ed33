"""Uploads and downloads datasets of AI Studio. Begin with `DatasetWork.upload`."""

from __future__ import annotations

import array
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.batch.dataset_checks import CheckedFile, check_file, line_of
from bot.batch.results import write_rows
from bot.batch.rows import Row, open_rows
from bot.batch.vendor.transfers import Transfers
from bot.batch.vendor.uploads import send_file
from bot.batch.vendor.values import MOST_DATASETS, Dataset
from bot.batch.vendor.work_folder import work_folder
from bot.clock import Clock
from bot.errors import BadInput, LimitReached, ModelError, ModelRefused, ModelUnavailable, OutcomeUnknown
from bot.ports import Say

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio

DIGEST = "govorun_file"  # the label with the beginning of the file's SHA-256
LOOK = 5.0  # seconds between looks at a validation
LONGEST = 3 * 3600.0  # seconds that a validation is waited for
SHOWN_LINES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetWork:
    """Uploads, checks and downloads datasets of AI Studio. `say` is called with a sentence about each step."""

    vendor: VendorStudio
    transfers: Transfers
    clock: Clock
    say: Say

    async def upload(
        self, path: Path, task_type: str, name: str, *, keep: Callable[[Row], bool] = lambda row: True
    ) -> Dataset:
        """Upload the rows of a file that `keep` takes as a dataset that is ready.

        A draft that an earlier upload of the same rows has left is used.

        Raises `BadInput` for a file that the service does not take, with its lines, and `LimitReached` where there are
        as many datasets as there may be.
        """
        checked = check_file(path, task_type, await self.vendor.upload_schema(task_type))
        raise_problems(path, checked)
        with work_folder() as folder:
            lines, numbers, digest = write_lines(path, task_type, folder / "lines", keep)
            found = await self._draft(name, task_type, {DIGEST: digest[:32]})
            if found.status == "ready":
                self.say(f"It is there already: {found.id}")
                return found
            if found.status == "draft":
                upload: dict[str, Any] = {"size": lines.stat().st_size}
                await send_file(self.vendor, self.transfers, found.id, lines, upload, _nothing, now=self.clock.time())
                self.say(f"{found.id}: uploaded, {upload['size']:,} bytes; the service checks it")
                await self._validate(found.id)
        return await self._validated(path, found.id, numbers)

    async def download(self, dataset: str, to: Path) -> int:
        """Write a dataset into a new file, .jsonl, .csv or .parquet. Returns how many rows it has."""
        with work_folder() as folder:
            paths = []
            for number, url in enumerate(await self.vendor.download_urls(dataset)):
                paths.append(folder / f"{number}.parquet")
                await self.transfers.get(url, paths[-1])
            return write_rows(to, (row.columns for path in paths for row in open_rows(path)))

    async def _draft(self, name: str, task_type: str, labels: Mapping[str, str]) -> Dataset:
        """The dataset of an earlier upload of this file, else a new one."""
        there = await self.vendor.list_datasets()
        mine = [one for one in there if one.labels.get(DIGEST) == labels[DIGEST] and one.task_type == task_type]
        usable = [one for one in mine if one.status in ("ready", "validating", "draft")]
        if usable:
            return min(usable, key=lambda one: ("ready", "validating", "draft").index(one.status))
        if len(there) >= MOST_DATASETS:
            raise LimitReached(f"there are {len(there)} datasets, as many as there may be: govorun dataset remove ID")
        try:
            return await self.vendor.create_dataset(name, task_type, labels)
        except OutcomeUnknown as error:
            raise ModelUnavailable(f"{error}; the next try uses what was created") from None

    async def _validate(self, dataset: str) -> None:
        try:
            await self.vendor.validate(dataset)
        except ModelRefused as error:
            if (await self.vendor.describe_dataset(dataset)).status == "draft":
                raise BadInput(f"the service does not take the file: {error}") from None

    async def _validated(self, path: Path, dataset: str, numbers: array.array[int]) -> Dataset:
        until = self.clock.monotonic() + LONGEST
        while self.clock.monotonic() < until:
            try:
                found = await self.vendor.describe_dataset(dataset)
            except ModelUnavailable:
                found = None
            if found is not None and found.status == "ready":
                return found
            if found is not None and found.status == "invalid":
                errors = found.errors or await self.vendor.validation_errors(dataset)
                told = []
                for error in errors:
                    lines = [str(numbers[line - 1]) for line in error.lines[:SHOWN_LINES] if 0 < line <= len(numbers)]
                    more = f" and {len(error.lines) - len(lines):,} more" if len(error.lines) > len(lines) else ""
                    told.append(f"  line {', '.join(lines)}{more}: {error.description or error.error}")
                await self._discard(dataset)
                raise BadInput("\n".join([f"the service does not take {path.name}:", *told]))
            await self.clock.sleep(LOOK)
        raise ModelUnavailable(f"{dataset} is still being checked: the next try goes on with it")

    async def _discard(self, dataset: str) -> None:
        try:
            await self.vendor.delete_dataset(dataset)
        except ModelError:
            self.say(f"{dataset} is invalid and was not removed: govorun dataset remove {dataset}")


def raise_problems(path: Path, checked: CheckedFile) -> None:
    """Raise `BadInput` with what is wrong in a file, if anything is."""
    if checked.wrong:
        more = (
            f"\n  and {checked.wrong - len(checked.problems):,} more" if checked.wrong > len(checked.problems) else ""
        )
        told = "\n".join(f"  {problem}" for problem in checked.problems)
        count = "a mistake" if checked.wrong == 1 else f"{checked.wrong:,} mistakes"
        raise BadInput(f"{path.name} has {count}:\n{told}{more}")


def write_lines(
    path: Path, task_type: str, to: Path, keep: Callable[[Row], bool]
) -> tuple[Path, array.array[int], str]:
    """Write the rows of a file that `keep` takes as the lines of a dataset.

    Returns it, the line of the user's file for each, and its SHA-256.
    """
    numbers, digest = array.array("L"), hashlib.sha256(task_type.encode())
    with to.open("wb") as file:
        for row in filter(keep, open_rows(path)):
            line = line_of(row, task_type)
            file.write(line)
            digest.update(line)
            numbers.append(row.number)
    return to, numbers, digest.hexdigest()


async def _nothing(_upload: dict[str, Any]) -> None:
    return
