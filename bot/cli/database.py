"""The commands about the database: its schema, its copies, and what it has recorded of people and answers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.app import chosen_app
from bot.cli.terminal import Bots
from bot.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from bot.config.settings import Settings

MAX_LISTED = 20  # failures
SANDBOX = Path(".govorun", "govorun.db")  # the database of a sandbox that was started in this folder


# --- the schema and copies --------------------------------------------------------------------------------------------


def migrate() -> None:
    """Bring the database to the newest schema (`run` does this by itself, and makes a database if there is none)."""
    from bot.storage.engines.sqlite_files import alone
    from bot.storage.maintenance import migrations

    url = _check_existing(_settings().database_url)
    with alone(url):  # PostgreSQL has a lock of its own for a migration
        revision, done = asyncio.run(migrations.upgrade(url)), list[str]()
        if (chosen := chosen_app.find_app()) is not None and (
            own := chosen.extension.program.data
        ).metadata is not None:
            from bot.runtime.optional import own_tables

            done = asyncio.run(own_tables.upgrade(url, own))
    typer.echo(f"The database has schema {revision}.")
    for line in done:
        typer.echo(f"Your tables: {line}.")


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(help="The file to write; if not given, one beside the database, named after the time."),
    ] = None,
    without_knowledge: Annotated[
        bool,
        typer.Option("--without-knowledge", help="Leave out what the knowledge base can read again from its sources."),
    ] = False,
) -> None:
    """Copy the database while the bot runs, and check the copy."""
    from bot.storage.maintenance import backup_command

    settings = _settings()
    if not without_knowledge:
        typer.echo(f"{backup_command.save(settings.database_url, file)} is a sound copy of the database.")
        return
    sent = settings.knowledge_cache / "files"
    saved, left_out = backup_command.save_without_knowledge(settings.database_url, file, sent)
    typer.echo(f"{saved} is a sound copy of the database.")
    typer.echo(
        f"Left out are {left_out.passages} passages of {', '.join(left_out.sources) or 'no source'}. After a restore "
        "the bot reads those sources that it reads by itself; all others: govorun kb sync."
    )


def restore(file: Annotated[Path, typer.Argument(help="A copy that `govorun backup` has made.")]) -> None:
    """Replace the database by a copy, after checking the copy. Stop the bot first; the replaced database is kept."""
    from bot.storage.maintenance import backup_command

    kept = backup_command.restore(_settings().database_url, file)
    typer.echo(f"{file} is the database now." + (f" The one before is kept as {kept}." if kept else ""))


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="A copy of the database; the database itself if not given.")
    ] = None,
) -> None:
    """Check every page, index and link of a database, and list its unfinished work (exit code 1 if it is damaged)."""
    from bot.storage.maintenance import backup_command

    url = _settings().database_url
    lines = list(backup_command.verify(url if file else _check_existing(url), file))
    for good, line in lines:
        typer.echo(f"{typer.style('ok  ', fg='green') if good else typer.style('FAIL', fg='red')}  {line}")
    sys.exit(0 if all(good for good, _ in lines) else 1)


def move(
    to: Annotated[
        str,
        typer.Option(
            help="The new database, postgresql://user:password@host/name, without other rows; MOVE_TO if not given."
        ),
    ] = "",
) -> None:
    """Copy the SQLite database into PostgreSQL and compare every row. Stop the bot first; the file stays as it is."""
    from bot.storage.maintenance import sqlite_to_postgres

    settings = _settings()
    target = _choose_destination(to, settings.move_to.get_secret_value())
    own = chosen.extension.program.data.metadata if (chosen := chosen_app.find_app()) is not None else None
    moved = asyncio.run(sqlite_to_postgres.move(settings.database_url, target, own))
    for table, rows in moved.rows.items():
        typer.echo(f"{rows:>9,}  {table}")
    typer.echo("Every row was there already." if moved.before else "Every row is there. Now set DATABASE_URL to it.")


def _choose_destination(argument: str, setting: str) -> str:
    """Where the database moves to; if neither argument nor setting says it, ask on a terminal without echo. Raises
    `BadInput`.
    """
    from bot.config.settings import database_address
    from bot.config.validators import passwords

    if argument and passwords(database_address(argument)):
        typer.echo(
            "govorun: an argument can be read by everybody on this machine (ps) and stays in the shell's history; "
            "a password is safer in MOVE_TO, or typed when asked (without --to)",
            err=True,
        )
    if found := argument or setting:
        return found
    if not sys.stdin.isatty():
        raise BadInput(
            "where to? Set MOVE_TO to postgresql://user:password@host/name, or run this on a terminal, which asks"
        )
    typed: str = typer.prompt("Where to, as postgresql://user:password@host/name (not shown)", hide_input=True)
    return database_address(typed.strip())


def _settings() -> Settings:
    from bot.config.settings import load

    return load()


def _check_existing(url: str) -> str:
    """Return the address of a database, checked that a database is there. Raises `ConfigError`."""
    from bot.storage.engines.sqlite_files import path_of
    from bot.storage.engines.urls import is_sqlite

    if is_sqlite(url) and ((path := path_of(url)) is None or not path.exists()):
        raise ConfigError(f"DATABASE_URL: there is no database {path or url}; govorun run makes it at its first start")
    return url


# --- what is recorded -------------------------------------------------------------------------------------------------


def print_feedback(bot: Bots = 0) -> None:
    """Print what people thought of answers, one JSON object a line, with prompt, answer, model and sources."""
    from bot.storage.repositories.messages import export_judgements

    for row in export_judgements(*_recorded(_settings(), bot)):
        typer.echo(json.dumps(row, ensure_ascii=False))


def show_personas(
    version: Annotated[str, typer.Argument(help="A version, such as teacher@1a2b3c4d: print its file.")] = "",
    put_back: Annotated[
        bool,
        typer.Option("--put-back", help="Put the version back into PROMPTS_DIR; the file that stands there is kept."),
    ] = False,
    bot: Bots = 0,
) -> None:
    """List the versions of personas that have answered, with their answers, 👍 and 👎; print one, or put it back."""
    from bot.prompts.library import Library, put_back_persona
    from bot.storage.repositories.prompts import read_versions

    settings = _settings()
    found = list(read_versions(*_recorded(settings, bot)))
    if not version:
        library = Library(settings.prompts_dir, settings.system_prompt)
        for one in found:
            mark = "now" if one.label == library.persona(one.key).label else ""
            typer.echo(f"{mark:<3}  {one.line}")
        return
    text = next((one.text for one in found if one.label == version), None)
    if text is None:
        raise BadInput(f"no answer was written with {version}; govorun personas lists the versions")
    if not put_back:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    typer.echo(put_back_persona(settings.prompts_dir, version.partition("@")[0], text))


def print_audit(bot: Bots = 0) -> None:
    """Print the audit log, one JSON object a line: what owners and administrators did, when, and to whom."""
    from bot.storage.repositories.members import exported

    for row in exported(*_recorded(_settings(), bot)):
        typer.echo(json.dumps(row, ensure_ascii=False))


def explain_failure(
    code: Annotated[str, typer.Argument(help="The code that a user was told; if not given, the last failures.")] = "",
) -> None:
    """Explain a failure by the code that a user was told: what, where, why, and what to do about it."""
    from bot.storage.engines.sqlite_files import home
    from bot.telemetry.incidents import beside, explain, path_beside, read_incidents

    own, sandbox = path_beside(home(_settings().database_url)), beside(SANDBOX)
    places = [own, sandbox] if own else [sandbox]
    known = {place: list(read_incidents(place)) for place in places}
    if not code:
        place = next((place for place in places if place.exists()), places[0])
        for entry in known[place][-MAX_LISTED:]:
            typer.echo("  ".join(explain(entry)[:2]))
        typer.echo(f"These are in {place}." if known[place] else f"No failures in {place}.")
        return
    found = [entry for place in reversed(places) for entry in known[place] if entry.code == code.strip().lower()]
    if not found:
        looked = " and ".join(map(str, places))
        raise BadInput(f"there is no code {code} in {looked}; codes older than some thousand failures are gone")
    typer.echo("\n".join(explain(found[-1])))


def _recorded(settings: Settings, bot: int) -> tuple[str, Collection[int]]:
    """Return the address of the database and the ids of the bots that a command is about. Raises `ConfigError`."""
    from bot.config import multi_bot

    return _check_existing(settings.database_url), {bot} if bot else multi_bot.numbers(settings)
