"""Checks of this machine: settings, the database and its disk, prompt files, proxies."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from bot.clock import SystemClock
from bot.config.settings import OPENTELEMETRY, WHERE, Settings, require
from bot.doctor.finding import Finding, Verdict, fail, host_and_port, ok, secret, warn
from bot.errors import BotError, ConfigError
from bot.http.transport import environment_proxy
from bot.prompts.library import Library
from bot.providers import catalog
from bot.storage.engines.sqlite_files import path_of
from bot.storage.engines.urls import is_sqlite, shown
from bot.storage.maintenance import migrations
from bot.storage.store import Store, Tx

T = TypeVar("T")
TIGHT, FULL = 500, 50  # MB of free disk: below the first a warning, below the second a failure
FOR_A_FILE = "For a file beside the bot: DATABASE_URL=sqlite+aiosqlite:///govorun.db"
FOR_A_SERVER = "docs/postgresql.md says what Govorun needs of a server"

# --- settings ---------------------------------------------------------------------------------------------------------


def unreadable(error: ConfigError) -> Iterator[Finding]:
    """Return the findings for settings that could not even be read."""
    for line in str(error).splitlines():
        what, _, how = line.partition(": ")
        yield fail("settings", what, how) if re.search(" (is|does) ", what) else fail("settings", line)


def check_settings(settings: Settings, env_file: Path, *, studio: bool = True) -> Iterator[Finding]:
    """Check whether settings are missing, odd or unknown, and whether others can read the `.env` file."""
    try:
        require(settings, studio=studio)
    except ConfigError as error:
        yield from unreadable(error)
    else:
        who = "ACCESS=open" if settings.access == "open" else f"ACCESS=closed, {len(settings.owners)} owner(s)"
        model = f"MODEL={settings.model}" if studio else "models of your own"
        yield ok("settings", f"nothing is missing; {model}, {who}")
    yield from _odd_values(settings)
    if env_file.is_file():
        yield from _odd_file(env_file)


def _odd_values(settings: Settings) -> Iterator[Finding]:
    if settings.access == "closed" and not settings.owners:
        advice = "Send it the code that the first start prints (then this is fine), or set OWNERS=your number"
        yield warn("settings", "OWNERS is empty and ACCESS=closed: without an owner the bot answers nobody", advice)
    key = secret(settings.yc_api_key)
    for beginning, (what, advice) in MISTAKEN.items():
        if key.startswith(beginning):
            yield warn("settings", f"YC_API_KEY looks like {what}", advice)
    if settings.yc_folder_id and not FOLDER_ID.fullmatch(settings.yc_folder_id):
        text = "YC_FOLDER_ID does not look like the id of a folder (20 small letters and digits)"
        yield warn("settings", text, WHERE["yc_folder_id"])


def _odd_file(path: Path) -> Iterator[Finding]:
    """Unknown settings in the `.env` file, and its permissions. Only names are read, no values."""
    mode = path.stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        advice = f"chmod 600 {path}"
        yield warn("settings", f"{path} holds secrets and others on this machine can use it (mode {mode:o})", advice)
    known = [name.upper() for name in Settings.model_fields] + ["YC_TOKEN"]
    for name in ASSIGNED.findall(path.read_text("utf-8", "replace")):
        if name.upper() not in known and not name.startswith(OPENTELEMETRY):
            close = get_close_matches(name.upper(), known, 1)
            advice = f"Did you mean {close[0]}?" if close else "`.env.example` has all settings"
            yield warn("settings", f"{name} in {path} is no setting of Govorun", advice)


# --- database ---------------------------------------------------------------------------------------------------------


async def check_database(settings: Settings) -> AsyncIterator[Finding]:
    """Check whether the database can be opened and written, its schema is known, and the disk has room."""
    try:
        file = path_of(settings.database_url)
        new = file is not None and not file.exists()
        told = None if new else await migrations.find(settings.database_url)
    except (ConfigError, SQLAlchemyError, ImportError) as error:
        advice = FOR_A_FILE if is_sqlite(settings.database_url) else FOR_A_SERVER
        text = str(error) if isinstance(error, ConfigError) else f"DATABASE_URL can't be used ({type(error).__name__})"
        yield fail("database", text, advice)
        return
    if told is not None and not told.is_served:
        text = f"was written by a newer version of Govorun (schema {told.revision}, this one knows {migrations.HEAD})"
        yield fail("database", text, "Update Govorun, or use the backup from before the update")
    elif file is None:
        yield ok("database", f"{shown(settings.database_url)} opens; {_schema(told)}")
    else:
        yield await asyncio.to_thread(_on_disk, file, "will be made" if new else _schema(told))


async def read_database(settings: Settings, work: Callable[[Tx], T]) -> T | None:
    """Return what the database says, beside a bot that may run; None where it is not there or can't be read: the check
    of the database says what is wrong with it.
    """
    file = path_of(settings.database_url)
    if file is not None and not file.exists():
        return None
    try:
        async with Store.open(settings.database_url, SystemClock(), writes=False) as store:
            return await store.read(work)
    except (BotError, SQLAlchemyError):
        return None


def _schema(told: migrations.State | None) -> str:
    if told is None:
        return "empty, filled at the start"
    if told.revision == migrations.HEAD:
        return f"schema {told.revision} is current"
    if not told.is_known:
        return f"schema {told.revision} is of a newer version; this one ({migrations.HEAD}) works with it"
    return f"schema {told.revision} is brought to {migrations.HEAD} at the start"


def _on_disk(file: Path, state: str) -> Finding:
    """Whether the database file can be written, is undamaged and has room to grow."""
    folder = file.absolute().parent
    if trouble := _unwritable(file, folder):
        return fail("database", f"{file}: {trouble}", "The user who runs the bot must own the file and its folder")
    if file.exists() and (damage := _damage(file)):
        return fail("database", f"{file} is damaged: {damage}", "Stop the bot and put a backup in its place")
    free = shutil.disk_usage(folder).free // 1_000_000
    text = f"{file}: {state}; {free:,} MB of disk are free"
    if free < TIGHT:
        verdict = Verdict.FAIL if free < FULL else Verdict.WARN
        return Finding("database", verdict, text, "Make room: without it no message can be kept, and none is answered")
    return ok("database", text)


def _unwritable(file: Path, folder: Path) -> str:
    if not folder.is_dir():
        return "its folder does not exist"
    if not os.access(folder, os.W_OK):
        return "its folder can't be written"
    if not file.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=1)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return str(error)
    return ""


def _damage(file: Path) -> str:
    """The first complaint of SQLite's `quick_check`, which reads the whole file; empty if there is none."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            complaint = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return "" if complaint == "ok" else complaint


# --- personas and templates -------------------------------------------------------------------------------------------


def check_prompts(settings: Settings) -> Iterator[Finding]:
    """Check whether the files of personas and templates can be used."""
    library = Library(settings.prompts_dir)
    problems = library.problems()
    for problem in problems:
        yield fail("prompts", problem, "docs/personas.md shows what stands in such a file; it is left out until then")
    offered = catalog.offered_names(settings.model, settings.models)
    for persona in library.personas().values():
        if persona.model and persona.model not in offered:
            text = f"the persona {persona.key} wants the model {persona.model!r}, which is not offered"
            yield warn("prompts", text, "Add it to MODELS, or take `model` out of the file: the default model answers")
    if not problems:
        where = settings.prompts_dir if settings.prompts_dir.is_dir() else "those that come with Govorun"
        yield ok("prompts", f"{len(library.personas())} personas, {len(library.templates())} templates ({where})")


def check_topics(settings: Settings) -> Iterator[Finding]:
    """Check whether the file with the topics can be used, and whether the personas and models that it names exist."""
    if settings.routing is None:
        return
    from bot.llm.topics.routing_file import KnownNames, RoutingFile, unknown_names

    file = RoutingFile(settings.routing)
    if problem := file.problem:
        yield fail("topics", problem, "docs/topics.md shows what stands in the file; a start has no topics until then")
        return
    table = file.table
    assert table is not None  # noqa: S101  it has no problem
    offered = catalog.offered_names(settings.model, settings.models)
    queues: Sequence[str] = ()
    if settings.desk is not None:
        from bot.desk.policy.desk_file import DeskFile

        queues = DeskFile(settings.desk).table.teams
    known = KnownNames(personas=Library(settings.prompts_dir).personas(), models=offered, queues=queues)
    for line in unknown_names(table, known):
        yield warn("topics", line, "docs/topics.md says what a name does that does not exist")
    yield ok("topics", f"{len(table.topics)} topics ({settings.routing})")


# --- proxies ----------------------------------------------------------------------------------------------------------


def check_proxies(settings: Settings) -> Iterator[Finding]:
    """Report the proxies through which Telegram and AI Studio are reached."""
    telegram = settings.telegram_proxy.get_secret_value()
    studio = environment_proxy(settings.yc_llm_url)
    to_telegram = f"through {host_and_port(telegram)}" if telegram else "directly"
    to_studio = f"through {host_and_port(studio)}, from the environment" if studio else "directly"
    yield ok("proxies", f"to Telegram {to_telegram}; to AI Studio {to_studio}")


FOLDER_ID = re.compile(r"[a-z0-9]{20}")
ASSIGNED = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=", re.MULTILINE)
MISTAKEN: Mapping[str, tuple[str, str]] = {
    "t1.": ("an IAM token", "Put it into YC_IAM_TOKEN (it lives 12 hours), or make an API key"),
    "y0_": ("an OAuth token", "Put it into YC_OAUTH_TOKEN, or make an API key"),
    "aje": ("the id of a key or of a service account", "The secret itself is needed: it is shown once, AQVN..."),
}
