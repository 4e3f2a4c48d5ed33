"""The sandbox's terminal names failures of the bot, and `govorun log` explains them from the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.main import Sandbox
from bot.telemetry.incidents import IncidentLog, path_beside
from tests.cli.test_cli import govorun
from tests.support.virtual import VirtualClock


def _record(database: Path) -> str:
    try:
        raise KeyError("tea")
    except KeyError as error:
        return IncidentLog(VirtualClock(), path_beside(database)).record(error, "5")


def test_a_failure_is_one_line_at_the_terminal(tmp_path: Path) -> None:
    told: list[str] = []
    _record(tmp_path / "govorun.db")  # of an earlier run
    sandbox = Sandbox(tmp_path, tell=told.append)
    sandbox.tell_failures()
    assert told == []
    code = _record(tmp_path / "govorun.db")
    sandbox.tell_failures()
    sandbox.tell_failures()
    (line,) = told
    assert all(part in line for part in ("KeyError", f"{__file__}:", "_record", f"govorun log {code}"))


@pytest.mark.process
async def test_log_finds_a_code_of_the_sandbox_and_says_where_it_has_looked(tmp_path: Path) -> None:
    nothing = await govorun("log", cwd=tmp_path)
    assert (nothing.code, nothing.out) == (0, "No failures in govorun.db-journal.jsonl.\n")
    (tmp_path / ".govorun").mkdir()
    code = _record(tmp_path / ".govorun" / "govorun.db")
    listed, found = await govorun("log", cwd=tmp_path), await govorun("log", code, cwd=tmp_path)
    assert code in listed.out
    assert ".govorun/govorun.db-journal.jsonl" in listed.out
    assert "KeyError" in found.out
    unknown = await govorun("log", "ffffff", cwd=tmp_path)
    assert unknown.err.count("journal.jsonl") == 2
