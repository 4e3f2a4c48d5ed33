"""JSON from outside: what the parser can read is read as ever, what it can't costs only itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.telegram.client import safe_json
from bot.telegram.client.safe_json import DEEPEST

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)
TOO_DEEP = "[" * 3000 + "]" * 3000
TOO_LONG = "9" * 5000


def levels(value: Any) -> int:
    count = 0
    while value:
        value, count = value[0], count + 1
    return count


@given(ANY)
def test_what_can_be_read_is_read_as_ever(value: Any) -> None:
    assert safe_json.loads(json.dumps(value)) == value
    assert safe_json.loads(safe_json.dumps(value)) == value


@settings(max_examples=30)
@given(ANY, ANY)
def test_what_stands_beside_something_too_deep_is_read_as_ever(before: Any, after: Any) -> None:
    text = f'{{"before":{json.dumps(before)},"deep":{TOO_DEEP},"after":{json.dumps(after)}}}'
    found = safe_json.loads(text)
    assert (found["before"], found["after"]) == (before, after)
    assert 0 < levels(found["deep"]) < DEEPEST


@pytest.mark.parametrize("text", ['"]"', '"\\"["', '"\\\\"', '"{\\u005b}"', '"\u2028[\\n"', '"😀{"'])
def test_brackets_in_texts_are_texts(text: str) -> None:
    assert safe_json.loads(f"[{text},{TOO_DEEP},{text}]") == [
        json.loads(text),
        safe_json.loads(f"[{TOO_DEEP}]")[0],
        json.loads(text),
    ]


@pytest.mark.parametrize("number", [TOO_LONG, "-" + TOO_LONG])
def test_a_number_of_thousands_of_digits_is_nothing(number: str) -> None:
    assert safe_json.loads(f'{{"a":{number},"b":{2**70},"c":-1}}') == {"a": None, "b": 2**70, "c": -1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[" * 3000 + '"a',
        "[" * 3000 + '"\\',
        TOO_DEEP + "x",
        TOO_DEEP[:-1],
        f"[{TOO_DEEP},]",
        "[" + TOO_LONG,
    ],
)
@pytest.mark.parametrize("encode", [False, True])
def test_what_is_no_json_is_said(text: str, encode: bool) -> None:
    with pytest.raises(ValueError):
        safe_json.loads(text.encode() if encode else text)


def test_bytes_that_are_no_text_are_no_json() -> None:
    with pytest.raises(ValueError):
        safe_json.loads(b'"\xff\xfe"')


def test_what_is_too_deep_to_be_written_is_written_without_its_depth() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    found = json.loads(safe_json.dumps({"update_id": 7, "message": {"text": "hello", "deep": deep}}))
    assert found["message"]["text"] == "hello"
    assert 0 < levels(found["message"]["deep"]) < DEEPEST
