"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import bot
from bot.types import Kind
from tests.support.source import parsed
from tests.support.table import table

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "bot").rglob("*.py"))
TESTS = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)}
SOURCES = "".join(path.read_text() for path in MODULES)
LONGEST_FILE = 500
MOST_AT_THE_ROOT = 12
OF_THE_READER = ("main.py", "bot.py", "mybot.py", "types.py")  # files of a project that is built on Govorun
LONGEST_FUNCTION = 60


def test_the_public_names_are_there_sorted_and_documented() -> None:
    assert bot.__all__ == sorted(bot.__all__)
    for name in bot.__all__:
        thing = getattr(bot, name)
        if inspect.isclass(thing):
            assert thing.__doc__, name
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", bot.__version__)


def test_each_package_stands_in_the_table_of_the_architecture() -> None:
    """import-linter knows the floors from pyproject.toml."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    floors = re.findall(
        r"^\| (?:edges|runtime|inbound|subjects|kit|state|adapters|ground) \| (.*?) \|", text, re.MULTILINE
    )
    named = [name for floor in floors for name in re.findall(r"`(\w+)`", floor)]
    packages = [path.parent.name for path in (ROOT / "bot").glob("*/__init__.py")]
    assert sorted(named) == sorted([*packages, *(path.stem for path in (ROOT / "bot").glob("[!_]*.py"))])


def test_what_the_architecture_names_exists() -> None:
    """Attributes of classes, as `Class.attribute`."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    attributes: dict[str, set[str]] = {}
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                attributes.setdefault(node.name, set()).update(_attributes(node))
    named = re.findall(r"`([A-Z]\w*[a-z]\w*)\.(\w+)", text)
    ours = [(kind, name) for kind, name in named if kind in attributes]
    assert [f"{kind}.{name}" for kind, name in ours if name not in attributes[kind]] == []


@table("page", [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), ROOT / "bench" / "README.md"])
def test_a_page_names_files_that_exist(page: Path) -> None:
    """By their paths in `bot/`, `examples/` or the repository; in a page about a folder by their names."""
    for file in re.findall(r"`([\w./]+\.py)`", page.read_text()):
        assert (
            (ROOT / "bot" / file).exists()
            or (ROOT / file).exists()
            or (ROOT / "examples" / file).exists()
            or file in OF_THE_READER
            or (page.parent / file).exists()
            or ("/" not in file and any((ROOT / "tests").rglob(file)))
        ), file


def _attributes(kind: ast.ClassDef) -> Iterator[str]:
    """Methods, fields, constants, and what `self` is given."""
    for node in ast.walk(kind):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def test_few_files_stand_at_the_root() -> None:
    assert len(list((ROOT / "bot").glob("*.py"))) <= MOST_AT_THE_ROOT


def test_nothing_but_the_public_names_is_imported_into_the_package() -> None:
    tree = ast.parse((ROOT / "bot" / "__init__.py").read_text())
    names = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert {alias.asname or alias.name for alias in names} == set(bot.__all__)


@table("name", [name.removeprefix("/") for name in re.findall(r'"(/\w+)": Command\(', SOURCES)])
def test_each_command_is_tested(name: str) -> None:
    assert any(f'"/{name}' in text for text in TESTS.values()), f"no test says /{name}"


@table("name", re.findall(r'"([\w.]+)": ButtonHandler\(', SOURCES))
def test_each_button_is_tested(name: str) -> None:
    assert any(f'"{name}"' in text for text in TESTS.values()), f"no test names the button {name}"


@table("kind", re.findall(r'^KIND = "(\w+)"', SOURCES, re.MULTILINE))
def test_each_kind_of_job_is_tested(kind: str) -> None:
    assert any(f"test_{kind}" in path.name for path in TESTS)


def test_each_kind_of_incoming_is_handled_and_tested() -> None:
    for kind in Kind:
        assert re.search(rf"incoming\.kind is Kind\.{kind.name}:|@kind\(Kind\.{kind.name}\)", SOURCES), kind
        assert any(f"Kind.{kind.name}" in text for text in TESTS.values()), kind


@table("path", MODULES)
def test_a_module_says_what_it_is_for_and_is_not_too_long(path: Path) -> None:
    text, tree = path.read_text(), parsed(path)
    assert ast.get_docstring(tree), "no docstring"
    assert len(text.splitlines()) <= LONGEST_FILE
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name
