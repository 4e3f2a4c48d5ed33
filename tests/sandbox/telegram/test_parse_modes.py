"""Text as the server treats it: entities by offset, the three parse modes, trimming, what is found by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.telegram.call import ApiError
from bot.sandbox.telegram.markup.entities import checked, detect, settle, units
from bot.sandbox.telegram.markup.markdown import parse


def entity(kind: str, offset: int, length: int, **extra: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **extra}


def seen(text: str, mode: str) -> tuple[str, list[tuple[Any, ...]]]:
    """The plain text and its entities, each as (type, the words, other fields...)."""
    plain, entities = parse(text, mode)
    raw = plain.encode("utf-16-le")
    return plain, [
        (
            item["type"],
            raw[2 * item["offset"] : 2 * (item["offset"] + item["length"])].decode("utf-16-le"),
            *(value for name, value in item.items() if name not in {"type", "offset", "length"}),
        )
        for item in entities
    ]


# --- entities ---------------------------------------------------------------------------------------------------------


def test_trimming_moves_the_entities_along() -> None:
    found = settle("  \n😀 bold  \n", [entity("bold", 6, 6)])
    assert (found.text, found.entities) == ("😀 bold", [entity("bold", 3, 4)])


def test_the_left_cut_stops_where_an_entity_begins() -> None:
    found = settle("   code", [entity("pre", 1, 6)])
    assert (found.text, found.entities) == ("  code", [entity("pre", 0, 6)])


def test_control_characters_go() -> None:
    found = settle("a\tb\r\nc\u202ed", [entity("bold", 4, 3)])
    assert (found.text, found.entities) == ("a b\ncd", [entity("bold", 3, 3 - 1)])


@pytest.mark.parametrize(
    ("offset", "length", "reason"),
    [
        (1, 2, "entity begins in a middle of a UTF-16 symbol at byte offset 4"),
        (0, 1, "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 4"),
        (2, 9, "entity beginning at UTF-16 offset 2 ends after the end of the text at UTF-16 offset 11"),
        (50, 1, "entity begins after the end of the text at UTF-16 offset 50"),
        (-1, 2, "receive an entity with incorrect offset -1"),
        (0, -2, "receive an entity with incorrect length -2"),
    ],
)
def test_wrong_offsets_are_refused(offset: int, length: int, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        settle("😀😀", checked([entity("bold", offset, length)]))
    assert caught.value.description == f"Bad Request: {reason}"


@pytest.mark.parametrize(
    "item",
    [
        "x",
        {"type": "bold"},
        entity("brand_new", 0, 1),
        entity("text_link", 0, 1),
        {**entity("bold", 0, 1), "offset": "0"},
    ],
)
def test_malformed_entities_are_refused(item: Any) -> None:
    with pytest.raises(ApiError, match="can't parse MessageEntity"):
        checked([item])


def test_entities_that_only_the_server_finds_are_ignored() -> None:
    assert checked([entity("mention", 0, 1), entity("bold", 0, 1)]) == [entity("bold", 0, 1)]


def test_code_takes_no_other_style_and_says_so() -> None:
    found = settle("abcdef", [entity("bold", 0, 4), entity("code", 2, 4)])
    assert found.entities == [entity("bold", 0, 2), entity("code", 2, 4)]
    assert found.remarks == ["bold at 0 overlaps another entity and was cut to 1 parts"]
    quoted = settle("abcdef", [entity("blockquote", 0, 6), entity("pre", 2, 4), entity("bold", 0, 2)])
    assert len(quoted.entities) == 3
    assert quoted.remarks == []


def test_more_than_a_hundred_entities_are_ignored() -> None:
    found = settle("ab" * 150, [entity("bold" if n % 2 else "italic", n * 2, 1) for n in range(150)])
    assert len(found.entities) == 100
    assert found.remarks == ["50 entities over 100 ignored"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("/start", ["bot_command"]),
        ("/start@some_bot x", ["bot_command"]),
        ("a/b and 1/2", []),
        ("see http://a.bc/c?d=e.", ["url"]),
        ("http://a.b http://localhost/x http://[::1]/y", ["bot_command"]),
        ("http://localhost/@anna .@anna", ["mention", "mention"]),
        ("button://x", ["url"]),
        ("me@example.org @anna #tag $USD", ["email", "mention", "hashtag", "cashtag"]),
        ("#1 @ab", []),
        ("--- -me+x@example.org.", ["email"]),
    ],
)
def test_the_server_finds_what_can_be_tapped(text: str, kinds: list[str]) -> None:
    assert [item["type"] for item in detect(text)] == kinds


def test_nothing_is_found_inside_code() -> None:
    assert settle("see /start", [entity("code", 0, 10)]).entities == [entity("code", 0, 10)]


# --- parse modes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plain", "entities"),
    [
        ("<b>b<i>i</i></b> &lt;&#x41;&#66;&amp; &copy;", "bi <AB& &copy;", [("italic", "i"), ("bold", "bi")]),
        ('<a href="https://ya.ru/?a=1&amp;b">x</a>', "x", [("text_link", "x", "https://ya.ru/?a=1&b")]),
        (
            '<a href="mailto:a@b.ru">x</a> <a>b.ru</a>',
            "x b.ru",
            [("text_link", "x", "http://mailto:a@b.ru/"), ("text_link", "b.ru", "http://b.ru/")],
        ),
        ('<a href="javascript:alert(1)">x</a>', "x", []),
        ('<pre><code class="language-python">x=1</code></pre>', "x=1", [("pre", "x=1", "python")]),
        ('<code class="language-python">x</code>', "x", [("code", "x")]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", "q")]),
        ('<span class="tg-spoiler">😀</span>', "😀", [("spoiler", "😀")]),
        ('<tg-emoji emoji-id="5">👍</tg-emoji>', "👍", [("custom_emoji", "👍", "5")]),
        ("<u></u>a > b", "a > b", []),
    ],
)
def test_html(text: str, plain: str, entities: list[tuple[Any, ...]]) -> None:
    assert seen(text, "HTML") == (plain, entities)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("я<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("a <b", "Unclosed start tag at byte offset 2"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
    ],
)
def test_wrong_html_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(text, "html")
    assert caught.value.description == f"Bad Request: can't parse entities: {reason}"


@pytest.mark.parametrize(
    ("text", "plain", "entities"),
    [
        ("*b _i_* __u__ ~s~ ||p||", "b i u s p", [("italic", "i"), ("bold", "b i"), ("underline", "u"),
                                                  ("strikethrough", "s"), ("spoiler", "p")]),
        (r"1\. a\-b \\ \_", r"1. a-b \ _", []),
        ("`a.b*` ```py\nx = 1```", "a.b* x = 1", [("code", "a.b*"), ("pre", "x = 1", "py")]),
        (r"[t](https://ya.ru/\)a)", "t", [("text_link", "t", "https://ya.ru/)a")]),
        (">q1\n>q2\nrest", "q1\nq2\nrest", [("blockquote", "q1\nq2\n")]),
        (">q1\n>q2||", "q1\nq2", [("expandable_blockquote", "q1\nq2")]),
        ("![👍](tg://emoji?id=5)", "👍", [("custom_emoji", "👍", "5")]),
    ],
)  # fmt: skip
def test_markdown_v2(text: str, plain: str, entities: list[tuple[Any, ...]]) -> None:
    assert seen(text, "MarkdownV2") == (plain, entities)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("a > b", "Character '>' is reserved and must be escaped with the preceding '\\'"),
        ("!x", "Character '!' is reserved and must be escaped with the preceding '\\'"),
        ("я *b", "Can't find end of Bold entity at byte offset 3"),
        ("```x", "Can't find end of Pre entity at byte offset 0"),
        ("[t](http://x", "Can't find end of a URL at byte offset 4"),
        (r"[t](http://x\)", "Can't find end of a URL at byte offset 4"),
        ("![x]", "The entity must contain a tg://emoji or tg://time URL"),
    ],
)
def test_wrong_markdown_v2_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(text, "MarkdownV2")
    assert caught.value.description == f"Bad Request: can't parse entities: {reason}"


def test_the_old_markdown() -> None:
    assert seen(r"*b* _i_ `c` [t](http://x.y) \*", "Markdown") == (
        "b i c t *",
        [("bold", "b"), ("italic", "i"), ("code", "c"), ("text_link", "t", "http://x.y/")],
    )
    with pytest.raises(ApiError, match="Can't find end of the entity starting at byte offset 1"):
        parse("a_b", "Markdown")


def test_an_unknown_parse_mode_is_refused() -> None:
    with pytest.raises(ApiError, match="unsupported parse_mode"):
        parse("x", "bbcode")


def escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in r"_*[]()~`>#+-=|{}.!\\" else char for char in text)


@given(st.text())
def test_escaped_markdown_comes_back_letter_for_letter(text: str) -> None:
    assert parse(escaped(text), "MarkdownV2") == (text, [])


@given(st.text())
def test_escaped_html_comes_back_letter_for_letter(text: str) -> None:
    quoted = text.replace("&", "&amp;").replace("<", "&lt;")
    assert parse(quoted, "HTML") == (text, [])


@given(st.text("ab <>&/=\"'*_`[]()!|~\\\n>😀", max_size=40), st.sampled_from(["HTML", "MarkdownV2", "Markdown"]))
def test_any_text_is_parsed_or_refused_and_offsets_fit(text: str, mode: str) -> None:
    try:
        plain, entities = parse(text, mode)
        found = settle(plain, entities)
    except ApiError:
        return
    for item in found.entities:
        assert 0 <= item["offset"] < item["offset"] + item["length"] <= units(found.text)
