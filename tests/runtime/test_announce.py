"""What a start says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import __version__
from bot.config.settings import Settings, load
from bot.llm.routing import ModelOption, Routing
from bot.runtime.startup_report import announce, uncallable, warnings
from bot.sandbox.bot_process import OWNER_CODE
from bot.storage.maintenance import migrations
from tests.support.scripted_model import ScriptedModel


def settings(**given: Any) -> Settings:
    return load(**{"_env_file": None, "owners": "1", **given})


def models(*names: str, can_call: bool = False) -> Routing:
    return Routing([ModelOption(name, name, ScriptedModel(tools=can_call)) for name in names])


def env_file(folder: Path, mode: int) -> Path:
    path = folder / ".env"
    path.write_text("YC_FOLDER_ID=b1g\n")
    path.chmod(mode)
    return path


def test_a_start_says_what_works_with_what(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found = settings(yc_api_key="AQVNsecret")
    announce(found, models("echo", "yandexgpt-lite"), "http://127.0.0.1:8080", "PostgreSQL 18.4")
    told = caplog.text
    offered = "models: echo, yandexgpt-lite,"
    for word in (__version__, migrations.HEAD, "PostgreSQL 18.4", "closed", offered, "pictures: auto", ":8080"):
        assert word in told
    assert "secret" not in told


def test_tools_that_the_default_model_cant_call_are_told() -> None:
    told = uncallable(models("echo", "other"), ["stock", "calculator"])
    assert told == "the default model echo can't call tools (Profile.tools): stock, calculator are not used"
    assert uncallable(models("echo"), []) == ""
    assert uncallable(models("echo", can_call=True), ["stock"]) == ""


def test_an_ordinary_start_warns_of_nothing(tmp_path: Path) -> None:
    assert warnings(settings(), env_file(tmp_path, 0o600)) == []
    assert warnings(settings(access="open", daily_tokens=1000), tmp_path / "none") == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602])
def test_t4_keys_that_others_can_read_are_told(tmp_path: Path, mode: int) -> None:
    (told,) = warnings(settings(), env_file(tmp_path, mode))
    assert "chmod 600" in told


@pytest.mark.parametrize("text", ["", "# BOT_TOKEN=", "BOT_TOKEN=\n\n"])
def test_a_file_without_keys_may_be_read_by_all(tmp_path: Path, text: str) -> None:
    file = env_file(tmp_path, 0o644)
    file.write_text(text)
    assert warnings(settings(), file) == []


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"log_content": True}, "LOG_CONTENT"),
        ({"access": "open"}, "ACCESS=open"),
    ],
)
def test_what_is_probably_not_meant_so_is_told(tmp_path: Path, given: dict[str, Any], word: str) -> None:
    (told,) = warnings(settings(**given), tmp_path / "none")
    assert word in told


def test_the_code_for_the_first_owner_is_said_only_where_there_is_one(caplog: pytest.LogCaptureFixture) -> None:
    announce(settings(), models("yandexgpt"), "", "SQLite 3.50")
    assert "/start" not in caplog.text
    announce(settings(), models("yandexgpt"), "", "SQLite 3.50", "a-code")
    found = OWNER_CODE.search(caplog.text)
    assert found is not None, "the sandbox reads the code from this sentence"
    assert found[1] == "a-code"


def test_a_persona_that_can_not_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "pirate.toml").write_text('name = "Pirate"\n')
    (told,) = warnings(settings(prompts_dir=tmp_path), tmp_path / "none")
    assert "pirate.toml" in told
    assert "title: is missing" in told
