"""Removes from a model's text what may not reach a screen: controls, lone surrogates, bidirectional overrides, tags."""

from __future__ import annotations

import re

_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")
_REMOVED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, except tab and newline
    "\u202a-\u202e\u2066-\u2069"  # text that reads in another order than it is written
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"  # a byte order mark; tags and selectors, which a reader cannot see
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"
)

_VISIBLE = re.compile(
    "[^\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\uffa0]"
)


def clean(text: str) -> str:
    """Return `text` without characters that hide, reorder or break what is read. Line ends become newlines."""
    if not _SUSPECT.search(text):
        return text
    text = _SURROGATE.sub("\ufffd", _LINE_ENDS.sub("\n", text))
    return _REMOVED.sub("", text)


def is_visible(text: str) -> bool:
    """Return whether a reader sees anything: Telegram refuses a message of blanks and zero-width characters."""
    return _VISIBLE.search(text) is not None
