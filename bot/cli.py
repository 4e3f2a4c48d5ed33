"""The command `govorun`. Only what a command needs is imported, and only when it runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer

from bot.errors import BotError, ConfigError

app = typer.Typer(
    help="Govorun: a chatbot on Yandex AI Studio for Telegram.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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


def main() -> None:
    """The entry point: errors of ours end in their sentence, not in a traceback."""
    try:
        app(standalone_mode=False)
    except typer.Exit as exit_:
        sys.exit(exit_.exit_code)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except BotError as error:
        typer.echo(f"govorun: {error}", err=True)
        sys.exit(2)
