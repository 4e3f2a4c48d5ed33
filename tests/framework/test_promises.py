"""docs/promises.md says what the tests and the code say: ids, tests, figures, and what there is not.

Each row of its tables names at least one test function that exists. Every id of a row stands in a test that the row
names (in its name, its text or the docstring of its file), and whoever names an id in a test finds that test in a row
of the id. A figure with the name of a constant behind it, "30 s (`IDLE_DEADLINE`)", is that constant. What does not
apply, or is not built, says which names are absent from `bot/`, and they are.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.config.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text()
LAST = {"P": 32, "F": 112, "T": 40}
ID = re.compile(r"\b([PFT])(\d{1,3})(?:[-–][PFT]?(\d{1,3}))?\b")
FIGURE = re.compile(r"([\d,.]*\d)(?: ([A-Za-z]+))?(?: [a-z ]+)? \(`([\w/.]+:[\w.]+|[A-Z_]{3,})`\)")
UNITS = {"ms": 0.001, "minutes": 60, "h": 3600, "days": 86_400, "KiB": 2**10, "MiB": 2**20, "MB": 10**6}
ABSENT = re.compile(r"[Aa]bsent from `bot/`: (`\w+`(?:, `\w+`)*)")
TEST = re.compile(r"(tests/[\w/]+\.py)|::((?:test_|Test)\w+)(\*?)")


def ids(text: str) -> set[str]:
    """The ids in a text; "F13-F15" is three of them, and T201 none."""
    found = (
        (kind, number) for kind, first, last in ID.findall(text) for number in range(int(first), int(last or first) + 1)
    )
    return {f"{kind}{number}" for kind, number in found if 1 <= number <= LAST[kind]}


def rows(page: str) -> list[list[str]]:
    """The cells of each row that begins with an id."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\| [PFT]\d", line)
    ]


def evidence(page: str) -> list[list[str]]:
    """The rows that say how something is tested: all but those that only say what an id means."""
    return [row for row in rows(page) if len(row) != 2]


@cache
def source(path: str) -> tuple[str, dict[str, str]]:
    """The docstring of a file of tests, and what stands in each of its test functions and classes of tests."""
    text = (ROOT / path).read_text()
    tree, lines = ast.parse(text), text.splitlines()
    functions = {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    machines = dict.fromkeys(re.findall(r"^(Test\w+) = ", text, re.MULTILINE), "")
    return ast.get_docstring(tree) or "", {**functions, **machines}


@cache
def named_ids(text: str) -> set[str]:
    """The ids in the text or in the name of a test: `test_f13_f32_…`."""
    name = re.match(r"(?:async )?def test_((?:[pft]\d{1,3}_)+)", text)
    return ids(text) | (ids(name[1].upper().replace("_", " ")) if name else set())


def named_tests(cell: str) -> Iterator[tuple[str, str]]:
    """The files and functions that a cell names. `::test_f13_*` are all that begin like it."""
    path = ""
    for file, name, star in TEST.findall(cell):
        if file:
            path = file
            continue
        found = [one for one in source(path)[1] if one == name or (star and one.startswith(name))]
        assert found, f"{path} has no test {name}"
        for one in found:
            yield path, one


def problems(page: str) -> Iterator[str]:
    """What is wrong with a page."""
    tested = set().union(*(ids(row[0]) for row in evidence(page)))
    for kind, last in LAST.items():
        yield from (f"{one} has no row" for one in sorted(ids(f"{kind}1-{last}") - tested))
    said = set().union(*(ids(row[0]) for row in rows(page) if len(row) == 2))
    yield from (f"nothing says what {one} promises" for one in sorted(ids(f"P1-{LAST['P']}") - said))
    for path in {path for path in re.findall(r"tests/[\w/]+\.(?:py|c)", page) if not (ROOT / path).exists()}:
        yield f"there is no {path}"
    for row in evidence(page):
        yield from _problems_of_row(row)
    yield from _figures(page)
    yield from _absences(page)


def _problems_of_row(row: list[str]) -> Iterator[str]:
    if len(row) != 4:
        yield f"{row[0]} has {len(row)} cells"
        return
    try:
        found = list(named_tests(row[2]))
    except AssertionError as error:
        yield f"{row[0]}: {error}"
        return
    if not found:
        if not ABSENT.search(row[2]):
            yield f"{row[0]} names neither a test nor what is absent from bot/"
        return
    texts = [text for path, name in found for text in (source(path)[0], source(path)[1][name])]
    told = set().union(*map(named_ids, texts))
    if lacking := ids(row[0]) - told:
        yield f"{row[0]}: no test of it names {sorted(lacking)}"


def _figures(page: str) -> Iterator[str]:
    if stray := set(re.findall(r"\(`(\w[\w/.]*:[\w.]+)`\)", page)) - {name for _, _, name in FIGURE.findall(page)}:
        yield f"no figure stands before {stray}"
    for number, unit, name in FIGURE.findall(page):
        said, is_ = float(number.replace(",", "")), value(name)
        if is_ not in (said, said * UNITS.get(unit, 1)):
            yield f"{name} is {is_}, and not {number} {unit}"


def value(name: str) -> float:
    """The number behind a name: of a setting its default, `path.py:NAME` of a module, `path.py:Class.field`."""
    if ":" not in name:
        return float(Settings.model_fields[name.lower()].default)
    path, _, attribute = name.partition(":")
    package = "" if path.startswith("tests/") else "bot."
    module = importlib.import_module(package + path.removesuffix(".py").replace("/", "."))
    found: Any = module
    for part in attribute.split("."):
        if dataclasses.is_dataclass(found):
            found = next(field.default for field in dataclasses.fields(found) if field.name == part)
        else:
            found = getattr(found, part)
    return float(found)


def _absences(page: str) -> Iterator[str]:
    for clause in ABSENT.findall(page):
        for name in re.findall(r"`(\w+)`", clause):
            if place := words_of_the_bot().get(name):
                yield f"{name} is not absent: it stands in {place}"


@cache
def words_of_the_bot() -> dict[str, str]:
    """Each word of the bot's code, comments and paths, and a file with it; without the sandbox."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "bot").rglob("*.py"))]
    ours = [path for path in files if path.parts[1] != "sandbox"]
    return {word: str(path) for path in ours for word in re.findall(r"\w+", f"{path} {(ROOT / path).read_text()}")}


def test_every_row_of_the_page_is_true() -> None:
    assert list(problems(PAGE)) == []


def test_an_id_that_a_test_names_leads_to_a_row_that_names_the_test() -> None:
    files: defaultdict[str, set[str]] = defaultdict(set)
    for row in evidence(PAGE):
        for one in ids(row[0]):
            files[one] |= {path for path, _ in named_tests(row[2])}
    lost = []
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        path = str(file.relative_to(ROOT))
        if file != Path(__file__):
            docstring, functions = source(path)
            named = ids(docstring).union(*map(named_ids, functions.values()))
            lost += [f"{path} names {one}" for one in sorted(named) if path not in files[one]]
    assert lost == []


@pytest.mark.parametrize(
    ("what", "becomes"),
    [
        (FIGURE.search(PAGE)[0], "31,017 (`IDLE_DEADLINE`)"),  # type: ignore[index]
        ("bot/`: `", "bot/`: `IDLE_DEADLINE`, `".replace("IDLE_DEADLINE", "turn_start")),
        ("::test_", "::test_no_such_"),
        ("| P14, F107", "| F107"),
        ("| P3 |", "| P99 |"),
        (".py::test_", ".py, test_"),
    ],
)
def test_a_page_that_is_not_true_is_seen(what: str, becomes: str) -> None:
    assert list(problems(PAGE.replace(what, becomes)))
