"""What a programmer adds to the bot, as values: `commands.py` (commands, models), `desk.py` (lines of cards, rules),
`jobs.py`, `program.py` (what runs beside conversations); `running.py` is the running bot as that code sees it.
`Extension` holds all of it: `app/` collects it, and `runtime/wiring.py` uses it. Nothing heavy is imported here.
"""

from bot.extension.commands import About, Answer, OwnCommand, OwnModel, Run, command
from bot.extension.data import OwnData
from bot.extension.desk import Customer, Decision, DeskExtension, OwnLines, OwnRule, Question
from bot.extension.endpoints import HttpRequest
from bot.extension.extension import SANDBOX, Extension
from bot.extension.jobs import JobRun, OwnJob, RunJob, Schedule
from bot.extension.program import Lifespan, Program
from bot.extension.running import Running, SendState, Sent
from bot.extension.transport import Door, OwnTransport, shown

__all__ = [
    "SANDBOX",
    "About",
    "Answer",
    "Customer",
    "Decision",
    "DeskExtension",
    "Door",
    "Extension",
    "HttpRequest",
    "JobRun",
    "Lifespan",
    "OwnCommand",
    "OwnData",
    "OwnJob",
    "OwnLines",
    "OwnModel",
    "OwnRule",
    "OwnTransport",
    "Program",
    "Question",
    "Run",
    "RunJob",
    "Running",
    "Schedule",
    "SendState",
    "Sent",
    "command",
    "shown",
]
