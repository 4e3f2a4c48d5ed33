"""What a programmer begins with: `App`. `application.py` has it, `starting.py` says how its program is started."""

from bot.app.application import App, find
from bot.app.starting import rehearse

__all__ = ["App", "find", "rehearse"]
