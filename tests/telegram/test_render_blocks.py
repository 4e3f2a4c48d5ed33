"""Rich messages: blocks that Telegram's client library accepts, within Telegram's limits."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram.types import InputRichMessage

from bot.telegram.render import needs_rich, parse, pieces, rich
from bot.types import FOLDED

SAMPLE = """# Title *x*

Text **b** `c` ~~s~~ [l](https://ex.org) \\(a^2\\)

- a
  1. one
  2. two
- [x] done
- [ ] open

> quote
> - in it

| A | B |
|:-:|--:|
| 1 | |

```py
x = 1
```

$$
a^2
$$

---

<tg-button type="callback_data" data="x">press</tg-button>
"""


def blocks(markdown: str, note: str = "") -> list[dict[str, Any]]:
    found = rich(parse(markdown), note)
    assert found is not None
    assert set(found) == {"blocks"}
    return list(found["blocks"])


def test_every_kind_of_block_is_one_that_the_client_library_knows() -> None:
    found = rich(parse(SAMPLE), "note")
    message = InputRichMessage.model_validate(found)
    kinds = [block.type for block in message.blocks or []]
    expected = "heading paragraph list blockquote table pre mathematical_expression divider paragraph paragraph"
    assert kinds == expected.split()
    assert message.model_dump(exclude_none=True, mode="json") == found


def test_inline_looks_become_rich_text() -> None:
    assert blocks("a **b *c***") == [
        {
            "type": "paragraph",
            "text": ["a ", {"type": "bold", "text": "b "}, {"type": "bold", "text": {"type": "italic", "text": "c"}}],
        }
    ]
    link = {"type": "url", "text": "a", "url": "https://ex.org"}
    assert blocks("[a](https://ex.org)")[0]["text"] == [link, " (https://ex.org)"]
    assert blocks("\\(a^2\\)")[0]["text"] == {"type": "mathematical_expression", "expression": "a^2"}


def test_a_button_written_by_the_model_is_text() -> None:
    tag = '<tg-button type="callback_data" data="x">press</tg-button>'
    assert blocks(tag) == [{"type": "paragraph", "text": tag}]


def test_numbers_and_boxes_are_kept() -> None:
    ordered, boxes = blocks("3. a\n4. b\n\n- [x] c\n- [ ] d")
    assert [item["value"] for item in ordered["items"]] == [3, 4]
    assert [item["is_checked"] for item in boxes["items"]] == [True, False]


def test_what_is_empty_is_dropped_or_filled() -> None:
    assert blocks("- \n- a")[0]["items"] == [{"blocks": [{"type": "paragraph", "text": "a"}]}]
    assert blocks("| A |\n|---|\n| |")[0]["cells"][1][0]["text"] == "\u00a0"
    assert rich(parse("- ")) is None
    assert rich(parse("")) is None


def test_the_note_is_the_last_paragraph_in_italics() -> None:
    assert blocks("a", "note")[-1] == {"type": "paragraph", "text": {"type": "italic", "text": "note"}}


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ("a" * 32_768, "a" * 32_769),
        ("a\n\n" * 500, "a\n\n" * 501),
        ("- a\n" * 249, "- a\n" * 250),
        ("|a|\n|-|\n" + "|b|\n" * 498, "|a|\n|-|\n" + "|b|\n" * 499),
        ("|a" * 20 + "|\n" + "|-" * 20 + "|", "|a" * 21 + "|\n" + "|-" * 21 + "|"),
    ],
)
def test_a_message_beyond_the_limits_is_not_made(fits: str, too_much: str) -> None:
    assert rich(parse(fits)) is not None
    assert rich(parse(too_much)) is None


def test_nesting_stays_within_the_limit() -> None:
    assert rich(parse("> " * 200 + "a")) is not None


@pytest.mark.parametrize(
    ("markdown", "better"),
    [
        ("**a** `b`\n\n- c\n\n```py\nx\n```", False),
        ("| A |\n|---|\n| 1 |", True),
        ("- [ ] a", True),
        ("> - a \\(x^2\\)", True),
        ("a" * 4_096, False),
        ("a" * 4_097, True),
    ],
)
def test_rich_is_wanted_only_where_it_shows_more(markdown: str, better: bool) -> None:
    assert needs_rich(parse(markdown)) is better


def test_a_quotation_that_begins_with_the_mark_is_folded_in_both_formats() -> None:
    markdown = f"> {FOLDED}¹ one **b**\n>\n> ² two\n\nAfter"
    assert blocks(markdown)[0] == {
        "type": "expandable_blockquote",
        "text": ["¹ one ", {"type": "bold", "text": "b"}, "\n", "² two"],
    }
    (piece,) = pieces(parse(markdown))
    assert piece.text == "¹ one b\n² two\n\nAfter"
    assert piece.entities[0] == {"type": "expandable_blockquote", "offset": 0, "length": 13}
    assert blocks(f"> {FOLDED}one\n> - a list")[0]["type"] == "blockquote"
