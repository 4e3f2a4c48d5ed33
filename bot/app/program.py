"""The part of `App` for code that runs beside conversations: the lifespan, jobs, and the bot inside another program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, Unpack, cast

from typing_extensions import TypeVar

from bot.app.app_settings import AppSettings
from bot.errors import ConfigError
from bot.extension import Answer, Extension, JobRun, OwnJob, OwnTransport, Running, Schedule
from bot.extension.data import Exports, Forgets, Migration
from bot.extension.endpoints import Http
from bot.extension.jobs import DEADLINE, daily
from bot.extension.mistakes import called_as, check_function, check_lifespan, check_setting, shown

if TYPE_CHECKING:
    from aiohttp import web
    from sqlalchemy import MetaData

    from bot.telegram.receiving.webhook_server import WebhookServer

State = TypeVar("State", default=Any)
Job = TypeVar("Job", bound=Callable[[JobRun[Any]], Awaitable[Answer]])
Change = TypeVar("Change", bound=Migration)
Read = TypeVar("Read", bound=Exports)
Forget = TypeVar("Forget", bound=Forgets)
Life = TypeVar("Life", bound=Callable[[Running[Any]], AsyncIterator[Any]])


class AppProgram(Generic[State]):
    """What an `App` runs beside conversations. `State` is the type of what the function of `lifespan` yields."""

    extension: Extension

    @property
    def current(self) -> Running[State]:
        """The running bot of this App whose command, button, tool, job or middleware calls this. For other code of the
        process, such as a route of FastAPI, it is the bot of this App that runs, where one does.

        Raises `RuntimeError` if none does, or if several do (BOTS) and none of them has called the code.
        """
        return self.extension.program.current

    def lifespan(self, function: Life) -> Life:
        """Open what your code needs when the bot starts, and close it when it stops.

        The function is an async generator that takes the `Running` bot and yields once; what it yields becomes
        `running.state`. It is entered before the bot takes updates. An error in it stops the start. Returns it
        unchanged. Raises `ConfigError` for another kind of function.
        """
        check_lifespan(function)
        self.extension.before_start.program.lifespans.append(function)
        return function

    # --- jobs ---------------------------------------------------------------------------------------------------------

    def job(self, function: Job) -> Job:
        """Add a job that runs when `Running.later` asks for it by its name, which is that of the function.

        The function is an `async (run: JobRun) -> str | Mapping[str, str] | Outgoing | None`. What it returns (a text,
        one for each language, or a whole message) is sent to the person whom it runs for, in the commit that ends the
        run. A crash makes it run again; one that fails is tried five times. Returns it unchanged. Raises `ConfigError`
        for a wrong function or a name that is taken.
        """
        return self._add_job(function, None, DEADLINE)

    def daily(
        self, clock: str, *, zone: str = "UTC", otherwise: str = "UTC", deadline: float = DEADLINE
    ) -> Callable[[Job], Job]:
        """Run a job (see `job`) every day at a time such as "9:00".

        In a `zone` such as "Europe/Moscow" it runs once. With the zone "user" it runs for each person (`JobRun.user`)
        at that time in the zone that the person has told, or in the zone `otherwise`. A time that was missed while the
        bot was down is caught up once. `deadline` is how many seconds a run may take.
        """
        return self.cron(daily(clock), zone=zone, otherwise=otherwise, deadline=deadline)

    def cron(
        self, expression: str, *, zone: str = "UTC", otherwise: str = "UTC", deadline: float = DEADLINE
    ) -> Callable[[Job], Job]:
        """Run a job by a cron expression such as "0 9 * * mon-fri": minute, hour, day of the month, month, weekday.

        Zones, missed times and the deadline are those of `daily`. Raises `ConfigError` for a wrong expression or zone.
        """
        schedule = Schedule(cron=expression, zone=zone, otherwise=otherwise)
        return lambda function: self._add_job(function, schedule, deadline)

    @called_as("@app.every(minutes=5)")
    def every(
        self, *, seconds: float = 0.0, minutes: float = 0.0, hours: float = 0.0, deadline: float = DEADLINE
    ) -> Callable[[Job], Job]:
        """Run a job (see `job`) again and again, once for the bot, for the first time after one such span of time.

        Times that were missed while the bot was down are caught up by one run.
        """
        for span in (seconds, minutes, hours):
            if not isinstance(span, int | float):
                raise ConfigError(f"@app.every(minutes=5) takes numbers, and not {shown(span)}")
        schedule = Schedule(seconds=seconds + 60 * minutes + 3600 * hours)
        return lambda function: self._add_job(function, schedule, deadline)

    def _add_job(self, function: Job, schedule: Schedule | None, deadline: float) -> Job:
        name = str(getattr(function, "__name__", ""))
        check_function(f"job {name}".strip(), function, ("run",))
        job, jobs = OwnJob(name, function, schedule, deadline), self.extension.before_start.program.jobs
        if job.name in jobs:
            raise ConfigError(f"there is a job {job.name!r} already")
        jobs[job.name] = job
        return function

    # --- tables of your own -------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> MetaData:
        """SQLAlchemy's `MetaData` for tables of your own in the bot's database: `Table("shop_orders", app.metadata,
        ...)`. Use them in `running.store`.

        At a start missing tables, indexes and columns are created; a new column must be nullable or have a
        server_default. Names that Govorun uses stop the start: begin yours with a prefix.
        """
        from sqlalchemy import MetaData

        data = self.extension.program.data
        found: MetaData = data.metadata if data.metadata is not None else MetaData()
        data.metadata = found
        return found

    def migration(self, function: Change) -> Change:
        """Register a function that changes your own tables, once in each database: a `(connection) -> None`. The
        database remembers it by its name.

        Migrations run at a start, in the order in which they are added, before missing tables and columns are created,
        and all in one transaction. In a database that has none of your tables yet they count as done. Returns the
        function unchanged. Raises `ConfigError` for a wrong function or a name that is taken.
        """
        check_function("App.migration", function, ("connection",), is_async=False)
        self._add_named(self.extension.before_start.program.data.migrations, function, "a migration")
        return function

    def exports(self, function: Read) -> Read:
        """Register a function that adds rows of your own tables to what a person gets by /export: a
        `(connection, user: int) -> rows`, each row a mapping.

        It runs in a transaction that only reads, maybe twice. The rows stand in everything.json as "app." and the
        function's name. Returns it unchanged. Raises as `migration` does.
        """
        check_function("App.exports", function, ("connection", "user"), is_async=False)
        self._add_named(self.extension.before_start.program.data.exports, function, "an export")
        return function

    def forgets(self, function: Forget) -> Forget:
        """Register a function that deletes a person's rows of your own tables when they say /forget: a
        `(connection, user: int) -> None`.

        It runs in the transaction that deletes everything else, maybe twice; an error keeps all of it. Returns it
        unchanged. Raises `ConfigError` for a wrong function.
        """
        check_function("App.forgets", function, ("connection", "user"), is_async=False)
        self.extension.before_start.program.data.forgets.append(function)
        return function

    @staticmethod
    def _add_named(known: dict[str, Any], function: Callable[..., Any], what: str) -> None:
        name = getattr(function, "__name__", "")
        if not name or name in known:
            raise ConfigError(f"there is {what} {name!r} already" if name else f"{what} needs a function with a name")
        known[name] = function

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    @property
    def http(self) -> Http:
        """HTTP endpoints of your own: `@app.http.post("/order-shipped")`."""
        return self.extension.program.http

    def aiohttp(self) -> web.Application:
        """Return the endpoints and the webhook as an application for another server of aiohttp, under any prefix:
        `server.add_subapp("/bot", app.aiohttp())`. They answer 404 or 503 while no block of `running` is entered; the
        bot itself then listens nowhere. Raises `ConfigError` if the bot has been started without it.
        """
        return self._hooks().application()

    def asgi(self) -> Callable[..., Awaitable[None]]:
        """Return the endpoints and the webhook as an ASGI application, for FastAPI, Starlette and the like:
        `server.mount("/bot", app.asgi())`. Otherwise as `aiohttp`.
        """
        return self._hooks().asgi

    def _hooks(self) -> WebhookServer:
        from bot.telegram.receiving.webhook_server import WebhookServer

        hooks: WebhookServer | None = self.extension.program.hooks
        if hooks is None:
            hooks = self.extension.before_start.program.hooks = WebhookServer(host="", port=0)
        return hooks

    def transport(self, transport: OwnTransport) -> None:
        """Let the bot speak in another messenger beside Telegram; see `OwnTransport`. Raises `ConfigError` for a class
        in the place of an object, and for one without `run` or `send`.
        """
        if not isinstance(transport, OwnTransport):
            raise ConfigError(f"App.transport takes an OwnTransport, and not {shown(transport)}")
        kind = type(transport)
        if lacks := [name for name in ("run", "send") if getattr(kind, name) is getattr(OwnTransport, name)]:
            raise ConfigError(f"App.transport: {kind.__name__} has no {' and no '.join(lacks)}")
        self.extension.before_start.program.transports.append(transport)

    # --- inside another program ---------------------------------------------------------------------------------------

    def running(self, **settings: Unpack[AppSettings]) -> AbstractAsyncContextManager[Running[State]]:
        """Run the bot inside a program that has an event loop of its own, as long as the block lasts.

        `settings` override those of the App. It sets no signal handlers, and leaves logging and the garbage collector
        alone. Leaving the block stops the bot as SIGTERM does: running answers get SHUTDOWN_GRACE seconds. If the bot
        ends by itself (its database is gone), the log says so, and leaving the block raises what ended it. While
        Telegram is away the block is entered, and the bot goes on trying. Raises `ConfigError` for wrong settings and
        for a folder with several bots (BOTS), `RuntimeError` if a block of this App is entered already.
        """
        from bot.app.embedding import entered

        for name in settings:
            check_setting(name, AppSettings.__annotations__)
        return entered(cast(Any, self), settings)
