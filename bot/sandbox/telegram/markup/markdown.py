"""The parse modes MarkdownV2, in which 18 characters must be escaped, and the old Markdown, in which nothing nests; and
`parse` for all three.

A text that breaks the rules is refused in the words of the real server, "can't parse entities: ...", with byte offsets.
"""

from __future__ import annotations

import re
from typing import NoReturn

from bot.sandbox.telegram.call import bad
from bot.sandbox.telegram.markup.addresses import emoji_of, time_of
from bot.sandbox.telegram.markup.entities import Entity
from bot.sandbox.telegram.markup.html import Html
from bot.sandbox.telegram.markup.parser import Open, Parser

_RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")
_MARKS = {"*": "bold", "__": "underline", "_": "italic", "~": "strikethrough", "||": "spoiler"}
_CLOSING = {
    "bold": "*",
    "underline": "__",
    "italic": "_",
    "strikethrough": "~",
    "spoiler": "||",
    "code": "`",
    "pre": "```",
    "text_link": "]",
    "custom_emoji": "]",
}
_TITLES = {
    "bold": "Bold",
    "underline": "Underline",
    "italic": "Italic",
    "strikethrough": "Strikethrough",
    "code": "Code",
    "spoiler": "Spoiler",
    "pre": "Pre",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
    "blockquote": "BlockQuote",
}


class MarkdownV2(Parser):
    """The parser for `parse_mode=MarkdownV2`."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.line_start = True

    def run(self) -> tuple[str, list[Entity]]:
        """Return the plain text and its entities. Raises 400 for an unescaped character or an open entity."""
        while self.place < len(self.source):
            char = self.source[self.place]
            if char == "\\" and self.place + 1 < len(self.source) and 0 < ord(self.source[self.place + 1]) <= 126:
                self._plain(self.source[self.place + 1], 2)
            elif char not in ("`" if self._in_code() else _RESERVED):
                self._plain(char, 1)
                self.line_start = self.line_start and char == "\r"  # no quote begins behind a line of code
            elif not self._closes():
                self._mark(char)
        self._finish()
        return "".join(self.result), self.entities

    def _in_code(self) -> bool:
        return bool(self.stack) and self.stack[-1].kind in {"code", "pre"}

    def _plain(self, char: str, width: int) -> None:
        self.put(char)
        self.place += width
        if char != "\r":
            self.line_start = char == "\n"

    def _quoted(self) -> bool:
        return any(opened.kind == "blockquote" for opened in self.stack)

    def _closes(self) -> bool:
        """End the innermost entity if its closing mark is next. Returns whether it did."""
        if not self.stack:
            return False
        if self.source[self.place] == "\n":
            if self._quoted() and not self.ahead(">", self.place + 1):
                kind = self._kind_of_quote(2 + (self.place > 0 and self.source[self.place - 1] == "\r"))
                self._plain("\n", 1)  # the server counts it to the quote
                self.add(self.stack.pop(), kind)
                return True
            return False
        opened = self.stack[-1]
        mark = _CLOSING.get(opened.kind, "\0")
        if not self.ahead(mark) or (mark == "_" and self.ahead("__")):
            return False
        self.stack.pop()
        self.place += len(mark)
        if opened.kind in {"text_link", "custom_emoji"}:
            self._address(opened)
        else:
            self.add(opened, opened.kind, **({"language": opened.argument} if opened.argument else {}))
        return True

    def _mark(self, char: str) -> None:
        """Begin an entity. Raises 400 for a character that must be escaped."""
        if char == "\n":
            self._plain("\n", 1)
        elif char == ">" and self.line_start:
            if not self._quoted():
                self.begin("blockquote")
            self.place += 1
        elif char == "`":
            self._fence()
        elif char == "[" or self.ahead("!["):
            self.begin("text_link" if char == "[" else "custom_emoji")
            self.place += 1 if char == "[" else 2
        elif kind := _MARKS.get(self.source[self.place : self.place + 2], "") or _MARKS.get(char, ""):
            self.begin(kind)
            self.place += len(_CLOSING[kind])
        else:
            self.fail(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _fence(self) -> None:
        if not self.ahead("```"):
            self.begin("code")
            self.place += 1
            return
        match = re.compile(r"```(?:([^\s`]+)(?=\s))?(?:\r\n|\n\r|\n|\r)?").match(self.source, self.place)
        if match:
            self.begin("pre", match[1] or "")
            self.place = match.end()

    def _address(self, opened: Open) -> None:
        """Read the `(address)` after a link or a custom emoji; a link without one has its text as the address."""
        if not self.ahead("("):
            if opened.kind == "custom_emoji":
                self.fail("The entity must contain a tg://emoji or tg://time URL")
            self.link(opened, self.text(opened))
            return
        begin = self.place + 1
        match = re.compile(r"\(((?>(?:\\[\x01-\x7e]|[^)])*))\)", re.S).match(self.source, self.place)
        if match is None:
            self.fail(f"Can't find end of a URL at byte offset {self.byte(begin)}")
        self.place = match.end()
        url = re.sub(r"\\([\x01-\x7e])", r"\1", match[1])
        if opened.kind == "text_link":
            if self.unit > opened.unit:
                self.link(opened, url)
        else:
            self._special(opened, url)

    def _special(self, opened: Open, url: str) -> None:
        if emoji := emoji_of(url):
            self.add(opened, "custom_emoji", custom_emoji_id=str(emoji))
        elif time := time_of(url):
            self.add(opened, "date_time", unix_time=time)
        else:
            self.fail("Invalid tg://emoji or tg://time URL specified")

    def _kind_of_quote(self, width: int) -> str:
        """Return the kind of the quote that ends here: `||` at its very end, `width` characters back, makes it
        expandable.
        """
        last = self.stack[-1]
        expandable = last.kind == "spoiler" and last.at in (self.place - 2, self.place - width)
        if expandable:
            self.stack.pop()
        if self.stack[-1].kind != "blockquote":
            self._unfinished()
        return "expandable_blockquote" if expandable else "blockquote"

    def _finish(self) -> None:
        if self._quoted():
            kind = self._kind_of_quote(2)
            self.add(self.stack.pop(), kind)
        if self.stack:
            self._unfinished()

    def _unfinished(self) -> NoReturn:
        opened = self.stack[-1]
        title = "PreCode" if opened.kind == "pre" and opened.argument else _TITLES[opened.kind]
        self.fail(f"Can't find end of {title} entity at byte offset {self.byte(opened.at)}")


# --- the old Markdown -------------------------------------------------------------------------------------------------


class Markdown(Parser):
    """The parser for the old `parse_mode=Markdown`: no nesting; a backslash escapes only `_`, `*`, the backtick and
    `[`.
    """

    def run(self) -> tuple[str, list[Entity]]:
        """Return the plain text and its entities. Raises 400 for an entity that is not closed."""
        while self.place < len(self.source):
            char = self.source[self.place]
            if char == "\\" and self.source[self.place + 1 : self.place + 2] in ("_", "*", "`", "["):
                self.put(self.source[self.place + 1])
                self.place += 2
            elif char in "_*`[":
                self._entity(char)
            else:
                self.put(char)
                self.place += 1
        return "".join(self.result), self.entities

    def _entity(self, char: str) -> None:
        begin = self.place
        mark = "```" if self.ahead("```") else "]" if char == "[" else char
        start = begin + (3 if mark == "```" else 1)
        end = self.source.find(mark, start)
        if end < 0:
            self.fail(f"Can't find end of the entity starting at byte offset {self.byte(begin)}")
        self.begin({"_": "italic", "*": "bold", "`": "code", "```": "pre", "]": "text_link"}[mark])
        content, language = self.source[start:end], ""
        if mark == "```":
            match = re.match(r"(?:([^\s`]+)(?=\s))?(?:\r\n|\n\r|\n|\r)?", content)
            content, language = (content[match.end() :], match[1] or "") if match else (content, "")
        self.put(content)
        self.place = end + len(mark)
        self._close(self.stack.pop(), language)

    def _close(self, opened: Open, language: str) -> None:
        if opened.kind != "text_link":
            self.add(opened, opened.kind, **({"language": language} if language else {}))
        elif self.unit > opened.unit and not self.ahead("("):
            self.link(opened, self.text(opened))
        elif self.unit > opened.unit:
            url, _, _ = self.source[self.place + 1 :].partition(")")
            self.link(opened, url)
            self.place = min(self.place + len(url) + 2, len(self.source))


def parse(text: str, mode: str) -> tuple[str, list[Entity]]:
    """Split a marked-up text into plain text and entities. Raises 400 for what the real server would refuse."""
    parser = PARSERS.get(mode.lower())
    if parser is None:
        raise bad("Unsupported parse_mode")
    return parser(text).run()


PARSERS: dict[str, type[Parser]] = {"html": Html, "markdownv2": MarkdownV2, "markdown": Markdown}
