"""`govorun kb`: the commands. What they do stands in `knowledge`, which is imported only when one of them runs."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import typer

from bot.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.runtime.commands.knowledge import KnowledgeCommand

app = typer.Typer(help="Keep the knowledge base: the sources that the bot answers from.", no_args_is_help=True)

YES = typer.Option(False, "--yes", help="Agree to prices and removals without being asked (for cron).")
NAME = typer.Argument(help="The name of a source, as `govorun kb list` prints it.")
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
    from bot.runtime.commands import knowledge
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


@app.command("sync")
def sync_source(
    name: str = typer.Argument("", help="The name of a source; all of them if not given."),
    yes: bool = YES,
    bot: int = BOT,
) -> None:
    """Read a source again, and store what has changed."""

    async def sync(command: KnowledgeCommand) -> None:
        for one in [name] if name else await command.names():
            await command.sync(one)

    _keep(bot, sync, yes=yes)


@app.command("embed")
def embed_sources(yes: bool = YES, bot: int = BOT) -> None:
    """Buy the embeddings that are missing."""
    _keep(bot, lambda command: command.embed(), yes=yes)


@app.command("read")
def set_readers(
    name: str = NAME,
    audience: str = typer.Argument(help="everyone, members, operators, admins, owners, user:ID, chat:ID, with commas; "
                                        "nobody = none of them."),
    bot: int = BOT,
) -> None:  # fmt: skip
    """Say who may read a source."""
    from bot.runtime.commands import knowledge

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
    question: str,
    person: int = typer.Option(0, "--as", help="The id of a person: what she may read in her private chat."),
    chat: int = typer.Option(0, "--in", help="The id of a group: what all of it may read."),
    role: str = typer.Option("", help="The role of the person: user, operator, admin, owner."),
    bot: int = BOT,
) -> None:
    """Show what a question finds, with scores; without --as and --in what everyone may read."""
    from bot.knowledge.rights import groups_of
    from bot.types import Address

    groups = groups_of(role, person, Address("telegram", bot, chat or person), private=not chat)
    _keep(bot, lambda command: command.search(question, groups))


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


def _keep(bot: int, work: Callable[[KnowledgeCommand], Awaitable[None]], *, yes: bool = False) -> None:
    """Do something with the knowledge base of a bot; `yes` agrees to everything that is asked."""
    from bot.config import multi_bot
    from bot.config.settings import load
    from bot.runtime.commands import knowledge

    settings = load()
    numbers = {bot} if bot else multi_bot.numbers(settings)
    if len(numbers) != 1:
        raise BadInput(f"which bot? --bot takes one of {', '.join(map(str, sorted(numbers)))}")

    async def run() -> None:
        agree = (lambda _: True) if yes else agree_on_terminal
        async with knowledge.opened(settings, numbers.pop(), typer.echo, agree) as command:
            await work(command)

    asyncio.run(run())


def agree_on_terminal(question: str) -> bool:
    """Ask on the terminal, and return whether the answer is yes; without a terminal it is no."""
    if not sys.stdin.isatty():
        typer.echo(f"{question} (no terminal to ask on; --yes agrees)")
        return False
    return typer.confirm(question)
