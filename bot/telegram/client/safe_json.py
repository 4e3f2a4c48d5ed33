"""Reads and writes JSON from outside, so that neither deep nesting nor a number of thousands of digits stops the queue.

Begin with `loads`. Rich messages nest, and Python's parser ends at some hundreds of levels: the levels below are read
as None, and so are numbers that are too long.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100  # levels that are kept where not all can be read: a message needs the first ten
LONGEST_NUMBER = 4000  # digits; Python refuses to read some more
TOKEN = re.compile(r'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)  # an unclosed text ends with all


def loads(text: str | bytes) -> Any:
    """Parse JSON. Values that are nested too deep become None. Raises `ValueError` if `text` is not JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        whole = text.decode() if isinstance(text, bytes) else text
        return json.loads(_shallow(whole), parse_int=_integer)


def dumps(value: Any) -> str:
    """Return a value as JSON. Values that are nested too deep become null."""
    try:
        return json.dumps(value)
    except RecursionError:
        return json.dumps(_pruned(value, DEEPEST))


def _shallow(text: str) -> str:
    """Return JSON with null in place of everything that is nested deeper than `DEEPEST`."""
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
