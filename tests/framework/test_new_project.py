"""`govorun new` and `govorun init`: what they write works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bot.app import new_project
from bot.config.env_example import example
from bot.errors import BadInput
from bot.texts.catalog import LANGUAGES
from tests.cli.test_cli import typed
from tests.support.child import PYTHONPATH

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

BIN = Path(sys.executable).parent


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    given = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": PYTHONPATH}
    return subprocess.run([*map(str, words)], cwd=cwd, env=given, capture_output=True, text=True, timeout=240)


async def test_a_new_bot_passes_its_own_tests_and_checks(tmp_path: Path) -> None:
    made = await typed("new", "parrot", cwd=tmp_path)
    assert (made.code, made.err, "cd parrot" in made.out) == (0, "", True)
    folder = tmp_path / "parrot"
    assert "You are parrot, a friendly assistant" in (folder / "main.py").read_text()
    settings = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    wanted = re.search(r"```toml\n(\[tool\.pytest.*?)```", (ROOT / "docs/framework.md").read_text(), re.DOTALL)
    assert wanted is not None
    assert settings == tomllib.loads(wanted[1])["tool"]["pytest"]["ini_options"], "what the docs say"
    assert not [path for path in folder.rglob("*") if path.is_file() and "$" in path.read_text()]
    tested = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert "4 passed" in tested.stdout, tested.stdout + tested.stderr
    checked = run(BIN / "hadolint", "Dockerfile", cwd=folder)
    assert (checked.returncode, checked.stdout) == (0, "")
    (job,) = yaml.safe_load((folder / ".github/workflows/check.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step][1:] == ["mypy .", "pytest"]
    examined = await typed("doctor", cwd=folder)
    assert "BOT_TOKEN is missing" in examined.out
    again = await typed("new", "parrot", cwd=tmp_path)
    assert (again.code, again.err) == (2, "govorun: parrot is there already; nothing was changed\n")


def test_a_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    for name in ("two words", "1st", "бот"):
        with pytest.raises(BadInput, match="can't be a name"):
            new_project.make(tmp_path / name, "1.0.0")
    assert list(tmp_path.iterdir()) == []


async def test_init_writes_the_settings_and_overwrites_nothing(tmp_path: Path) -> None:
    done = await typed("init", cwd=tmp_path)
    assert (done.code, done.err, "first three lines" in done.out) == (0, "", True)
    file = tmp_path / ".env"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (example(), 0o600)
    refused = await typed("init", cwd=tmp_path)
    assert (refused.code, refused.err) == (2, "govorun: .env is there already; nothing was changed\n")


async def test_the_sentences_to_be_translated_are_printed_beside_a_bot_py_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text("raise RuntimeError\n")
    told = await typed("texts", cwd=tmp_path)
    assert (told.code, told.err) == (0, "")
    assert tomllib.loads(told.out).keys() == LANGUAGES["en"].keys()


async def test_the_version_is_told(tmp_path: Path) -> None:
    from bot import __version__

    assert (await typed("--version", cwd=tmp_path)).out == f"govorun {__version__}\n"
