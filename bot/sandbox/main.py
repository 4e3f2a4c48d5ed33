"""`govorun sandbox`: Telegram and AI Studio on loopback, the bot as a process, and a chat page in the browser. Begin
with `serve`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import shlex
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from aiohttp import web

from bot.errors import ConfigError
from bot.extension import SANDBOX
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.bot_process import BotProcess, on_changes, private
from bot.sandbox.event_stream import Hub
from bot.sandbox.guard import listen
from bot.sandbox.page_api import BotControl, PageApi
from bot.sandbox.page_tabs import DeskRules, Handbook, ServiceSwitches, Trials, handbook_settings
from bot.sandbox.runs_view import RunsView
from bot.sandbox.telegram.server_facade import Telegram
from bot.telemetry import incidents

log = logging.getLogger(__name__)

PARTS = ("telegram", "ai_studio", "page")  # what can be started alone
PAGE = Path(__file__).with_name("page")
FIRST_PORT = 8765
ENDPOINT_PORT, ENDPOINT_SECRET = 8443, "sandbox-sandbox-sandbox"  # of an App's own endpoints
OWNERS_FOLDER = 0o700
SAVE_EVERY = 2.0  # seconds between checks whether the chats have changed
FOREIGN = tuple(
    """
    YC_IAM_TOKEN YC_OAUTH_TOKEN YC_TOKEN YC_SERVICE_ACCOUNT_KEY_FILE WEBHOOK_URL TELEGRAM_PROXY BOTS
    """.split()
)
WHOLE_ESSAY = "4000"  # tokens: the scripted model's long answer should not always be cut short
MAX_START = 120.0  # seconds until a bot asks for updates
VALIDATION, RUN, TUNING = 4.0, 20.0, 30.0  # seconds; the real ones take minutes to days
PIECES_A_SECOND, FIRST_PIECE, PICTURE = 30.0, 0.4, 3.0


class Sandbox:
    """Everything that `make run` starts. The bot's token and API key are new at each start.

    `directory` keeps the chats, the bot's database and its log; only its owner may read it. `bot` is the command line
    of a bot other than Govorun itself. `tell` gets lines for the person at the terminal.
    """

    def __init__(
        self, directory: Path, bot: Sequence[str] = (), *, tell: Callable[[str], None] = lambda _line: None
    ) -> None:
        self.command = bot
        self._tell = tell
        self.directory = _made(directory.absolute())
        self.hub = Hub()
        self.telegram = Telegram(hub=self.hub, topics=True)
        self.studio = Studio(hub=self.hub, models_dir=self.directory / "models", on_model=self._model_changed)
        self.studio.speed, self.studio.ttft = PIECES_A_SECOND, FIRST_PIECE
        self.studio.operations.seconds["art"] = PICTURE
        self.trials = Trials(self._try)
        self.bot: BotProcess | None = None
        self.world: PageApi | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._start_watch: asyncio.Future[None] | None = None
        self._fixed: Mapping[str, str] = {}
        self._told = ""  # the address of an App's endpoints that the terminal shows
        self._saved = -1
        self._incidents = incidents.beside(self.directory / "govorun.db")
        self._incidents_size = _size(self._incidents)
        self._told_codes = {one.code for one in incidents.read_incidents(self._incidents)}

    async def start(self, port: int | None = None, only: str = "") -> str:
        """Start everything and return the address of the page; or `only` one of `PARTS`, and return its address. A page
        alone shows the kept chats, without a bot. Raises `ConfigError` for another part and for a `port` that is taken.
        """
        if only not in ("", *PARTS):
            raise ConfigError(f"--only {only}: there is no such part; known: {', '.join(PARTS)}")
        self._load()
        services = await self._serve(only, port or 0)
        if only in ("telegram", "ai_studio"):
            self._write_settings(self.env_file, services)
            return self.telegram.url or self.studio.url
        self._fixed = self._settings(services)
        if not only:
            self._write_settings(self.env_file, {**services, "DATABASE_URL": self._fixed["DATABASE_URL"]})
            own = {name: value for name, value in self._fixed.items() if name not in (SANDBOX, "SHUTDOWN_GRACE")}
            self._write_settings(self.commands_file, own)
        self.bot = BotProcess(self.directory, self._fixed, self._bot_changed, self.command)
        self.url = await self._open_page(self.bot, _no_bot if only else self.bot.control, port)
        if not only:
            await self.bot.start()
        return self.url

    async def _open_page(self, bot: BotProcess, control: BotControl, port: int | None) -> str:
        desk, profile = DeskRules(self.directory, self.telegram.clock), self.telegram.state.profile
        if not self.command:
            desk.begin()
            profile.business = True
        handbook = Handbook(self.directory)
        self.world = PageApi(
            self.telegram, self.studio, bot.state, control, trials=self.trials, handbook=handbook, desk=desk
        )
        url, clock = self._fixed["DATABASE_URL"], self.telegram.clock
        runs = RunsView(url=url, clock=clock, bot=lambda: profile.id, commands=self.commands_file)
        switches = ServiceSwitches(self.studio, self.trials)
        page = self.world.app({"runs": (runs.show, "runs"), "service": (switches.change, "service")})
        page.router.add_get("/", _index)
        page.router.add_static("/", PAGE)
        self._runner = web.AppRunner(page, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        return await _listen(self._runner, port)

    async def _serve(self, only: str, port: int) -> dict[str, str]:
        """Start both servers, or the one that is wanted alone, on its port. Returns the settings with which any bot
        uses them.
        """
        services = {"SPEECH": "on", "ACCESS": "open"}
        try:
            if only in ("", "telegram"):
                url = await self.telegram.start(port if only else 0)
                services |= {"BOT_TOKEN": self.telegram.token, "TELEGRAM_API_URL": url}
            if only in ("", "ai_studio"):
                await self.studio.start(port if only else 0)
                await self.start_grpc()
                services |= {name.upper(): value for name, value in self.studio.settings().items()}
        except OSError as error:
            raise ConfigError(f"--port {port} is taken: {error.strerror}") from None
        return services

    async def start_grpc(self) -> None:
        """Start the gRPC server, if the extra `grpc` is installed. Datasets, batch runs and tuning take less time than
        in tests of the servers.
        """
        if importlib.util.find_spec("yandexcloud") is None:
            return
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")  # programs are started, not forked: nothing to tell
        server = await self.studio.start_grpc()
        server.datasets.seconds, server.runs.seconds, server.tunings.seconds = VALIDATION, RUN, TUNING

    async def close(self) -> None:
        """Stop the bot in order, save the chats, stop the servers."""
        if self._start_watch is not None:
            self._start_watch.cancel()
        if self.bot is not None:
            await self.bot.close()
        self._save()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.studio.close()
        await self.telegram.close()

    async def keep(self) -> None:
        """Save the chats whenever they changed, and tell new failures of the bot, until cancelled."""
        while True:
            await asyncio.sleep(SAVE_EVERY)
            self._save()
            self.tell_failures()

    def tell_failures(self) -> None:
        """Tell the person at the terminal, in a line for each, what has failed since the last call."""
        for one in incidents.read_incidents(self._incidents) if self._changed_incidents() else ():
            if one.code not in self._told_codes:
                self._told_codes.add(one.code)
                self._tell(f"  {one.kinds[0]} at {one.place}: govorun log {one.code}")

    def _changed_incidents(self) -> bool:
        """Whether the file of failures has changed since the last call."""
        before, self._incidents_size = self._incidents_size, _size(self._incidents)
        return self._incidents_size != before

    async def restart_bot(self) -> None:
        """Start the bot again with the code that its files have now."""
        if self.bot is not None:
            self._tell("  A file has changed: the bot starts again.")
            await self.bot.control("restart")

    def _settings(self, services: Mapping[str, str]) -> dict[str, str]:
        folder = self.directory
        own = {
            "MAX_TOKENS": WHOLE_ESSAY,
            "DESK": str(folder),
            "EVAL_CASES": str(folder / "eval"),
            "PROMPTS_DIR": str(folder / "prompts"),
            **({} if self.command else handbook_settings(folder)),
        }
        settings = {
            **services,
            "SHUTDOWN_GRACE": "2",  # Ctrl-C should not wait for an essay; the next start writes it again
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.directory / 'govorun.db'}",
            **({"HTTP_SECRET": ENDPOINT_SECRET} if self.command else own),
            **({"ROUTING": str(topics)} if (topics := self.directory / "routing.toml").exists() else {}),
        }
        fixed = {**settings, **dict.fromkeys(FOREIGN, ""), SANDBOX: ",".join([*settings, *FOREIGN])}
        return {"WEBHOOK_PORT": os.environ.get("WEBHOOK_PORT") or str(_free_port()), **fixed}  # an App may have its own

    async def _try(self, settings: Mapping[str, str]) -> None:
        """Restart the bot with settings that the page has chosen, and wait until it is ready."""
        if self.bot is not None:
            await self.bot.reconfigure({**settings, SANDBOX: ",".join([self._fixed[SANDBOX], *settings])})
            if self._start_watch is not None:
                await asyncio.wait([self._start_watch])

    def _bot_changed(self) -> None:
        if self.bot is None or self.world is None:
            return
        if self._start_watch is not None:
            self._start_watch.cancel()
        if self.bot.state()["running"]:
            self.trials.bot_started()
            self._start_watch = asyncio.ensure_future(self._watch_start(self.bot, self.world))
        self.world.show_bot()
        self.world.show_trials()

    async def _watch_start(self, bot: BotProcess, world: PageApi) -> None:
        """Wait until the started bot asks for updates: then its log has the code that makes its owner."""
        started = self.telegram.clock.monotonic()
        with suppress(TimeoutError):
            await self.telegram.wait_for(lambda: self.telegram.updates.polled > started, MAX_START)
            code = bot.owner_code()
            self.trials.bot_ready(code)
            world.show_trials()
            if (where := bot.endpoints()) not in ("", self._told):
                self._told = where
                self._tell(f"  Endpoints of the App: {where}, Authorization: Bearer {ENDPOINT_SECRET}\n")
            if code:
                self._tell(f"  To own the bot, write to it: /start {code}\n")

    def _model_changed(self, _state: Mapping[str, Any]) -> None:
        if self.world is not None:
            self.world.show_model()

    @property
    def env_file(self) -> Path:
        """The file with the settings for a bot that somebody starts by hand."""
        return self.directory / "bot.env"

    @property
    def commands_file(self) -> Path:
        """The file with the settings of the sandbox's own bot, for `govorun` commands in another terminal."""
        return self.directory / "commands.env"

    @property
    def _file(self) -> Path:
        return self.directory / "chats.json"

    def _load(self) -> None:
        if not self._file.exists():
            return
        try:
            self.telegram.load(json.loads(self._file.read_text()))
        except (ValueError, KeyError, TypeError) as error:
            aside = self._file.with_suffix(".broken.json")
            self._file.rename(aside)
            log.warning("the kept chats can't be read (%s); they are aside in %s", error, aside)
        self._saved = self.hub.seq

    def _save(self) -> None:
        if self._saved == self.hub.seq:
            return
        self._saved = self.hub.seq
        self._write(self._file, json.dumps(self.telegram.dump()))

    def _write_settings(self, path: Path, settings: Mapping[str, str]) -> None:
        self._write(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))

    def _write(self, path: Path, text: str) -> None:
        part = path.with_suffix(".part")
        private(part).write_text(text)
        part.replace(path)


async def serve(
    directory: Path,
    port: int | None,
    *,
    browser: bool,
    bot: Sequence[str] = (),
    watched: Path | None = None,
    only: str = "",
) -> None:
    """Run the sandbox, or `only` one of `PARTS`, until Ctrl-C. No process is left running afterwards. The bot is
    started again whenever a file of the folder `watched` changes.
    """
    sandbox = Sandbox(directory, bot, tell=typer.echo)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        url = await sandbox.start(port, only)
        typer.echo(f"\n  Govorun's sandbox:  {url}\n\n  Ctrl-C stops it. Everything is kept in {sandbox.directory}")
        if only != "page":
            typer.echo(f"  A bot that you start by hand finds the settings of this run in {sandbox.env_file}")
        if not only:
            commands = f"set -a; . {sandbox.commands_file}; set +a"
            typer.echo(f"  Commands about this bot (govorun batch, eval, tune, kb): {commands}\n")
        if (
            browser
            and only in ("", "page")
            and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        ):
            webbrowser.open(url)
        tasks = [asyncio.create_task(sandbox.keep())]
        if watched is not None:
            tasks.append(asyncio.create_task(on_changes(watched, sandbox.restart_bot)))
        await ended.wait()
        for task in tasks:
            task.cancel()
    finally:
        await sandbox.close()


def _made(directory: Path) -> Path:
    """Create the folder for its owner alone. Raises `ConfigError` if it belongs to somebody else."""
    try:
        directory.mkdir(OWNERS_FOLDER, parents=True, exist_ok=True)
        directory.chmod(OWNERS_FOLDER)
    except OSError as error:
        raise ConfigError(f"--directory {directory}: {error.strerror}; give a folder of your own") from None
    return directory


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _no_bot(_action: str) -> None:
    """Refuse what the page would do to a bot."""
    raise ValueError("this page was started alone: it has no bot")


async def _index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-store"})


def _free_port() -> int:
    """Return the port for the endpoints of an App: the usual one, or another that is free now."""
    for candidate in (ENDPOINT_PORT, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", candidate)) as listening:
            return int(listening.getsockname()[1])
    return ENDPOINT_PORT


async def _listen(runner: web.AppRunner, port: int | None) -> str:
    """Listen on `port`, or on the first free one of ten, or on any free one. Raises `ConfigError` if `port`
    is taken.
    """
    for candidate in [port] if port is not None else [*range(FIRST_PORT, FIRST_PORT + 10), 0]:
        try:
            return await listen(runner, candidate) + "/"
        except OSError as error:
            if port is not None:
                raise ConfigError(f"--port {port} is taken: {error.strerror}") from None
    raise ConfigError("no free port for the page")
