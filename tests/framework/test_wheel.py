"""The wheel as people install it: what is in it, and what type checkers say of a bot that is written on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import bot

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
KNOWN = 0.98  # of the public names and their attributes have a type that type checkers can tell
WRONG = """
from govorun import App, Incoming, Reply

app = App(temprature=0.1)
App(temperature="hot")
App(access="everybody")


@app.command("sync")
def sync(incoming: Incoming, reply: Reply) -> str:
    return ""


@app.command("number")
async def number(incoming: Incoming, reply: Reply) -> int:
    return 7


app.running(temprature=2)
"""
MISTAKES = (4, 5, 6, 9, 14, 19)  # the lines of WRONG that type checkers have to name


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment}
    return subprocess.run([*map(str, words)], cwd=cwd, env=given, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, beside the libraries of this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    for words in (
        ("venv", "--python", sys.executable, folder),
        ("pip", "install", "--no-deps", "--python", folder / "bin" / "python", wheel),
    ):
        done = run(BIN / "uv", *words, "--offline", "--quiet", cwd=folder.parent)
        assert done.returncode == 0, done.stderr
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(str(next(BIN.parent.glob("lib/python*/site-packages"))))
    return folder


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, outside of the repository."""
    folder = tmp_path_factory.mktemp("bots")
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (folder / "readme_bot.py").write_text(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0])
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    return folder


def test_both_packages_say_that_they_are_typed_and_nothing_else_is_installed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"bot", "govorun", f"govorun-{bot.__version__}.dist-info"}
    assert {"bot/py.typed", "govorun/py.typed", "govorun/__main__.py", "bot/migrations/env.py"} <= {*names}
    template = ROOT / "bot" / "app" / "project_template"
    assert {str(path.relative_to(ROOT)) for path in template.rglob("*") if path.is_file()} <= {*names}


def test_mypy_is_content_with_the_examples_and_names_mistakes(installed: Path, bots: Path) -> None:
    python = installed / "bin" / "python"
    checked = run(BIN / "mypy", "--strict", "--python-executable", python, ".", cwd=bots)
    assert checked.returncode == 0, checked.stdout
    (bots / "wrong.txt").write_text(WRONG)
    checked = run(BIN / "mypy", "--strict", "--python-executable", python, "wrong.txt", cwd=bots)
    assert lines(checked.stdout) == {*MISTAKES}, checked.stdout


def test_pyright_is_content_with_the_examples_and_names_mistakes(installed: Path, bots: Path, tmp_path: Path) -> None:
    python = installed / "bin" / "python"
    checked = run(BIN / "basedpyright", "--pythonpath", python, cwd=bots)
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "wrong.py").write_text(WRONG)
    checked = run(BIN / "basedpyright", "--pythonpath", python, "--level", "error", cwd=tmp_path)
    assert lines(checked.stdout) >= {*MISTAKES}, checked.stdout


def lines(said: str) -> set[int]:
    """The numbers of the lines that a type checker has named an error in."""
    errors = [line for line in said.splitlines() if "error" in line and ":" in line]
    return {int(line.split(":")[1]) for line in errors if line.split(":")[1].strip().isdigit()}


def test_nearly_every_public_name_has_a_known_type(installed: Path, tmp_path: Path) -> None:
    on_path = {"PATH": f"{installed / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(installed)}
    for package in ("govorun", "bot"):
        done = run(
            BIN / "basedpyright", "--verifytypes", package, "--ignoreexternal", "--outputjson", cwd=tmp_path, **on_path
        )
        found = json.loads(done.stdout)["typeCompleteness"]
        assert found["symbols"], done.stdout[:500]
        unknown, count = judged(found["symbols"], package)
        assert 1 - len(unknown) / count >= KNOWN, unknown


def judged(symbols: Iterable[Mapping[str, Any]], package: str) -> tuple[list[str], int]:
    """The public names whose types are not known, and how many there are: of `bot` those that `govorun` exports."""
    things = [getattr(bot, name) for name in bot.__all__]
    places = [f"{thing.__module__}.{thing.__qualname__}" for thing in things if hasattr(thing, "__qualname__")]
    exported = [one for one in symbols if one["isExported"]]
    if package == "bot":
        exported = [one for one in exported if f"{one['name']}.".startswith(tuple(f"{place}." for place in places))]
    return [one["name"] for one in exported if not one["isTypeKnown"]], len(exported)
