"""`govorun batch`: asks a model the questions of a file, as one run."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.terminal import command, format_time
from bot.errors import BadInput, ModelDenied, ModelError

if TYPE_CHECKING:
    from bot.ai import Profile, Usage
    from bot.batch.planning import Plan
    from bot.runtime.opening import Workspace
    from bot.storage.store import Tx
    from bot.storage.tables.batch import BatchRun, VendorStep

app = typer.Typer(help="Ask a model thousands of questions: a file goes in, a file comes out.", no_args_is_help=True)

PROGRESS = 5.0  # seconds between two lines
MODES = ("auto", "sync", "async", "batch")
ENDS = ("answered", "truncated", "refused", "failed", "missing")
TO_PRICES = "Agree to prices without being asked (for cron)."
Number = Annotated[int, typer.Argument(metavar="ID", help="The number of a run, as `govorun batch list` prints it.")]


@command(app, "run", yes=TO_PRICES)
async def run_file(
    work: Workspace,
    file: Annotated[Path, typer.Argument(help="Questions: .jsonl, .csv, .tsv or .parquet.")],
    model: Annotated[str, typer.Option(help="The model; if not given, MODEL.")] = "",
    mode: Annotated[
        str,
        typer.Option(
            help="sync (at once), async (later, half the price), batch (open models, hours), auto (the cheapest)."
        ),
    ] = "auto",
    column: Annotated[str, typer.Option(help="The column with the question or the list of messages.")] = "",
    system: Annotated[str, typer.Option(help="System prompt of all requests: a text, or a file with it.")] = "",
    images: Annotated[str, typer.Option(help="The column with the path of a picture, or a list of paths.")] = "",
    schema: Annotated[Path | None, typer.Option(help="A file with the JSON schema of the answers.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="0 to 1; none: the model's own.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer; none: MAX_TOKENS.")] = None,
    most_cost: Annotated[float, typer.Option(min=0.0, help="Refuse a run that may cost more.")] = 0.0,
) -> None:
    """Ask a model every question of a file. What it costs at most is said before the first one is asked."""
    options = {
        "column": column,
        "system": _read_system(system),
        "schema": _read_schema(schema),
        "temperature": temperature,
        "max_tokens": max_tokens,
        "images": images,
    }
    if number := await begin(work, file.absolute(), model, mode, options, Decimal(str(most_cost))):
        await go_on(work, number)


@command(app, "status")
async def show_run(
    work: Workspace,
    number: Number,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with the run until it has ended.")] = False,
) -> None:
    """Say how far a run is, and what it has cost."""
    await (go_on if watch else show)(work, number)


@app.command("models")
def list_batch_models() -> None:
    """List the models that batch runs of the service take (--mode batch), as of the catalogue's date."""
    from bot.providers import catalog

    for name in sorted(catalog.BATCH_MODELS):
        typer.echo(f"{name}  sees pictures" if catalog.profile(name).vision else name)
    typer.echo(f"As of {catalog.DATED}; the service says if it takes another one.", err=True)


@command(app, "list")
async def list_runs(work: Workspace) -> None:
    """List the runs, newest first."""
    from bot.storage.tables.batch import NEWEST_RUN

    runs = await work.store.read(lambda tx: tx.all(NEWEST_RUN, bot=work.bot))
    for run in runs:
        line = f"{run.id:>5}  {format_time(run.at)}  {run.state:<9} {run.mode:<5} {run.requests:>9,} requests"
        work.say(f"{line}  {Path(run.source).name}")
    if not runs:
        work.say("There is no run yet: govorun batch run FILE.")


@command(app, "fetch")
async def fetch_answers(
    work: Workspace,
    number: Number,
    to: Annotated[Path, typer.Option("--to", help="The file to write: .jsonl, .csv or .parquet.")],
    bare: Annotated[
        bool, typer.Option("--bare", help="Requests and answers only: the file that was asked is gone.")
    ] = False,
) -> None:
    """Write the rows of the file with their answers into a new file; the other columns come back as they were."""
    from bot.batch.results import write_results

    counts = await write_results(work.store, await find_run(work, number), to, bare=bare)
    ends = ", ".join(f"{counts[end]:,} {end}" for end in ENDS if counts[end])
    work.say(f"{to}: {counts.total():,} rows ({ends})")
    if counts["failed"] or counts["refused"] or counts["missing"]:
        work.say(f"  govorun batch retry {number} asks once more what has no answer")


@command(app, "retry")
async def retry_run(
    work: Workspace,
    number: Number,
    missing: Annotated[bool, typer.Option("--missing", help="Only what is missing, not what has failed.")] = False,
) -> None:
    """Ask once more what has failed, was refused, or is missing."""
    from bot.batch.vendor_runner import least_cost
    from bot.storage.tables.batch import UNFINISHED

    run = await find_run(work, number)
    if run.is_open:
        raise BadInput(f"run {number} has not ended yet")
    # Missing is what has no end, such as a row that the service has left out of its result.
    states = UNFINISHED if missing else ("failed", "refused", *UNFINISHED)
    counts = await work.store.read(lambda tx: tx.batches.count_states(number))
    if not any(counts.get(state) for state in states):
        work.say(f"Nothing is missing in run {number}." if missing else "Every request of this run is answered.")
        return
    await _clean(work, run)
    least = least_cost(work.studio.text(run.model).profile) if run.mode == "batch" else 0

    def again(tx: Tx) -> int:
        count = tx.batches.ask_again(number, states)
        if count:
            held = _reserve(work, tx, number, max(run.estimate * count // max(run.requests, 1), least))
            tx.vendor_runs.begin_attempt(number)
            tx.change(run, state="running", reason="", told=False, held=held)
        return count

    work.say(f"{await work.store.write(again):,} requests are asked again.")
    await go_on(work, number)


@command(app, "cancel")
async def cancel_run(work: Workspace, number: Number) -> None:
    """End a run; what is answered stays."""
    from bot.batch.runner import close_run

    run = await find_run(work, number)
    if not run.is_open:
        raise BadInput(f"run {number} has ended already: {run.state}")
    if run.mode == "batch":
        await _cancel_at_service(work, run)
    await work.store.write(lambda tx: close_run(tx, run, "canceled"))
    work.say(f"Run {number} is canceled; what was answered until then can be fetched.")


@command(app, "forget", yes=TO_PRICES)
async def forget_run(work: Workspace, number: Number) -> None:
    """Delete a run with its requests and answers."""
    run = await find_run(work, number)
    if run.is_open:
        raise BadInput(f"run {number} has not ended yet: govorun batch cancel {number}")
    if work.agree(f"Delete run {number} with its answers?"):
        await _clean(work, run)
        await work.store.write(lambda tx: tx.batches.remove_run(number))
        work.say(f"Run {number} is deleted.")


# --- the beginning of a run -------------------------------------------------------------------------------------------


async def begin(
    work: Workspace, path: Path, model: str, mode: str, options: Mapping[str, Any], most_cost: Decimal = Decimal(0)
) -> int:
    """Plan a run of the file at an absolute path, print what it costs, and ask whether to begin.

    Returns the number of the run, or 0 without agreement. Raises `BadInput` for a file that can't be asked,
    `LimitReached` if the budgets have no room for the price.
    """
    from bot.batch.planning import plan
    from bot.batch.vendor_runner import least_cost
    from bot.billing.pricing import BATCH, LATER, SYNC, millionths
    from bot.providers.catalog import model_that_sees
    from bot.storage.tables.batch import BatchRun

    asked = work.studio.text(model)
    wish, (mode, why) = mode, _choose_mode(work, mode, model, asked.profile.asynchronous)
    await _check_model(work, asked.name, mode)
    most = min(work.settings.max_tokens, asked.profile.max_tokens)
    given = {"max_tokens": most, **{name: value for name, value in options.items() if value not in (None, "")}}
    if "images" in given and not asked.profile.vision:
        raise BadInput(f"{asked.name} sees no pictures: --model {model_that_sees(batch=mode == 'batch')} does")
    now = work.store.clock.time()
    new = BatchRun(bot=work.bot, mode=mode, model=asked.name, source=str(path), options=given, at=now)
    run = (await work.store.write(lambda tx: tx.add(new))).id
    is_begun = False
    try:
        found = await plan(
            work.store,
            run,
            path,
            options=dict(given),
            profile=asked.profile,
            mode={"async": LATER, "batch": BATCH}.get(mode, SYNC),
            tokenizer=work.studio.tokenizer(model),
        )
        if wish == "auto":
            mode, why, found = _choose_cheapest(work, mode, why, found, asked.profile, model)
        elif mode == "batch":
            found = _as_batch(found, asked.profile, Decimal(1))
        work.say(
            f"Run {run}: {found.rows:,} rows, {found.requests:,} different requests, {asked.name}, {mode} ({why}); "
            f"{_format_price(work, found, least_cost(asked.profile) if mode == 'batch' else 0)}."
        )
        if most_cost and found.estimate > millionths(most_cost):
            raise BadInput(f"that may cost more than --most-cost {most_cost:f}; nothing was asked")
        if found.estimate and not work.agree("Go on?"):
            work.say("Nothing was asked.")
            return 0
        await _start(work, run, found, mode)
        is_begun = True
    finally:
        if not is_begun:
            await work.store.write(lambda tx: tx.batches.remove_run(run))
    return run


def _choose_mode(work: Workspace, wish: str, model: str, is_cheap_later: bool) -> tuple[str, str]:
    from bot.batch.vendor.opening import HOW, reads_results

    if wish not in MODES:
        raise BadInput(f"--mode {wish}: auto, sync, async or batch is expected")
    if wish == "batch":
        if not reads_results():  # or it would be paid, and could not be read
            raise BadInput(HOW)
        if not work.studio.batch_uri(model):
            raise BadInput("--mode batch is for open models of AI Studio; YandexGPT has half the price by --mode async")
    if wish == "async" and work.studio.later(model) is None:
        raise BadInput(f"--mode async: {model or 'this model'} answers only at once")
    if wish != "auto":
        return wish, "as ordered"
    return ("async", "half the price, later") if is_cheap_later else ("sync", "this model has no cheaper mode")


def _choose_cheapest(
    work: Workspace, mode: str, why: str, found: Plan, profile: Profile, model: str
) -> tuple[str, str, Plan]:
    """The cheapest mode for what is planned, why it is, and its prices."""
    from bot.batch.vendor.opening import reads_results

    if not work.studio.batch_uri(model):
        return mode, why, found
    if not reads_results():
        return mode, f"{why}; a batch run needs the extras `batch` and `parquet`", found
    batch = _as_batch(found, profile, profile.batch_share)
    price = work.format_price(batch.likely)
    if batch.likely < found.likely:
        return "batch", f"the cheapest, {price} against {work.format_price(found.likely)}", batch
    return mode, f"a batch run would cost at least {price}", found


def _format_price(work: Workspace, found: Plan, least: int) -> str:
    from bot.batch.planning import LIKELY
    from bot.batch.vendor_runner import MINIMUM

    if not found.estimate:
        return "free of charge"
    if found.estimate == least:
        price = work.format_price(least)
        return f"about {price}, the price of {MINIMUM:,} tokens, which a batch run costs at least"
    likely, most = (work.format_price(amount) for amount in (found.likely, found.estimate))
    return f"about {likely} with answers of {LIKELY} tokens, at most {most} (--max-tokens lowers it)"


async def _check_model(work: Workspace, name: str, mode: str) -> None:
    """Raise `BadInput` for a model that the folder has not; what can't be found out now fails later, if at all.

    The list of a folder has no model that only batch runs take.
    """
    from bot.providers import catalog

    bare, tokenizer = catalog.parts(name)[0], work.studio.tokenizer(name)
    if mode == "batch" and bare in catalog.BATCH_MODELS:
        return
    try:
        if bare in {catalog.parts(uri)[0] for uri in await work.studio.list_models()}:
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


async def _start(work: Workspace, run: int, found: Plan, mode: str) -> None:
    from bot.storage.tables.batch import BatchRun, VendorStep

    def start(tx: Tx) -> None:
        if mode == "batch":
            tx.add(VendorStep(run=run, token=secrets.token_hex(8)))
        held = _reserve(work, tx, run, found.estimate)
        planned = {"rows": found.rows, "requests": found.requests, "digest": found.digest, "estimate": found.estimate}
        tx.change_all(BatchRun, {"state": "running", "mode": mode, "held": held, **planned}, id=run)

    await work.store.write(start)


def _reserve(work: Workspace, tx: Tx, run: int, price: int) -> int:
    """Hold back the price of a run. Returns the reservation, 0 without a limit. Raises `LimitReached`."""
    return work.budget.reserve_work(tx, work.bot, f"batch-{run}", price, work.settings.currency, "en")


def _as_batch(found: Plan, profile: Profile, share: Decimal) -> Plan:
    """What is planned, at the price of a batch run: `share` of the price in it, but the least at least."""
    from bot.batch.vendor_runner import least_cost

    least = least_cost(profile)
    likely, most = (max(int(amount * share), least) for amount in (found.likely, found.estimate))
    return replace(found, likely=likely, estimate=most)


def _read_schema(path: Path | None) -> Mapping[str, Any] | None:
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


def _read_system(text: str) -> str:
    """Return the system prompt: the content of the file of this name, else the text itself."""
    path = Path(text)
    if not text or len(text) > 200 or not path.is_file():
        return text
    return path.read_text("utf-8").strip()


# --- until its end ----------------------------------------------------------------------------------------------------


async def go_on(work: Workspace, number: int) -> None:
    """Work on a run until it has ended. If another process works on it, show how far it is, and take over if that
    process dies.
    """
    run = await find_run(work, number)
    watch = _watch(work, run)
    told = False
    while run.state == "running":
        if not await _work_on(work, run, watch):
            if not told:
                work.say(f"Another process works on run {number}; if it stops, this one goes on.")
            told = True
            watch()
            await work.store.clock.sleep(PROGRESS)
        run = await find_run(work, number)
    await show(work, number)


async def _work_on(work: Workspace, run: BatchRun, watch: Callable[[], None]) -> bool:
    """Work on a run until it has ended. False: another process does."""
    from bot.batch.runner import BatchRunner
    from bot.batch.vendor_work import work_on

    model = work.studio.text(run.model)
    if run.mode == "batch":
        return await work_on(
            run, store=work.store, settings=work.settings, http=work.http, studio=work.studio, watch=watch
        )
    later = work.studio.later(run.model) if run.mode == "async" else None
    return await BatchRunner(store=work.store, model=model, later=later, watch=watch).work(run)


def _watch(work: Workspace, run: BatchRun) -> Callable[[], None]:
    from bot.storage.tables.batch import UNFINISHED, VendorStep

    clock, tasks = work.store.clock, set[asyncio.Task[None]]()
    last, before = clock.monotonic(), ""

    async def tell() -> None:
        nonlocal before
        if run.mode == "batch":
            step = await work.store.read(lambda tx: tx.one(VendorStep, run=run.id))
            now = ": ".join(filter(None, (step.state, step.status))) if step else ""
            line, before = f"  {now}" * (now != before), now
        else:
            counts = await work.store.read(lambda tx: tx.batches.count_states(run.id))
            left = sum(counts.get(state, 0) for state in UNFINISHED)
            line = f"{left:,} requests left" * bool(left)
        if line:
            work.say(line)

    def watch() -> None:
        nonlocal last
        if clock.monotonic() - last >= PROGRESS:
            last = clock.monotonic()
            task = asyncio.create_task(tell())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    return watch


async def show(work: Workspace, number: int) -> None:
    """Print the state of a run."""
    from bot.storage.tables.batch import UNFINISHED, BatchRequest, VendorStep

    run = await find_run(work, number)

    def read(tx: Tx) -> tuple[dict[str, int], int, tuple[Usage, int], VendorStep | None]:
        counts, truncated = dict(tx.batches.count_states(number)), tx.count(BatchRequest, run=number, finish="length")
        return counts, truncated, tx.batches.spent(number), tx.one(VendorStep, run=number)

    counts, truncated, (usage, cost), step = await work.store.read(read)
    if truncated:
        counts |= {"answered": counts["answered"] - truncated, "truncated": truncated}
    if not run.is_open:
        counts["missing"] = sum(counts.pop(state, 0) for state in UNFINISHED)
    done = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()) if count) or "nothing asked"
    spent = f"{usage.total:,} tokens, {work.format_price(cost)}"
    work.say(f"Run {number}: {run.state}, {run.model}, {run.mode}; {done}; {spent}.")
    if step is not None and run.state == "running":
        task, status = f", task {step.task}" if step.task else "", f": {step.status}" if step.status else ""
        work.say(f"  {step.state}{task}{status}")
    if run.reason:
        work.say(f"  {run.reason}")
    if run.state == "planned":
        work.say(f"  it is being planned; if what planned it has ended: govorun batch cancel {number}, then run again")
    elif run.state == "running":
        work.say(f"  govorun batch status {number} --watch goes on with it")
    elif counts.get("answered") or truncated:
        work.say(f"  govorun batch fetch {number} --to FILE writes the answers")


async def find_run(work: Workspace, number: int) -> BatchRun:
    """Return a run. Raises `BadInput` if there is none with this number."""
    from bot.storage.tables.batch import BatchRun

    if run := await work.store.read(lambda tx: tx.one(BatchRun, bot=work.bot, id=number)):
        return run
    raise BadInput(f"there is no run {number}: govorun batch list")


async def _cancel_at_service(work: Workspace, run: BatchRun) -> None:
    """End a run at the service, and book the least that it costs if it had begun to work there."""
    from bot.batch.vendor.opening import open_vendor
    from bot.batch.vendor_cleanup import cancel_runs, tidy
    from bot.batch.vendor_runner import book_minimum, least_cost
    from bot.storage.tables.batch import VendorStep

    await work.store.write(lambda tx: tx.vendor_runs.cancel(run))  # first: who works on it ends before the next call
    step = await work.store.read(lambda tx: tx.one(VendorStep, run=run.id))
    if step is None or not step.dataset:
        return
    least = least_cost(work.studio.text(run.model).profile)
    try:
        async with open_vendor(work.settings, work.http, work.store.clock) as vendor:
            if await cancel_runs(vendor, step):
                await work.store.write(lambda tx: book_minimum(tx, run, step, least))
            await tidy(work.store, vendor, step)
    except ModelError as error:
        work.say(f"The service can't be asked now ({error}); the next `govorun batch` or the bot ends it there.")


async def _clean(work: Workspace, run: BatchRun) -> None:
    """Delete what the service has of a run that has ended. Raises `BadInput` where that can't be done now."""
    from bot.batch.vendor.opening import open_vendor
    from bot.batch.vendor_cleanup import remove_datasets, seconds_unsure
    from bot.storage.tables.batch import VendorStep

    step = await work.store.read(lambda tx: tx.one(VendorStep, run=run.id))
    if step is None or step.is_tidy:
        return
    if (left := seconds_unsure(step, work.store.clock.time())) > 0:
        raise BadInput(f"the service may still begin what was asked last: again in {left:.0f} seconds")
    try:
        async with open_vendor(work.settings, work.http, work.store.clock) as vendor:
            await remove_datasets(vendor, step)
    except ModelError as error:
        raise BadInput(f"the datasets of run {run.id} can't be removed at the service now: {error}") from None
