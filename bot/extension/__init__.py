"""What a programmer adds to the bot, as values: `commands.py` (commands, models, cases), `desk.py` (lines of cards,
rules). `Extension` holds all of it: `app/` collects it, `runtime/wiring.py` uses it. Nothing heavy is imported here.
"""

from bot.extension.commands import About, Answer, OwnCase, OwnCommand, OwnModel, Run, command
from bot.extension.desk import Customer, Decision, DeskExtension, OwnLines, OwnRule, Question
from bot.extension.extension import SANDBOX, Extension

__all__ = [
    "SANDBOX",
    "About",
    "Answer",
    "Customer",
    "Decision",
    "DeskExtension",
    "Extension",
    "OwnCase",
    "OwnCommand",
    "OwnLines",
    "OwnModel",
    "OwnRule",
    "Question",
    "Run",
    "command",
]
