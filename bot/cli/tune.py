"""`govorun tune`: the commands. What they do stands in `tune_work`, which is imported only when one of them runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import TO_ALL, Bot, agree_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.cli.tune_work import NotBetter, TuneCommand

Yes = Annotated[bool, typer.Option("--yes", help=TO_ALL)]
app = typer.Typer(help="Tune a model of AI Studio with your own examples.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="ID", help="The number of a tuning, as `govorun tune list` prints it.")]


@app.command("start")
def start_tuning(
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
    yes: Yes = False,
    bot: Bot = 0,
) -> None:
    """Check the examples, keep some for validation, upload both, and start a tuning (free, 1 to 24 hours)."""
    given = {
        **({"nSamples": str(samples)} if samples else {}), **({"lr": rate} if rate else {}),
        **({"lora": {"rank": str(rank)}} if rank else {}), **({"seed": str(seed)} if seed else {}),
    }  # fmt: skip
    if (data is None) == (from_batch == 0):
        raise typer.BadParameter("either --data FILE or --from-batch ID is needed")

    def begin(command: TuneCommand) -> Awaitable[None]:
        if data is None:
            return command.start_from_batch(from_batch, base, name, given)
        return command.start(data, base, name, given)

    _work(bot, begin, yes=yes)


@app.command("status")
def show_tuning(
    number: Number,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until it has ended.")] = False,
    bot: Bot = 0,
) -> None:
    """Say how far a tuning is."""
    _work(bot, lambda command: command.show(number, watch=watch))


@app.command("list")
def list_tunings(bot: Bot = 0) -> None:
    """List the tunings, newest first."""
    _work(bot, lambda command: command.show_all())


@app.command("cancel")
def cancel_tuning(number: Number, bot: Bot = 0) -> None:
    """End a tuning."""
    _work(bot, lambda command: command.cancel(number))


@app.command("metrics")
def show_metrics(
    number: Number,
    png: Annotated[Path | None, typer.Option(help="Also draw them into this file.")] = None,
    bot: Bot = 0,
) -> None:
    """Show the losses of a tuning."""
    _work(bot, lambda command: command.metrics(number, png))


@app.command("archive")
def archive_tuning(number: Number, yes: Yes = False, bot: Bot = 0) -> None:
    """Put a tuned model away for good: nobody can use it any more."""
    _work(bot, lambda command: command.archive(number), yes=yes)


@app.command("compare")
def compare_tuning(number: Number, yes: Yes = False, bot: Bot = 0) -> None:
    """Compare a tuned model with its base on cases of your own that were not in its data."""
    _work(bot, lambda command: command.compare(number), yes=yes)


@app.command("use")
def use_tuning(
    number: Number,
    env: Annotated[Path, typer.Option(help="The file of settings whose MODELS gets the model.")] = Path(".env"),
    file: Annotated[Path, typer.Option(help="classifier: the file with the topics.")] = Path("routing.toml"),
    uncompared: Annotated[bool, typer.Option("--uncompared", help="Use it without a comparison.")] = False,
    not_better: Annotated[
        bool, typer.Option("--though-not-better", help="Use it although its comparison says that it is not better.")
    ] = False,
    yes: Yes = False,
    bot: Bot = 0,
) -> None:
    """Take a tuned model into use: MODELS and a persona with its system prompt, or routing.toml.

    --yes does not use a model that is not better on your own cases: that takes --though-not-better.
    """
    otherwise: NotBetter = "use" if not_better else "refuse" if yes else "ask"
    _work(bot, lambda command: command.use(number, env, file, uncompared=uncompared, not_better=otherwise), yes=yes)


@app.command("drop")
def drop_tuning(number: Number, bot: Bot = 0) -> None:
    """Stop using a tuned model: take it out of MODELS and remove its persona, or restore routing.toml."""
    _work(bot, lambda command: command.drop(number))


def _work(bot: int, work: Callable[[TuneCommand], Awaitable[bool | None]], *, yes: bool = False) -> None:
    """Do something with the tunings of a bot; `yes` agrees to everything that is asked. What returns False has been
    refused: the exit code is 1.
    """
    from bot.cli import tune_work
    from bot.config import multi_bot
    from bot.config.settings import load

    settings = load()
    number = multi_bot.one_of(settings, bot)

    async def run() -> bool | None:
        agree = agree_to(all_=yes)
        async with tune_work.opened(settings, number, typer.echo, agree) as command:
            return await work(command)

    if asyncio.run(run()) is False:
        raise typer.Exit(1)
