"""The sandbox with and without the extra `grpc`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.main import Sandbox
from tests.support.loaded import Loaded, among
from tests.support.studio_batch import batch_side

HEAVY = ("grpc", "google.protobuf", "yandex", "pyarrow")


@pytest.mark.process
def test_nothing_of_grpc_is_loaded_before_it_is_wanted(loaded: Loaded) -> None:
    assert among(loaded.sandbox, HEAVY) == []


async def test_the_address_stands_among_the_settings_where_the_server_runs() -> None:
    async with batch_side() as side:
        assert side.studio.settings()["yc_grpc_address"] == side.server.address
    assert "yc_grpc_address" not in Studio().settings()


@pytest.mark.parametrize("installed", [True, False])
async def test_the_sandbox_starts_it_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "yandexcloud", None)
    sandbox = Sandbox(tmp_path)
    await sandbox.studio.start()
    try:
        await sandbox.start_grpc()
        assert ("yc_grpc_address" in sandbox.studio.settings()) == installed
    finally:
        await sandbox.studio.close()
