"""Rules of the house that hold for new code and are not kept everywhere yet: each number here may only fall.

`python -m tests.framework.test_house_rules` prints the tables as they would stand today.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.support.source import parsed

ROOT = Path(__file__).parents[2]
MOST_FILES = 15  # of a package
MOST_PARAMETERS = 7  # of a constructor
MOST_BY_POSITION = 4  # arguments of a constructor without their names

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[Path, ast.Module]:
    return {path.relative_to(ROOT): parsed(path) for path in sorted((ROOT / "bot").rglob("*.py"))}


def undocumented() -> Counter[str]:
    """How many public modules, classes, functions and methods of each package have no docstring."""
    found: Counter[str] = Counter()
    for path, tree in trees().items():
        things = [tree, *_public(tree)]
        found[_package(path)] += sum(ast.get_docstring(thing) is None for thing in things if not _is_setter(thing))
    return +found


def _is_setter(thing: ast.AST) -> bool:
    """Whether this sets a property, which its getter describes."""
    return any(ast.unparse(one).endswith(".setter") for one in getattr(thing, "decorator_list", ()))


def crowded() -> Counter[str]:
    """Packages with more than `MOST_FILES` files beside `__init__.py`."""
    files = Counter(_package(path) for path in trees() if path.name != "__init__.py")
    return Counter({package: count for package, count in files.items() if count > MOST_FILES})


def wide() -> Counter[str]:
    """Classes whose constructor has more than `MOST_PARAMETERS`. A frozen dataclass is a value, which may be wider."""
    found: Counter[str] = Counter()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and (count := _parameters(node)) > MOST_PARAMETERS:
                found[node.name] = count
    return found


def positional() -> Counter[str]:
    """How often each package makes an object out of more than `MOST_BY_POSITION` arguments without their names."""
    found: Counter[str] = Counter()
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) > MOST_BY_POSITION and _makes(node):
                found[_package(path)] += 1
    return found


def test_public_names_have_docstrings() -> None:
    _only_falls(undocumented(), UNDOCUMENTED)


def test_no_package_is_a_heap() -> None:
    _only_falls(crowded(), CROWDED)


def test_a_constructor_takes_a_handful_of_things() -> None:
    _only_falls(wide(), WIDE)


def test_composition_names_what_it_passes() -> None:
    _only_falls(positional(), POSITIONAL)


def _only_falls(found: Mapping[str, int], allowed: Mapping[str, int]) -> None:
    worse = {place: count for place, count in found.items() if count > allowed.get(place, 0)}
    assert worse == {}, f"more than { ({place: allowed.get(place, 0) for place in worse}) } that stood here before"


def _package(path: Path) -> str:
    return str(path.parent)


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def _parameters(node: ast.ClassDef) -> int:
    """How many parameters the constructor has: of `__init__`, or the fields of a dataclass that is not frozen."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return len(item.args.posonlyargs) + len(item.args.args) - 1 + len(item.args.kwonlyargs)
    decorators = " ".join(map(ast.unparse, node.decorator_list))
    if "dataclass" not in decorators or "frozen=True" in decorators:
        return 0
    fields = [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    return sum("init=False" not in field and "ClassVar" not in field for field in fields)


def _makes(call: ast.Call) -> bool:
    """Whether this calls a class, as its name says. The columns of a `Table` have names of their own."""
    name = ast.unparse(call.func).rpartition(".")[2]
    return name[:1].isupper() and not name.isupper() and name != "Table"


UNDOCUMENTED: dict[str, int] = {}
CROWDED: dict[str, int] = {}
WIDE: dict[str, int] = {}
POSITIONAL = {
    "bot/storage/tables": 2,
}


if __name__ == "__main__":
    for title, table in (
        ("UNDOCUMENTED", undocumented()),
        ("CROWDED", crowded()),
        ("WIDE", wide()),
        ("POSITIONAL", positional()),
    ):
        rows = "".join(f'    "{place}": {count},\n' for place, count in sorted(table.items()))
        print(f"{title} = {{\n{rows}}}")  # noqa: T201  this is what it is started for
