"""Every sentence the bot says, in every language it knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.texts.catalog import LANGUAGES, NAMES, known, say
from tests.support.source import parsed

BOT = Path(__file__).parents[2] / "bot"
PLACES = re.compile(r"\{(\w*)\}")
KEY_AT = {"say": (1, ""), "tell": (3, ""), "failure": (0, "kb.failure.")}  # which argument is the key, after what


def test_each_language_has_every_sentence_with_the_same_places() -> None:
    english = LANGUAGES["en"]
    for texts in LANGUAGES.values():
        assert texts.keys() == english.keys()
        for key, text in texts.items():
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(english[key])), key
            assert text.strip() == text != "", key
    assert NAMES.keys() == LANGUAGES.keys()


def test_russian_is_not_english() -> None:
    assert [key for key, text in LANGUAGES["ru"].items() if text == LANGUAGES["en"][key]] == []


def test_every_sentence_is_said_somewhere() -> None:
    """Keys that the code puts together are said where an f-string fits them: "role.admin" by f"role.{word}"."""
    said = re.compile("|".join(_strings()))
    assert [key for key in LANGUAGES["en"] if not said.fullmatch(key)] == []


def test_every_key_that_is_said_is_there_and_gets_its_values() -> None:
    calls = _calls()
    assert len(calls) > 25
    for place, key, values in calls:
        assert key in LANGUAGES["en"], place
        assert set(PLACES.findall(LANGUAGES["en"][key])) <= values, place


def test_a_description_of_a_command_is_short_enough_for_the_menu() -> None:
    for key in LANGUAGES["en"]:
        if key.startswith("command."):
            assert 1 <= len(say("ru", key)) <= 256


def test_a_toast_is_short_enough_for_telegram() -> None:
    for language in LANGUAGES:
        assert len(say(language, "old.button")) <= 200
        assert len(say(language, "closed", id=2**52 - 1)) <= 200


@pytest.mark.parametrize(
    ("tag", "language"),
    [("ru", "ru"), ("ru-RU", "ru"), ("RU", "ru"), ("en-GB", "en"), ("uk", "ru"), ("fr", "en"), ("", "en"), ("-", "en")],
)
def test_a_language_tag_finds_a_language(tag: str, language: str) -> None:
    assert known(tag) == language


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from([*LANGUAGES, "xx", ""]))
def test_foreign_text_is_never_a_format(at: str, zone: str, tag: str) -> None:
    sentence = say(tag, "remind.set", at=at + "{zone}", zone=zone + "{text}\\1", text="{x}")
    pieces = PLACES.split(LANGUAGES[known(tag)]["remind.set"])[::2]
    assert sentence == pieces[0] + at + "{zone}" + pieces[1] + zone + "{text}\\1" + pieces[2] + "{x}"


def _sources() -> list[tuple[str, ast.Module]]:
    rooms = [path for path in BOT.rglob("*.py") if not {"texts", "sandbox"} & set(path.relative_to(BOT).parts)]
    return [(str(path), parsed(path)) for path in rooms]


def _strings() -> set[str]:
    """The keys that stand in the code, as patterns."""
    nodes = [node for _, tree in _sources() for node in ast.walk(tree)]
    return {pattern for node in nodes if (pattern := _pattern(node)) and re.match(r"[\w/]+\\?(\.|$)", pattern)}


def _pattern(node: ast.AST) -> str:
    """The texts that an expression may be, as a pattern, "" for what is no string."""
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(_pattern(part) or r"[\w/]+" for part in parts)
    return ""


def _calls() -> list[tuple[str, str, set[str]]]:
    """(place, key, names of the values) of each call that says something and whose key stands there."""
    found = []
    for path, tree in _sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place, before = KEY_AT.get(node.func.id, (len(node.args), ""))
            if len(node.args) > place:
                key = node.args[place]
                if isinstance(key, ast.Constant):
                    names = {keyword.arg or "" for keyword in node.keywords}
                    found.append((f"{path}:{node.lineno}", before + str(key.value), names))
    return found
