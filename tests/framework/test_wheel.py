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
import govorun
from bot.app import new_project
from tests.support.once import once

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
KNOWN = 0.98  # of the public names and their attributes have a type that type checkers can tell
WRONG = """
from govorun import App, Incoming, Reply
from govorun.testing import Tg
app = App(temprature=0.1)
App(temperature="hot")
App(access="everybody")


@app.command("sync")
def sync(incoming: Incoming, reply: Reply) -> str:
    return ""


@app.command("number")
async def number(incoming: Incoming, reply: Reply) -> int:
    return 7


async def test_state(tg: Tg[list[str]]) -> None:
    tg.running.state.insert("nowhere")


app.running(temprature=2)
"""
TYPED = """
from typing import assert_type

from govorun import App, HttpRequest, Running
from govorun.testing import Person, Tg
from orders import Shop

app = App[Shop]()


@app.http.get("/orders/{number}")
async def order(request: HttpRequest, running: Running[Shop], number: int) -> str:
    return ""


async def test_the_state_has_the_type_of_the_app(tg: Tg[Shop], other: Tg, ann: Person) -> None:
    assert_type(tg.running, Running[Shop])
    assert_type(tg.running.state.prices, dict[str, int])
    assert_type((await tg.user("Ann").say("hi")).text, str)
    await other.running.send(ann.id, "hi", key="1")
"""
MISTAKES = (4, 5, 6, 9, 14, 20, 23)  # the lines of WRONG that type checkers have to name


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment}
    return subprocess.run([*map(str, words)], cwd=cwd, env=given, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def built(folder: Path) -> str:
        done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return str(next(folder.glob("*.whl")))

    return Path(once(tmp_path_factory, "wheel", built))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, beside the libraries of this one."""

    def made(folder: Path) -> str:
        venv = folder / "venv"
        for words in (
            ("venv", "--python", sys.executable, venv),
            ("pip", "install", "--no-deps", "--python", venv / "bin" / "python", wheel),
        ):
            done = run(BIN / "uv", *words, "--offline", "--quiet", cwd=folder)
            assert done.returncode == 0, done.stderr
        (packages,) = venv.glob("lib/python*/site-packages")
        (packages / "libraries.pth").write_text(str(next(BIN.parent.glob("lib/python*/site-packages"))))
        return str(venv)

    return Path(once(tmp_path_factory, "installed", made))


@pytest.fixture
def bots(tmp_path: Path) -> Path:
    """The examples, outside of the repository, and beside them a bot that is full of mistakes."""
    shutil.copytree(ROOT / "examples", tmp_path, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (tmp_path / "readme_bot.py").write_text(
        re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0]
    )
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    (tmp_path / "typed_bot.py").write_text(TYPED)
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


def test_both_packages_say_that_they_are_typed_and_nothing_else_is_installed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"bot", "govorun", f"govorun-{bot.__version__}.dist-info"}
    assert {"bot/py.typed", "govorun/py.typed", "govorun/__main__.py", "bot/migrations/env.py"} <= {*names}
    template = ROOT / "bot" / "app" / "project_template"
    assert {str(path.relative_to(ROOT)) for path in template.rglob("*") if path.is_file()} <= {*names}


@pytest.mark.turns(3)
def test_a_new_bot_is_installed_from_the_wheel_in_its_folder(wheel: Path, tmp_path: Path) -> None:
    new_project.make(tmp_path / "parrot", bot.__version__)
    shutil.copy(wheel, tmp_path / "parrot/wheels")
    python = tmp_path / "venv/bin/python"
    for words in (
        ("venv", "--python", sys.executable, tmp_path / "venv"),
        ("pip", "install", "--no-deps", "--python", python, "--requirement", "requirements.txt"),
    ):
        done = run(BIN / "uv", *words, "--offline", "--quiet", cwd=tmp_path / "parrot")
        assert done.returncode == 0, done.stderr
    assert (python.parent / "govorun").exists()


def test_mypy_is_content_with_the_examples_and_names_mistakes(installed: Path, bots: Path) -> None:
    python = installed / "bin" / "python"
    checked = run(BIN / "mypy", "--strict", "--python-executable", python, ".", cwd=bots)
    named = named_by(checked.stdout)
    assert {line for file, line in named if file == "wrong.py"} == {*MISTAKES}, checked.stdout
    assert {file for file, _ in named} == {"wrong.py"}, checked.stdout


@pytest.mark.turns(3)
def test_pyright_is_content_with_the_examples_and_names_mistakes(installed: Path, bots: Path) -> None:
    python = installed / "bin" / "python"
    checked = run(BIN / "basedpyright", "--pythonpath", python, cwd=bots)
    named = named_by(checked.stdout.replace(f"{bots}/", ""))
    assert {line for file, line in named if file == "wrong.py"} >= {*MISTAKES}, checked.stdout
    assert {file for file, _ in named} == {"wrong.py"}, checked.stdout


def named_by(said: str) -> set[tuple[str, int]]:
    """The files and lines of which a type checker says that something is wrong."""
    found = re.findall(r"^\s*([\w/.]+\.py):(\d+)(?::\d+)?\W+(?:error|warning)", said, re.MULTILINE)
    return {(file, int(line)) for file, line in found}


@pytest.mark.turns(3)
def test_nearly_every_public_name_has_a_known_type(installed: Path, tmp_path: Path) -> None:
    on_path = {"PATH": f"{installed / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(installed)}
    done = run(
        BIN / "basedpyright", "--verifytypes", "bot", "--ignoreexternal", "--outputjson", cwd=tmp_path, **on_path
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    assert found["symbols"], done.stdout[:500]
    unknown, count = judged(found["symbols"])
    assert 1 - len(unknown) / count >= KNOWN, unknown


def judged(symbols: Iterable[Mapping[str, Any]]) -> tuple[list[str], int]:
    """The public names whose types are not known, and how many there are: those that `govorun` exports."""
    things = [getattr(govorun, name) for name in govorun.__all__]
    places = tuple(f"{thing.__module__}.{thing.__qualname__}." for thing in things if hasattr(thing, "__qualname__"))
    exported = [one for one in symbols if one["isExported"] and f"{one['name']}.".startswith(places)]
    return [one["name"] for one in exported if not one["isTypeKnown"]], len(exported)
