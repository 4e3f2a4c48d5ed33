"""The command `govorun`. Only what a command needs is imported, and only when it runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.errors import BotError, ConfigError

if TYPE_CHECKING:
    from bot.doctor.finding import Finding
    from bot.types import Profile

app = typer.Typer(
    help="Govorun: a chatbot on Yandex AI Studio for Telegram.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models = typer.Typer(help="Models: which there are, and local ones for the sandbox.", no_args_is_help=True)
app.add_typer(models, name="models")


@app.command()
def run() -> None:
    """Run the bot on Telegram (BOT_TOKEN, YC_API_KEY and YC_FOLDER_ID from the environment or .env)."""
    from bot import logs, running
    from bot.settings import load, require

    settings = load()
    try:
        require(settings)
    except ConfigError as error:
        raise ConfigError(f"{error}\nTo try the bot without any account: govorun sandbox") from None
    logs.configure(settings.log_level, settings.secrets())
    asyncio.run(running.serve(settings))


@app.command()
def sandbox(
    port: int | None = typer.Option(None, help="Port of the page; a free one when not given."),
    directory: Path = typer.Option(Path(".govorun"), help="Where the chats and the bot's database are kept."),
    browser: bool = typer.Option(True, help="Open the page in the browser."),
) -> None:
    """Try the bot with no account: Telegram and AI Studio on this machine, and a chat page in the browser."""
    from bot.sandbox import command

    asyncio.run(command.serve(directory, port, browser=browser))


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema (`run` does this by itself)."""
    from bot.settings import load
    from bot.storage import schema

    asyncio.run(schema.upgrade(load().database_url))
    typer.echo(f"The database has schema {schema.HEAD}.")


@app.command()
def doctor() -> None:
    """Ask everything that the bot needs, for real, and say what to do about what is wrong (exit code 1 if it is)."""
    from bot import logs
    from bot.doctor.examination import examine
    from bot.doctor.machine import unreadable
    from bot.settings import load

    async def failures() -> list[Finding]:
        return [finding async for finding in examine(settings) if _tell(finding)]

    try:
        settings = load()
    except ConfigError as error:
        sys.exit(1 if [finding for finding in unreadable(error) if _tell(finding)] else 0)
    logs.configure("ERROR", settings.secrets())
    sys.exit(1 if asyncio.run(failures()) else 0)


def _tell(finding: Finding) -> bool:
    """Print it, in colours on a terminal only. True for a failure."""
    verdict = typer.style(f"{finding.verdict:<4}", fg=COLOURS[finding.verdict])
    typer.echo(f"{verdict}  {finding.leg:<9}  {finding.text}")
    if finding.advice:
        typer.echo(f"{'':17}{finding.advice}")
    return finding.verdict == "FAIL"


@models.command("list")
def list_models() -> None:
    """The models to choose from: what AI Studio offers your folder, or without a key what Govorun knows."""
    from bot.models import catalog
    from bot.models.yandex.offered import offered
    from bot.settings import load

    names = asyncio.run(offered(load()))
    if names is None:
        typer.echo("No key is set, so these are the models that Govorun knows:", err=True)
        names = list(catalog.PROFILES)
    for name in names:
        typer.echo(f"{name:<50}  {_abilities(catalog.profile(name))}".rstrip())


@models.command()
def fetch(
    name: str = typer.Argument(help="A name (qwen-0.5b, qwen-1.5b), the URL of a GGUF file, or such a file."),
    directory: Path = typer.Option(Path(".govorun/models"), help="Where it is kept; the sandbox looks here."),
) -> None:
    """Download a language model for the sandbox and check it. Goes on where an earlier try ended."""
    from bot.models import weights

    typer.echo(weights.fetch(name, directory, weights.print_progress))


def _abilities(profile: Profile) -> str:
    """What is known of a model; nothing of one without a row in the catalog."""
    from bot.types import Profile

    if profile == Profile():
        return ""
    return f"{profile.window:>9,} tokens" + ("" if profile.native else "; not in the native API, which Govorun uses")


def main() -> None:
    """The entry point: errors of ours end in their sentence, not in a traceback."""
    try:
        app()
    except BotError as error:
        typer.echo(f"govorun: {error}", err=True)
        sys.exit(2)


COLOURS = {"ok": "green", "warn": "yellow", "FAIL": "red"}
