"""What a programmer adds to the bot, as values: `commands.py` (commands, models, cases), `presses.py` (buttons),
`middleware.py`, `desk.py` (lines of cards, rules), `jobs.py`, `program.py` (what runs beside conversations);
`running.py` is the running bot as that code sees it.
`Extension` holds all of it: `app/` collects it, and `runtime/wiring.py` uses it. Nothing heavy is imported here.
"""

from bot.extension.commands import About, Answer, OwnCase, OwnCommand, OwnModel, Run, command
from bot.extension.data import OwnData
from bot.extension.desk import Customer, Decision, DeskExtension, OwnLines, OwnRule, Question
from bot.extension.endpoints import HttpRequest
from bot.extension.extension import SANDBOX, Extension
from bot.extension.jobs import JobRun, OwnJob, RunJob, Schedule
from bot.extension.middleware import Middleware, Next
from bot.extension.presses import Button, By, OwnPress, Pressed
from bot.extension.program import Lifespan, Program
from bot.extension.running import Running, SendState, Sent

__all__ = [
    "SANDBOX",
    "About",
    "Answer",
    "Button",
    "By",
    "Customer",
    "Decision",
    "DeskExtension",
    "Extension",
    "HttpRequest",
    "JobRun",
    "Lifespan",
    "Middleware",
    "Next",
    "OwnCase",
    "OwnCommand",
    "OwnData",
    "OwnJob",
    "OwnLines",
    "OwnModel",
    "OwnPress",
    "OwnRule",
    "Pressed",
    "Program",
    "Question",
    "Run",
    "RunJob",
    "Running",
    "Schedule",
    "SendState",
    "Sent",
    "command",
]
