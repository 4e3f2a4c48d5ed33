"""A bot of your own: `App`. It collects what you add; only `run` loads what a bot needs, and starts it.

    app = App(system_prompt="You are a pirate.")

    @app.command("flip", "Flip a coin")
    async def flip(incoming: Incoming, reply: Reply) -> str:
        return random.choice(["Heads", "Tails"])

    app.run()

With BOT_TOKEN set it runs on Telegram, without it in the sandbox. See `docs/framework.md`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from bot.ai import Model
from bot.app import starting
from bot.errors import BotError, ConfigError
from bot.extension import SANDBOX, About, Extension, OwnCase, OwnCommand, OwnLines, OwnModel, OwnRule, Run
from bot.ports import ProcessRole
from bot.tools.tool import Tool

if TYPE_CHECKING:
    from aiogram import Router

    from bot.config.multi_bot import Plan
    from bot.config.settings import Settings
    from bot.runtime.supervisor import Problems

Checks = TypeVar("Checks", bound=Callable[[str], object])
Lines = TypeVar("Lines", bound=OwnLines)
T = TypeVar("T", bound=Tool | Callable[..., Any])


class App:
    """Your bot: the settings you give, by their names in lower case, and what you add to it.

    Settings given here override the environment. Making an `App` and adding to it changes nothing outside of it.
    """

    def __init__(
        self, *, commands: Iterable[OwnCommand] = (), tools: Iterable[Tool | Callable[..., Any]] = (), **settings: Any
    ) -> None:
        self.given = settings
        self.extension = Extension(commands=list(commands))
        self.cases: list[OwnCase] = []
        for tool in tools:
            self.tool(tool)

    def command(self, word: str, about: About = "", *, owners_only: bool = False) -> Callable[[Run], Run]:
        """Add a command: an `async (incoming, reply) -> str | Outgoing | None`, whose result is the answer.

        `incoming.rest` is the text after the command.
        """

        def add(run: Run) -> Run:
            self.extension.commands.append(OwnCommand(word, run, about, owners_only))
            return run

        return add

    def tool(self, tool: T) -> T:
        """Offer models a tool: a `Tool`, or a typed function with a docstring (see `Tool.of`). Returns it unchanged."""
        self.extension.tools.append(tool if isinstance(tool, Tool) else Tool.of(tool))
        return tool

    def model(self, name: str, model: Model, title: str = "") -> None:
        """Offer a model of your own. The first one answers, unless a user has chosen another."""
        self.extension.models.append(OwnModel(name, title or name, model))

    def case(self, question: str, **demands: Any) -> Callable[[Checks], Checks]:
        """Add a case for `govorun eval`: a question, and what its answer must have, by the names of docs/evaluation.md
        (`must_contain`, `must_not`, `must_cite`, `must_refuse` ...). The function gets the answer as a text and raises
        an error where it is wrong. Returns it unchanged.
        """

        def add(check: Checks) -> Checks:
            self.cases.append(OwnCase(question, demands, check))
            return check

        return add

    def card(self, lines: Lines) -> Lines:
        """Add lines to the cards of the support desk: an `async (customer: Customer) -> str | Sequence[str] | None`,
        which has 3 seconds. Returns it unchanged.
        """
        self.extension.desk.lines.append(lines)
        return lines

    def rule(self, rule: OwnRule) -> OwnRule:
        """Add a rule to those of desk.toml: a `(question: Question) -> Decision | None`, which must be quick and read
        nothing from outside, since it runs in a transaction. Returns it unchanged.
        """
        self.extension.desk.rules.append(rule)
        return rule

    def include_router(self, router: Router) -> None:
        """Mount an aiogram router: it gets the updates, commands and buttons that Govorun itself does not handle."""
        self.extension.routers.append(router)

    def settings(self, **more: Any) -> Settings:
        """Return the settings: those in `more`, then those of this App, then the environment and `.env`. Raises
        `ConfigError`.
        """
        from bot.config.settings import Settings, load

        for name in self.given:
            if name not in Settings.model_fields:
                raise ConfigError(f"{name} is no setting of Govorun; docs/framework.md tells what an App takes")
        taken = os.environ.get(SANDBOX, "").lower().split(",")
        given = {name: value for name, value in self.given.items() if name not in taken}
        files: dict[str, Any] = {"_env_file": None} if SANDBOX in os.environ else {}
        return load(**{**files, **given, **more})

    def plan(self, settings: Settings, role: ProcessRole = ProcessRole.ALL) -> Plan:
        """Return the bots to run: one with these settings, or one for each file of the BOTS folder. The settings of
        this App override those of the files. Raises `ConfigError`.
        """
        from bot.config import multi_bot

        return multi_bot.plan(settings, self.settings, studio=role.works and not self.extension.only_models)

    def run(self) -> None:
        """Run the bot until it is stopped: on Telegram if BOT_TOKEN is set, otherwise in the sandbox."""
        if starting.loading.get():  # `--app` looks for the App in this file, and runs it itself
            return
        try:
            settings = self.settings()
            if settings.bot_token.get_secret_value() or settings.bots is not None:
                self.serve(settings)
            else:
                starting.rehearse(starting.command_line())
        except BotError as error:
            sys.exit(f"govorun: {error}")

    def serve(
        self, settings: Settings, role: ProcessRole = ProcessRole.ALL, problems: Problems | None = None
    ) -> None:  # fmt: skip
        """Run the bot on Telegram until it is stopped; `problems` as for `runtime.main.run`. Raises `ConfigError`."""
        from bot.config.settings import has_key
        from bot.runtime import main as running
        from bot.telemetry import logging

        self.extension.only_models = bool(self.extension.models) and not has_key(settings)
        plan = self.plan(settings, role)
        with logging.standard_streams():
            logging.configure(settings.log_level, plan.secrets(), settings.log_format)
            running.run(plan, lambda: self.plan(self.settings(), role), self.extension, role, problems)


def find(place: str) -> App:
    """Import and return the App at "module:name" or "file.py:name"; without a name, `app`. Raises `ConfigError`."""
    where, _, name = place.partition(":")
    found = getattr(starting.load(where), name or "app", None)
    if not isinstance(found, App):
        raise ConfigError(f"--app {place}: there is no App called {name or 'app'} in {where}")
    return found
