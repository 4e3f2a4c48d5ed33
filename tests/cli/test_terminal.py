"""What all commands have: --bot, --yes, and the exit code of what they return."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from bot.cli import app as govorun
from bot.cli.terminal import command
from bot.errors import BadInput

if TYPE_CHECKING:
    from bot.runtime.opening import Workspace

app = typer.Typer()


@app.callback()
def group() -> None:
    """A group, so that its only command keeps its name."""


@command(app, "count", yes="Count without being asked.")
async def count_to(work: Workspace, most: Annotated[int, typer.Option(help="How far.")] = 3) -> bool:
    """Count."""
    if not work.agree(f"Count to {most} for bot {work.bot}?"):
        return False
    work.say(" ".join(map(str, range(1, most + 1))))
    return True


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, ["count", *words])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a database and no settings but one bot's token."""
    shutil.copy(template, tmp_path / "govorun.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_TOKEN", f"42:{'A' * 35}")


def test_a_question_is_answered_by_the_option_and_by_nobody_without_a_terminal() -> None:
    assert typed("--yes").output == "1 2 3\n"
    assert typed("--yes", "--most", "2").output == "1 2\n"
    refused = typed("--bot", "7")
    assert refused.output == "Count to 3 for bot 7? (no terminal to ask on; --yes agrees)\n"
    assert refused.exit_code == 1


def test_the_help_has_the_options_of_the_function_before_those_of_all_commands() -> None:
    told = typed("--help").output
    places = [told.index(word) for word in ("Count.", "--most", "--yes", "Count without being asked.", "--bot")]
    assert places == sorted(places)


def test_the_bot_has_to_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOT_TOKEN")
    assert "BOT_TOKEN is missing" in str(typed("--yes").exception)
    assert typed("--yes", "--bot", "7").exit_code == 0


def test_what_only_reads_the_database_needs_no_key() -> None:
    told = CliRunner().invoke(govorun, ["batch", "list"])
    assert told.output == "There is no run yet: govorun batch run FILE.\n"
    with pytest.raises(BadInput, match="no run 5"):
        CliRunner().invoke(govorun, ["batch", "status", "5"], catch_exceptions=False)
