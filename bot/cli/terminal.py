"""What commands share: options, questions on the terminal, and `command`, which opens what a command works with."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from bot.config.settings import Settings
    from bot.ports import Agree

Work = TypeVar("Work", bound=Callable[..., Awaitable[bool | None]])

SPANS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
TO_ALL = "Agree to prices and removals without being asked (for cron)."
Bot = Annotated[
    int, typer.Option(help="Id of the bot (its token begins with it); if not given, the bot of the settings.")
]
Bots = Annotated[
    int, typer.Option(help="Id of the bot (its token begins with it); if not given, the bots of the settings.")
]


def command(app: typer.Typer, name: str, *, yes: str = "") -> Callable[[Work], Work]:
    """Make an async function a command of a group. It is called with a `Workspace`, which is open until it returns.

    Beside the options of the function the command has --bot, and with `yes`, its help, --yes: then nothing is asked. A
    function that has to know of --yes declares it. The exit code is 1 if the function returns False.
    """

    def add(work: Work) -> Work:
        def run(*, bot: int, **given: Any) -> None:
            from bot.config import multi_bot
            from bot.config.settings import load

            settings = load()
            number = multi_bot.one_of(settings, bot)
            agree = agree_or_ask(yes=given.get("yes", False))
            if yes:
                del given["yes"]
            if asyncio.run(_run(work, given, settings, number, agree)) is False:
                raise typer.Exit(1)

        # `Workspace` is imported for type checkers only.
        _, *own = inspect.signature(work, locals={"Workspace": Any}, eval_str=True).parameters.values()
        if yes:
            agrees = Annotated[bool, typer.Option("--yes", help=yes)]
            own.append(Parameter("yes", Parameter.KEYWORD_ONLY, default=False, annotation=agrees))
        own.append(Parameter("bot", Parameter.KEYWORD_ONLY, default=0, annotation=Bot))
        run.__name__, run.__doc__ = work.__name__, work.__doc__
        run.__dict__["__signature__"] = inspect.Signature(own)
        app.command(name)(run)
        return work

    return add


async def _run(
    work: Callable[..., Awaitable[bool | None]], given: Mapping[str, Any], settings: Settings, bot: int, agree: Agree
) -> bool | None:
    from bot.runtime.opening import open_workspace

    async with open_workspace(settings, bot, typer.echo, agree) as workspace:
        return await work(workspace, **given)


def agree_or_ask(*, yes: bool) -> Agree:
    """Return what answers the questions of a command: yes to all, or whoever sits at the terminal."""
    return (lambda _: True) if yes else ask


def ask(question: str) -> bool:
    """Ask on the terminal, and return whether the answer is yes; without a terminal it is no."""
    if not sys.stdin.isatty():
        typer.echo(f"{question} (no terminal to ask on; --yes agrees)")
        return False
    return typer.confirm(question)


def count(number: int, what: str) -> str:
    """Return a number with its noun: "1 article", "1,200 articles"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def format_time(at: float) -> str:
    """Return a time (Unix seconds) as a date with hours and minutes."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
