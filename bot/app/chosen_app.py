"""The App that a command of `govorun` works for: its option --app, GOVORUN_APP, or pyproject.toml says where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from bot.app.application import App, find
from bot.app.starting import named
from bot.config.overrides import Given, of_app

_given: ContextVar[str] = ContextVar("app_given", default="")  # by the option --app of the command that runs


@contextmanager
def given(place: str) -> Iterator[None]:
    """Let a command work for the App at `place`, which its option --app has named; "" if it has named none."""
    token = _given.set(place)
    try:
        yield
    finally:
        _given.reset(token)


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
    """Return the App that the command works for; None if it works for Govorun's own bot.

    The file of the App is imported with the first call. Raises `ConfigError`.
    """
    return _app_at(where, Path.cwd()) if (where := place()) else None


@cache
def _app_at(where: str, folder: Path) -> App:
    return find(where, folder)


def _overrides() -> Given:
    found = find_app()
    return found.overrides() if found else Given()
