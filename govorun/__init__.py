"""Govorun: a chatbot framework on Yandex AI Studio. Everything that a bot of your own needs is imported from here.

The framework itself is the package `bot`. A project may have a `bot.py` or a `bot/` of its own, so this package loads
Govorun's by its path, when the first name is asked for. The names are those of `bot.__all__`; docs/reference.md lists
them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot import *  # noqa: F403
    from bot import __all__ as __all__
    from bot import __version__ as __version__

_HOME = Path(__file__).resolve().parents[1] / "bot"


def load() -> None:
    """Load Govorun's package `bot`, whatever else has that name. Raises `ImportError` if something else is loaded as
    `bot` already.
    """
    known = sys.modules.get("bot")
    if known is not None:
        if _HOME in (Path(path).resolve() for path in getattr(known, "__path__", ())):
            return
        raise ImportError(
            f"{known.__file__} is loaded as the module `bot`, which is also the name of Govorun's own package. Rename "
            "it, or let Govorun load it: govorun run --app bot:app, and govorun.testing.find in tests"
        )
    spec = importlib.util.spec_from_file_location("bot", _HOME / "__init__.py", submodule_search_locations=[str(_HOME)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{_HOME} is missing: install govorun anew")
    module = sys.modules["bot"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["bot"]
        raise


if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> object:
        """Return a public name of Govorun, which is loaded at the first of them."""
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(f"module 'govorun' has no attribute {name!r}")
        load()
        import bot

        if name not in ("__all__", "__version__", *bot.__all__):
            raise AttributeError(f"module 'govorun' has no attribute {name!r}")
        return getattr(bot, name)

    def __dir__() -> list[str]:
        return [*__getattr__("__all__"), "__version__"]
