"""What becomes a message: the rungs of the ladder, and calls that Telegram can't take amiss."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.sending import messages
from bot.telegram.sending.messages import CAPTION_LIMIT, LIMIT, Rung, Screen
from bot.types import Address, Button, File, Outgoing

ANNA = Address("telegram", 1, 1001)
TOPIC = Address("telegram", 1, 1001, thread=12)
SHOP = Address("telegram", 1, 1001, connection="b7")
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"
MARKS = [
    "**", "*", "_", "`", "```", "~~", "||", "[", "](http://x.y)", "> ", "# ", "- ", "1. ", "|", "\n", "\n\n", "$", "$$",
    "<", "&", "\\", "😀", "я", "a", " ", "\u200b", "\x00", "\u202e", "![](u)", "- [ ] ", "---", "\t", TABLE,
]  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(MARKS), max_size=40).map("".join)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# --- the ladder -------------------------------------------------------------------------------------------------------


def test_only_what_needs_blocks_gets_them() -> None:
    assert [bool(part.blocks) for part in messages.finished(Outgoing(TABLE), Rung.RICH)] == [True]
    assert [bool(part.blocks) for part in messages.finished(Outgoing("**bold**"), Rung.RICH)] == [False]
    assert [bool(part.blocks) for part in messages.finished(Outgoing(TABLE), Rung.ENTITIES)] == [False]


def test_the_lowest_rung_is_the_models_own_text() -> None:
    assert messages.finished(Outgoing("**bold** & <b>"), Rung.PLAIN) == [Screen("**bold** & <b>")]


def test_what_the_bot_says_itself_is_never_markup() -> None:
    for rung in Rung:
        assert messages.finished(Outgoing("**not bold** _x_", plain=True), rung) == [Screen("**not bold** _x_")]


def test_a_note_stands_below_on_every_rung() -> None:
    for text in ("hello", TABLE):
        for rung in Rung:
            part = messages.finished(Outgoing(text, note="stopped"), rung)[-1]
            assert (part.blocks or part.text).rstrip('}]"').endswith("stopped") or "stopped" in part.blocks


def test_a_caption_is_cut_and_has_no_markup() -> None:
    (part,) = messages.finished(Outgoing("😀" * 2000, file=File(b"jpeg")), Rung.RICH)
    assert part.file == File(b"jpeg")
    assert units(part.text) <= CAPTION_LIMIT
    assert part.entities == ()


def test_a_photo_needs_no_words() -> None:
    assert messages.finished(Outgoing("", plain=True, file=File(b"jpeg")), Rung.RICH)[0].file == File(b"jpeg")


@given(MARKDOWN, st.sampled_from(Rung), st.sampled_from(["", "stopped"]))
def test_any_answer_is_at_least_one_message_that_can_be_sent(text: str, rung: Rung, note: str) -> None:
    parts = messages.finished(Outgoing(text, note=note), rung)
    assert parts
    for part in parts:
        assert part.blocks or part.text.strip()
        assert units(part.text) <= LIMIT
        messages.send(part, ANNA, Outgoing(text), last=True)
        messages.edit(part, ANNA, 5, None)


@given(MARKDOWN, st.sampled_from(Rung))
def test_any_growing_answer_can_be_shown(text: str, rung: Rung) -> None:
    part = messages.growing(text, rung)
    assert units(part.text) <= LIMIT
    messages.draft(part, ANNA, 7)


# --- calls ------------------------------------------------------------------------------------------------------------


def fields(method: Any) -> dict[str, Any]:
    return {name: value for name, value in method if value is not None}


def test_no_call_has_a_parse_mode_or_a_preview() -> None:
    text = Screen("http://evil.example")
    for method in (messages.send(text, ANNA, Outgoing(), last=True), messages.edit(text, ANNA, 5, None)):
        assert fields(method)["link_preview_options"].is_disabled is True
        assert "parse_mode" not in fields(method)
    photo = Screen("caption", file=File(b"jpeg"))
    others: list[Any] = [
        messages.send(photo, ANNA, Outgoing(), last=True),
        messages.edit(photo, ANNA, 5, None),
        messages.send(messages.as_document(photo), ANNA, Outgoing(), last=True),
        messages.draft(text, ANNA, 7),
    ]
    assert not [method for method in others if "parse_mode" in fields(method)]


def test_a_topic_and_a_business_connection_go_along() -> None:
    part = Screen("hello")
    assert fields(messages.send(part, TOPIC, Outgoing(), last=True))["message_thread_id"] == 12
    assert "message_thread_id" not in fields(messages.send(part, TOPIC, Outgoing(), last=True, thread=False))
    assert fields(messages.send(Screen(file=File(b"x")), TOPIC, Outgoing(), last=True))["message_thread_id"] == 12
    assert fields(messages.draft(part, TOPIC, 7))["message_thread_id"] == 12
    for method in (
        messages.send(part, SHOP, Outgoing(), last=True),
        messages.edit(part, SHOP, 5, None),
        messages.send(messages.as_document(Screen(file=File(b"x"))), SHOP, Outgoing(), last=True),
    ):
        assert fields(method)["business_connection_id"] == "b7"


@pytest.mark.parametrize("part", [Screen("hello"), Screen(file=File(b"x")), Screen(blocks='{"blocks":[]}')])
def test_a_quote_is_wished_for_and_never_insisted_on(part: Screen) -> None:
    found = fields(messages.send(part, ANNA, Outgoing(reply_to=5), last=False))["reply_parameters"]
    assert (found.message_id, found.allow_sending_without_reply) == (5, True)


def test_buttons_stand_under_the_last_part_only() -> None:
    outgoing = Outgoing("x", buttons=((Button("Again", "key1"), Button("Change", "key2")),))
    assert "reply_markup" not in fields(messages.send(Screen("x"), ANNA, outgoing, last=False))
    markup = fields(messages.send(Screen("x"), ANNA, outgoing, last=True))["reply_markup"]
    assert [(b.text, b.callback_data) for b in markup.inline_keyboard[0]] == [("Again", "key1"), ("Change", "key2")]


def test_a_draft_can_always_be_stopped() -> None:
    (blocks,) = messages.finished(Outgoing(TABLE), Rung.RICH)
    for part in (Screen(""), Screen("hello"), blocks):
        assert fields(messages.draft(part, ANNA, 7))["can_stop"] is True


def test_blocks_are_sent_as_blocks_and_never_as_markup() -> None:
    """No parser runs over a block's text: what the model quotes can't become a button."""
    (part,) = messages.finished(Outgoing(TABLE.replace("1", '<tg-button type="callback_data" data="x">')), Rung.RICH)
    message = part.rich()
    assert message.html is None
    assert message.markdown is None
    assert "buttons" not in [block["type"] for block in json.loads(part.blocks)["blocks"]]
