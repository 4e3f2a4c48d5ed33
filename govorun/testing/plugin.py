"""The plugin that pytest loads wherever Govorun is installed. It has fixtures only if pytest-asyncio is there. The
framework itself is loaded when a test uses one of them.
"""

from __future__ import annotations

import pytest

FIXTURES = "govorun.testing.fixtures"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --update-dialogues."""
    group = parser.getgroup("govorun")
    group.addoption("--update-dialogues", action="store_true", help="write the files of the fixture `dialogue` anew")


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, unless pytest-asyncio is missing or they are loaded already."""
    if config.pluginmanager.has_plugin("asyncio") and not config.pluginmanager.has_plugin(FIXTURES):
        config.pluginmanager.import_plugin(FIXTURES)
