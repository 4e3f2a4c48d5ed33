"""The code of a programmer that runs beside conversations: `Program`, which `Extension` holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.extension.data import OwnData
from bot.extension.endpoints import Http
from bot.extension.jobs import OwnJob
from bot.extension.running import Running
from bot.extension.transport import OwnTransport

Lifespan = Callable[[Running[Any]], AsyncIterator[Any]]


@dataclass(slots=True)
class Program:
    """What runs beside conversations: what is opened at the start (`lifespans`), jobs by their names, endpoints,
    tables, messengers.

    `hooks` takes their requests, and those of the webhook, from another server; None: the bot has one of its own.
    """

    lifespans: list[Lifespan] = field(default_factory=list)
    jobs: dict[str, OwnJob] = field(default_factory=dict)
    http: Http = field(default_factory=Http)
    data: OwnData = field(default_factory=OwnData)
    transports: list[OwnTransport] = field(default_factory=list)
    hooks: Any = None  # a `WebhookServer`, which this floor does not know
