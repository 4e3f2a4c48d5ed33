"""What a programmer adds to the bot, as values: `commands.py` (commands, models, cases), `presses.py` (buttons),
`forms.py`, `middleware.py`, `hooks.py` (around the model), `desk.py` (lines of cards, rules), `jobs.py`,
`program.py` (what runs beside conversations), `endpoints.py`, `data.py` (tables); `running.py` is the running bot as
that code sees it.
`Extension` holds all of it: `app/` collects it, and `runtime/wiring.py` uses it. Nothing heavy is imported here.
"""

from bot.extension.commands import About, Answer, OwnCase, OwnCommand, OwnModel, Reply, Run, command
from bot.extension.data import OwnData
from bot.extension.desk import Customer, Decision, DeskExtension, OwnLines, OwnRule, Question
from bot.extension.endpoints import HttpRequest
from bot.extension.extension import SANDBOX, Extension, HandlerExtension, ModelExtension
from bot.extension.forms import Ask, Contact, Location, Photo
from bot.extension.hooks import AfterAnswer, BeforeAnswer, Hooks, Instructions, Preparation, Review
from bot.extension.jobs import JobRun, OwnJob, RunJob, Schedule
from bot.extension.middleware import Middleware, Next
from bot.extension.presses import Button, By, OwnPress, Pressed
from bot.extension.program import Lifespan, Program
from bot.extension.running import Running, SendState, Sent
from bot.extension.transport import Door, OwnTransport

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
    "Door",
    "Extension",
    "HandlerExtension",
    "Hooks",
    "HttpRequest",
    "Instructions",
    "JobRun",
    "Lifespan",
    "Location",
    "Middleware",
    "ModelExtension",
    "Next",
    "OwnCase",
    "OwnCommand",
    "OwnData",
    "OwnJob",
    "OwnLines",
    "OwnModel",
    "OwnPress",
    "OwnRule",
    "OwnTransport",
    "Photo",
    "Preparation",
    "Pressed",
    "Program",
    "Question",
    "Reply",
    "Review",
    "Run",
    "RunJob",
    "Running",
    "Schedule",
    "SendState",
    "Sent",
    "command",
]
