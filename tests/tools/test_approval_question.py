"""The question before a tool call that needs approval: bot/tools/approval_question.py."""

from __future__ import annotations

from typing import Any

import pytest

from bot.texts.catalog import say
from bot.tools.approval_question import approval_question
from bot.tools.tool import Tool
from tests.support.table import table

ASKS = {"en": "Send *{to}* this: {text}?", "ru": "Отправить {to} это: {text}?"}


async def send_letter(to: str, text: str = "", copies: int = 1) -> str:
    """Send a letter."""
    return "sent"


WITH, WITHOUT = Tool.of(send_letter, asks=ASKS), Tool.of(send_letter)
ASK = say("en", "tool.ask")


@table(
    ("tool", "arguments", "language", "question"),
    [
        (WITH, {"to": "bob", "text": "hi"}, "en", "Send *`bob`* this: `hi`?"),
        (WITH, {"to": "bob", "text": "hi"}, "ru", "Отправить `bob` это: `hi`?"),
        (WITH, {"to": "bob", "text": "hi"}, "de", "Send *`bob`* this: `hi`?"),
        (WITH, {"to": "b", "text": "x", "copies": 2}, "en", "Send *`b`* this: `x`?\n\n- `Copies`: `2`"),
        (WITH, {"to": "bob"}, "en", f"{ASK}\n\n`Send letter`\n\n- `To`: `bob`"),
        (WITHOUT, {"to": "bob", "copies": 2}, "en", f"{ASK}\n\n`Send letter`\n\n- `To`: `bob`\n- `Copies`: `2`"),
        (WITHOUT, {"text": "a\n```\nb"}, "en", f"{ASK}\n\n`Send letter`\n\n`Text`:\n\n````\na\n```\nb\n````"),
        (WITH, {"to": "`*x*`", "text": " "}, "en", 'Send *`` `*x*` ``* this: `" "`?'),
        (WITH, {"to": "{text}", "text": "x"}, "en", "Send *`{text}`* this: `x`?"),
        (WITH, {"to": "a\u202eb", "text": "x"}, "en", "Send *`a\\u202eb`* this: `x`?"),
    ],
)
def test_the_question_shows_the_whole_call_in_words(
    tool: Tool, arguments: dict[str, Any], language: str, question: str
) -> None:
    assert approval_question(tool, arguments, language) == question


def test_a_sentence_that_names_no_parameter_is_refused_when_the_tool_is_made() -> None:
    with pytest.raises(ValueError, match="no parameters"):
        Tool.of(send_letter, asks={"en": "Send it to {whom}?"})
