"""The three parse modes of `sendMessage`: HTML, MarkdownV2 and the old Markdown. Begin with `parse`.

Strings that break the rules are refused with the server's own words, "can't parse entities: ...", byte offsets and
all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from bot.sandbox.telegram_call import bad
from bot.sandbox.telegram_entities import Entity, units


def parse(text: str, mode: str) -> tuple[str, list[Entity]]:
    """Split a marked-up text into plain text and entities. Raises 400 for what the server would not take."""
    parser = PARSERS.get(mode.lower())
    if parser is None:
        raise bad("Unsupported parse_mode")
    return parser(text).run()


@dataclass(slots=True)
class _Open:
    """An entity whose end was not seen yet. `at` is its place in the source, `size` the length of the result there."""

    kind: str
    at: int
    unit: int
    size: int
    argument: str = ""


class _Parser:
    """Reads `source` from `place` on, and writes characters to the result."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.place = 0
        self.unit = 0
        self.result: list[str] = []
        self.stack: list[_Open] = []
        self.entities: list[Entity] = []

    def run(self) -> tuple[str, list[Entity]]:
        raise NotImplementedError

    def fail(self, reason: str) -> NoReturn:
        raise bad(f"Can't parse entities: {reason}")

    def byte(self, place: int) -> int:
        return len(self.source[:place].encode())

    def ahead(self, text: str, place: int | None = None) -> bool:
        return self.source.startswith(text, self.place if place is None else place)

    def put(self, text: str) -> None:
        self.result.append(text)
        self.unit += units(text)

    def begin(self, kind: str, argument: str = "", at: int | None = None) -> None:
        self.stack.append(_Open(kind, self.place if at is None else at, self.unit, len(self.result), argument))

    def add(self, opened: _Open, kind: str, **extra: str | int) -> None:
        if self.unit > opened.unit:
            self.entities.append({"type": kind, "offset": opened.unit, "length": self.unit - opened.unit, **extra})

    def link(self, opened: _Open, url: str) -> None:
        """A link, a mention of a user by id, or, where the address is not one to open, nothing."""
        user = re.fullmatch(r"tg:(?://)?user\?id=(\d+)", url)
        if user:
            self.entities.append(
                {
                    "type": "text_mention",
                    "offset": opened.unit,
                    "length": self.unit - opened.unit,
                    "user": {"id": int(user[1])},
                }
            )
        elif found := openable(url):
            self.add(opened, "text_link", url=found)

    def text(self, opened: _Open) -> str:
        return "".join(self.result[opened.size :])


def openable(url: str) -> str:
    """`url` as the server keeps it, or "" for one that nobody could open (such links go without a word)."""
    url = url.strip()
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", url, re.I)
    if scheme and scheme[1].lower() in {"http", "https", "tg", "ton", "tonsite", "ftp"}:
        return url
    if (scheme and "//" not in url and not re.match(r"[^/]*:\d", url)) or " " in url or "." not in url:
        return ""
    return url if scheme and "//" in url else f"http://{url}"


# --- HTML -------------------------------------------------------------------------------------------------------------

_TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "span": "spoiler",
    "a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote", "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}  # fmt: skip
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ENTITY = re.compile(r"&(?:#(?:[xX]([0-9a-fA-F]+)|(\d+))|(lt|gt|amp|quot));?")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>/"']*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.-]*)(?=[\s>])))?""")


class _Html(_Parser):
    def run(self) -> tuple[str, list[Entity]]:
        while self.place < len(self.source):
            if self.ahead("<"):
                self._end() if self.ahead("</") else self._start()
            elif self.ahead("&"):
                self._reference()
            else:
                special = re.compile("[<&]").search(self.source, self.place)
                end = special.start() if special else len(self.source)
                self.put(self.source[self.place : end])
                self.place = end
        if self.stack:
            self.fail(f'Can\'t find end tag corresponding to start tag "{self.stack[-1].kind}"')
        return "".join(self.result), self.entities

    def _reference(self) -> None:
        match = _ENTITY.match(self.source, self.place)
        if match is None or not (char := _character(match)):
            self.put("&")
            self.place += 1
            return
        self.put(char)
        self.place = match.end()

    def _start(self) -> None:
        begin = self.place
        match = re.compile(r"<([^\s>]*)").match(self.source, begin)
        name = match[1].lower() if match else ""
        if not match or match.end() == len(self.source):
            self.fail(f"Unclosed start tag at byte offset {self.byte(begin)}")
        if name not in _TAGS:
            self.fail(f'Unsupported start tag "{name}" at byte offset {self.byte(begin)}')
        attributes = self._attributes(name, begin, match.end())
        if name == "span" and attributes.get("class") != "tg-spoiler":
            self.fail(f'Tag "span" must have class "tg-spoiler" at byte offset {self.byte(begin)}')
        self.begin(name, _argument(name, attributes), begin)

    def _attributes(self, name: str, begin: int, place: int) -> dict[str, str]:
        found: dict[str, str] = {}
        while True:
            while place < len(self.source) and self.source[place].isspace():
                place += 1
            if place >= len(self.source):
                self.fail(f"Unclosed start tag at byte offset {self.byte(begin)}")
            if self.source[place] == ">":
                self.place = place + 1
                return found
            match = _ATTRIBUTE.match(self.source, place)
            if match is None or not match[1]:
                self.fail(f'Empty attribute name in the tag "{name}" at byte offset {self.byte(begin)}')
            if self.source.startswith("=", match.end()):
                self.fail(f"Unexpected end of name token at byte offset {self.byte(match.end() + 1)}")
            found[match[1]] = _ENTITY.sub(_character, match[2] or match[3] or (match[4] or "").lower())
            place = match.end()

    def _end(self) -> None:
        begin = self.place
        if not self.stack:
            self.fail(f"Unexpected end tag at byte offset {self.byte(begin)}")
        match = re.compile(r"</([^\s>]*)\s*>").match(self.source, begin)
        if match is None:
            self.fail(f"Unclosed end tag at byte offset {self.byte(begin)}")
        opened, name = self.stack[-1], match[1].lower()
        if name and name != opened.kind:
            self.fail(
                f'Unmatched end tag at byte offset {self.byte(begin)}, expected "</{opened.kind}>", found "</{name}>"'
            )
        self.stack.pop()
        self.place = match.end()
        if self.unit > opened.unit:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        name, argument = opened.kind, opened.argument
        if name == "a":
            self.link(opened, argument or self.text(opened))
        elif name in {"pre", "code"}:
            self._code(opened)
        elif name == "blockquote":
            self.add(opened, "expandable_blockquote" if argument else "blockquote")
        elif name == "tg-emoji":
            if not argument.isdigit() or not int(argument):
                self.fail("Invalid custom emoji identifier specified")
            self.add(opened, "custom_emoji", custom_emoji_id=argument)
        elif name == "tg-time":
            if argument.isdigit() and int(argument):
                self.add(opened, "date_time", unix_time=int(argument))
        else:
            self.add(opened, _TAGS[name])

    def _code(self, opened: _Open) -> None:
        """`<pre><code class="language-x">` is one entity, `pre` with a language."""
        last = self.entities[-1] if self.entities else None
        same = last is not None and (last["offset"], last["length"]) == (opened.unit, self.unit - opened.unit)
        if opened.kind == "pre" and last and same and last["type"] == "code":
            last["type"] = "pre"
        else:
            extra = {"language": opened.argument} if opened.kind == "code" and opened.argument else {}
            self.add(opened, opened.kind, **extra)
        if not any(outer.kind == "pre" for outer in self.stack):
            for entity in self.entities:
                if entity["type"] == "code":
                    entity.pop("language", None)


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[3]]
    code = int(match[1], 16) if match[1] else int(match[2])
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code <= 0xDFFF else ""


def _argument(name: str, attributes: dict[str, str]) -> str:
    if name == "a":
        return attributes.get("href", "")
    if name == "code":
        language = attributes.get("class", "")
        return language.removeprefix("language-") if language.startswith("language-") else ""
    if name == "blockquote":
        return "1" if "expandable" in attributes else ""
    return attributes.get({"tg-emoji": "emoji-id", "tg-time": "unix"}.get(name, ""), "")


# --- MarkdownV2 -------------------------------------------------------------------------------------------------------

_RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")
_MARKS = {"*": "bold", "__": "underline", "_": "italic", "~": "strikethrough", "||": "spoiler"}
_CLOSING = {
    "bold": "*", "underline": "__", "italic": "_", "strikethrough": "~", "spoiler": "||", "code": "`", "pre": "```",
    "text_link": "]", "custom_emoji": "]",
}  # fmt: skip
_TITLES = {
    "bold": "Bold", "underline": "Underline", "italic": "Italic", "strikethrough": "Strikethrough", "code": "Code",
    "spoiler": "Spoiler", "pre": "Pre", "text_link": "TextUrl", "custom_emoji": "CustomEmoji",
    "blockquote": "BlockQuote",
}  # fmt: skip


class _Markdown2(_Parser):
    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.line_start = True

    def run(self) -> tuple[str, list[Entity]]:
        while self.place < len(self.source):
            char = self.source[self.place]
            if char == "\\" and self.place + 1 < len(self.source) and 0 < ord(self.source[self.place + 1]) <= 126:
                self._plain(self.source[self.place + 1], 2)
            elif char not in ("`" if self._in_code() else _RESERVED):
                self._plain(char, 1)
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
        """End the innermost entity, if what stands here ends it."""
        if not self.stack:
            return False
        if self.source[self.place] == "\n":
            if self._quoted() and not self.ahead(">", self.place + 1):
                self._end_quote()
                self._plain("\n", 1)
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
        """Begin an entity, or refuse a character that should have been escaped."""
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

    def _address(self, opened: _Open) -> None:
        """The `(address)` after a link or a custom emoji; a link without one takes its own text."""
        if not self.ahead("("):
            if opened.kind == "custom_emoji":
                self.fail("The entity must contain a tg://emoji or tg://time URL")
            self.link(opened, self.text(opened))
            return
        begin = self.place + 1
        match = re.compile(r"\(((?:\\[\x01-\x7e]|[^)])*)\)", re.S).match(self.source, self.place)
        if match is None:
            self.fail(f"Can't find end of a URL at byte offset {self.byte(begin)}")
        self.place = match.end()
        url = re.sub(r"\\([\x01-\x7e])", r"\1", match[1])
        if opened.kind == "text_link":
            if self.unit > opened.unit:
                self.link(opened, url)
        else:
            self._special(opened, url)

    def _special(self, opened: _Open, url: str) -> None:
        query = parse_qs(urlsplit(url).query)
        if url.startswith("tg://emoji?") and query.get("id", [""])[0].isdigit():
            self.add(opened, "custom_emoji", custom_emoji_id=query["id"][0])
        elif url.startswith("tg://time?") and query.get("unix", [""])[0].isdigit():
            self.add(opened, "date_time", unix_time=int(query["unix"][0]))
        else:
            self.fail("Invalid tg://emoji or tg://time URL specified")

    def _end_quote(self) -> None:
        """A quote ends with its line; `||` as the last thing in it makes it expandable."""
        kind = "blockquote"
        last = self.stack[-1]
        if last.kind == "spoiler" and last.at == self.place - 2:
            self.stack.pop()
            kind = "expandable_blockquote"
        if self.stack[-1].kind != "blockquote":
            self._unfinished()
        self.add(self.stack.pop(), kind)

    def _finish(self) -> None:
        if self._quoted():
            self._end_quote()
        if self.stack:
            self._unfinished()

    def _unfinished(self) -> NoReturn:
        opened = self.stack[-1]
        self.fail(f"Can't find end of {_TITLES[opened.kind]} entity at byte offset {self.byte(opened.at)}")


# --- the old Markdown -------------------------------------------------------------------------------------------------


class _Markdown(_Parser):
    """No nesting; a backslash escapes only `_`, `*`, the backtick and `[`."""

    def run(self) -> tuple[str, list[Entity]]:
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
            match = re.match(r"(?:([^\s`]+)(?=\s))?(?:\r\n|\n|\r)?", content)
            content, language = (content[match.end() :], match[1] or "") if match else (content, "")
        self.put(content)
        self.place = end + len(mark)
        self._close(self.stack.pop(), language)

    def _close(self, opened: _Open, language: str) -> None:
        if opened.kind != "text_link":
            self.add(opened, opened.kind, **({"language": language} if language else {}))
        elif self.ahead("(") and (end := self.source.find(")", self.place)) > 0:
            self.link(opened, self.source[self.place + 1 : end])
            self.place = end + 1


PARSERS: dict[str, type[_Parser]] = {"html": _Html, "markdownv2": _Markdown2, "markdown": _Markdown}
