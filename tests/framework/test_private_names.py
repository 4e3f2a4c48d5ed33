"""Private names of libraries are used only where a table of docs/architecture.md says why."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.source import parsed

ROOT = Path(__file__).parents[2]
BOT = ROOT / "bot"
MOST_ROWS = 10  # fewer, never more
# Documented by Python, SQLAlchemy and pydantic-settings in spite of their names.
DOCUMENTED = {"os._exit", "sys._current_frames", "row._mapping"}
PATH_WITH_A_PRIVATE_PART = re.compile(r"[a-z]\w*(?:\.\w+)*?\._[a-z]\w*(?:\.\w+)*")


class Row(NamedTuple):
    file: str
    names: list[str]
    bound: str
    pays: str
    test: str
    ends: str


def rows() -> list[Row]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.split("## Private names of libraries\n")[1].split("\n## ")[0]
    found = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in section.splitlines() if "| `" in line]
    return [
        Row(file.strip("`"), re.findall(r"`([^`]+)`", names), bound.strip("`"), pays, test.strip("`"), ends)
        for file, names, bound, pays, test, ends in found
    ]


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[^_]\w*", name) is not None


@cache
def defined(path: Path) -> frozenset[str]:
    """The private names that a module gives to functions, classes, variables and attributes of its own objects."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            names.add(node.attr)
    return frozenset(filter(is_private, names))


def is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def name_of(node: ast.expr) -> str:
    """The name that an expression is, and "" for any other."""
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.AST) -> Iterator[Path]:
    """The modules of ours that a module imports: its classes may have their bases there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bot."):
            path = ROOT.joinpath(*str(node.module).split("."))
            yield from (file for file in (path.with_suffix(".py"), *path.glob("*.py")) if file.is_file())


def touched(path: Path) -> set[str]:
    """The private names of others in a module: attributes, imports, names of attributes and of modules in strings."""
    tree, found = parsed(path), set()
    inherited = defined(path).union(*map(defined, imported(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node) not in DOCUMENTED:
            if node.attr not in (inherited if is_own(node.value) else defined(path)):
                found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and not (node.module or "bot").startswith("bot"):
            names = [*str(node.module).split("."), *(alias.name for alias in node.names)]
            found.update(filter(is_private, names))
        elif isinstance(node, ast.Import):
            found.update(name for alias in node.names for name in alias.name.split(".") if is_private(name))
        elif isinstance(node, ast.Call) and name_of(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(str(name.value)) and name.value not in defined(path):
                found.add(str(name.value))
        elif isinstance(node, ast.Constant) and PATH_WITH_A_PRIVATE_PART.fullmatch(str(node.value)):
            found.add(str(node.value))
    return found


def test_each_private_name_of_a_library_stands_in_the_table() -> None:
    allowed: dict[str, set[str]] = {}
    for row in rows():
        allowed.setdefault(row.file, set()).update(row.names)
    for path in sorted(BOT.rglob("*.py")):
        file = path.relative_to(BOT).as_posix()
        assert touched(path) - allowed.get(file, set()) == set(), file


def test_each_row_is_still_needed_and_bounded_and_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    assert 0 < len(rows()) <= MOST_ROWS
    for row in rows():
        source = (BOT / row.file).read_text()
        assert [name for name in row.names if name not in source] == [], row.file
        library, _, below = row.bound.partition("<")
        assert any(re.fullmatch(rf"{library}(\[[\w,]+\])?>=[\w.]+,<{below}", line) for line in wanted), row
        assert (ROOT / row.test).is_file(), row.test
        assert len(row.pays) > 20, row.file
        assert row.ends, row.file


@pytest.mark.parametrize(
    "source",
    [
        "client._transport._pool",
        "from httpx._client import AsyncClient",
        "import httpx._main",
        "from mcp import _httpx_utils",
        "getattr(loop, '_selector')",
        "sys.modules['httpx._main'] = None",
        "class Ours(Theirs):\n    def run(self): return self._execute()",
    ],
)
def test_a_private_name_of_a_library_is_seen(source: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)
    assert touched(module)


@pytest.mark.parametrize(
    "source",
    [
        "class Ours:\n    def __init__(self): self._x = 1\n    def __eq__(self, other): return self._x == other._x",
        "os._exit(1)",
        "def _f(): ...\n_f()",
        "words['_month'] = '_x'",
        "from bot.storage.engines.sqlite_thread import _dialect",
    ],
)
def test_names_of_our_own_are_left_alone(source: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)
    assert touched(module) == set()
