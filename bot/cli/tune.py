"""`govorun tune`: tunes models of AI Studio with examples, compares them, and takes them into use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.dataset import describe, open_datasets
from bot.cli.terminal import TO_ALL, command, format_time
from bot.errors import BadInput, ModelRefused

if TYPE_CHECKING:
    from bot.batch.tuning import TuningWork, Verdict
    from bot.runtime.opening import Workspace
    from bot.storage.tables.batch import StoredTuning

app = typer.Typer(help="Tune a model of AI Studio with your own examples.", no_args_is_help=True)

PAUSE = 30.0  # seconds between two looks
NOT_BETTER = "The tuned model is not better on your own cases: {}"
Number = Annotated[int, typer.Argument(metavar="ID", help="The number of a tuning, as `govorun tune list` prints it.")]


@asynccontextmanager
async def open_tunings(work: Workspace) -> AsyncIterator[TuningWork]:
    """Open the tunings of a bot. Raises as `open_datasets`."""
    from bot.batch.tuning import TuningWork

    async with open_datasets(work) as datasets:
        yield TuningWork(store=work.store, vendor=datasets.vendor, datasets=datasets, bot=work.bot)


# --- a tuning ---------------------------------------------------------------------------------------------------------


@command(app, "start", yes=TO_ALL)
async def start_tuning(
    work: Workspace,
    base: Annotated[str, typer.Option(help="yandexgpt-lite, classifier, embeddings, or a whole URI.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="The examples: govorun dataset export writes such files.")
    ] = None,
    from_batch: Annotated[
        int, typer.Option(metavar="ID", help="Instead of --data: the answers of this batch run.")
    ] = 0,
    name: Annotated[str, typer.Option(help="What it is called, in Latin letters; if not given, as the file.")] = "",
    samples: Annotated[
        int, typer.Option(min=0, help="How many examples are shown in all; 0: the service decides.")
    ] = 0,
    rate: Annotated[float, typer.Option(min=0.0, help="Learning rate; 0: the service decides.")] = 0.0,
    rank: Annotated[int, typer.Option(min=0, help="Rank of LoRA; 0: the service decides.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of chance; 0: the service decides.")] = 0,
) -> None:
    """Check the examples, keep some for validation, upload both, and start a tuning (free, 1 to 24 hours)."""
    if (data is None) == (from_batch == 0):
        raise typer.BadParameter("either --data FILE or --from-batch ID is needed")
    given: dict[str, Any] = {
        **({"nSamples": str(samples)} if samples else {}),
        **({"lr": rate} if rate else {}),
        **({"lora": {"rank": str(rank)}} if rank else {}),
        **({"seed": str(seed)} if seed else {}),
    }
    data = data or await _write_answers(work, from_batch)
    async with open_tunings(work) as tunings:
        plan, checked = tunings.check(data, base)
        for line in describe(checked):
            work.say(line)
        if not work.agree(f"Tune {plan.base} with {checked.rows:,} examples (free; 1 to 24 hours)?"):
            work.say("Nothing was started.")
            return
        number = await tunings.start(data, plan, checked, name or data.stem, given)
    await show_tuning(work, number)
    work.say(f"  govorun tune status {number} --watch waits for it")


async def _write_answers(work: Workspace, run: int) -> Path:
    """Write the answers of a batch run as examples beside its file. Raises `BadInput` for a run that is unknown, goes
    on, or has no answers.
    """
    from bot.batch.exports import answered, lines_of
    from bot.batch.results import write_rows
    from bot.storage.tables.batch import BatchRun

    found = await work.store.read(lambda tx: tx.one(BatchRun, bot=work.bot, id=run))
    if found is None:
        raise BadInput(f"there is no run {run}: govorun batch list")
    if found.state in ("planned", "running"):
        raise BadInput(f"run {run} goes on: govorun batch status {run}")
    export = await work.store.read(lambda tx: answered(tx.batches.iterate_requests(run)))
    for reason, number in export.left_out.items():
        work.say(f"  left out: {number:,} {reason}")
    if not export.rows:
        raise BadInput(f"run {run} has no answers to learn from")
    data = Path(found.source).with_name(f"batch-{run}.jsonl")
    if not data.exists() or data.read_bytes() != lines_of(export.rows):
        write_rows(data, export.rows)
    work.say(f"  {data}: {len(export.rows):,} examples")
    return data


@command(app, "status")
async def show_tuning(
    work: Workspace,
    number: Number,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until it has ended.")] = False,
) -> None:
    """Say how far a tuning is."""
    from bot.batch.tuning import OVER

    shown = ""
    async with open_tunings(work) as tunings:
        while True:
            found = await tunings.refresh(await tunings.find(number))
            if (line := _line(found)) != shown:
                work.say(line)
            shown = line
            if not watch or found.state in OVER:
                break
            await work.clock.sleep(PAUSE)
        if found.target:
            work.say(f"  {found.target}")
        if found.state == "failed" and found.task:
            for reason in await tunings.vendor.tuning_errors(found.task):
                work.say(f"  {reason}")


@command(app, "list")
async def list_tunings(work: Workspace) -> None:
    """List the tunings, newest first."""
    from bot.batch.tuning import OVER
    from bot.storage.tables.batch import NEWEST_TUNING

    found = await work.store.read(lambda tx: tx.all(NEWEST_TUNING, bot=work.bot))
    ours = {one.task for one in found}
    async with open_tunings(work) as tunings:
        for one in found:
            work.say(_line(one if one.state in OVER else await tunings.refresh(one)))
        for other in await tunings.vendor.list_tunings():
            if other.id not in ours:
                work.say(f"    -  {other.status:<12} {other.name}  {other.base}  task {other.id} (begun elsewhere)")
    if not found:
        work.say("There is no tuning yet: govorun tune start --data FILE --base yandexgpt-lite.")


@command(app, "cancel")
async def cancel_tuning(work: Workspace, number: Number) -> None:
    """End a tuning."""
    async with open_tunings(work) as tunings:
        tuning = await tunings.find(number)
        try:
            await tunings.vendor.cancel_tuning(tuning.task)
        except ModelRefused as error:
            raise BadInput(f"tuning {number} can't be canceled: {error}") from None
    await show_tuning(work, number)


@command(app, "metrics")
async def show_metrics(
    work: Workspace,
    number: Number,
    png: Annotated[Path | None, typer.Option(help="Also draw them into this file.")] = None,
) -> None:
    """Show the losses of a tuning."""
    from bot.batch.losses import text_chart, write_chart

    async with open_tunings(work) as tunings:
        losses = await tunings.losses(await tunings.find(number))
    for line in text_chart(losses):
        work.say(line)
    if png is not None:
        write_chart(losses, png)
        work.say(f"{png}: drawn")


@command(app, "archive", yes=TO_ALL)
async def archive_tuning(work: Workspace, number: Number) -> None:
    """Put a tuned model away for good: nobody can use it any more."""
    async with open_tunings(work) as tunings:
        tuning = await tunings.find(number)
        if tuning.before:
            raise BadInput(f"tuning {number} is in use: govorun tune drop {number}")
        if not work.agree(f"Archive {tuning.name}? Nobody can use {tuning.target} any more."):
            return
        try:
            await tunings.vendor.archive_tuning(tuning.task)
        except ModelRefused as error:
            raise BadInput(f"tuning {number} can't be archived: {error}") from None
    await show_tuning(work, number)


def _line(one: StoredTuning) -> str:
    used = ", in use" if one.before else ""
    task = f"task {one.task or '-'}{used}"
    return f"{one.id:>5}  {format_time(one.at)}  {one.state:<12} {one.name}  {one.base}  {task}"


# --- a tuned model ----------------------------------------------------------------------------------------------------


@command(app, "compare", yes=TO_ALL)
async def compare_tuning(work: Workspace, number: Number) -> None:
    """Compare a tuned model with its base on cases of your own that were not in its data."""
    from bot.cli import tune_compare

    async with open_tunings(work) as tunings:
        tuning = await _find_completed(tunings, number)
        verdict = await tune_compare.compare(work.settings, tunings, tuning, work.say, work.agree)
    if verdict is None:
        work.say("Nothing was asked.")
    else:
        await keep_verdict(work, number, verdict)


async def keep_verdict(work: Workspace, number: int, verdict: Verdict) -> None:
    """Keep what has come of a comparison, and print it: first the sentence that decides."""
    from bot.batch.tuning import BETTER
    from bot.storage.tables.batch import StoredTuning

    found = verdict.sentence
    await work.store.write(lambda tx: tx.change_all(StoredTuning, {"verdict": found[:200]}, id=number))
    work.say(found if found.startswith(BETTER) else NOT_BETTER.format(found))
    for line in verdict.differences:
        work.say(line)


@command(app, "use")
async def use_tuning(
    work: Workspace,
    number: Number,
    env: Annotated[Path, typer.Option(help="The file of settings whose MODELS gets the model.")] = Path(".env"),
    file: Annotated[Path, typer.Option(help="classifier: the file with the topics.")] = Path("routing.toml"),
    uncompared: Annotated[bool, typer.Option("--uncompared", help="Use it without a comparison.")] = False,
    though_not_better: Annotated[
        bool, typer.Option("--though-not-better", help="Use it although its comparison says that it is not better.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help=TO_ALL)] = False,
) -> bool:
    """Take a tuned model into use: MODELS and a persona with its system prompt, or routing.toml.

    --yes does not use a model that is not better on your own cases: that takes --though-not-better.
    """
    from bot.batch.tuned_models import embedding_row, use_classifier, use_model
    from bot.batch.tuning import BETTER

    async with open_tunings(work) as tunings:
        tuning = await _find_completed(tunings, number)
    if tuning.before:
        raise BadInput(f"tuning {number} is in use already")
    if not tuning.verdict and not uncompared:
        raise BadInput(f"whether it is better was not tried: govorun tune compare {number}, or --uncompared")
    if tuning.verdict and not tuning.verdict.startswith(BETTER):
        work.say(NOT_BETTER.format(tuning.verdict))
        if yes and not though_not_better:
            work.say("--yes does not use it; --though-not-better does.")
            return False
        if not though_not_better and not work.agree("Use it all the same?"):
            return True
    scheme = tuning.target.partition("://")[0]
    if scheme == "emb":
        work.say("Add this to the settings, and EMBEDDINGS with its name:")
        work.say(embedding_row(tuning, work.settings.yc_openai_url))
        return True
    before = (
        use_classifier(tuning, file, work.say)
        if scheme == "cls"
        else use_model(tuning, env, work.settings.prompts_dir, work.say)
    )
    await work.store.write(lambda tx: tx.change(tuning, before=before))
    return True


@command(app, "drop")
async def drop_tuning(work: Workspace, number: Number) -> None:
    """Stop using a tuned model: take it out of MODELS and remove its persona, or restore routing.toml."""
    from bot.batch.tuned_models import drop_model

    async with open_tunings(work) as tunings:
        tuning = await tunings.find(number)
    drop_model(tuning, work.say)
    await work.store.write(lambda tx: tx.change(tuning, before=""))


async def _find_completed(tunings: TuningWork, number: int) -> StoredTuning:
    tuning = await tunings.refresh(await tunings.find(number))
    if tuning.state != "completed" or not tuning.target:
        raise BadInput(f"tuning {number} is {tuning.state}, not completed")
    return tuning
