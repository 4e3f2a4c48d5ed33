"""Fixtures that all tests share. Those of `bot.testing`, `stage` and `tg` among them, come with its plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast a machine is that others use as well is no property of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

pytest_plugins = ["bot.testing.plugin"]


@pytest.fixture(scope="session")
def template(govorun_template: Path) -> Path:
    """A database with the newest schema, made once and copied."""
    return govorun_template


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker("stage")
    items.sort(key=lambda item: item.path.name not in LONGEST)


# Their tests take ten seconds and more: nobody should wait for the last.
LONGEST = ("test_machine.py", "test_points.py", "test_signals.py", "test_own_bots.py")
