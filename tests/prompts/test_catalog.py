"""Every text that the code gives to a model, in every language of the bot; and no such text stands elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bot.prompts.catalog import PROMPTS, instruct
from bot.texts.catalog import LANGUAGES
from tests.support.source import parsed

BOT = Path(__file__).parents[2] / "bot"
PLACES = re.compile(r"\{(\w*)\}")
# How one speaks to a model: about the user, or in orders about its answer.
ORDER = re.compile(
    r"\b[Tt]he user('s)? (sees|says|attached|does|wants|has)\b|\bYou are an? |\b[Aa]nswer (now|with|again)\b"
)
# Calls whose texts a model reads, and which of their arguments that is.
READ = {"Message.of": 1, "Text": 0, "ToolOutput": 0}


def test_each_language_has_every_prompt_with_the_same_places() -> None:
    assert PROMPTS.keys() == LANGUAGES.keys()
    english = PROMPTS["en"]
    for prompts in PROMPTS.values():
        assert prompts.keys() == english.keys()
        for key, text in prompts.items():
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(english[key])), key
            assert text.strip() == text != "", key
    assert [key for key, text in PROMPTS["ru"].items() if text == english[key]] == []


def test_every_prompt_is_used_and_gets_its_values() -> None:
    used = {node.value for _, tree in _sources() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert PROMPTS["en"].keys() - used == set()
    calls = [
        (f"{path}:{call.lineno}", str(call.args[1].value), {str(keyword.arg) for keyword in call.keywords})
        for path, tree in _sources()
        for call in _calls(tree)
        if ast.unparse(call.func) == "instruct" and isinstance(call.args[1], ast.Constant)
    ]
    assert len(calls) > 25
    for place, key, values in calls:
        assert set(PLACES.findall(PROMPTS["en"][key])) <= values, place


def test_no_other_module_has_a_prompt() -> None:
    found = []
    for path, tree in _sources():
        docs = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docs:
                found += [f"{path}:{node.lineno}"] * bool(ORDER.search(node.value))
        for call in _calls(tree):
            at = READ.get(ast.unparse(call.func))
            text = call.args[at] if at is not None and len(call.args) > at else None
            if isinstance(text, ast.Constant) or (isinstance(text, ast.JoinedStr) and WORDS.search(_fixed(text))):
                found.append(f"{path}:{call.lineno}")
    assert found == []


def test_what_a_person_wrote_is_never_a_format() -> None:
    assert instruct("en", "document.kept", name="{pages}\\1") == "[document: {pages}\\1]"
    assert instruct("uk", "tool.nothing") == PROMPTS["ru"]["tool.nothing"]
    assert instruct("", "tool.nothing") == PROMPTS["en"]["tool.nothing"]


WORDS = re.compile(r"\w{2}")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _sources() -> Iterator[tuple[Path, ast.Module]]:
    """All modules but catalogs of texts, settings (which describe prompts) and the sandbox, which is a model itself."""
    for path in sorted(BOT.rglob("*.py")):
        place = path.relative_to(BOT)
        if place.parts[0] not in ("sandbox", "texts", "doctor", "config") and place.parent / place.stem not in CATALOGS:
            yield place, parsed(path)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _fixed(text: ast.JoinedStr) -> str:
    """The constant pieces of an f-string."""
    return " ".join(str(piece.value) for piece in text.values if isinstance(piece, ast.Constant))


CATALOGS = {Path("prompts") / language for language in PROMPTS}
