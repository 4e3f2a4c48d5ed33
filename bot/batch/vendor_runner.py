"""Works on a run that AI Studio answers as a whole, within hours or days. Begin with `VendorRunner.work`.

A run is a row with a state: planned, creating, created, uploading, uploaded, validating, ready, submitting, submitted,
running, done, fetched; or invalid, failed, canceled. Before a call that may not be repeated the state with its `intent`
is committed, after it its result. A process that finds such an intent looks before it acts: for the dataset by its
name, for the run by its dataset. The call that costs money is made again only where the list of runs could be read,
shows none on the dataset, and the intent is older than the time that lists lag behind.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.ai import Profile, Usage
from bot.batch.runner import LEASE, REASON, Stopped, close_run
from bot.batch.vendor.transfers import AddressExpired, Transfers
from bot.batch.vendor.uploads import SIZES, Sizes, send_file
from bot.batch.vendor.values import PICTURES, REQUESTS, NotFound, VendorRun
from bot.batch.vendor.work_folder import work_folder
from bot.batch.vendor_cleanup import LABEL, LAG, tidy
from bot.batch.vendor_files import describe_errors, store_answers, write_requests
from bot.billing import pricing
from bot.concurrency.retry import Backoff
from bot.errors import (
    BadInput,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.providers.error_mapping import Unauthenticated
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import OVER, BatchRun, VendorStep
from bot.types import Address

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio

MINIMUM = 200_000  # tokens that a run is billed at least
FRESH = 10.0  # seconds after its intent in which the paid call is made; a process that was halted longer looks first
FIRST_POLL, LONGEST_POLL = 10.0, 600.0  # seconds
AGAIN = Backoff(5.0, 600.0)  # while the service is away, or its quota is used up
MOST_ATTEMPTS = 3  # datasets of one run that were lost before it was paid
MOST_UPLOADS = 3  # of one dataset, of which the service says afterwards that there is nothing
REMOVED = "the dataset was removed at the service"
UNPAID = ("planned", "creating", "created", "uploading", "uploaded", "validating", "ready")


@dataclass(slots=True, kw_only=True)
class VendorRunner:
    """Works on runs of the mode batch. `model` is the model's URI; `sizes` say which files are sent in parts."""

    store: Store
    vendor: VendorStudio
    transfers: Transfers
    model: str
    profile: Profile
    watch: Callable[[], None] = lambda: None
    sizes: Sizes = SIZES
    _worker: str = field(default_factory=lambda: secrets.token_hex(8), init=False)

    async def work(self, run: BatchRun, *, is_patient: bool = True) -> bool:
        """Work on a run until it has ended or was canceled. False: another process works on it.

        If not `is_patient`, return as soon as the next step is not due yet.

        Raises `StorageUnavailable` where the database is away; the next one goes on where this one was.
        """
        if not await self._hold(run):
            return False
        with work_folder() as folder:
            try:
                while (step := await self._step(run)) is not None and step.state not in OVER and await self._hold(run):
                    if not is_patient and step.due > self.store.clock.time():
                        break
                    await self._kept(run, self._advance(run, step, folder))
                    self.watch()
            finally:
                await self.store.write(lambda tx: tx.change(run, until=0.0))
        return True

    async def _hold(self, run: BatchRun) -> bool:
        return await self.store.write(lambda tx: tx.batches.take_run(run.id, self._worker, LEASE))

    async def _kept(self, run: BatchRun, work: Awaitable[None]) -> None:
        """Await `work`, and keep the lease meanwhile; end it if another process has the run now."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LEASE / 3)
                if not task.done() and not await self._hold(run):
                    return
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await task

    async def _step(self, run: BatchRun) -> VendorStep | None:
        """How far the run is; None if it was canceled or forgotten meanwhile."""

        def read(tx: Tx) -> VendorStep | None:
            found = tx.one(BatchRun, bot=run.bot, id=run.id)
            return tx.one(VendorStep, run=run.id) if found is not None and found.state == "running" else None

        return await self.store.read(read)

    async def _advance(self, run: BatchRun, step: VendorStep, folder: Path) -> None:
        """Wait until the next step is due, and do it; a failure that passes puts it off."""
        clock = self.store.clock
        if step.due > clock.time():
            await clock.sleep(min(step.due - clock.time(), LEASE / 3))
            return
        try:
            await STEPS[step.state](self, run, step, folder)
        except ModelDenied as error:
            if step.state not in UNPAID:  # what is paid for is waited for, until the key is good again
                await self._put_off(step, error)
            else:
                await self._end(run, step, "failed", f"the service refuses it: {error}")
        except Stopped as error:
            await self._end(run, step, "failed", str(error))
        except ModelError as error:
            await self._put_off(step, error)

    async def _put_off(self, step: VendorStep, error: ModelError) -> None:
        wait = error.retry_after if isinstance(error, ModelUnavailable) else 0.0
        due = self.store.clock.time() + AGAIN.pause(step.tries + 1, wait)
        await self._change(step, due=due, tries=step.tries + 1, status=_told(error))

    async def _change(self, step: VendorStep, **values: Any) -> None:
        """Store the next state, as long as the run is in the one that it was in."""

        def change(tx: Tx) -> None:
            now = tx.one(VendorStep, run=step.run)
            if now is not None and (now.state, now.attempt) == (step.state, step.attempt):
                if "state" in values and values["state"] != step.state:
                    values.setdefault("tries", 0)
                    values.setdefault("due", 0.0)
                tx.change(step, **values)

        await self.store.write_until_stored(change)

    # --- the dataset --------------------------------------------------------------------------------------------------

    async def _create(self, run: BatchRun, step: VendorStep, _folder: Path) -> None:
        step = await self._intend(step, "creating")
        labels = {LABEL: step.token, "govorun_attempt": str(step.attempt)}
        try:
            made = await self.vendor.create_dataset(
                step.name, PICTURES if run.options.get("images") else REQUESTS, labels
            )
        except (OutcomeUnknown, ModelUnavailable) as error:
            await self._change(step, status=_told(error))
        else:
            await self._change(step, state="created", dataset=made.id, status="")

    async def _find_dataset(self, _run: BatchRun, step: VendorStep, _folder: Path) -> None:
        """Whether a dataset was created is not known: look for it."""
        found = [one for one in await self.vendor.list_datasets(step.name) if one.name == step.name]
        if found:
            await self._change(step, state="created", dataset=found[0].id)
        else:
            await self._wait_for_lists(step, "planned")

    async def _begin_upload(self, run: BatchRun, step: VendorStep, folder: Path) -> None:
        written = await self._write(run, step, folder / str(step.attempt))
        await self._change(step, state="uploading", upload={**step.upload, **written})

    async def _write(self, run: BatchRun, step: VendorStep, path: Path) -> Mapping[str, Any]:
        try:
            return await write_requests(self.store, step, path, shows=bool(run.options.get("images")))
        except BadInput as error:
            raise Stopped(str(error)) from None

    async def _upload(self, run: BatchRun, step: VendorStep, folder: Path) -> None:
        path, upload = folder / str(step.attempt), dict(step.upload)
        if not path.exists():  # of a process that has died
            written = await self._write(run, step, path)
            if written["digest"] != upload.get("digest"):
                upload = {"uploads": upload.get("uploads", 1), **written}
        try:
            await send_file(
                self.vendor, self.transfers, step.dataset, path, upload,
                lambda now: self._change(step, upload=now), now=self.store.clock.time(), sizes=self.sizes
            )  # fmt: skip
        except NotFound:
            await self._begin_again(step)
        except (AddressExpired, ModelRefused) as error:  # the parts that are there are worth nothing without it
            kept = {name: upload[name] for name in upload.keys() - {"urls", "etags", "until"}}
            due = self.store.clock.time() + AGAIN.pause(step.tries + 1)
            await self._change(step, upload=kept, tries=step.tries + 1, due=due, status=_told(error))
        else:
            await self._change(step, state="uploaded", upload={"uploads": upload.get("uploads", 1)}, status="")

    async def _validate(self, _run: BatchRun, step: VendorStep, _folder: Path) -> None:
        step = await self._intend(step, "validating")
        try:
            await self.vendor.validate(step.dataset)
        except NotFound:
            await self._begin_again(step)
        except ModelRefused as error:
            if (await self.vendor.describe_dataset(step.dataset)).status != "draft":
                return  # it was begun before
            uploads = step.upload.get("uploads", 1)
            if uploads >= MOST_UPLOADS:
                raise Stopped(f"the service does not take the file: {error}") from None
            await self._change(step, state="created", upload={"uploads": uploads + 1}, status=_told(error))
        except ModelUnavailable as error:  # whether it has begun is seen at the dataset
            await self._change(step, status=_told(error))

    async def _await_validation(self, run: BatchRun, step: VendorStep, _folder: Path) -> None:
        try:
            found = await self.vendor.describe_dataset(step.dataset)
        except NotFound:
            await self._begin_again(step)
            return
        if found.status == "ready":
            await self._change(step, state="ready", status="")
        elif found.status == "invalid":
            errors = found.errors or await self.vendor.validation_errors(step.dataset)
            await self._end(run, step, "invalid", await describe_errors(self.store, run, step, errors))
        elif found.status == "draft" and self.store.clock.time() >= step.intent + FIRST_POLL:
            await self._change(step, state="uploaded")  # the call was lost
        else:
            await self._change(step, due=self._next_poll(step.intent), status=f"the dataset is {found.status}")

    # --- the run ------------------------------------------------------------------------------------------------------

    async def _submit(self, run: BatchRun, step: VendorStep, _folder: Path) -> None:
        """Make the call that costs money."""
        step = await self._intend(step, "submitting")
        if self.store.clock.time() - step.intent > FRESH:
            return
        try:
            task = await self.vendor.start_run(self.model, step.dataset, run.options)
        except (OutcomeUnknown, ModelUnavailable, Unauthenticated) as error:
            await self._change(step, status=_told(error), tries=step.tries + 1)
        except (ModelRefused, ModelDenied) as error:
            raise Stopped(f"the service refuses the run: {error}") from None
        else:
            if task:
                await self._change(step, state="submitted", task=task, status="")

    async def _find_run(self, _run: BatchRun, step: VendorStep, _folder: Path) -> None:
        """Whether the run was started is not known: look for it."""
        if found := await self._run_at_service(step):
            await self._change(step, state="submitted", task=found.id, status="")
            return
        wait = max(LAG, AGAIN.pause(step.tries)) if step.tries else LAG
        if self.store.clock.time() < step.intent + wait:
            await self._change(step, due=min(step.intent + wait, self.store.clock.time() + FIRST_POLL * 3))
        else:
            await self._change(step, state="ready", tries=step.tries)

    async def _run_at_service(self, step: VendorStep) -> VendorRun | None:
        return next((one for one in await self.vendor.list_runs() if one.dataset == step.dataset), None)

    async def _await_run(self, run: BatchRun, step: VendorStep, _folder: Path) -> None:
        try:
            task = await self.vendor.describe_run(step.task)
        except NotFound:
            if self.store.clock.time() < step.intent + LAG:
                raise ModelUnavailable("the run is not shown yet") from None
            await self._end(run, step, "failed", "the run was removed at the service", paid=True)
            return
        if task.status == "completed" and task.result:
            await self._change(step, state="done", result=task.result, status="")
        elif task.status in ("failed", "canceled"):
            reason = "; ".join(task.errors) or "it does not say why"
            await self._end(
                run, replace(step, result=task.result), "failed", f"the run has {task.status} at the service: {reason}",
                paid=task.started > 0,
            )  # fmt: skip
        else:
            status = f"{task.status.replace('_', ' ')} at the service"
            await self._change(step, state="running", due=self._next_poll(step.intent), status=status)

    async def _fetch(self, run: BatchRun, step: VendorStep, folder: Path) -> None:
        paths: list[Path] = []
        try:
            task = await self.vendor.describe_run(step.task)
        except NotFound:  # the result is there all the same
            task = VendorRun(id=step.task, operation="", status="completed", dataset=step.dataset, result=step.result)
        try:
            for number, url in enumerate(await self.vendor.download_urls(step.result)):
                paths.append(folder / f"{number}.parquet")
                await self.transfers.get(url, paths[-1])
        except NotFound:
            await self._end(run, step, "failed", "the result was removed at the service", paid=True)
            return
        except AddressExpired as error:
            raise ModelUnavailable(str(error)) from None
        try:
            odd = await store_answers(self.store, run, paths, task, step)
        except BadInput as error:
            # The answers are paid for: they stay at the service, and are fetched once it can be read.
            raise ModelProtocolError(str(error)) from None
        await self._end(run, step, "fetched", odd, paid=True)

    # --- ends ---------------------------------------------------------------------------------------------------------

    async def _intend(self, step: VendorStep, state: str) -> VendorStep:
        """Commit that a call is about to be made."""
        now = self.store.clock.time()
        await self._change(step, state=state, intent=now, tries=step.tries)
        return replace(step, state=state, intent=now)

    async def _wait_for_lists(self, step: VendorStep, then: str) -> None:
        """Go back to a state, once a list or a status can't be behind any more."""
        now = self.store.clock.time()
        if now < step.intent + LAG:
            await self._change(step, due=min(step.intent + LAG, now + FIRST_POLL))
        else:
            await self._change(step, state=then)

    async def _begin_again(self, step: VendorStep) -> None:
        """Somebody has removed the dataset, before anything was paid: make another one."""
        if step.attempt >= MOST_ATTEMPTS:
            raise Stopped(REMOVED)
        await self.store.write(lambda tx: tx.vendor_runs.begin_attempt(step.run))

    def _next_poll(self, since: float) -> float:
        now = self.store.clock.time()
        return now + min(max(FIRST_POLL, (now - since) / 10), LONGEST_POLL)

    async def _end(self, run: BatchRun, step: VendorStep, state: str, reason: str, *, paid: bool = False) -> None:
        """End a run, and book what it cost, in one transaction; then remove what the service has of it."""

        def end(tx: Tx) -> None:
            now = tx.one(VendorStep, run=run.id)
            if now is None or now.state in OVER:
                return
            if paid:
                now = tx.change(now, cost=now.cost + self._book(tx, run, now))
            tx.change(now, state=state, result=step.result, status=reason[:REASON])
            close_run(tx, run, "done" if state == "fetched" else "stopped", reason)

        await self.store.write_until_stored(end)
        found = await self.store.read(lambda tx: tx.one(VendorStep, run=run.id))
        if found is not None and found.state in OVER:
            await tidy(self.store, self.vendor, found)

    def _book(self, tx: Tx, run: BatchRun, step: VendorStep) -> int:
        """Add a line to the ledger: the tokens of the answers by our estimate, but the service's minimum at least."""
        usage = tx.vendor_runs.usage_of_attempt(run.id, step.attempt)
        cost = max(pricing.cost(self.profile, usage, pricing.BATCH), least_cost(self.profile))
        where = Address("telegram", run.bot, run.user)
        tx.ledger.add_line(where, run.user, f"batch-{run.id}", run.model, usage, mode=pricing.BATCH, cost=cost)
        return cost


def book_minimum(tx: Tx, run: BatchRun, step: VendorStep, least: int) -> None:
    """Add what a canceled run costs at least to the ledger, and to what the run has cost."""
    where = Address("telegram", run.bot, run.user)
    tx.ledger.add_line(where, run.user, f"batch-{run.id}", run.model, Usage(), mode=pricing.BATCH, cost=least)
    tx.change(step, cost=step.cost + least)


def least_cost(profile: Profile) -> int:
    """What a run costs at least, in millionths."""
    dearer = max(profile.price_in, profile.price_out)
    return pricing.millionths(dearer * profile.batch_share * MINIMUM / 1000)


def _told(error: ModelError) -> str:
    return str(error)[:REASON]


Step = Callable[[VendorRunner, BatchRun, VendorStep, Path], Awaitable[None]]
STEPS: Mapping[str, Step] = {
    "planned": VendorRunner._create,
    "creating": VendorRunner._find_dataset,
    "created": VendorRunner._begin_upload,
    "uploading": VendorRunner._upload,
    "uploaded": VendorRunner._validate,
    "validating": VendorRunner._await_validation,
    "ready": VendorRunner._submit,
    "submitting": VendorRunner._find_run,
    "submitted": VendorRunner._await_run,
    "running": VendorRunner._await_run,
    "done": VendorRunner._fetch,
}
