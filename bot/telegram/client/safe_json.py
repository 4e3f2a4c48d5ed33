"""JSON as it comes from outside, whatever is in it: nothing that somebody nests or counts stops the queue.

Begin with `loads`: what the parser refuses for its depth (rich messages nest, and Python's parser ends at some
hundreds of levels) or for a number of thousands of digits is read without exactly that.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100  # levels that are kept where not all can be read: what a message says is among the first ten
LONGEST_NUMBER = 4000  # digits; Python refuses to read some more
TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)  # an unclosed text ends with all


def loads(text: str | bytes) -> Any:
    """Parse JSON; what lies deeper than can be read is None. Raises `ValueError` for what is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        whole = text.decode() if isinstance(text, bytes) else text
        return json.loads(_shallow(whole), parse_int=_integer)


def dumps(value: Any) -> str:
    """Write JSON; what lies deeper than can be written is null."""
    try:
        return json.dumps(value)
    except RecursionError:
        return json.dumps(_pruned(value, DEEPEST))


def _shallow(text: str) -> str:
    """The same text with null for everything deeper than `DEEPEST`."""
    kept: list[str] = []
    depth = start = 0
    for token in TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[start : token.start()] + "null")
                start = len(text)  # if it is never closed, nothing follows
        elif token[0] in "]}":
            if depth == DEEPEST + 1:
                start = token.end()
            depth -= 1
    return "".join((*kept, text[start:]))


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= LONGEST_NUMBER else None


def _pruned(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(inner, levels - 1) for key, inner in value.items()} if levels else None
    if isinstance(value, list):
        return [_pruned(inner, levels - 1) for inner in value] if levels else None
    return value
