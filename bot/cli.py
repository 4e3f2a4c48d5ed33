"""The commands of `govorun` and their options (typer); `__main__.py` runs them.

Only what a command needs is imported, and only when it runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.app import app_option, chosen_app, new_project, run_command
from bot.errors import BadInput, ConfigError
from bot.ports import ProcessRole
from bot.runtime.commands import desk, eval, kb, topics
from bot.runtime.commands.batch import batch, dataset, tune

NEWEST = 20  # failures that are listed
SANDBOX = Path(".govorun", "govorun.db")  # the database of a sandbox that was started in this folder

if TYPE_CHECKING:
    from bot.config.multi_bot import Plan
    from bot.config.settings import Settings
    from bot.doctor.finding import Finding

app = typer.Typer(
    help="Govorun: a chatbot on Yandex AI Studio for Telegram.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def whole(
    version: bool = typer.Option(False, "--version", is_eager=True, help="Print the version and end."),
) -> None:
    """Govorun: a chatbot on Yandex AI Studio for Telegram."""
    if version:
        from bot import __version__

        typer.echo(f"govorun {__version__}")
        raise typer.Exit


models = typer.Typer(
    help="List models, reckon with instances, and download local models for the sandbox.", no_args_is_help=True
)
app.add_typer(models, name="models")
app.add_typer(kb.app, name="kb")
app.add_typer(topics.app, name="topics")
app.add_typer(desk.app, name="desk")
app.add_typer(batch.app, name="batch")
app.add_typer(dataset.app, name="dataset")
app.add_typer(tune.app, name="tune")


ROLE = typer.Option(
    ProcessRole.ALL,
    help="What this process does: all; or with PostgreSQL take updates (webhook) or work on them (worker).",
)
BOT = typer.Option(0, help="Id of the bot (its token begins with it); if not given, the bots of the settings.")


app.command()(new_project.new)
app.command()(new_project.init)


@app.command()
def texts() -> None:
    """Print all sentences of the bot in English as TOML, to be translated for App(texts=...)."""
    from bot.texts.added import template

    typer.echo(template(), nl=False)


app.command("eval")(eval.command(chosen_app.find_app))


def _settings() -> Settings:
    from bot.config.settings import load

    return load()


@app.command()
def run(role: ProcessRole = ROLE) -> None:
    """Run the bot on Telegram (BOT_TOKEN, YC_API_KEY and YC_FOLDER_ID from the environment or .env)."""
    run_command.run(role)


@app.command()
def sandbox(
    port: int | None = typer.Option(None, help="Port of the page; a free one when not given."),
    directory: Path = typer.Option(
        Path(".govorun"), help="Folder for the chats and the bot's database; only your user can read it."
    ),
    browser: bool = typer.Option(True, help="Open the page in the browser."),
    reload: bool = typer.Option(False, "--reload", help="Start your bot again whenever a file of this folder changes."),
    only: str = typer.Option("", help="Start one server alone, without a bot: telegram, ai_studio or page."),
) -> None:
    """Try the bot with no account: Telegram and AI Studio on this machine, and a chat page in the browser."""
    from bot.sandbox import main as command

    place = chosen_app.place()
    if reload and not place:
        raise BadInput("--reload is for a bot of your own: govorun sandbox --reload --app mybot.py")
    bot = [sys.executable, "-P", "-m", "govorun", "run", "--app", place] if place else []
    watched = Path() if reload else None
    asyncio.run(command.serve(directory, port, browser=browser, bot=bot, watched=watched, only=only))


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema (`run` does this by itself, and makes a database if there is none)."""
    from bot.storage.engines.sqlite_files import alone
    from bot.storage.engines.urls import is_sqlite
    from bot.storage.maintenance import migrations

    url = _existing(_settings().database_url)
    with alone(url) if is_sqlite(url) else nullcontext():  # PostgreSQL has a lock of its own for a migration
        revision, done = asyncio.run(migrations.upgrade(url)), list[str]()
        if (chosen := chosen_app.find_app()) is not None and (
            own := chosen.extension.program.data
        ).metadata is not None:
            from bot.runtime.optional import own_tables

            done = asyncio.run(own_tables.upgrade(url, own))
    typer.echo(f"The database has schema {revision}.")
    for line in done:
        typer.echo(f"Your tables: {line}.")


@app.command()
def backup(
    file: Path | None = typer.Argument(
        None, help="The file to write; if not given, one beside the database, named after the time."
    ),
    without_knowledge: bool = typer.Option(
        False, "--without-knowledge", help="Leave out what the knowledge base can read again from its sources."
    ),
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


@app.command()
def restore(file: Path = typer.Argument(help="A copy that `govorun backup` has made.")) -> None:
    """Replace the database by a copy, after checking the copy. Stop the bot first; the replaced database is kept."""
    from bot.storage.maintenance import backup_command

    kept = backup_command.restore(_settings().database_url, file)
    typer.echo(f"{file} is the database now." + (f" The one before is kept as {kept}." if kept else ""))


@app.command()
def verify(
    file: Path | None = typer.Argument(None, help="A copy of the database; the database itself if not given."),
) -> None:
    """Check every page, index and link of a database, and list its unfinished work (exit code 1 if it is damaged)."""
    from bot.storage.maintenance import backup_command

    url = _settings().database_url
    lines = list(backup_command.verify(url if file else _existing(url), file))
    for good, line in lines:
        typer.echo(f"{typer.style('ok  ', fg='green') if good else typer.style('FAIL', fg='red')}  {line}")
    sys.exit(0 if all(good for good, _ in lines) else 1)


@app.command()
def move(
    to: str = typer.Option(
        "", help="The new database, postgresql://user:password@host/name, without other rows; MOVE_TO if not given."
    ),
) -> None:
    """Copy the SQLite database into PostgreSQL and compare every row. Stop the bot first; the file stays as it is."""
    from bot.storage.maintenance import sqlite_to_postgres

    settings = _settings()
    target = _destination(to, settings.move_to.get_secret_value())
    own = chosen.extension.program.data.metadata if (chosen := chosen_app.find_app()) is not None else None
    moved = asyncio.run(sqlite_to_postgres.move(settings.database_url, target, own))
    for table, rows in moved.rows.items():
        typer.echo(f"{rows:>9,}  {table}")
    typer.echo("Every row was there already." if moved.before else "Every row is there. Now set DATABASE_URL to it.")


def _destination(argument: str, setting: str) -> str:
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


@app.command()
def feedback(bot: int = BOT) -> None:
    """Print what people thought of answers, one JSON object a line, with prompt, answer, model and sources."""
    from bot.config import multi_bot
    from bot.storage.repositories.messages import export_judgements

    settings = _settings()
    url = _existing(settings.database_url)
    for row in export_judgements(url, {bot} if bot else multi_bot.numbers(settings)):
        typer.echo(json.dumps(row, ensure_ascii=False))


@app.command()
def personas(
    version: str = typer.Argument("", help="A version, such as teacher@1a2b3c4d: print its file."),
    put_back: bool = typer.Option(
        False, "--put-back", help="Put the version back into PROMPTS_DIR; the file that stands there is kept."
    ),
    bot: int = BOT,
) -> None:
    """List the versions of personas that have answered, with their answers, 👍 and 👎; print one, or put it back."""
    from bot.config import multi_bot
    from bot.prompts.library import Library, put_back_persona
    from bot.storage.repositories.prompts import read_versions

    settings = _settings()
    found = list(read_versions(_existing(settings.database_url), {bot} if bot else multi_bot.numbers(settings)))
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


@app.command()
def audit(bot: int = BOT) -> None:
    """Print the audit log, one JSON object a line: what owners and administrators did, when, and to whom."""
    from bot.config import multi_bot
    from bot.config.settings import load
    from bot.storage.repositories.members import exported

    settings = load()
    url = _existing(settings.database_url)
    for row in exported(url, {bot} if bot else multi_bot.numbers(settings)):
        typer.echo(json.dumps(row, ensure_ascii=False))


@app.command()
def log(code: str = typer.Argument("", help="The code that a user was told; if not given, the last failures.")) -> None:
    """Explain a failure by the code that a user was told: what, where, why, and what to do about it."""
    from bot.storage.engines.sqlite_files import home
    from bot.telemetry.incidents import beside, explain, path_beside, read_incidents

    own, sandbox = path_beside(home(_settings().database_url)), beside(SANDBOX)
    places = [own, sandbox] if own else [sandbox]
    known = {place: list(read_incidents(place)) for place in places}
    if not code:
        place = next((place for place in places if place.exists()), places[0])
        for entry in known[place][-NEWEST:]:
            typer.echo("  ".join(explain(entry)[:2]))
        typer.echo(f"These are in {place}." if known[place] else f"No failures in {place}.")
        return
    found = [entry for place in reversed(places) for entry in known[place] if entry.code == code.strip().lower()]
    if not found:
        looked = " and ".join(map(str, places))
        raise BadInput(f"there is no code {code} in {looked}; codes older than some thousand failures are gone")
    typer.echo("\n".join(explain(found[-1])))


def _existing(url: str) -> str:
    """Return the address of a database, checked that a database is there. Raises `ConfigError`."""
    from bot.storage.engines.sqlite_files import path_of
    from bot.storage.engines.urls import is_sqlite

    if is_sqlite(url) and ((path := path_of(url)) is None or not path.exists()):
        raise ConfigError(f"DATABASE_URL: there is no database {path or url}; govorun run makes it at its first start")
    return url


@app.command()
def doctor(
    paid: bool = typer.Option(False, "--paid", help="Also draw a picture; its price is said before."),
    model: bool = typer.Option(
        False, "--model", help="Only ask MODEL ten questions with sources, and say which level of KNOWLEDGE it suits."
    ),
    yes: bool = typer.Option(False, "--yes", help="Agree to the price of --model without being asked."),
) -> None:
    """Check for real everything that the bot needs, and say what to do about each problem (exit code 1 if there is
    one).
    """
    from bot.config import multi_bot
    from bot.config.settings import has_key, load
    from bot.doctor.machine import unreadable
    from bot.telemetry import logging
    from bot.texts import added

    try:
        settings = load()
        plan = multi_bot.plan(settings, load) if multi_bot.files(settings) else multi_bot.Plan(settings, {"": settings})
        studio = not ((own := chosen_app.find_app()) and own.extension.ai.models) or has_key(settings)
        added.read(own.extension.texts if own else None)
    except ConfigError as error:
        sys.exit(1 if [finding for finding in unreadable(error) if _tell(finding)] else 0)
    logging.configure("CRITICAL", plan.secrets())  # the findings say what the log would
    failures = _answer_failures(plan, agrees=yes) if model else _failures(plan, paid=paid, studio=studio)
    sys.exit(1 if asyncio.run(failures) else 0)


async def _failures(plan: Plan, *, paid: bool, studio: bool) -> list[Finding]:
    """Print the findings of each bot, below its name if there are several. Returns the failures.

    With `paid` a picture is bought. `studio` False: all models are the programmer's own.
    """
    from bot.config.multi_bot import ENDING
    from bot.doctor.examination import examine
    from bot.doctor.finding import Spending, fail
    from bot.runtime.models import for_studio

    refused = [fail("settings", f"{name}{ENDING}: {why}") for name, why in plan.refused.items()]
    wrong = [finding for finding in refused if _tell(finding)]
    for name, settings in plan.bots.items():
        if name:
            typer.echo(f"\n{name}{ENDING}")
        file = (plan.process.bots or Path()) / f"{name}{ENDING}"
        spending = Spending.PICTURE if paid else Spending.LITTLE
        if (own := chosen_app.find_app()) is not None:
            settings = for_studio(settings, own.extension)
        found = examine(settings, env_file=file, spending=spending, studio=studio)
        wrong += [finding async for finding in found if _tell(finding)]
    return wrong


async def _answer_failures(plan: Plan, *, agrees: bool) -> list[Finding]:
    """Have the model of each bot answer from sources, and print how well it does. Returns the failures."""
    from bot.clock import SystemClock
    from bot.doctor.source_answers import check_source_answers
    from bot.knowledge.base import check_libraries
    from bot.runtime.commands.kb import agree_on_terminal

    check_libraries()

    def agree(question: str) -> bool:
        if agrees:
            typer.echo(question.removesuffix(" Go on?"))
        return agrees or agree_on_terminal(question)

    wrong: list[Finding] = []
    for settings in {one.model: one for one in plan.bots.values()}.values():
        found = check_source_answers(settings, SystemClock(), agree)
        wrong += [finding async for finding in found if _tell(finding)]
    return wrong


def _tell(finding: Finding) -> bool:
    """Print a finding, in colours on a terminal only. Returns whether it is a failure."""
    verdict = typer.style(f"{finding.verdict:<4}", fg=COLOURS[finding.verdict])
    typer.echo(f"{verdict}  {finding.leg:<9}  {finding.text}")
    if finding.advice:
        typer.echo(f"{'':17}{finding.advice}")
    return finding.verdict == "FAIL"


@models.command("list")
def list_models() -> None:
    """List the models to choose from, with window, prices, abilities and last day: those that AI Studio offers your
    folder, or without a key those that Govorun knows.
    """
    from bot.providers import catalog
    from bot.providers.yandex.model_list import offered

    names = asyncio.run(offered(_settings()))
    if names is None:
        typer.echo("No key is set, so these are the models that Govorun knows:", err=True)
        names = sorted({*catalog.KNOWN, *catalog.BATCH_MODELS, *catalog.PICTURES})
    for name in names:
        typer.echo(f"{name:<50}  {_about(name)}".rstrip())
    typer.echo(
        f"Prices are for 1,000 tokens, as of {catalog.DATED}. Batch runs take other models, too: docs/batch.md",
        err=True,
    )


@models.command()
def worth(
    name: str = typer.Argument(help="An instance: a row of MODELS with a uri."),
    than: str = typer.Option("", help="The model that is paid by the token; if not given, the instance's stand_in."),
    bot: int = BOT,
) -> None:
    """Say whether an instance of your own would have been cheaper in the last 30 days than paying by the token."""
    from bot.config import multi_bot
    from bot.runtime.models import tell_worth

    settings = _settings()
    asyncio.run(tell_worth(settings, multi_bot.one_of(settings, bot), name, than, typer.echo))


@models.command()
def fetch(
    name: str = typer.Argument(help="A name (qwen-0.5b, qwen-1.5b), the URL of a GGUF file, or such a file."),
    directory: Path = typer.Option(Path(".govorun/models"), help="Where it is kept; the sandbox looks here."),
) -> None:
    """Download a language model for the sandbox and check it. Goes on where an earlier try ended."""
    from bot.providers.local import weights

    typer.echo(weights.fetch(name, directory, weights.print_progress, source=_settings().local_model_source))


def _about(name: str) -> str:
    """What the catalogue says of a model: window, prices, abilities, its end; "" if it does not have the model."""
    from bot.providers import catalog

    profile, (bare, _) = catalog.profile(name), catalog.parts(name)
    if bare in catalog.PICTURES:
        return "draws pictures"
    batch = ["batch runs"] if bare in catalog.BATCH_MODELS else []
    if (known := catalog.known(name)) is None:
        return ", ".join(batch)
    can = {
        "sees pictures": profile.vision, "calls tools": profile.tools, "reasons": profile.reasoning,
        "answers later": profile.asynchronous,
    }  # fmt: skip
    words = [*(ability for ability, has in can.items() if has), *batch]
    price = f"{profile.price_in} in, {profile.price_out} out {profile.currency}"
    end = f"; until {known.until}, then {known.successor}" if known.until else ""
    return f"{profile.window:>9,} tokens; {price}; {', '.join(words)}{end}"


app_option.add_option(app, without=("new", "init", "texts", "models fetch"))
COLOURS = {"ok": "green", "warn": "yellow", "FAIL": "red"}
