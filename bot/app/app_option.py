"""The option --app of the commands of `govorun`. `chosen_app.py` finds the App that it names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from bot.app import chosen_app

if TYPE_CHECKING:
    from typer.models import CommandInfo

OWN = typer.Option(
    "",
    "--app",
    metavar="PLACE",
    show_default=False,
    help="Your own bot: module:name or file.py:name of its App. If not given, GOVORUN_APP, or app in the table "
    "tool.govorun of pyproject.toml.",
)


def add_option(group: typer.Typer, *, without: Sequence[str]) -> None:
    """Give every command below `group` the option --app, but for those whose words are in `without`."""
    for words, command in _commands(group):
        if words not in without and command.callback is not None:
            command.callback = _with_option(command.callback)


def _commands(group: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Yield every command below a group, with its words ("kb add")."""
    for command in group.registered_commands:
        yield f"{above}{command.name or getattr(command.callback, '__name__', '')}", command
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, f"{above}{inner.name} ")


def _with_option(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that has the option --app beside those of `run`, and runs it for the App that was named."""
    signature = inspect.signature(run, eval_str=True)
    option = inspect.Parameter("app_place", inspect.Parameter.KEYWORD_ONLY, default=OWN, annotation=str)
    shape = signature.replace(parameters=[*signature.parameters.values(), option])

    def command(*, app_place: str, **given: Any) -> Any:
        with chosen_app.given(app_place):
            return run(**given)

    command.__name__, command.__doc__ = run.__name__, run.__doc__
    command.__dict__["__signature__"] = shape
    command.__annotations__ = {one.name: one.annotation for one in shape.parameters.values()}
    return command
