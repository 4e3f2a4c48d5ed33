"""The command line of `govorun kb`. The work is in `knowledge`, which is imported only when a command runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.cli.knowledge import KnowledgeCommand

app = typer.Typer(help="Keep the knowledge base: the sources that the bot answers from.", no_args_is_help=True)

YES = typer.Option(False, "--yes", help="Agree to prices and removals without being asked (for cron).")
NAME = typer.Argument(help="The name of a source, as `govorun kb list` prints it.")
PERSON = typer.Option(0, "--as", help="The id of a person: what she may read in her private chat.")
CHAT = typer.Option(0, "--in", help="The id of a group: what all of it may read.")
ROLE = typer.Option("", help="The role of the person: user, operator, admin, owner.")
BOT = typer.Option(0, help="Id of the bot (its token begins with it); if not given, the bot of the settings.")


@app.command("add")
def add_source(
    address: str = typer.Argument(help="A folder, a file, or an address: page, sitemap.xml, git repository."),
    name: str = typer.Option("", help="What it is called; if not given, made of the address."),
    audience: str = typer.Option(
        "", help="Who may read it: everyone, members, operators, admins, owners, user:ID, chat:ID; none = nobody."
    ),
    every: str = typer.Option("", help="How often the bot reads it again: 30m, 6h, 1d, 2w; none = never by itself."),
    only: str = typer.Option("", help="Only pages whose path fits this pattern, such as '/help/*'."),
    most: int = typer.Option(0, help="At most so many pages; 0 = 10,000."),
    under: str = typer.Option("", help="Only this folder of a repository."),
    ref: str = typer.Option("", help="The branch or tag of a repository; none = its own choice."),
    yes: bool = YES,
    bot: int = BOT,
) -> None:
    """Add a source and read it. What its embeddings cost is said before the first one is bought."""
    from bot.cli import knowledge
    from bot.storage.repositories.knowledge.sources import KnowledgeSource

    given = {"only": only, "most": most, "under": under, "ref": ref}
    wish = KnowledgeSource(
        name=name, kind="", address=address, every=knowledge.span(every),
        audience=knowledge.audience(audience), options={key: value for key, value in given.items() if value},
    )  # fmt: skip
    _keep(bot, lambda command: command.add(wish), yes=yes)


@app.command("list")
def list_sources(bot: int = BOT) -> None:
    """List the sources: size, when they were read last, who may read them, what is wrong with them."""
    _keep(bot, lambda command: command.show_sources())


@app.command("show")
def show_source(
    name: str = NAME,
    page: str = typer.Option("", help="An address, path or title: show its passages as they are stored."),
    bot: int = BOT,
) -> None:
    """Show a source: its pages and passages, its age, who may read it, its last problem, what it has cost."""

    async def work(command: KnowledgeCommand) -> None:
        from bot.cli.kb_inspect import show

        await show(command, name, page)

    _keep(bot, work)


@app.command("check")
def check_sources(bot: int = BOT) -> None:
    """Look for what is wrong with the sources, their embeddings and the index, and say what to do next (exit code 1 if
    something is).
    """
    is_fine = True

    async def work(command: KnowledgeCommand) -> None:
        nonlocal is_fine
        from bot.cli.kb_inspect import check

        is_fine = await check(command)

    _keep(bot, work)
    sys.exit(0 if is_fine else 1)


@app.command("sync")
def sync_source(
    name: str = typer.Argument("", help="The name of a source; all of them if not given."),
    yes: bool = YES,
    bot: int = BOT,
) -> None:
    """Read a source again, and store what has changed (exit code 1 if one of several can't be read)."""
    is_fine = True

    async def sync(command: KnowledgeCommand) -> None:
        nonlocal is_fine
        if name:
            await command.sync(name)
        else:
            is_fine = await command.sync_all()

    _keep(bot, sync, yes=yes)
    sys.exit(0 if is_fine else 1)


@app.command("embed")
def embed_sources(yes: bool = YES, bot: int = BOT) -> None:
    """Buy the embeddings that are missing."""
    _keep(bot, lambda command: command.embed(), yes=yes)


@app.command("read")
def set_readers(
    name: str = NAME,
    audience: str = typer.Argument(
        help="Who may read it: everyone, members, operators, admins, owners, user:ID, chat:ID, with commas; "
        "nobody = none of them."
    ),
    bot: int = BOT,
) -> None:  # fmt: skip
    """Say who may read a source."""
    from bot.cli import knowledge

    groups = knowledge.audience("" if audience == "nobody" else audience)
    _keep(bot, lambda command: command.set_readers(name, groups))


@app.command("pause")
def pause_source(name: str = NAME, bot: int = BOT) -> None:
    """Read a source no more by itself; what is known of it stays. `sync` goes on with it."""
    _keep(bot, lambda command: command.pause(name))


@app.command("rename")
def rename_source(name: str = NAME, to: str = typer.Argument(help="The new name."), bot: int = BOT) -> None:
    """Give a source another name."""
    _keep(bot, lambda command: command.rename(name, to))


@app.command("remove")
def remove_source(name: str = NAME, yes: bool = YES, bot: int = BOT) -> None:
    """Forget a source. Quotes in earlier answers can still be shown for a while."""
    _keep(bot, lambda command: command.remove(name), yes=yes)


@app.command("search")
def search_sources(
    question: str, person: int = PERSON, chat: int = CHAT, role: str = ROLE, bot: int = BOT
) -> None:  # fmt: skip
    """Show what a question finds, with scores; without --as and --in what everyone may read."""
    groups = _groups(bot, person, chat, role)
    _keep(bot, lambda command: command.search(question, groups))


@app.command("eval")
def evaluate_search(
    file: Annotated[
        Path, typer.Argument(help="A CSV with the columns question and page or text: what should be found.")
    ],
    person: int = PERSON,
    chat: int = CHAT,
    role: str = ROLE,
    yes: bool = YES,
    bot: int = BOT,
) -> None:
    """Say how often the search finds what it should; without --as and --in in what everyone may read."""

    async def work(command: KnowledgeCommand) -> None:
        from bot.cli.kb_eval import evaluate

        await evaluate(command, file, _groups(bot, person, chat, role))

    _keep(bot, work, yes=yes)


@app.command("calibrate")
def calibrate_gate(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A CSV with the columns question and page (empty: a question about something else); if not given, "
            "questions of FAQ tables, headings and learned answers."
        ),
    ] = None,
    standard: bool = typer.Option(False, "--standard", help="Use the gate again that Govorun came with."),
    yes: bool = YES,
    bot: int = BOT,
) -> None:
    """Fit, on your own questions, the filter that keeps out questions about something else; say how often it errs."""

    async def work(command: KnowledgeCommand) -> None:
        from bot.knowledge.base import check_libraries

        check_libraries()
        from bot.cli import kb_calibrate

        if standard:
            await kb_calibrate.store_gate(command, None)
            command.say("The gate that Govorun came with is used from the next question on.")
        else:
            await kb_calibrate.calibrate(command, file)

    _keep(bot, work, yes=yes)


@app.command("gaps")
def show_gaps(
    csv: str = typer.Option("", help="Write them into this file, with a column for each count."),
    bot: int = BOT,
) -> None:
    """List what people asked in the last 7 days and the sources did not answer, the most frequent first."""
    _keep(bot, lambda command: command.show_gaps(csv))


@app.command("stale")
def show_stale(bot: int = BOT) -> None:
    """List quotes of answers that no longer stand in their source: gone, asked (admins decide), told, left."""
    _keep(bot, lambda command: command.show_stale())


def _groups(bot: int, person: int, chat: int, role: str) -> frozenset[str]:
    from bot.knowledge.rights import groups_of
    from bot.types import Address

    return groups_of(role, person, Address("telegram", bot, chat or person), private=not chat)


def _keep(bot: int, work: Callable[[KnowledgeCommand], Awaitable[None]], *, yes: bool = False) -> None:
    """Do something with the knowledge base of a bot; `yes` agrees to everything that is asked."""
    from bot.cli import knowledge
    from bot.config import multi_bot
    from bot.config.settings import load

    settings = load()
    number = multi_bot.one_of(settings, bot)

    async def run() -> None:
        agree = (lambda _: True) if yes else agree_on_terminal
        async with knowledge.opened(settings, number, typer.echo, agree) as command:
            await work(command)

    asyncio.run(run())


def agree_on_terminal(question: str) -> bool:
    """Ask on the terminal, and return whether the answer is yes; without a terminal it is no."""
    if not sys.stdin.isatty():
        typer.echo(f"{question} (no terminal to ask on; --yes agrees)")
        return False
    return typer.confirm(question)
