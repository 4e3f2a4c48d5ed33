"""What tests of your bot are written with: the types of the fixtures `tg`, `studio`, `clock` and `stage`, and `find`,
which returns the App in a file. `plugin.py` is what pytest loads; `docs/framework.md` has examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.app import find as find
    from bot.testing.stage import Stage as Stage
    from bot.testing.studio import StudioSide as StudioSide
    from bot.testing.tg import BotMessage as BotMessage
    from bot.testing.tg import Business as Business
    from bot.testing.tg import Group as Group
    from bot.testing.tg import Person as Person
    from bot.testing.tg import Tg as Tg
    from bot.testing.virtual_loop import LoopClock as LoopClock
    from govorun.testing.fixtures import Dialogue as Dialogue


PLACES = {
    "BotMessage": "bot.testing.tg",
    "Business": "bot.testing.tg",
    "Dialogue": "govorun.testing.fixtures",
    "Group": "bot.testing.tg",
    "LoopClock": "bot.testing.virtual_loop",
    "Person": "bot.testing.tg",
    "Stage": "bot.testing.stage",
    "StudioSide": "bot.testing.studio",
    "Tg": "bot.testing.tg",
    "find": "bot.app",
}

if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> object:
        """Return one of the names above. Govorun is loaded at the first of them: pytest's plugin loads nothing."""
        if name not in PLACES:
            raise AttributeError(f"module 'govorun.testing' has no attribute {name!r}")
        from importlib import import_module

        from govorun import load

        load()
        return getattr(import_module(PLACES[name]), name)
