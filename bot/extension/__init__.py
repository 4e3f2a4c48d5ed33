"""What a programmer adds to the bot, as values: `commands.py` (commands, models), `presses.py` (buttons), `forms.py`,
`middleware.py`, `hooks.py` (around the model), `desk.py` (lines of cards, rules).
`Extension` holds all of it: `app/` collects it, and `runtime/wiring.py` uses it. Nothing heavy is imported here.
"""

from bot.extension.commands import About, Answer, OwnCommand, OwnModel, Reply, Run, command
from bot.extension.desk import Customer, Decision, DeskExtension, OwnLines, OwnRule, Question
from bot.extension.extension import SANDBOX, Extension
from bot.extension.forms import Ask, Contact, Location, Photo
from bot.extension.hooks import AfterAnswer, BeforeAnswer, Hooks, Instructions, Preparation, Review
from bot.extension.middleware import Middleware, Next
from bot.extension.presses import Button, By, OwnPress, Pressed

__all__ = [
    "SANDBOX",
    "About",
    "AfterAnswer",
    "Answer",
    "Ask",
    "BeforeAnswer",
    "Button",
    "By",
    "Contact",
    "Customer",
    "Decision",
    "DeskExtension",
    "Extension",
    "Hooks",
    "Instructions",
    "Location",
    "Middleware",
    "Next",
    "OwnCommand",
    "OwnLines",
    "OwnModel",
    "OwnPress",
    "OwnRule",
    "Photo",
    "Preparation",
    "Pressed",
    "Question",
    "Reply",
    "Review",
    "Run",
    "command",
]
