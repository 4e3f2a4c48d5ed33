"""`govorun desk`: begin the file with the rules of a support desk, and check it."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from bot.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from bot.desk.policy.desk_file import DeskTable
    from bot.storage.store import Tx
    from bot.storage.tables.desk import Draft

app = typer.Typer(help="The support desk: the file desk.toml (docs/desk.md).", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Argument(help="Where desk.toml is; otherwise the folder that DESK names.")]
HERE = Path("desk")
MAX_TEXT = 20_000  # characters of a text in an example


@app.command()
def init(
    folder: Folder = None, language: Annotated[str, typer.Option(help="Of the comments: ru or en.")] = "en"
) -> None:
    """Write an example of desk.toml with comments, to begin with."""
    from bot.desk.policy.desk_file import NAME, example

    folder = folder or _configured()
    file = folder / f"{NAME}.toml"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(example(language))
    except FileExistsError:
        raise BadInput(f"{file} is there already; name another folder") from None
    typer.echo(f"{file} is written. Put your own hours and rules into it, then: govorun desk check {folder}")


@app.command()
def check(folder: Folder = None) -> None:
    """Say what the rules of a desk mean, or what is wrong with them."""
    from bot.desk.policy.desk_file import NAME, read

    folder = folder or _configured()
    file = folder / f"{NAME}.toml"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; `govorun desk init {folder}` writes an example") from None
    for line in _describe(read(data, str(file))):
        typer.echo(line)


def _configured() -> Path:
    from bot.config.settings import load

    return load().desk or HERE


@app.command()
def drain() -> None:
    """Give all open cases back to the bot, before the desk is switched off. The bot must not run; at its next start the
    customers read that it answers again.
    """
    count = asyncio.run(_give_back())
    typer.echo(f"Cases given back to the bot: {count}" if count else "No case is open.")


async def _give_back() -> int:
    from bot.clock import SystemClock
    from bot.config.settings import load
    from bot.desk.availability import Availability
    from bot.desk.desk import Desk
    from bot.desk.policy.desk_file import DeskFile
    from bot.storage.engines.sqlite_files import alone
    from bot.storage.store import Store

    settings = load()
    with alone(settings.database_url):
        async with Store.open(settings.database_url, SystemClock()) as store:
            hours = Availability(DeskFile(settings.desk or HERE))
            bots = await store.read(lambda tx: tx.cases.list_bots())
            return sum([await store.write(Desk(bot, hours).give_all_back) for bot in bots])


@app.command()
def examples() -> None:
    """Print the drafts that operators have sent, each with the question and what was sent in its place, as lines of
    JSON; without names, with 0 for each number. The bot may run.
    """
    for example in asyncio.run(_read_examples()):
        typer.echo(json.dumps(example, ensure_ascii=False))


async def _read_examples() -> list[dict[str, Any]]:
    from bot.clock import SystemClock
    from bot.config.settings import load
    from bot.storage.store import Store

    def work(tx: Tx) -> list[dict[str, Any]]:
        return [_example(tx, bot, *row) for bot in tx.drafts.list_bots() for row in tx.drafts.list_decided(bot)]

    async with Store.open(load().database_url, SystemClock()) as store:
        return await store.read(work)


def _example(tx: Tx, bot: int, draft: Draft, name: str, people: Collection[int]) -> dict[str, Any]:
    from bot.llm.topics.samples import masked

    names = [name, *tx.members.read_names(bot, people).values()]
    question = tx.messages.find_message(draft.question)
    return {
        "question": masked(question.words, names, MAX_TEXT) if question is not None else "",
        "draft": masked(draft.text, names, MAX_TEXT),
        "sent": masked(draft.sent, names, MAX_TEXT),
        "unchanged": draft.state == "sent",
        "topic": draft.label,
        "model": draft.model,
    }


def _describe(table: DeskTable) -> list[str]:
    """What the rules mean, a line for each team."""
    from bot.desk.policy.desk_file import span_of

    lines, now = [f"{len(table.rule)} rules, {len(table.teams)} teams"], time.time()
    for team in table.teams:
        own, promise = table.hours_of(team), table.promise_of(team)
        opening = own.hours.next_opening(now)
        state = "always there" if own.hours.always else "open now" if opening == now else "closed for more than a year"
        if opening is not None and opening != now:
            state = f"opens {datetime.fromtimestamp(opening, ZoneInfo(own.zone)):%Y-%m-%d %H:%M} ({own.zone})"
        named = {"first answer": promise.first, "next answers": promise.next, "close": promise.close}
        promised = ", ".join(f"{name} in {span_of(seconds)}" for name, seconds in named.items() if seconds)
        lines.append(f"{team}: {state}; {_describe_work(table, team)}; promised: {promised or 'nothing'}")
    return lines


def _describe_work(table: DeskTable, team: str) -> str:
    """Where the operators of a team see their cases, and who gets one."""
    from bot.desk.policy.desk_file import span_of

    assign, own = table.assign_of(team), table.seats_of(team) == "own"
    where = (
        "cases open in the operators' private chats, with a board in the group"
        if own
        else "cases are topics of the group"
    )
    if assign.how == "pull":
        return f"{where}, who takes one has it"
    first = "who knows the customer, then to " if assign.how == "same" else ""
    to = f"{first}the longest idle, {assign.capacity} each at most, the next one after {span_of(assign.patience)}"
    return f"{where}, offered to {to}"
