"""The parse mode HTML: a few tags and four named character references."""

from __future__ import annotations

import re

from bot.sandbox.telegram.markup.entities import Entity
from bot.sandbox.telegram.markup.parser import Open, Parser

_TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "span": "spoiler",
    "a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote", "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}  # fmt: skip
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ENTITY = re.compile(r"&(?:#(?:[xX]([0-9a-fA-F]+)|(\d+))|(lt|gt|amp|quot));?")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>/"']*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.-]*)(?=[\s>])))?""")


class Html(Parser):
    """The parser for `parse_mode=HTML`."""

    def run(self) -> tuple[str, list[Entity]]:
        """Return the plain text and its entities. Raises 400 for an unknown tag or one that is not closed."""
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

    def _close(self, opened: Open) -> None:
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

    def _code(self, opened: Open) -> None:
        """Add a code entity; `<pre><code class="language-x">` becomes one entity, `pre` with a language."""
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
