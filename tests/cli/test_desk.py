"""`govorun desk`: begin the file with the rules, and check it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.desk import app
from bot.errors import BadInput, ConfigError


def typed(*words: str) -> str:
    return CliRunner().invoke(app, words, catch_exceptions=False).output


@pytest.mark.parametrize(("language", "comment"), [("en", "The rules of the support desk"), ("ru", "Правила службы")])
def test_an_example_is_written_once_and_can_be_checked(tmp_path: Path, language: str, comment: str) -> None:
    folder = str(tmp_path / "desk")
    assert "desk.toml is written" in typed("init", folder, "--language", language)
    assert comment in (tmp_path / "desk" / "desk.toml").read_text("utf-8")
    told = typed("check", folder).splitlines()
    assert told[0] == "3 rules, 2 teams"
    assert told[1].startswith("support: ")
    assert "cases are topics of the group, who takes one has it" in told[1]
    assert told[1].endswith("promised: first answer in 15m, next answers in 1h, close in 2d")
    with pytest.raises(BadInput, match=r"desk\.toml is there already"):
        typed("init", folder)


def test_without_a_folder_it_is_the_one_that_desk_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESK", "support")
    assert f"{Path('support/desk.toml')} is written" in typed("init")
    assert typed("check").startswith("3 rules, 2 teams")
    monkeypatch.delenv("DESK")
    assert f"{Path('desk/desk.toml')} is written" in typed("init")


def test_a_file_with_a_mistake_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="govorun desk init"):
        typed("check", str(tmp_path))
    (tmp_path / "desk.toml").write_text("[hours]\nmon = ['9']\n")
    with pytest.raises(ConfigError, match="line 2"):
        typed("check", str(tmp_path))


def test_seats_and_assignment_are_told_by_team(tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(
        "seats = 'own'\n[team.a]\ntitle = 'A'\n"
        "assign = { how = 'same', capacity = 3, patience = '1m' }\n[team.b]\ntitle = 'B'\nseats = 'group'\n"
    )
    told = typed("check", str(tmp_path)).splitlines()
    own = "cases open in the operators' private chats, with a board in the group"
    assert f"{own}, offered to who knows the customer, then to the longest idle, 3 each at most" in told[1]
    assert "the next one after 1m" in told[1]
    assert "cases are topics of the group, who takes one has it" in told[2]
