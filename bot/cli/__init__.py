"""The commands of `govorun` and their options (typer); `__main__.py` runs them.

Only what a command needs is imported, and only when it runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bot.app import app_option, chosen_app, new_project, run_command
from bot.cli import batch, database, dataset, desk, doctor, eval, kb, models, topics, tune
from bot.errors import BadInput
from bot.ports import ProcessRole

app = typer.Typer(
    help="Govorun: a chatbot on Yandex AI Studio for Telegram.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def govorun(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version and end.")] = False,
) -> None:
    """Govorun: a chatbot on Yandex AI Studio for Telegram."""
    if version:
        from bot import __version__

        typer.echo(f"govorun {__version__}")
        raise typer.Exit


def print_texts() -> None:
    """Print all sentences of the bot in English as TOML, to be translated for App(texts=...)."""
    from bot.texts.added import template

    typer.echo(template(), nl=False)


def run_bot(
    role: Annotated[
        ProcessRole,
        typer.Option(
            help="What this process does: all; or with PostgreSQL take updates (webhook) or work on them (worker)."
        ),
    ] = ProcessRole.ALL,
) -> None:
    """Run the bot on Telegram (BOT_TOKEN, YC_API_KEY and YC_FOLDER_ID from the environment or .env)."""
    run_command.run(role)


def run_sandbox(
    port: Annotated[int | None, typer.Option(help="Port of the page; a free one when not given.")] = None,
    directory: Annotated[
        Path, typer.Option(help="Folder for the chats and the bot's database; only your user can read it.")
    ] = Path(".govorun"),
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start your bot again whenever a file of this folder changes.")
    ] = False,
    only: Annotated[str, typer.Option(help="Start one server alone, without a bot: telegram, ai_studio or page.")] = "",
) -> None:
    """Try the bot with no account: Telegram and AI Studio on this machine, and a chat page in the browser."""
    from bot.sandbox import main as command

    place = chosen_app.place()
    if reload and not place:
        raise BadInput("--reload is for a bot of your own: govorun sandbox --reload --app mybot.py")
    bot = [sys.executable, "-P", "-m", "govorun", "run", "--app", place] if place else []
    watched = Path() if reload else None
    asyncio.run(command.serve(directory, port, browser=browser, bot=bot, watched=watched, only=only))


COMMANDS: dict[str, Callable[..., None]] = {
    "new": new_project.new,
    "init": new_project.init,
    "texts": print_texts,
    "eval": eval.evaluate_cases,
    "run": run_bot,
    "sandbox": run_sandbox,
    "migrate": database.migrate,
    "backup": database.backup,
    "restore": database.restore,
    "verify": database.verify,
    "move": database.move,
    "feedback": database.print_feedback,
    "personas": database.show_personas,
    "audit": database.print_audit,
    "log": database.explain_failure,
    "doctor": doctor.examine,
}
GROUPS = {
    "models": models.app,
    "kb": kb.app,
    "topics": topics.app,
    "desk": desk.app,
    "batch": batch.app,
    "dataset": dataset.app,
    "tune": tune.app,
}
for name, function in COMMANDS.items():
    app.command(name)(function)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
app_option.add_option(app, without=("new", "init", "texts", "models fetch"))
