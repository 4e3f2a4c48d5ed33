"""Fixtures that all tests share. Those of `bot.testing`, `stage` and `tg` among them, come with its plugin."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres_side import TEMPLATE, Server, started

# How fast a machine is that others use as well is no property of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

pytest_plugins = [
    "bot.testing.plugin",
    "tests.support.certificates",
    "tests.support.doctor_patient",
    "tests.support.sandbox_client",
]


@pytest.fixture(scope="session")
def template(govorun_template: Path) -> Path:
    """A database with the newest schema, made once and copied."""
    return govorun_template


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server with a template of the newest schema. Skipped, loudly, where its wheel is not installed."""
    from bot.storage.maintenance import migrations

    try:
        server = started()
        with server as found:
            found.execute(f"CREATE DATABASE {TEMPLATE}")
            asyncio.run(migrations.upgrade(found.url(TEMPLATE)))
            yield found
    except ImportError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO POSTGRESQL: nothing is tested on it ({error}; uv sync installs the wheel)")


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A database of this test's own on the server."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> str:
    """The same test on both databases."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker("stage")
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """In CI a log is read for what failed: thousands of dots would stand before it."""
    return ("passed", "", "") if os.environ.get("CI") and report.passed and report.when == "call" else None


# Their tests take ten seconds and more: nobody should wait for the last.
LONGEST = ("test_machine.py", "test_points.py", "test_signals.py", "test_own_bots.py")
