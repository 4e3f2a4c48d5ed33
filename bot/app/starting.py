"""How the program of an `App` is started: as the bot of a sandbox, or by `--app` out of a file or module."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from bot.errors import ConfigError

# True while `--app` imports a file, whose own `app.run()` then does nothing.
loading: contextvars.ContextVar[bool] = contextvars.ContextVar("loading", default=False)


def rehearse(command: list[str]) -> None:
    """Run the sandbox until Ctrl-C; it starts the bot with this command line."""
    from bot.sandbox.main import serve

    print("BOT_TOKEN is not set: this is the sandbox.", file=sys.stderr)  # noqa: T201  for people at a terminal
    asyncio.run(serve(Path(".govorun"), None, browser=True, bot=command))


def load(where: str) -> ModuleType:
    """Import and return a module ("shop.bot") or a file ("shop.py"). Raises `ConfigError`."""
    token = loading.set(True)
    try:
        return _module(where)
    finally:
        loading.reset(token)


def _module(where: str) -> ModuleType:
    path = Path(where)
    if path.suffix != ".py":
        sys.path.insert(0, os.getcwd())
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name != where:
                raise
            raise ConfigError(f"--app {where}: there is no such module here") from None
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"--app {where}: there is no such file")
    sys.path.insert(0, str(path.parent.absolute()))
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command_line() -> list[str]:
    """Return the command line of this program, with which the sandbox starts it again as the bot. Raises
    `ConfigError`.
    """
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return [sys.executable, "-m", spec.name.removesuffix(".__main__"), *sys.argv[1:]]
    if not hasattr(main, "__file__"):
        raise ConfigError("the sandbox starts the bot as a program of its own: put it into a file")
    return [sys.executable, str(Path(str(main.__file__)).absolute()), *sys.argv[1:]]
