"""What a programmer begins with: `App`. `application.py` has it, `starting.py` says how its program is started."""

from bot.app.application import App, find
from bot.app.starting import named, rehearse

__all__ = ["App", "find", "named", "rehearse"]
