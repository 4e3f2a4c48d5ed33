"""How the program of an `App` is started: as the bot of a sandbox, or by `--app` out of a file or module."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import importlib.util
import os
import sys
import tomllib
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from bot.errors import ConfigError

# True while `--app` imports a file, whose own `app.run()` then does nothing.
loading: contextvars.ContextVar[bool] = contextvars.ContextVar("loading", default=False)

T = TypeVar("T")
OURS = str(Path(__file__).parents[1]) + os.sep


def rehearse(command: list[str]) -> None:
    """Run the sandbox until Ctrl-C; it starts the bot with this command line."""
    from bot.sandbox.main import serve

    print("BOT_TOKEN is not set: this is the sandbox.", file=sys.stderr)  # noqa: T201  for people at a terminal
    asyncio.run(serve(Path(".govorun"), None, browser=True, bot=command))


def named(folder: Path) -> str:
    """Return where the App is, as GOVORUN_APP says, or `[tool.govorun] app` in the folder's pyproject.toml; "" if
    neither is set. Raises `ConfigError`.
    """
    if given := os.environ.get("GOVORUN_APP", ""):
        return given
    try:
        tools = tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get("tool", {})
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ConfigError(f"pyproject.toml: {error}") from None
    return str(tools.get("govorun", {}).get("app", ""))


def load(where: str, folder: Path) -> ModuleType:
    """Import and return a module ("shop.bot") or a file ("shop.py") in a folder. Raises `ConfigError`; one about a line
    of the program begins with that line.
    """
    token = loading.set(True)
    try:
        return _module(where, folder)
    except (ConfigError, TypeError, ValueError) as error:
        if not isinstance(error, ConfigError) and not _is_told(error):
            raise
        raise ConfigError(f"{_line_of_program(error)}{error}") from None
    finally:
        loading.reset(token)


def _module(where: str, folder: Path) -> ModuleType:
    path = _file(where, folder)
    if path is not None:
        return _execute(path, where)
    sys.path.insert(0, str(folder.absolute()))
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name != where:
            raise
        raise ConfigError(f"--app {where}: there is no such module here") from None


def _file(where: str, folder: Path) -> Path | None:
    """The file that `where` means: one that ends in .py, or one's own bot.py or bot/, as `bot` is Govorun's module."""
    if where.endswith(".py"):
        return folder / where
    if where == "bot":
        return next((path for path in (folder / "bot.py", folder / "bot" / "__init__.py") if path.is_file()), None)
    return None


def _execute(path: Path, where: str) -> ModuleType:
    """Run a file as a module under a name that no other module has. Its folder comes last in sys.path, and so hides no
    module either: the file and its neighbours may be called types.py, logging.py or bot.py.
    """
    if not path.is_file():
        raise ConfigError(f"--app {where}: there is no such file")
    package = path.name == "__init__.py"
    name = f"__govorun_app_{path.parent.name if package else path.stem}__"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if package else None
    )
    if spec is None or spec.loader is None:
        raise ConfigError(f"--app {where}: {path} can't be read as Python")
    sys.path.append(str((path.parent.parent if package else path.parent).absolute()))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _is_told(error: Exception) -> bool:
    """Whether a decorator of Govorun has refused something with this error."""
    return traceback.extract_tb(error.__traceback__)[-1].filename.startswith((f"{OURS}app", f"{OURS}extension"))


def _line_of_program(error: Exception) -> str:
    """File and line, as "shop.py:12: ", of the last call outside of Govorun that led to the error; "" without one."""
    calls = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    return _last_of_program(calls)


def calling_line() -> str:
    """File and line, as "shop.py:12: ", of the code outside of Govorun that is calling it; "" without such code."""
    return _last_of_program([(frame.f_code.co_filename, line) for frame, line in traceback.walk_stack(None)][::-1])


def beside_program(given: T) -> T | Path:
    """A folder that is named relative to the file that is calling; another value, or a folder that is not there, as it
    is.
    """
    if not isinstance(given, str | Path):
        return given
    file = calling_line().rpartition(":")[0].rpartition(":")[0]
    found = Path(file).parent / given
    return found.absolute() if file and found.is_dir() else given


def _last_of_program(calls: Sequence[tuple[str, int]]) -> str:
    theirs = [call for call in calls if not call[0].startswith((OURS, "<frozen importlib"))]
    return f"{os.path.relpath(theirs[-1][0])}:{theirs[-1][1]}: " if theirs else ""


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
