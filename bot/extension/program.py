"""The code of a programmer that runs beside conversations: `Program`, which `Extension` holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.extension.data import OwnData
from bot.extension.endpoints import Http
from bot.extension.jobs import OwnJob
from bot.extension.running import Running, current
from bot.extension.transport import OwnTransport

Lifespan = Callable[[Running[Any]], AsyncIterator[Any]]


@dataclass(slots=True)
class Program:
    """What runs beside conversations: what is opened at the start (`lifespans`), jobs by their names, endpoints,
    tables, messengers.

    `hooks` takes their requests, and those of the webhook, from another server; None: the bot has one of its own.
    `running` are the bots of the App that run in this process now; `is_entered`: a block of `App.running` is.
    """

    lifespans: list[Lifespan] = field(default_factory=list)
    jobs: dict[str, OwnJob] = field(default_factory=dict)
    http: Http = field(init=False)
    data: OwnData = field(default_factory=OwnData)
    transports: list[OwnTransport] = field(default_factory=list)
    hooks: Any = None  # a `WebhookServer`, which this floor does not know
    running: list[Running[Any]] = field(default_factory=list, init=False, repr=False)
    is_entered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.http = Http(self.running)

    @property
    def current(self) -> Running[Any]:
        """The bot whose work the calling code is; else the only bot that runs. Raises `RuntimeError`."""
        found = current.get(None)
        if found is not None and getattr(found, "program", None) is self:
            return found
        if len(self.running) == 1:
            return self.running[0]
        if self.running:
            raise RuntimeError(
                f"{len(self.running)} bots of this App run, and none of them has called this code: use the `running` "
                "that lifespans, jobs and endpoints are handed"
            )
        raise RuntimeError(
            "no bot of this App runs here: App.current is for commands, tools, jobs and endpoints of the App, and for "
            "code that runs while a block of App.running or App.run does"
        )
