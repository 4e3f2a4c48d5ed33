"""The documentation: the site builds without a broken link, its code runs, the tutorial shows files that are tested."""

from __future__ import annotations

import dataclasses
import html.parser
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest
import sqlalchemy as sa

import govorun
import govorun.testing as kit
from govorun.aiogram import Router
from tests.support.child import PYTHONPATH
from tests.support.table import table

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
STEP = re.compile(r"^`shop/([\w/]+\.py)`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN = ("framework.md", "start.md", "recipes.md", "coming-from.md", "tools.md")
BLOCKS = [(page, number, code) for page in RUN for number, code in enumerate(BLOCK.findall((DOCS / page).read_text()))]


class _Shop:
    """What a programmer's own code would be."""

    async def count_orders(self, customer: int) -> int:
        return 0


def names() -> dict[str, Any]:
    """What a block of the docs may use without importing it: Govorun's names, libraries, what the reader has."""
    ours = {name: getattr(govorun, name) for name in govorun.__all__}
    tests = {name: getattr(kit, name) for name in ("Tg", "StudioSide", "LoopClock", "Person", "Dialogue")}
    libraries = {
        "dataclass": dataclasses.dataclass, "timedelta": timedelta, "BaseModel": pydantic.BaseModel, "pytest": pytest,
        "AsyncGenerator": AsyncGenerator, "AsyncIterator": AsyncIterator, "Sequence": Sequence, "Mapping": Mapping,
        "Literal": Literal, "Annotated": Annotated, "Any": Any, "random": random,
        **{name: thing for name, thing in vars(sa).items() if not name.startswith("_")},
    }  # fmt: skip
    own = {
        "app": govorun.App(), "router": Router(), "shop": _Shop(), "closed": True, "TESTERS": (1,), "CUSTOMERS": {},
        "NEWS": "", "OWNER": 1, "serve_the_shop": None,
    }  # fmt: skip
    return {**libraries, **tests, **ours, **own, "__name__": "docs"}


@table("block", BLOCKS)
def test_each_block_of_code_runs(block: tuple[str, int, str]) -> None:
    page, number, code = block
    exec(compile(code, f"docs/{page}, block {number + 1}", "exec", dont_inherit=True), names())


def test_readers_are_sent_to_nothing_but_the_public_packages() -> None:
    public = ("framework", "start", "tutorial", "recipes", "tools", "evaluation", "coming-from")
    rooms = "|".join(path.stem for path in (ROOT / "bot").iterdir() if path.suffix != ".typed")
    inner = re.compile(rf"`bot\.(?:{rooms})\b|from bot[. ]|-m bot")
    found = {page: inner.findall((DOCS / f"{page}.md").read_text()) for page in public}
    assert {page: words for page, words in found.items() if words} == {}


def test_the_tutorial_shows_whole_files_of_the_shop() -> None:
    shown = STEP.findall((DOCS / "tutorial.md").read_text())
    files = {str(path.relative_to(ROOT / "examples/shop")): path for path in (ROOT / "examples/shop").rglob("*.py")}
    assert {name for name, _ in shown} == {*files}
    for name, code in shown:
        assert code == files[name].read_text(), name
    assert len(shown) == len(BLOCK.findall((DOCS / "tutorial.md").read_text()))


def test_examples_and_docs_import_from_govorun() -> None:
    pages = [ROOT / "README.md", *DOCS.glob("*.md"), *(ROOT / "examples").rglob("*.py")]
    wrong = [
        path.name for path in pages if re.search(r"^from bot import |^import bot$", path.read_text(), re.MULTILINE)
    ]
    assert wrong == []


@pytest.mark.process
def test_the_shop_of_the_tutorial_passes_its_own_tests(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "shop", tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").write_text(
        '[tool.govorun]\napp = "shop:app"\n'
        '[tool.pytest.ini_options]\nasyncio_mode = "auto"\nasyncio_default_fixture_loop_scope = "function"\n'
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert "6 passed" in done.stdout, done.stdout + done.stderr


# --- the site ---------------------------------------------------------------------------------------------------------


class _Loaded(html.parser.HTMLParser):
    """Collects the addresses that a page loads by itself; links that people follow are none."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("src") or (given.get("href") if tag == "link" and given.get("rel") != "canonical" else "")
        self.addresses.append(address or "")


@pytest.mark.process
def test_the_site_builds_with_every_link_and_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in tmp_path.glob("*.html") if path.stem != "404") == sorted(
        path.stem for path in DOCS.glob("*.md")
    )
    assert [address for path in tmp_path.glob("*.html") for address in foreign(path)] == []
    assert [path.name for path in tmp_path.glob("*.html") if "mermaid" in path.read_text()] == [], "it shows as code"
    reference = (tmp_path / "reference.html").read_text()
    assert [name for name in govorun.__all__ if f'id="bot.{name}"' not in reference] == []
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000


def foreign(path: Path) -> Iterator[str]:
    loaded = _Loaded()
    loaded.feed(path.read_text())
    return (address for address in loaded.addresses if re.match("(https?:)?//", address))
