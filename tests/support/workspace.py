"""A `Workspace` for the commands of the command line, whose terminal is a list of lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.concurrency.child_pool import ChildPool
from bot.config import multi_bot
from bot.config.settings import Settings, load
from bot.http.client import Http
from bot.knowledge.base import KnowledgeBase
from bot.ports import Agree, Say
from bot.providers.yandex.service import YandexStudio
from bot.runtime.opening import Workspace, open_workspace
from bot.storage.store import Store


def workspace(
    store: Store,
    bot: int,
    say: Say,
    agree: Agree,
    *,
    settings: Settings | None = None,
    http: Http | None = None,
    studio: YandexStudio | None = None,
    knowledge: KnowledgeBase | None = None,
) -> Workspace:
    """What a command works with; `studio` and `knowledge` stand in for what it would make of the settings."""
    made = Workspace(
        settings=settings or Settings(_env_file=None),
        http=http or Http(),
        clock=store.clock,
        bot=bot,
        store=store,
        files=ChildPool(),
        say=say,
        agree=agree,
    )
    made.__dict__.update({name: one for name, one in (("studio", studio), ("knowledge", knowledge)) if one})
    return made


@asynccontextmanager
async def opened(said: list[str], bot: int = 0) -> AsyncIterator[Workspace]:
    """Open what a command works with for the settings of the environment, as the command line does."""
    settings = load()
    async with open_workspace(settings, multi_bot.one_of(settings, bot), said.append, lambda _: True) as work:
        yield work
