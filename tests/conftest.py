"""Fixtures that all tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from stage import Stage, opened
from virtual_loop import VirtualLoop

from bot.storage import schema

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the newest schema, made once and copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(schema.upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Virtual time for the tests that ask for the stage, real time for the others."""
    staged = "stage" in getattr(item, "fixturenames", ())
    return {"virtual time": VirtualLoop} if staged else {"real time": asyncio.SelectorEventLoop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker("stage")


@pytest.fixture
async def stage(tmp_path: Path, template: Path) -> AsyncIterator[Stage]:
    async with opened(tmp_path, template) as stage:
        yield stage
