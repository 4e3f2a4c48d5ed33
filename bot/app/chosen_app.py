"""The App that a command of `govorun` works for: its option --app, GOVORUN_APP, or pyproject.toml says where it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bot.app.application import App, find
from bot.app.starting import named
from bot.config.overrides import Given, of_app

if TYPE_CHECKING:
    from typer.models import CommandInfo

OWN = typer.Option(
    "", "--app", metavar="PLACE", show_default=False,
    help="Your own bot: module:name or file.py:name of its App. If not given, GOVORUN_APP, or app in the table "
    "tool.govorun of pyproject.toml.",
)  # fmt: skip

_given: ContextVar[str] = ContextVar("app_given", default="")  # by the option --app of the command that runs


def add_option(group: typer.Typer, *, without: Sequence[str]) -> None:
    """Give every command below `group` the option --app, but for those whose words are in `without`."""
    for words, command in _commands(group):
        if words not in without and command.callback is not None:
            command.callback = _with_option(command.callback)


@contextmanager
def settings_of_app() -> Iterator[None]:
    """Let `config.settings.load` return what the App has given, where a command works for one."""
    token = of_app.set(_overrides)
    try:
        yield
    finally:
        of_app.reset(token)


def place() -> str:
    """Return where the App is; "" if the command works for Govorun's own bot. Raises `ConfigError`."""
    return _given.get() or named(Path())


def find_app() -> App | None:
    """Return the App; None if the command works for Govorun's own bot. Its file is run once. Raises `ConfigError`."""
    return _app_at(where, Path.cwd()) if (where := place()) else None


@cache
def _app_at(where: str, folder: Path) -> App:
    return find(where, folder)


def _overrides() -> Given:
    found = find_app()
    return found.overrides() if found else Given()


def _commands(group: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Yield every command below a group, with its words ("kb add")."""
    for command in group.registered_commands:
        yield f"{above}{command.name or getattr(command.callback, '__name__', '')}", command
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, f"{above}{inner.name} ")


def _with_option(run: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a command, with the option --app more."""
    signature = inspect.signature(run, eval_str=True)
    option = inspect.Parameter("app_place", inspect.Parameter.KEYWORD_ONLY, default=OWN, annotation=str)
    shape = signature.replace(parameters=[*signature.parameters.values(), option])

    def command(*, app_place: str, **given: Any) -> Any:
        token = _given.set(app_place)
        try:
            return run(**given)
        finally:
            _given.reset(token)

    command.__name__, command.__doc__ = run.__name__, run.__doc__
    command.__dict__["__signature__"] = shape
    command.__annotations__ = {one.name: one.annotation for one in shape.parameters.values()}
    return command
