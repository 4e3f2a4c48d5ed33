"""`govorun desk`: begin the file with the rules, and check it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.errors import BadInput, ConfigError
from bot.runtime.commands.desk import app


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
    assert told[1].endswith("promised: first answer in 15m, next answers in 1h, close in 2d")
    with pytest.raises(BadInput, match=r"desk\.toml is there already"):
        typed("init", folder)


def test_a_file_with_a_mistake_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="govorun desk init"):
        typed("check", str(tmp_path))
    (tmp_path / "desk.toml").write_text("[hours]\nmon = ['9']\n")
    with pytest.raises(ConfigError, match="line 2"):
        typed("check", str(tmp_path))
