"""What our code must never do, as a reader of its syntax tree. Begin with `offences`; the table is at the foot.

The rules are about foreign text and foreign addresses: nothing of a user, a model or a network is ever run, is ever a
format, is ever part of a statement, or chooses where the process connects to.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

Rule = Callable[[ast.AST], bool]

RUNNING_MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "jinja2", "mako"}
RUNNING_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
STATEMENTS = {"text", "execute", "executemany", "executescript", "exec_driver_sql", "scalar", "scalars"}
TRUSTING = {"verify", "ssl", "verify_ssl", "check_hostname"}
FOLLOWING = {"follow_redirects", "allow_redirects"}
JUDGED = (ast.Assign, ast.Attribute, ast.Call, ast.Import, ast.ImportFrom)  # no rule is about another node


def offences(tree: ast.Module) -> list[str]:
    """The names of the rules that a module breaks, each with its line."""
    return [f"{name} in line {node.lineno}" for node, name in _found(tree)]


def _found(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, JUDGED):
            yield from ((node, name) for name, rule in RULES.items() if rule(node))


def imported(node: ast.AST) -> set[str]:
    """The top modules that an import names."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {(node.module or "").partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def _runs_text(node: ast.AST) -> bool:
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return bool(imported(node) & RUNNING_MODULES) or called in RUNNING_CALLS or _keyword(node, {"shell"}, True)


def _formats_a_variable(node: ast.AST) -> bool:
    """Only constants are formats: a literal, or a name in capitals."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr not in ("format", "format_map"):
        return False
    receiver = node.func.value
    return not isinstance(receiver, ast.Constant) and not ast.unparse(receiver).rpartition(".")[2].isupper()


def _makes_a_statement(node: ast.AST) -> bool:
    """A statement that is put together from pieces."""
    if not (isinstance(node, ast.Call) and node.args):
        return False
    return ast.unparse(node.func).rpartition(".")[2] in STATEMENTS and _in_pieces(node.args[0])


def _in_pieces(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        return not all(isinstance(value, ast.Name) and value.id.isupper() for value in values)
    formats = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    return formats or isinstance(node, ast.BinOp)


def _trusts_anybody(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "_create_unverified_context"):
        return True
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
        return any(ast.unparse(one).endswith("check_hostname") for one in node.targets)
    return _keyword(node, TRUSTING, False)


def _follows(node: ast.AST) -> bool:
    return _keyword(node, FOLLOWING, True)


def _keyword(node: ast.AST, names: set[str], value: bool) -> bool:
    given = node.keywords if isinstance(node, ast.Call) else []
    return any(
        word.arg in names and isinstance(word.value, ast.Constant) and word.value.value is value for word in given
    )


RULES: dict[str, Rule] = {
    "runs foreign text": _runs_text,
    "formats a variable": _formats_a_variable,
    "makes a statement from pieces": _makes_a_statement,
    "trusts any certificate": _trusts_anybody,
    "follows redirects": _follows,
}
