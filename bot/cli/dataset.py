"""`govorun dataset`: the commands. What they do stands in `dataset_work`, which is imported when one of them runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.terminal import TO_ALL, Bot, agree_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.cli.dataset_work import DatasetCommand

Yes = Annotated[bool, typer.Option("--yes", help=TO_ALL)]
app = typer.Typer(help="Datasets of AI Studio: check, upload, export what the bot has learned.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="Rows: .jsonl, .csv, .tsv or .parquet.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a dataset, as `govorun dataset list` prints it.")]
Type = Annotated[
    str,
    typer.Option(
        "--type",
        help="requests, pairs, pictures, multiclass, multilabel, embedding-pairs or triplets; none: by the first row.",
    ),
]


@app.command("list")
def list_datasets(bot: Bot = 0) -> None:
    """List the datasets of the folder, newest first, and how full it is."""
    _work(bot, lambda command: command.show_all())


@app.command("show")
def show_dataset(dataset: Id, bot: Bot = 0) -> None:
    """Show a dataset, and what is wrong with it if anything is."""
    _work(bot, lambda command: command.show(dataset))


@app.command("validate")
def validate_file(file: File, kind: Type = "") -> None:
    """Check a file by the vendor's limits, without a network: each mistake with its line and what helps."""
    from bot.cli import dataset_work

    dataset_work.validate(file, kind, typer.echo)


@app.command("upload")
def upload_file(
    file: File,
    kind: Type = "",
    name: Annotated[str, typer.Option(help="What it is called; if not given, as the file.")] = "",
    bot: Bot = 0,
) -> None:
    """Check a file, upload it, and wait until the service has checked it."""
    _work(bot, lambda command: command.upload(file, kind, name))


@app.command("download")
def download_dataset(
    dataset: Id,
    to: Annotated[Path, typer.Option("--to", help="The file to write: .jsonl, .csv or .parquet.")],
    bot: Bot = 0,
) -> None:
    """Write a dataset into a new file."""
    _work(bot, lambda command: command.download(dataset, to))


@app.command("remove")
def remove_dataset(dataset: Id, yes: Yes = False, bot: Bot = 0) -> None:
    """Delete a dataset at the service."""
    _work(bot, lambda command: command.remove(dataset), yes=yes)


@app.command("export")
def export_rows(
    source: Annotated[str, typer.Argument(help="liked, drafts, topics or learned.")],
    to: Annotated[Path, typer.Option("--to", help="The file to write: .jsonl.")],
    agreed: Annotated[
        str, typer.Option(help="liked, drafts: ids of the chats whose people have agreed, with commas, or all.")
    ] = "",
    file: Annotated[Path, typer.Option(help="topics: the file with the topics.")] = Path("routing.toml"),
    bot: Bot = 0,
) -> None:
    """Write what the bot has learned as rows to tune with, without names and numbers; a list says what was masked."""
    from bot.cli import dataset_work

    asyncio.run(dataset_work.export(source, to, agreed, file, bot, typer.echo))


def _work(bot: int, work: Callable[[DatasetCommand], Awaitable[None]], *, yes: bool = False) -> None:
    """Do something with the datasets; `yes` agrees to everything that is asked."""
    from bot.cli import dataset_work
    from bot.config import multi_bot
    from bot.config.settings import load

    settings = load()
    number = multi_bot.one_of(settings, bot)

    async def run() -> None:
        agree = agree_to(all_=yes)
        async with dataset_work.opened(settings, number, typer.echo, agree) as command:
            await work(command)

    asyncio.run(run())
