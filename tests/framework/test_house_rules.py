"""Rules of the house that hold for new code and are not kept everywhere yet: each number here may only fall.

`python -m tests.framework.test_house_rules` prints the tables as they would stand today.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.support.source import parsed

ROOT = Path(__file__).parents[2]
MOST_FILES = 15  # of a package
MOST_PARAMETERS = 7  # of a constructor
MOST_BY_POSITION = 4  # arguments of a constructor without their names

APART = ("sandbox", "testing")
BLANK = (
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.COMMENT,
)

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


def sizes() -> Counter[str]:
    """How large the house is: each figure falls, or stays."""
    found: Counter[str] = Counter(files=len(trees()))
    for path, tree in trees().items():
        source = (ROOT / path).read_text(encoding="utf-8")
        apart = path.parts[1] in APART
        found["tokens of sandbox and testing" if apart else "tokens"] += _tokens(source, tree)
        found["fmt: skip"] += source.count("# fmt: " + "skip")
        found["tables that are declared apart from their rows"] += source.count("= declare_table(")
        found["handlers with a transaction of their own"] += sum(_is_own_transaction(node) for node in ast.walk(tree))
        if path.is_relative_to("bot/storage/repositories"):
            found["methods about the rows of one table"] += sum(
                _is_about_one_table(one, tree) for one in ast.walk(tree)
            )
    return +found


def _tokens(source: str, tree: ast.Module) -> int:
    """The tokens of the code: without comments and docstrings."""
    documented = [node for node in ast.walk(tree) if isinstance(node, Definition | ast.Module)]
    docs = {(one.body[0].lineno, one.body[0].col_offset) for one in documented if ast.get_docstring(one) is not None}
    found = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(one.type not in BLANK and not (one.type == tokenize.STRING and one.start in docs) for one in found)


def _is_own_transaction(node: ast.AST) -> bool:
    """Whether this is a nested `def work(tx)`, or a call that runs one and ends the turn."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "finish"
    return isinstance(node, ast.FunctionDef) and node.name == "work" and node.args.args[0].arg == "tx"


def _is_about_one_table(node: ast.AST, tree: ast.Module) -> bool:
    """Whether this is a method of a repository with one plain statement about one table, which `Rows` can say."""
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or not node.args.args[:1]:
        return False
    body = " ".join(map(ast.unparse, node.body))
    imports = [one for one in tree.body if isinstance(one, ast.ImportFrom) and "storage.tables" in str(one.module)]
    tables = {name.name for one in imports for name in one.names}
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} & tables
    is_plain = not any(word in body for word in ("join(", "func.", "json", "scalar_subquery", "or_("))
    return node.args.args[0].arg == "self" and len(used) == 1 and is_plain and body.count("self.connection.") == 1


def test_the_house_gets_smaller() -> None:
    _only_falls(sizes(), SIZES)


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


SIZES = {
    "files": 726,
    "fmt: skip": 201,
    "handlers with a transaction of their own": 91,
    "methods about the rows of one table": 63,
    "tokens": 643530,
    "tokens of sandbox and testing": 107308,
}
UNDOCUMENTED: dict[str, int] = {}
CROWDED: dict[str, int] = {}
WIDE: dict[str, int] = {}
POSITIONAL = {
    "bot/storage/tables": 2,
}


if __name__ == "__main__":
    for title, table in (
        ("SIZES", sizes()),
        ("UNDOCUMENTED", undocumented()),
        ("CROWDED", crowded()),
        ("WIDE", wide()),
        ("POSITIONAL", positional()),
    ):
        rows = "".join(f'    "{place}": {count},\n' for place, count in sorted(table.items()))
        print(f"{title} = {{\n{rows}}}")  # noqa: T201  this is what it is started for
