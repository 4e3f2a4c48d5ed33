"""Every regular expression in `bot` with the methods that are called on it, and texts that show a slow one.

Begin with `uses` and `stretches`. A pattern is slow when it reads a stretch of equal characters once for each of them:
300,000 take minutes, where a linear pattern takes milliseconds.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import bot
from tests.support.source import parsed

MANY = 16  # a repetition that may go on for longer is tried
VARIANTS = 6  # of what one round of a repetition may be
UNITS = (
    *" \t\n\r\x0b\u00a0\u200b\u2028",  # blanks, and what is not seen
    *"aZ0яё_\u0301😀\0\ufffd",
    *"*`[](){}<>|-#\\/.,:;@\"'«»&~!?=+^$%",
    *(" \t", "\r\n", " \n", "\n ", "a ", "a\n", "a.", "a-", "a=", "a:", "a@", "@a", "0.", "::", "- ", "> ", "1) "),
    *("[](", "[]", "()", "<a ", "**", "|-", "&#", "`a`", "\\\\ ", '\\"'),
)
ENDS = ("", "\0\n\0")  # neither is what a stretch is expected to end with
METHODS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
CALLS = METHODS | {"compile"}
FLAGS = {"compile": 1, "sub": 4, "subn": 4, "split": 3}  # where `re`'s functions have them, else 2

Pattern = re.Pattern[Any]
# As `re` itself reads patterns and makes one of a part: nothing public does.
reader: Any = importlib.import_module("re._parser")
compiler: Any = importlib.import_module("re._compiler")


@dataclass(frozen=True, slots=True)
class Use:
    place: str
    method: str
    pattern: Pattern

    def run(self, text: str) -> None:
        given = _like(self.pattern, text)
        match self.method:
            case "sub" | "subn":
                self.pattern.sub(given[:0], given)
            case "finditer":
                for _ in self.pattern.finditer(given):
                    pass
            case method:
                getattr(self.pattern, method)(given)


@dataclass(frozen=True, slots=True)
class Stretch:
    before: str
    unit: str
    end: str

    def text(self, length: int) -> str:
        return self.before + self.unit * (length // len(self.unit)) + self.end


def _like(pattern: Pattern, text: str) -> Any:
    return text.encode() if isinstance(pattern.pattern, bytes) else text


# --- where patterns are -----------------------------------------------------------------------------------------------


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(bot.__path__, "bot."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


@cache
def uses() -> tuple[list[Use], set[str]]:
    """Each pattern with each method that is called on it, and the functions that make patterns from pieces.

    A pattern that stands in a list, or that nothing is seen to use, counts as one that is searched everywhere.
    """
    found: dict[tuple[str, Pattern], Use] = {}
    made: dict[Pattern, str] = {}
    unknown: set[str] = set()
    for module in modules():
        own = [value for name, value in vars(module).items() if name != "__builtins__"]  # it may contain itself
        made |= dict.fromkeys(_inside(own), module.__name__)
        for place, call in _calls(module):
            method = call.func.attr
            try:
                pattern = _compiled(call, module) if _is_re(call.func.value) else _value(call.func.value, module)
            except NameError:
                unknown.add(place)
                continue
            if isinstance(pattern, re.Pattern) and method != "compile":
                found.setdefault((method, pattern), Use(place, method, pattern))
            elif isinstance(pattern, re.Pattern):
                made[pattern] = place
    used = {pattern for _, pattern in found}
    rest = [Use(place, "finditer", pattern) for pattern, place in made.items() if pattern not in used]
    return sorted([*found.values(), *rest], key=lambda use: (use.place, use.method, str(use.pattern.pattern))), unknown


def _calls(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The calls of methods of patterns in a module, each with the module and the function where it stands."""
    left: list[tuple[ast.AST, str]] = [(parsed(Path(str(module.__file__))), module.__name__)]
    while left:
        node, place = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{module.__name__}.{node.name}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            yield place, node
        left.extend((inner, place) for inner in ast.iter_child_nodes(node))


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _compiled(call: ast.Call, module: ModuleType) -> Pattern:
    """The pattern of `re.search(pattern, text, flags)` and the like. Raises `NameError`."""
    name = ast.unparse(call.func).removeprefix("re.")
    place = FLAGS.get(name, 2)
    named = next((word.value for word in call.keywords if word.arg == "flags"), None)
    flags = named or (call.args[place] if len(call.args) > place else None)
    return re.compile(_evaluated(call.args[0], module), _evaluated(flags, module) if flags else 0)


def _value(node: ast.expr, module: ModuleType) -> Any:
    """What a method is called on: `NAME`, `module.NAME` or `re.compile(...)`; None for what is no constant."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile":
        return _compiled(node, module)
    try:
        return _evaluated(node, module) if isinstance(node, ast.Name | ast.Attribute) else None
    except (NameError, AttributeError):
        return None


def _evaluated(node: ast.expr, module: ModuleType) -> Any:
    return eval(compile(ast.Expression(node), "", "eval"), dict(vars(module)))


def _inside(value: Any) -> Iterator[Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _inside(one)


# --- what may be hard for them ----------------------------------------------------------------------------------------


def stretches(pattern: Pattern) -> list[Stretch]:
    """The characters and pairs that a repetition takes, its rounds, and the way to it, again and again.

    Of what no repetition takes a pattern reads a few characters at each place, however much there is of it.
    """
    found: set[tuple[str, str]] = set()
    for before, body in _repetitions(reader.parse(pattern.pattern, pattern.flags)):
        takes, rounds = compiler.compile(body, pattern.flags).match, _choices(body)
        found |= {("", unit) for unit in UNITS if any(takes(_like(pattern, part)) for part in (unit, *unit))}
        found |= {("", unit) for unit in (before, before + "\n", before + " ")}
        found |= {(lead, unit) for one in rounds for lead, unit in ((before, one), ("", before + one))}
    return [Stretch(before, unit, end) for before, unit in sorted(found) if unit for end in ENDS]


def possessive_groups(pattern: Pattern) -> int:
    """How many possessive repetitions of something longer than one character a pattern has."""
    left, found = [reader.parse(pattern.pattern, pattern.flags)], 0
    while left:
        for kind, what in left.pop():
            left += _inner(kind, what)
            if str(kind) == "POSSESSIVE_REPEAT":
                found += len(what[2]) != 1 or bool(_inner(*what[2][0]))
    return found


def _repetitions(items: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The shortest text that leads to each repetition that may go on and on, and what is repeated."""
    for place, (kind, what) in enumerate(items):
        for inner in _inner(kind, what):
            yield from _repetitions(inner, before)
        if str(kind).endswith("REPEAT"):
            least, most, body = what
            if most > MANY:
                yield before, body
            elif not least:  # what may be left out: without it, and here with it
                yield from _repetitions(items[place + 1 :], before + _shortest(body))
        before += _written(kind, what)


def _inner(kind: Any, what: Any) -> list[Any]:
    match str(kind):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [what[2]]
        case "SUBPATTERN":
            return [what[3]]
        case "ATOMIC_GROUP":
            return [what]
        case "ASSERT" | "ASSERT_NOT":
            return [what[1]]
        case "BRANCH":
            return list(what[1])
        case _:
            return []


def _shortest(items: Any) -> str:
    return "".join(_written(kind, what) for kind, what in items)


def _written(kind: Any, what: Any) -> str:
    """The shortest text for one item of a pattern."""
    match str(kind):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _shortest(what[2]) * int(what[0])
        case "ASSERT" | "ASSERT_NOT" | "AT":
            return ""
        case _:
            inner = _inner(kind, what)
            return _shortest(inner[0]) if inner else _letters(kind, what)[0]


def _choices(items: Any) -> list[str]:
    """Texts for one round of a repetition: every kind of letter where it is one letter."""
    if len(items) == 1:
        kind, what = items[0]
        if str(kind) in ("IN", "NOT_LITERAL", "ANY"):
            return _letters(kind, what)
        if inner := [] if str(kind).endswith("REPEAT") else _inner(kind, what):
            return [choice for one in inner for choice in _choices(one)][: 2 * VARIANTS]
    return [_shortest(items)]


def _letters(kind: Any, what: Any) -> list[str]:
    """Characters that an item takes."""
    match str(kind):
        case "LITERAL":
            return [chr(what)]
        case "IN" if str(what[0][0]) != "NEGATE":
            return [letter for item in what for letter in _members(*item)][: 2 * VARIANTS]
        case "IN" | "NOT_LITERAL" | "ANY":
            given = what[1:] if str(kind) == "IN" else [("LITERAL", what)] if what is not None else []
            apart = {letter for item in given for letter in _members(*item)}
            return [letter for letter in 'a (<[{-."я0\n\u1234' if letter not in apart][:VARIANTS]
        case _:
            return [""]


def _members(kind: Any, what: Any) -> str:
    match str(kind):
        case "LITERAL":
            return chr(what)
        case "RANGE":
            return chr(what[0]) + chr(what[1])
        case _:
            return CATEGORIES[str(what)]


CATEGORIES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_NOT_DIGIT": 'a (<[{-."я\n',
    "CATEGORY_SPACE": " \n\t\u00a0",
    "CATEGORY_NOT_SPACE": 'a(<[{-."я0',
    "CATEGORY_WORD": "aя0_",
    "CATEGORY_NOT_WORD": ' (<[{-."\n',
}
