"""The sandbox's Bot API: messages of blocks."""

from __future__ import annotations

import pytest

from bot.sandbox.telegram.server_facade import Telegram, text_of
from tests.support.sandbox_client import ANNA, Client


def paragraph(text: object) -> dict[str, object]:
    return {"type": "paragraph", "text": text}


def nested(depth: int) -> dict[str, object]:
    return paragraph("x") if depth == 1 else {"type": "blockquote", "blocks": [nested(depth - 1)]}


async def test_a_rich_message_comes_back_as_blocks(client: Client, telegram: Telegram) -> None:
    cell = {"text": "1", "align": "right", "valign": "top"}
    blocks = [
        {"type": "heading", "text": "Title", "size": 2},
        paragraph(["a ", {"type": "bold", "text": "b"}, {"type": "mathematical_expression", "expression": "x^2"}]),
        {
            "type": "list",
            "items": [{"blocks": [paragraph("one")]}, {"blocks": [paragraph("two")], "has_checkbox": True}],
        },
        {"type": "table", "cells": [[cell, cell]], "is_bordered": True},
        {"type": "divider"},
    ]
    message = await client.ok("sendRichMessage", chat_id=ANNA, rich_message={"blocks": blocks})
    echoed = message["rich_message"]["blocks"]
    assert [echoed[0], echoed[1], echoed[3], echoed[4]] == [blocks[0], blocks[1], blocks[3], blocks[4]]
    assert [item["label"] for item in echoed[2]["items"]] == ["•", "•"]
    assert "Title" in text_of(message)
    edited = await client.ok(
        "editMessageText", chat_id=ANNA, message_id=message["message_id"], rich_message={"blocks": [paragraph("new")]}
    )
    assert text_of(edited) == "new"


@pytest.mark.parametrize(
    ("rich", "reason"),
    [
        ({}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [paragraph("x")], "markdown": "x"}, "exactly one of"),
        ({"blocks": [paragraph("")]}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [{"type": "list", "items": [{"blocks": []}]}]}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [{"type": "pre", "text": "\n"}]}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [{"type": "wormhole"}]}, "unsupported block type"),
        ({"blocks": [paragraph({"type": "plain", "text": "x"})]}, 'unsupported type "plain"'),
        ({"blocks": [{"type": "thinking", "text": "hm"}]}, "RICH_MESSAGE_THINKING_FORBIDDEN"),
        ({"blocks": [paragraph("x" * 32_769)]}, "RICH_MESSAGE_TOO_LONG"),
        ({"blocks": [paragraph("x")] * 501}, "RICH_MESSAGE_BLOCKS_TOO_MUCH"),
        ({"blocks": [nested(17)]}, "RICH_MESSAGE_DEPTH_TOO_MUCH"),
        ({"blocks": [{"type": "table", "cells": [[{"text": "x"}] * 21]}]}, "RICH_MESSAGE_TABLE_COLUMNS_TOO_MUCH"),
        ({"blocks": [{"type": "heading", "text": "x", "size": 7}]}, "heading size"),
    ],
)
async def test_a_rich_message_over_the_limits_is_refused(client: Client, rich: object, reason: str) -> None:
    assert reason in await client.refused("sendRichMessage", chat_id=ANNA, rich_message=rich)


async def test_a_rich_message_at_the_limits_is_taken(client: Client) -> None:
    for blocks in ([nested(16)], [paragraph("x")] * 500, [paragraph("x" * 32_768)]):
        await client.ok("sendRichMessage", chat_id=ANNA, rich_message={"blocks": blocks})


async def test_a_rich_draft_may_think(client: Client, telegram: Telegram) -> None:
    rich = {"blocks": [{"type": "thinking", "text": "hm"}]}
    await client.ok("sendRichMessageDraft", chat_id=ANNA, draft_id=3, rich_message=rich)
    assert telegram.drafts[0]["rich_message"] == rich
