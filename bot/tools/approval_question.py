"""The question whether a tool call may be done (`approval_question`): the tool's own sentence, or title and arguments.

It always shows the whole call. What the model wrote stands in code, with invisible characters escaped, so that no
argument can look like a part of the question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.texts.catalog import PLACE, own, say
from bot.tools.tool import Tool

LONGEST_INLINE = 100  # characters of a value that stands in a sentence
LONGEST_LABEL = 60  # characters of a title, or of an argument's name, which a foreign server may have chosen


def approval_question(tool: Tool, arguments: Mapping[str, Any], language: str) -> str:
    """The question in Markdown. Arguments that the sentence of the tool does not name are listed below it."""
    values = {name: _as_words(value) for name, value in arguments.items()}
    inline = {name: _code(text) for name, text in values.items() if _fits(text)}
    named = set(PLACE.findall(own(tool.asks, language)))
    if tool.asks and named <= inline.keys():
        head = own(tool.asks, language, **inline)
    else:
        named = set()
        head = f"{say(language, 'tool.ask')}\n\n{_code((tool.title or _spaced(tool.name))[:LONGEST_LABEL])}"
    rows = [f"- {_label(tool, name)}: {shown}" for name, shown in inline.items() if name not in named]
    blocks = [f"{_label(tool, name)}:\n\n{_fenced(text)}" for name, text in values.items() if name not in inline]
    return "\n\n".join(filter(None, (head, "\n".join(rows), *blocks)))


def _as_words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _fits(text: str) -> bool:
    return len(text) <= LONGEST_INLINE and "\n" not in text


def _label(tool: Tool, name: str) -> str:
    schema = tool.parameters.get("properties", {}).get(name)
    title = schema.get("title") if isinstance(schema, Mapping) else None
    return _code((title if isinstance(title, str) and title else _spaced(name))[:LONGEST_LABEL])


def _spaced(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _code(text: str) -> str:
    """The text as a Markdown code span."""
    text = _visible(text) if text.strip() else json.dumps(text)
    fence = _fence(text, "`")
    space = " " if fence != "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def _fenced(text: str) -> str:
    """The text as a Markdown code block."""
    fence = _fence(text, "```")
    return "\n".join((fence, *map(_visible, text.split("\n")), fence))


def _fence(text: str, fence: str) -> str:
    """Backticks that the text does not contain."""
    while fence in text:
        fence += "`"
    return fence


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)
