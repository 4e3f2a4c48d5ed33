"""The command line of `govorun batch`. The work is in `runs`, which is imported only when a command runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import Bot, agree_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.cli.runs import BatchCommand

app = typer.Typer(help="Ask a model thousands of questions: a file goes in, a file comes out.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="ID", help="The number of a run, as `govorun batch list` prints it.")]
YES = typer.Option(False, "--yes", help="Agree to prices without being asked (for cron).")


@app.command("run")
def run_file(
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
    yes: bool = YES,
    bot: Bot = 0,
) -> None:
    """Ask a model every question of a file. What it costs at most is said before the first one is asked."""
    from bot.cli import runs

    options = {
        "column": column, "system": runs.read_system(system), "schema": runs.read_schema(schema),
        "temperature": temperature, "max_tokens": max_tokens, "images": images,
    }  # fmt: skip
    cost = Decimal(str(most_cost))
    _work(bot, lambda command: command.run(file.absolute(), model, mode, options, cost), yes=yes)


@app.command("status")
def show_run(
    number: Number,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with the run until it has ended.")] = False,
    bot: Bot = 0,
) -> None:
    """Say how far a run is, and what it has cost."""
    _work(bot, lambda command: command.go_on(number) if watch else command.show(number))


@app.command("models")
def list_batch_models() -> None:
    """List the models that batch runs of the service take (--mode batch), as of the catalogue's date."""
    from bot.providers import catalog

    for name in sorted(catalog.BATCH_MODELS):
        typer.echo(f"{name}  sees pictures" if catalog.profile(name).vision else name)
    typer.echo(f"As of {catalog.DATED}; the service says if it takes another one.", err=True)


@app.command("list")
def list_runs(bot: Bot = 0) -> None:
    """List the runs, newest first."""
    _work(bot, lambda command: command.show_all())


@app.command("fetch")
def fetch_answers(
    number: Number,
    to: Annotated[Path, typer.Option("--to", help="The file to write: .jsonl, .csv or .parquet.")],
    bare: Annotated[
        bool, typer.Option("--bare", help="Requests and answers only: the file that was asked is gone.")
    ] = False,
    bot: Bot = 0,
) -> None:
    """Write the rows of the file with their answers into a new file; the other columns come back as they were."""
    _work(bot, lambda command: command.fetch(number, to, bare=bare))


@app.command("retry")
def retry_run(
    number: Number,
    missing: Annotated[bool, typer.Option("--missing", help="Only what is missing, not what has failed.")] = False,
    bot: Bot = 0,
) -> None:
    """Ask once more what has failed, was refused, or is missing."""
    _work(bot, lambda command: command.retry(number, missing=missing))


@app.command("cancel")
def cancel_run(number: Number, bot: Bot = 0) -> None:
    """End a run; what is answered stays."""
    _work(bot, lambda command: command.cancel(number))


@app.command("forget")
def forget_run(number: Number, yes: bool = YES, bot: Bot = 0) -> None:
    """Delete a run with its requests and answers."""
    _work(bot, lambda command: command.forget(number), yes=yes)


def _work(bot: int, work: Callable[[BatchCommand], Awaitable[None]], *, yes: bool = False) -> None:
    """Do something with the runs of a bot; `yes` agrees to everything that is asked."""
    from bot.cli import runs
    from bot.config import multi_bot
    from bot.config.settings import load

    settings = load()
    number = multi_bot.one_of(settings, bot)

    async def run() -> None:
        agree = agree_to(all_=yes)
        async with runs.opened(settings, number, typer.echo, agree) as command:
            await work(command)

    asyncio.run(run())
