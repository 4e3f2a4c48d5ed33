"""Reads the words of a message that is made of blocks (`rich_message`): `rich_words`, also those of unknown blocks."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 20  # of blocks and formatting in each other; Telegram's limit is lower
PARTS = ("summary", "text", "expression", "caption", "items", "blocks")
INLINE = (
    "bold",
    "italic",
    "underline",
    "spoiler",
    "code",
    "marked",
    "subscript",
    "superscript",
    "custom_emoji",
    "date_time",
)


def rich_words(value: Any, depth: int = 0) -> str:
    """The words of blocks: one a line, the cells of a table with bars between them, addresses behind their words."""
    if isinstance(value, str):
        return value
    if depth > MAX_DEPTH or not isinstance(value, list | dict):
        return ""
    if isinstance(value, list):
        is_blocks = all(isinstance(one, dict) and one.get("type") not in INLINE and "url" not in one for one in value)
        return ("\n" if is_blocks else "").join(rich_words(one, depth + 1) for one in value)
    if isinstance(rows := value.get("cells"), list):
        return "\n".join(_row(row, depth + 1) for row in rows if isinstance(row, list))
    words = "\n".join(found for name in PARTS if (found := rich_words(value.get(name), depth + 1)))
    if isinstance(label := value.get("label"), str):
        return f"{label} {words}"
    if isinstance(url := value.get("url"), str) and url != words:
        return f"{words} ({url})"
    return f"~~{words}~~" if value.get("type") == "strikethrough" else words


def _row(cells: list[Any], depth: int) -> str:
    return " | ".join(rich_words(cell, depth) for cell in cells)
