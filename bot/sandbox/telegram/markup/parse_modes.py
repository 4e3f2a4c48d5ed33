"""The three parse modes of sendMessage: HTML, MarkdownV2 and the old Markdown. Begin with `parse`.

A text that breaks the rules is refused in the words of the real server, "can't parse entities: ...", with byte offsets.
"""

from __future__ import annotations

from bot.sandbox.telegram.call import bad
from bot.sandbox.telegram.markup.entities import Entity
from bot.sandbox.telegram.markup.html import Html
from bot.sandbox.telegram.markup.markdown import Markdown, MarkdownV2
from bot.sandbox.telegram.markup.parser import Parser


def parse(text: str, mode: str) -> tuple[str, list[Entity]]:
    """Split a marked-up text into plain text and entities. Raises 400 for what the real server would refuse."""
    parser = PARSERS.get(mode.lower())
    if parser is None:
        raise bad("Unsupported parse_mode")
    return parser(text).run()


PARSERS: dict[str, type[Parser]] = {"html": Html, "markdownv2": MarkdownV2, "markdown": Markdown}
