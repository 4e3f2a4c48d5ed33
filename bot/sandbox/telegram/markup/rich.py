"""Rich messages: checks an InputRichMessage against the limits and makes the RichMessage of the answer. Begin with
`rich`.

Blocks are checked completely. `markdown` and `html` are only measured and kept as one paragraph: nothing here parses
them. Where the real names of errors for exceeded limits are unknown, they are made up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import BOT_API, bad
from bot.sandbox.telegram.markup.entities import is_blank

CHARACTERS = 32_768
BLOCKS = 500
DEPTH = 16
COLUMNS = 20
ROW_BUTTONS = 8


def rich(given: Any, *, draft: bool = False) -> Json:
    """Check an InputRichMessage and return the RichMessage of the server's answer. Raises 400 for what is malformed."""
    if not isinstance(given, dict):
        raise bad("Can't parse InputRichMessage: expected an Object")
    forms = [name for name in ("html", "markdown", "blocks") if given.get(name)]
    if len(forms) > 1:
        raise bad("Exactly one of the fields html, markdown and blocks must be specified in InputRichMessage")
    if not forms:
        raise bad("RICH_MESSAGE_CONTENT_REQUIRED")
    check = _Check(draft)
    if forms[0] == "blocks":
        blocks = check.blocks(given["blocks"], 1)
    else:
        blocks = [check.block({"type": "paragraph", "text": str(given[forms[0]])}, 1)]
    check.measure()
    return {"blocks": blocks, "is_rtl": True} if given.get("is_rtl") else {"blocks": blocks}


def plain(value: Any) -> str:
    """The plain text of rich text, a block or a list of blocks, for people who read a journal or a test."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        joint = "\n" if value and all(isinstance(item, dict) and _is_block(item) for item in value) else ""
        return joint.join(plain(item) for item in value)
    if not isinstance(value, dict):
        return ""
    if value.get("type") == "table":
        return "\n".join("\t".join(plain(cell.get("text", "")) for cell in row) for row in value["cells"])
    names = ("summary", "label", "text", "expression", "alternative_text", "items", "blocks", "button", "buttons")
    return "\n".join(found for name in names if name in value and (found := plain(value[name])))


def _is_block(value: Json) -> bool:
    return value.get("type") in BLOCK_FIELDS or value.get("type") in MEDIA or "blocks" in value


class _Check:
    """Checks blocks and counts on the way: the characters of all texts, and blocks with list items and table rows."""

    def __init__(self, draft: bool) -> None:
        self.draft = draft
        self.characters = 0
        self.count = 0

    def measure(self) -> None:
        if self.characters > CHARACTERS:
            raise bad("RICH_MESSAGE_TOO_LONG")
        if self.count > BLOCKS:
            raise bad("RICH_MESSAGE_BLOCKS_TOO_MUCH")

    # --- blocks -------------------------------------------------------------------------------------------------------

    def blocks(self, given: Any, depth: int) -> list[Json]:
        if not isinstance(given, list):
            raise bad("Can't parse InputRichBlock: Array expected")
        if not given:
            raise bad("RICH_MESSAGE_CONTENT_REQUIRED")
        return [self.block(item, depth) for item in given]

    def block(self, given: Any, depth: int) -> Json:
        if depth > DEPTH:
            raise bad("RICH_MESSAGE_DEPTH_TOO_MUCH")
        if not isinstance(given, dict):
            raise bad("Can't parse InputRichBlock: expected an Object")
        kind = given.get("type")
        if not isinstance(kind, str) or kind not in {*BLOCK_FIELDS, *MEDIA}:
            raise bad(f'Can\'t parse InputRichBlock: unsupported block type "{kind}"')
        self.count += 1
        if kind in MEDIA:  # the sandbox stores none inside rich messages, and an error is better than a hole
            raise bad("RICH_MESSAGE_MEDIA_INVALID")
        if kind == "thinking" and not self.draft:
            raise bad("RICH_MESSAGE_THINKING_FORBIDDEN")
        found: Json = {"type": kind}
        for field in BLOCK_FIELDS[kind]:
            name = field.rstrip("?")
            if name in TYPES:
                found |= _kept(given, name)
            elif name == field or given.get(name):
                check = FIELD_CHECKS[name] if kind != "thinking" else _Check.words
                found[name] = check(self, given, name, depth)
        return found

    def size(self, given: Json, name: str, depth: int) -> int:
        if given.get(name) not in range(1, 7) or isinstance(given[name], bool):
            raise bad("Can't parse InputRichBlock: heading size must be from 1 to 6")
        return int(given[name])

    def nested(self, given: Json, name: str, depth: int) -> list[Json]:
        return self.blocks(given.get(name), depth + 1)

    def items(self, given: Json, name: str, depth: int) -> list[Json]:
        items = given.get(name)
        if not isinstance(items, list) or not items:
            raise bad("RICH_MESSAGE_CONTENT_REQUIRED")
        numbers: list[int] = []
        return [self.item(item, depth, numbers) for item in items]

    def item(self, given: Any, depth: int, numbers: list[int]) -> Json:
        if not isinstance(given, dict):
            raise bad("Can't parse InputRichBlockListItem: expected an Object")
        self.count += 1
        kept = _kept(given, "has_checkbox", "is_checked", "value", "type")
        if kept.get("type", "1") not in {"a", "A", "i", "I", "1"}:
            raise bad("Can't parse InputRichBlockListItem: invalid type specified")
        label = "•"
        if "type" in kept or "value" in kept:
            numbers.append(kept.get("value", numbers[-1] + 1 if numbers else 1))
            label = f"{numbers[-1]}."
        return {"label": label, "blocks": self.blocks(given.get("blocks") or [], depth + 1), **kept}

    def cells(self, given: Json, name: str, depth: int) -> list[list[Json]]:
        rows = given.get(name)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
            raise bad("RICH_MESSAGE_CONTENT_REQUIRED")
        self.count += len(rows)
        cells = [[self.cell(cell) for cell in row] for row in rows]
        if max(sum(cell.get("colspan", 1) for cell in row) for row in cells) > COLUMNS:
            raise bad("RICH_MESSAGE_TABLE_COLUMNS_TOO_MUCH")
        return cells

    def cell(self, given: Any) -> Json:
        if not isinstance(given, dict):
            raise bad("Can't parse RichBlockTableCell: expected an Object")
        align, valign = given.get("align", "left"), given.get("valign", "top")
        if align not in {"left", "center", "right"} or valign not in {"top", "middle", "bottom"}:
            raise bad("Can't parse RichBlockTableCell: invalid alignment specified")
        text = {"text": self.text(given["text"])} if given.get("text") else {}
        return {"align": align, "valign": valign, **text, **_kept(given, "is_header", "colspan", "rowspan")}

    def buttons(self, given: Json, name: str, depth: int) -> list[Json]:
        buttons = given.get(name)
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= ROW_BUTTONS:
            raise bad("RICH_MESSAGE_BUTTONS_INVALID")
        return [self.button(button) for button in buttons]

    # --- text ---------------------------------------------------------------------------------------------------------

    def words(self, given: Json, name: str, depth: int) -> Any:
        return self.text(given.get(name, ""))

    def needed(self, given: Json, name: str = "text", depth: int = 1) -> Any:
        """Check rich text that must show something. Raises 400 if it is blank."""
        before = self.characters
        text = self.text(given.get(name, ""))
        if self.characters == before or (is_blank(plain(text)) and not _has_picture(text)):
            raise bad("RICH_MESSAGE_CONTENT_REQUIRED")
        return text

    def string(self, given: Json, name: str, depth: int) -> str:
        value = given.get(name)
        if not isinstance(value, str):
            raise bad(f"Can't parse InputRichBlock: Can't find field \"{name}\"")
        if not value.strip():
            raise bad("RICH_MESSAGE_CONTENT_REQUIRED")
        self.characters += len(value)
        return value

    def text(self, given: Any, depth: int = 1) -> Any:
        """Check rich text: a string, a list, or an object with a type."""
        if isinstance(given, str):
            self.characters += len(given)
            return given
        if depth > DEPTH:
            raise bad("RICH_MESSAGE_DEPTH_TOO_MUCH")
        if isinstance(given, list):
            return [self.text(item, depth) for item in given]
        if not isinstance(given, dict) or str(given.get("type")) not in TEXT_FIELDS:
            kind = given.get("type") if isinstance(given, dict) else type(given).__name__
            raise bad(f'Can\'t parse RichText: unsupported type "{kind}"')
        return self.object(given, depth)

    def object(self, given: Json, depth: int) -> Json:
        for name in TEXT_FIELDS[given["type"]]:
            if name not in given or (given[name] in ("", None) and name != "text"):
                raise bad(f"Can't parse RichText: Can't find field \"{name}\" of {given['type']}")
        for name in ("expression", "alternative_text"):
            self.characters += len(str(given.get(name, "")))
        if "button" in given:
            return {"type": "button", "button": self.button(given["button"])}
        return {**given, "text": self.text(given["text"], depth + 1)} if "text" in given else dict(given)

    def button(self, given: Any) -> Json:
        if not isinstance(given, dict):
            raise bad("Can't parse RichMessageButton: expected an Object")
        data = given.get("callback_data")
        if data is not None and not (isinstance(data, str) and 1 <= len(data.encode()) <= 64):
            raise bad("BUTTON_DATA_INVALID")
        return {**given, "text": self.needed(given)}


def _has_picture(text: Any) -> bool:
    """Whether rich text has a formula or a custom emoji, which are visible without words."""
    if isinstance(text, list):
        return any(_has_picture(item) for item in text)
    return isinstance(text, dict) and (
        text["type"] in {"mathematical_expression", "custom_emoji"} or _has_picture(text.get("text"))
    )


def _kept(given: Json, *names: str) -> Json:
    """The simple fields of a block (`TYPES`) that are there. Raises 400 for a value of a wrong type."""
    kept = {name: given[name] for name in names if given.get(name) is not None}
    for name, value in kept.items():
        if not isinstance(value, TYPES[name]) or (TYPES[name] is int and isinstance(value, bool)):
            raise bad(f'Can\'t parse InputRichBlock: Field "{name}" has a wrong type')
    return kept


BLOCK_FIELDS = {kind: fields.split() for kind, fields in BOT_API["blocks"].items()}
TEXT_FIELDS = {kind: fields.split() for kind, fields in BOT_API["texts"].items()}
MEDIA = frozenset("map animation audio document photo video voice_note".split())
FIELD_CHECKS: dict[str, Callable[[_Check, Json, str, int], Any]] = {
    **dict.fromkeys(("text", "summary"), _Check.needed),
    **dict.fromkeys(("credit", "caption"), _Check.words),
    **dict.fromkeys(("expression", "name"), _Check.string),
    "blocks": _Check.nested,
    "items": _Check.items,
    "cells": _Check.cells,
    "buttons": _Check.buttons,
    "size": _Check.size,
}
TYPES: dict[str, type] = {
    **dict.fromkeys(("has_checkbox", "is_checked", "is_open", "is_header"), bool),
    **dict.fromkeys(("is_bordered", "is_striped", "is_compact"), bool),
    **dict.fromkeys(("value", "colspan", "rowspan"), int),
    **dict.fromkeys(("language", "align", "type"), str),
}
