"""What pytest loads wherever Govorun is installed: next to nothing. The fixtures come with pytest-asyncio."""

from __future__ import annotations

import pytest

FIXTURES = "bot.testing.fixtures"


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.has_plugin("asyncio") and not config.pluginmanager.has_plugin(FIXTURES):
        config.pluginmanager.import_plugin(FIXTURES)
