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
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, TypeVar, Unpack

from bot.ai import Model
from bot.app import starting
from bot.app.app_settings import AppSettings
from bot.app.handlers import Handlers
from bot.app.program import AppProgram, State
from bot.config.overrides import Given, of_app
from bot.errors import BotError, ConfigError
from bot.extension import (
    SANDBOX,
    About,
    Extension,
    HandlerExtension,
    OwnCase,
    OwnCommand,
    OwnLines,
    OwnModel,
    OwnRule,
    Run,
    mistakes,
)
from bot.ports import ProcessRole
from bot.texts.added import Texts
from bot.tools.tool import Tool

if TYPE_CHECKING:
    from aiogram import Router
    from aiogram.fsm.storage.base import BaseStorage

    from bot.config.multi_bot import Plan
    from bot.config.settings import Settings

Checks = TypeVar("Checks", bound=Callable[[str], object])
Command = TypeVar("Command", bound=Run)
Lines = TypeVar("Lines", bound=OwnLines)
T = TypeVar("T", bound=Tool | Callable[..., Any])
NOTHING: Any = object()  # in the place of a tool that was not given


class App(Handlers, AppProgram[State]):
    """Your bot: the settings you give, by their names in lower case, and what you add to it.

    Settings given here override the environment; docs/settings.md lists them. Making an `App` and adding to it changes
    nothing outside of it, and a mistake in what is added raises `ConfigError` at once. `command`, `tool`, `model`,
    `include_router`, `card` and `rule` add to it, and `run` starts it. The other methods are for programs that start
    bots in a way of their own. `without` are words of commands that are switched off. `texts` are sentences
    of the bot in other languages or other words: by language and key, or a folder with files such as `de.toml`, which
    stands beside the file that makes the App, or else in the working folder.
    """

    def __init__(
        self,
        *,
        commands: Iterable[OwnCommand] = (),
        tools: Iterable[Tool | Callable[..., Any]] = (),
        without: Iterable[str] = (),
        texts: Texts | str | Path | None = None,
        **settings: Unpack[AppSettings],
    ) -> None:
        for name in settings:
            mistakes.check_setting(name, AppSettings.__annotations__)
        self.given: dict[str, Any] = {**settings}
        self.place: str = starting.calling_line()
        handlers = HandlerExtension(without=tuple(without), place=self.place)
        self.extension: Extension = Extension(handlers=handlers, texts=starting.beside_program(texts))
        for own in commands:
            self.extension.add_command(own)
        for tool in tools:
            self.tool(tool)

    def command(self, word: str, about: About = "", *, owners_only: bool = False) -> Callable[[Command], Command]:
        """Add a command: an `async (incoming, reply) -> Answer`, whose result is the answer: a text, one for each
        language, an `Outgoing`, or None.

        `incoming.rest` is the text after the command.
        """

        if callable(word):
            raise ConfigError('@app.command needs a word: @app.command("flip", "Flip a coin")')

        def add(run: Command) -> Command:
            self.extension.add_command(OwnCommand(word, run, about, owners_only))
            return run

        return add

    def tool(self, tool: T = NOTHING, **options: Never) -> T:
        """Offer models a tool: a `Tool`, or a typed function with a docstring (see `Tool.of`). Returns it unchanged.

        A function with options becomes a `Tool` first: `app.tool(Tool.of(pay, needs_approval=True))`.
        """
        if tool is NOTHING or options:
            given: Mapping[str, Any] = options
            shown = ", ".join(f"{name}={value!r:.40}" for name, value in given.items()) or "needs_approval=True"
            raise ConfigError(f"@app.tool takes a function alone; with options: app.tool(Tool.of(function, {shown}))")
        self.extension.add_tool(tool)
        return tool

    @mistakes.called_as('app.model("echo", Echo())')
    def model(self, name: str, model: Model, title: str = "") -> None:
        """Offer a model of your own. The first one answers until a user has chosen another, unless the setting `model`
        (`App(model="yandexgpt")`, MODEL) names the one that does: one of your own or of AI Studio.
        """
        self.extension.add_model(OwnModel(name, title or name, model))

    def case(self, question: str, **demands: Any) -> Callable[[Checks], Checks]:
        """Add a case for `govorun eval`: a question, and what its answer must have, by the names of docs/evaluation.md
        (`must_contain`, `must_not`, `must_cite`, `must_refuse` ...). The function gets the answer as a text, and
        returns False or raises an error where it is wrong. Returns the function unchanged.
        """

        if not isinstance(question, str):
            raise ConfigError('@app.case needs a question: @app.case("How long may I return a lamp?")')

        def add(check: Checks) -> Checks:
            mistakes.check_function(f"case {question!r:.40}", check, ("answer",), is_async=False)
            self.extension.before_start.ai.cases.append(OwnCase(question, demands, check))
            return check

        return add

    def card(self, lines: Lines) -> Lines:
        """Add lines to the cards of the support desk: an `async (customer: Customer) -> str | Sequence[str] | None`,
        which has 3 seconds. Returns it unchanged.
        """
        mistakes.check_function("card", lines, ("customer",))
        self.extension.before_start.desk.lines.append(lines)
        return lines

    def rule(self, rule: OwnRule) -> OwnRule:
        """Add a rule to those of desk.toml: a `(question: Question) -> Decision | None`, which must be quick and read
        nothing from outside, since it runs in a transaction. Returns it unchanged.
        """
        mistakes.check_function("rule", rule, ("question",), is_async=False)
        self.extension.before_start.desk.rules.append(rule)
        return rule

    def include_router(self, router: Router, *, states: BaseStorage | None = None) -> None:
        """Mount an aiogram router: it gets the updates, commands and buttons that Govorun itself does not handle.

        The states of its dialogues (`FSMContext`) are kept in the bot's database, or in another storage of aiogram
        (`states=MemoryStorage()`), which all routers share. Raises `ConfigError` for what is no router.
        """
        self.extension.add_router(router, states)

    def settings(self, **more: Any) -> Settings:
        """Return the settings: `more` overrides those of this App, which override the environment, which overrides
        `.env`. Raises `ConfigError`.
        """
        from bot.config.settings import load

        token = of_app.set(self.overrides)
        try:
            return load(**more)
        finally:
            of_app.reset(token)

    def overrides(self) -> Given:
        """Return what this App gives `config.settings.load`: its settings, but for those that a sandbox has of its
        own.
        """
        taken = os.environ.get(SANDBOX, "").lower().split(",")
        given = Given({"_env_file": None} if SANDBOX in os.environ else {})
        given.update((name, value) for name, value in self.given.items() if name not in taken)
        given.place = self.place
        return given

    def plan(self, settings: Settings, role: ProcessRole = ProcessRole.ALL) -> Plan:
        """Return the bots to run: one with these settings, or one for each file of the BOTS folder. The settings of
        this App override those of the files. Raises `ConfigError`.
        """
        from bot.config import multi_bot

        return multi_bot.plan(settings, self.settings, studio=role.works and not self.extension.ai.only_models)

    def run(self, *, port: int | None = None) -> None:
        """Run the bot until it is stopped: on Telegram if BOT_TOKEN is set, otherwise in the sandbox.

        `port` is where the webhook and your endpoints listen; otherwise the setting WEBHOOK_PORT says it.
        """
        if port is not None:
            self.given["webhook_port"] = port
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

    def serve(self, settings: Settings, role: ProcessRole = ProcessRole.ALL) -> None:
        """Run the bot on Telegram until it is stopped. What is wrong with keys and addresses is logged after the start.
        Raises `ConfigError`.
        """
        from bot.config.settings import has_key
        from bot.doctor.examination import find_problems
        from bot.runtime import main as running
        from bot.runtime.models import for_studio
        from bot.telemetry import logging

        self.extension.ai.only_models = bool(self.extension.ai.models) and not has_key(settings)
        plan = self.plan(settings, role)

        def look(settings: Settings) -> AsyncIterator[str]:
            return find_problems(for_studio(settings, self.extension), studio=not self.extension.ai.only_models)

        with logging.standard_streams():
            logging.configure(settings.log_level, plan.secrets(), settings.log_format)
            running.run(plan, lambda: self.plan(self.settings(), role), self.extension, role, look)


def find(place: str, folder: Path | None = None) -> App:
    """Import and return the App at "module:name" or "file.py:name", in a folder or where the program was started;
    without a name, `app`. Raises `ConfigError`.
    """
    where, _, name = place.partition(":")
    module = starting.load(where, folder or Path())
    found = getattr(module, name or "app", None)
    if not isinstance(found, App):
        there = [f"{where}:{known}" for known, one in vars(module).items() if isinstance(one, App)]
        kind = "class" if isinstance(found, type) else type(found).__name__
        raise ConfigError(
            f"--app {place}: there is no App called {name or 'app'} in {where}"
            + ("" if found is None else f", where that is a {kind}")
            + (f"; there is {', '.join(there)}" if there else f"; an App is made by `{name or 'app'} = App(...)`")
        )
    return found
