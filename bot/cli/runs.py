"""The work of `govorun batch`. Begin with `opened`, then `BatchCommand.run`."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.access.policy import Access
from bot.ai import Profile
from bot.batch.planning import LIKELY, Plan, plan
from bot.batch.results import write_results
from bot.batch.runner import BatchRunner, close_run
from bot.batch.vendor.opening import HOW, open_vendor, reads_results
from bot.batch.vendor_cleanup import cancel_runs, remove_datasets, seconds_unsure, tidy
from bot.batch.vendor_runner import MINIMUM, book_minimum, least_cost
from bot.batch.vendor_work import work_on
from bot.billing import pricing
from bot.billing.budget import BotBudget, Everybody
from bot.billing.pricing import millionths, shown
from bot.clock import Clock, SystemClock
from bot.config.settings import Settings
from bot.errors import BadInput, ConfigError, ModelDenied, ModelError
from bot.http.client import Http
from bot.ports import Agree, Say
from bot.providers import catalog
from bot.providers.catalog import model_that_sees
from bot.providers.yandex.service import YandexStudio
from bot.runtime.resources import SharedResources
from bot.storage.engines.sqlite_files import alone
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations
from bot.storage.repositories.batch.runs import OPEN, UNFINISHED, BatchRun
from bot.storage.store import Store, Tx

PROGRESS = 5.0  # seconds between two lines
MODES = ("auto", "sync", "async", "batch")
ENDS = ("answered", "truncated", "refused", "failed", "missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCommand:
    """The runs of one bot, with a terminal: `say` prints a line, `agree` asks a yes-or-no question."""

    store: Store
    studio: YandexStudio
    http: Http
    settings: Settings
    bot: int
    say: Say
    agree: Agree

    async def run(self, path: Path, model: str, mode: str, options: Mapping[str, Any], most_cost: Decimal) -> None:
        """Begin a run (see `begin`) and work on it until it has ended."""
        if number := await self.begin(path, model, mode, options, most_cost):
            await self.go_on(number)

    async def begin(self, path: Path, model: str, mode: str, options: Mapping[str, Any], most_cost: Decimal) -> int:
        """Plan a run of the file at an absolute path, print what it costs, and ask whether to begin.

        Returns the number of the run, or 0 without agreement. Raises `BadInput` for a file that can't be asked,
        `LimitReached` if the budgets have no room for the price.
        """
        asked = self.studio.text(model)
        wish, (mode, why) = mode, self._mode(mode, model, asked.profile.asynchronous)
        await self._check_model(asked.name, mode)
        most = min(self.settings.max_tokens, asked.profile.max_tokens)
        given = {"max_tokens": most, **{name: value for name, value in options.items() if value not in (None, "")}}
        if "images" in given and not asked.profile.vision:
            raise BadInput(f"{asked.name} sees no pictures: --model {model_that_sees(batch=mode == 'batch')} does")
        run = await self.store.write(
            lambda tx: tx.batches.add_run(
                self.bot, 0, mode=mode, model=asked.name, source=str(path), digest="", options=given
            )
        )
        is_begun = False
        try:
            found = await plan(
                self.store, run, path, options=dict(given), profile=asked.profile, mode=_booked(mode),
                tokenizer=self.studio.tokenizer(model),
            )  # fmt: skip
            if wish == "auto":
                mode, why, found = self._cheapest(mode, why, found, asked.profile, model)
            elif mode == "batch":
                found = _as_batch(found, asked.profile, Decimal(1))
            self.say(
                f"Run {run}: {found.rows:,} rows, {found.requests:,} different requests, {asked.name}, {mode} ({why}); "
                f"{self._price(found, least_cost(asked.profile) if mode == 'batch' else 0)}."
            )
            if most_cost and found.estimate > millionths(most_cost):
                raise BadInput(f"that may cost more than --most-cost {most_cost:f}; nothing was asked")
            if found.estimate and not self.agree("Go on?"):
                self.say("Nothing was asked.")
                return 0
            await self._start(run, found, mode)
            is_begun = True
        finally:
            if not is_begun:
                await self.store.write(lambda tx: tx.batches.remove_run(run))
        return run

    async def go_on(self, number: int) -> None:
        """Work on a run until it has ended. If another process works on it, show how far it is, and take over if that
        process dies.
        """
        run = await self.find(number)
        watch = self._countdown(run)
        told = False
        while run.state == "running":
            if not await self._work(run, watch):
                if not told:
                    self.say(f"Another process works on run {number}; if it stops, this one goes on.")
                told = True
                watch()
                await self.store.clock.sleep(PROGRESS)
            run = await self.find(number)
        await self.show(number)

    async def _work(self, run: BatchRun, watch: Callable[[], None]) -> bool:
        """Work on a run until it has ended. False: another process does."""
        model = self.studio.text(run.model)
        if run.mode == "batch":
            return await work_on(
                run, store=self.store, settings=self.settings, http=self.http, studio=self.studio, watch=watch
            )
        later = self.studio.later(run.model) if run.mode == "async" else None
        return await BatchRunner(store=self.store, model=model, later=later, watch=watch).work(run)

    async def retry(self, number: int, *, missing: bool = False) -> None:
        """Ask once more what has failed, was refused, or is missing in a run that has ended; or only what is missing.

        Missing is what has no end, such as a row that the service has left out of its result.
        """
        run = await self.find(number)
        if run.state in OPEN:
            raise BadInput(f"run {number} has not ended yet")
        states = UNFINISHED if missing else ("failed", "refused", *UNFINISHED)
        counts = await self.store.read(lambda tx: tx.batches.count_states(number))
        if not any(counts.get(state) for state in states):
            self.say(f"Nothing is missing in run {number}." if missing else "Every request of this run is answered.")
            return
        await self._clean(run)
        least = least_cost(self.studio.text(run.model).profile) if run.mode == "batch" else 0

        def again(tx: Tx) -> int:
            count = tx.batches.ask_again(number, states)
            if count:
                held = self._reserve(tx, number, max(run.estimate * count // max(run.requests, 1), least))
                tx.vendor_runs.begin_attempt(number)
                tx.batches.change_run(number, state="running", reason="", told=0, held=held)
            return count

        self.say(f"{await self.store.write(again):,} requests are asked again.")
        await self.go_on(number)

    async def show(self, number: int) -> None:
        """Print the state of a run."""
        run = await self.find(number)
        counts, truncated, (usage, cost) = await self.store.read(
            lambda tx: (
                dict(tx.batches.count_states(number)), tx.batches.count_truncated(number), tx.batches.spent(number)
            )
        )  # fmt: skip
        if truncated:
            counts |= {"answered": counts["answered"] - truncated, "truncated": truncated}
        if run.state not in OPEN:
            counts["missing"] = sum(counts.pop(state, 0) for state in UNFINISHED)
        done = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()) if count) or "nothing asked"
        price = shown("en", cost, self.settings.currency)
        self.say(f"Run {number}: {run.state}, {run.model}, {run.mode}; {done}; {usage.total:,} tokens, {price}.")
        step = await self.store.read(lambda tx: tx.vendor_runs.find_step(number))
        if step is not None and run.state == "running":
            self.say(
                f"  {step.state}{f', task {step.task}' if step.task else ''}{f': {step.status}' if step.status else ''}"
            )
        if run.reason:
            self.say(f"  {run.reason}")
        if run.state == "planned":
            self.say(
                f"  it is being planned; if what planned it has ended: govorun batch cancel {number}, then run again"
            )
        elif run.state == "running":
            self.say(f"  govorun batch status {number} --watch goes on with it")
        elif counts.get("answered") or truncated:
            self.say(f"  govorun batch fetch {number} --to FILE writes the answers")

    async def show_all(self) -> None:
        """Print the runs, newest first."""
        runs = await self.store.read(lambda tx: tx.batches.list_runs(self.bot))
        for run in runs:
            day = datetime.fromtimestamp(run.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
            name = Path(run.source).name
            self.say(f"{run.id:>5}  {day}  {run.state:<9} {run.mode:<5} {run.requests:>9,} requests  {name}")
        if not runs:
            self.say("There is no run yet: govorun batch run FILE.")

    async def fetch(self, number: int, to: Path, *, bare: bool = False) -> None:
        """Write the answers of a run beside the rows of its file."""
        counts = await write_results(self.store, await self.find(number), to, bare=bare)
        told = ", ".join(f"{counts[end]:,} {end}" for end in ENDS if counts[end])
        self.say(f"{to}: {counts.total():,} rows ({told})")
        if counts["failed"] or counts["refused"] or counts["missing"]:
            self.say(f"  govorun batch retry {number} asks once more what has no answer")

    async def cancel(self, number: int) -> None:
        """End a run; what is answered stays."""
        run = await self.find(number)
        if run.state not in OPEN:
            raise BadInput(f"run {number} has ended already: {run.state}")
        if run.mode == "batch":
            await self._cancel_at_service(run)
        await self.store.write(lambda tx: close_run(tx, run, "canceled"))
        self.say(f"Run {number} is canceled; what was answered until then can be fetched.")

    async def forget(self, number: int) -> None:
        """Delete a run with its requests and answers, once that is agreed to."""
        run = await self.find(number)
        if run.state in OPEN:
            raise BadInput(f"run {number} has not ended yet: govorun batch cancel {number}")
        if self.agree(f"Delete run {number} with its answers?"):
            await self._clean(run)
            await self.store.write(lambda tx: tx.batches.remove_run(number))
            self.say(f"Run {number} is deleted.")

    async def find(self, number: int) -> BatchRun:
        """Return a run. Raises `BadInput` if there is none with this number."""
        run = await self.store.read(lambda tx: tx.batches.find_run(self.bot, number))
        if run is None:
            raise BadInput(f"there is no run {number}: govorun batch list")
        return run

    async def _cancel_at_service(self, run: BatchRun) -> None:
        """End a run at the service, and book the least that it costs if it had begun to work there."""

        def cancel(tx: Tx) -> None:
            tx.batches.change_run(run.id, state="canceled")  # first: who works on it ends before the next call
            tx.vendor_runs.change_step(run.id, state="canceled")

        await self.store.write(cancel)
        step = await self.store.read(lambda tx: tx.vendor_runs.find_step(run.id))
        if step is None or not step.dataset:
            return
        least = least_cost(self.studio.text(run.model).profile)
        try:
            async with open_vendor(self.settings, self.http, self.store.clock) as vendor:
                if await cancel_runs(vendor, step):
                    await self.store.write(lambda tx: book_minimum(tx, run, step, least))
                await tidy(self.store, vendor, step)
        except ModelError as error:
            self.say(f"The service can't be asked now ({error}); the next `govorun batch` or the bot ends it there.")

    async def _clean(self, run: BatchRun) -> None:
        """Delete what the service has of a run that has ended. Raises `BadInput` where that can't be done now."""
        step = await self.store.read(lambda tx: tx.vendor_runs.find_step(run.id))
        if step is None or step.is_tidy:
            return
        if (left := seconds_unsure(step, self.store.clock.time())) > 0:
            raise BadInput(f"the service may still begin what was asked last: again in {left:.0f} seconds")
        try:
            async with open_vendor(self.settings, self.http, self.store.clock) as vendor:
                await remove_datasets(vendor, step)
        except ModelError as error:
            raise BadInput(f"the datasets of run {run.id} can't be removed at the service now: {error}") from None

    async def _check_model(self, name: str, mode: str) -> None:
        """Raise `BadInput` for a model that the folder has not; what can't be found out now fails later, if at all.

        The list of a folder has no model that only batch runs take.
        """
        bare, tokenizer = catalog.parts(name)[0], self.studio.tokenizer(name)
        if mode == "batch" and bare in catalog.BATCH_MODELS:
            return
        try:
            if bare in {catalog.parts(uri)[0] for uri in await self.studio.list_models()}:
                return
            if tokenizer is not None:
                await tokenizer.count("1")  # it is free, and the list may leave out what the folder has
                return
        except ModelDenied as error:
            if tokenizer is None or "model" not in str(error).lower():
                return  # the key: the first request says so
        except ModelError:
            return
        if bare in catalog.BATCH_MODELS:
            raise BadInput(f"only batch runs take {name!r}: --mode batch (see govorun models list)")
        raise BadInput(f"there is no model {name!r} in the folder: govorun models list shows those that are")

    def _price(self, found: Plan, least: int) -> str:
        if not found.estimate:
            return "free of charge"
        if found.estimate == least:
            price = shown("en", least, self.settings.currency)
            return f"about {price}, the price of {MINIMUM:,} tokens, which a batch run costs at least"
        likely, most = (shown("en", amount, self.settings.currency) for amount in (found.likely, found.estimate))
        return f"about {likely} with answers of {LIKELY} tokens, at most {most} (--max-tokens lowers it)"

    def _mode(self, wish: str, model: str, is_cheap_later: bool) -> tuple[str, str]:
        if wish not in MODES:
            raise BadInput(f"--mode {wish}: auto, sync, async or batch is expected")
        if wish == "batch":
            if not reads_results():  # or it would be paid, and could not be read
                raise BadInput(HOW)
            if not self.studio.batch_uri(model):
                raise BadInput(
                    "--mode batch is for open models of AI Studio; YandexGPT has half the price by --mode async"
                )
        if wish == "async" and self.studio.later(model) is None:
            raise BadInput(f"--mode async: {model or 'this model'} answers only at once")
        if wish != "auto":
            return wish, "as ordered"
        return ("async", "half the price, later") if is_cheap_later else ("sync", "this model has no cheaper mode")

    def _cheapest(self, mode: str, why: str, found: Plan, profile: Profile, model: str) -> tuple[str, str, Plan]:
        """The cheapest mode for what is planned, why it is, and its prices."""
        if not self.studio.batch_uri(model):
            return mode, why, found
        if not reads_results():
            return mode, f"{why}; a batch run needs the extras `batch` and `parquet`", found
        batch = _as_batch(found, profile, profile.batch_share)
        price = shown("en", batch.likely, self.settings.currency)
        if batch.likely < found.likely:
            return "batch", f"the cheapest, {price} against {shown('en', found.likely, self.settings.currency)}", batch
        return mode, f"a batch run would cost at least {price}", found

    async def _start(self, run: int, found: Plan, mode: str) -> None:
        def start(tx: Tx) -> None:
            if mode == "batch":
                tx.vendor_runs.add_step(run, secrets.token_hex(8))
            tx.batches.change_run(
                run, state="running", mode=mode, rows=found.rows, requests=found.requests, estimate=found.estimate,
                digest=found.digest, held=self._reserve(tx, run, found.estimate),
            )  # fmt: skip

        await self.store.write(start)

    def _reserve(self, tx: Tx, run: int, price: int) -> int:
        """Hold back the price of a run. Returns the reservation, 0 without a limit. Raises `LimitReached`."""
        budget = BotBudget.from_settings(self.settings, Access(), Everybody())
        return budget.reserve_work(tx, self.bot, f"batch-{run}", price, self.settings.currency, "en")

    def _countdown(self, run: BatchRun) -> Callable[[], None]:
        clock, tasks = self.store.clock, set[asyncio.Task[None]]()
        last = clock.monotonic()

        before = ""

        async def tell_state() -> None:
            nonlocal before
            step = await self.store.read(lambda tx: tx.vendor_runs.find_step(run.id))
            now = f"{step.state}: {step.status}" if step and step.status else step.state if step else ""
            if now != before:
                self.say(f"  {now}")
            before = now

        async def tell() -> None:
            if run.mode == "batch":
                await tell_state()
                return
            counts = await self.store.read(lambda tx: tx.batches.count_states(run.id))
            left = sum(counts.get(state, 0) for state in UNFINISHED)
            if left:
                self.say(f"{left:,} requests left")

        def watch() -> None:
            nonlocal last
            if clock.monotonic() - last >= PROGRESS:
                last = clock.monotonic()
                task = asyncio.create_task(tell())
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        return watch


def _booked(mode: str) -> str:
    return {"async": pricing.LATER, "batch": pricing.BATCH}.get(mode, pricing.SYNC)


def _as_batch(found: Plan, profile: Profile, share: Decimal) -> Plan:
    """What is planned, at the price of a batch run: `share` of the price in it, but the least at least."""
    least = least_cost(profile)
    return replace(
        found, likely=max(int(found.likely * share), least), estimate=max(int(found.estimate * share), least)
    )


def read_schema(path: Path | None) -> Mapping[str, Any] | None:
    """Return the JSON schema in a file, None without a file. Raises `BadInput`."""
    if path is None:
        return None
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--schema {path}: {error}") from None
    if not isinstance(value, dict):
        raise BadInput(f"--schema {path}: a JSON schema is an object")
    return value


def read_system(text: str) -> str:
    """Return the system prompt: the content of the file of this name, else the text itself."""
    path = Path(text)
    if not text or len(text) > 200 or not path.is_file():
        return text
    return path.read_text("utf-8").strip()


@asynccontextmanager
async def opened(
    settings: Settings, bot: int, say: Say, agree: Agree, clock: Clock | None = None
) -> AsyncIterator[BatchCommand]:
    """Open the runs of a bot. The bot may be running: a command writes a few rows at a time, in transactions of its
    own.
    """
    clock, url = clock or SystemClock(), settings.database_url
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(alone(url) if is_sqlite(url) else nullcontext())
        except ConfigError:
            await migrations.insist(url)  # a schema that the running bot does not know would end it
        process = await stack.enter_async_context(SharedResources.open(settings, clock))
        studio = YandexStudio(settings=settings, http=process.http, clock=clock, random=random.Random())  # noqa: S311
        yield BatchCommand(
            store=await process.store(), studio=studio, http=process.http, settings=settings, bot=bot, say=say,
            agree=agree,
        )  # fmt: skip
