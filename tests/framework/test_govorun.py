"""The package `govorun`: the public names of Govorun, in projects that call something of their own `bot` as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bot
import govorun
from bot.app import find
from tests.support.child import PYTHONPATH

pytestmark = pytest.mark.process

SHOP = """
from govorun import App
from govorun.aiogram import Command, Router
app = App(greeting="Hi from {place}")
app.include_router(Router())
if __name__ == "__main__":
    print(app.given["greeting"])
"""
SHOP_TEST = """
from govorun.testing import Tg

async def test_the_bot_of_pyproject_greets(tg: Tg) -> None:
    assert (await tg.user("Ann").say("/start")).text.startswith("Hi from")
"""
STRANGER_TEST = """
import asyncio, sys
import bot.core
import pytest

@pytest.fixture
def stage():
    return "mine"

@pytest.fixture
def tg(stage):
    return stage

async def test_time_is_real_and_bot_is_mine(stage, tg):
    before = asyncio.get_running_loop().time()
    assert (stage, tg, bot.core.MINE) == ("mine", "mine", True)
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio")
    assert "govorun.testing.plugin" in sys.modules
    assert "bot.types" not in sys.modules
"""


def python(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, **environment}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=given, capture_output=True, text=True, timeout=120)


def test_the_names_are_those_of_bot_and_no_more() -> None:
    assert govorun.__all__ is bot.__all__
    assert all(getattr(govorun, name) is getattr(bot, name) for name in (*bot.__all__, "__version__"))
    assert {*dir(govorun)} == {*bot.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'cli'"):
        _ = govorun.cli  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from govorun import nonsense")


def test_a_program_may_be_called_bot(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(SHOP.replace("{place}", "bot.py"))
    (tmp_path / "package" / "bot").mkdir(parents=True)
    (tmp_path / "package" / "bot" / "__init__.py").write_text(SHOP.replace("{place}", "bot/"))
    (tmp_path / "package" / "main.py").write_text("from govorun import App\nprint(App(greeting='Hi').given)")
    assert python("bot.py", cwd=tmp_path).stdout == "Hi from bot.py\n"
    assert python("main.py", cwd=tmp_path / "package").stdout == "{'greeting': 'Hi'}\n"
    assert find("bot:app", tmp_path).given == {"greeting": "Hi from bot.py"}
    assert find("bot.py", tmp_path).given == {"greeting": "Hi from bot.py"}
    assert find("bot:app", tmp_path / "package").given == {"greeting": "Hi from bot/"}
    listed = python("-P", "-m", "govorun", "models", "list", cwd=tmp_path, GOVORUN_APP="bot:app")
    assert "yandexgpt" in listed.stdout, listed.stderr
    (tmp_path / "main.py").write_text("import bot")
    refused = python("main.py", cwd=tmp_path)
    assert f"{tmp_path / 'bot.py'} is loaded as the module `bot`" in refused.stderr.splitlines()[-1]


def test_a_file_may_be_called_as_a_module_of_python_is(tmp_path: Path) -> None:
    for name in ("types", "logging", "json"):
        (tmp_path / f"{name}.py").write_text(SHOP.replace("{place}", name))
    code = """
import sys
from govorun.testing import find
for name in ("types", "logging", "json"):
    assert find(f"{name}.py").given == {"greeting": f"Hi from {name}"}
    assert "python3" in sys.modules[name].__file__, sys.modules[name]
"""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "check.py").write_text(code)
    done = python("elsewhere/check.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_tests_run_beside_a_bot_of_ones_own_and_foreign_ones_are_left_alone(tmp_path: Path) -> None:
    shop, stranger = tmp_path / "shop", tmp_path / "stranger"
    (stranger / "bot").mkdir(parents=True)
    shop.mkdir()
    (shop / "bot.py").write_text(SHOP.replace("{place}", "the shop"))
    (shop / "test_shop.py").write_text(SHOP_TEST)
    (stranger / "bot" / "__init__.py").write_text("")
    (stranger / "bot" / "core.py").write_text("MINE = True")
    (stranger / "test_mine.py").write_text(STRANGER_TEST)
    for folder, more in ((shop, '[tool.govorun]\napp = "bot.py:app"\n'), (stranger, "")):
        (folder / "pyproject.toml").write_text(f'[tool.pytest.ini_options]\nasyncio_mode = "auto"\n{more}')
        done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n2" if more else "-n0", cwd=folder)
        assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_aiogram_comes_fast_without_a_ritual(tmp_path: Path) -> None:
    """The figures of `docs/performance.md`: half a second and 60 MB, where aiogram by itself takes 3 s and 170 MB."""
    code = """
import json
from govorun import App
from govorun.aiogram import Command, F, Router
import aiogram
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([aiogram._built_on_demand, peak // 1024]))
"""
    fast, megabytes = json.loads(python("-c", code, cwd=tmp_path).stdout)
    assert fast
    assert megabytes < 100
