"""The parse mode HTML: a few tags and four named character references."""

from __future__ import annotations

import re

from bot.sandbox.telegram.markup.addresses import integer, is_time_format
from bot.sandbox.telegram.markup.entities import Entity
from bot.sandbox.telegram.markup.parser import Open, Parser

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE = re.compile(
    r"&(?:#[xX]([0-9a-fA-F]{1,6})(?![0-9a-fA-F])|#([0-9]{1,7})(?![0-9])|(lt|gt|amp|quot)(?![a-zA-Z]));?"
)
_SPACES = re.compile(r"[ \t\r\n\0\v]*")
_TAG = re.compile(r"</?([^ \t\r\n\0\v>]*)")
_ATTRIBUTE = re.compile(r"""[^ \t\r\n\0\v=>/"']*""")
_TOKEN = re.compile(r"[A-Za-z0-9.-]*")
_WORDS = re.compile("[^<&]+")


class Html(Parser):
    """The parser for `parse_mode=HTML`."""

    def run(self) -> tuple[str, list[Entity]]:
        """Return the plain text and its entities. Raises 400 for an unknown tag or one that is not closed."""
        while self.place < len(self.source):
            if self.ahead("<"):
                self._end() if self.ahead("</") else self._start()
            elif found := _WORDS.match(self.source, self.place):
                self.put(found[0])
                self.place = found.end()
            else:
                self._reference()
        if self.stack:
            self.fail(f'Can\'t find end tag corresponding to start tag "{self.stack[-1].kind}"')
        text = "".join(self.result)
        if any("\ud800" <= char <= "\udfff" for char in text):
            self.fail(
                "Text contains invalid Unicode characters after decoding HTML entities, "
                "check for unmatched surrogate code units"
            )
        for entity in self.entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        return text, self.entities

    def _reference(self) -> None:
        found = _REFERENCE.match(self.source, self.place)
        self.put(_character(found) if found else "&")
        self.place = found.end() if found else self.place + 1

    def _start(self) -> None:
        begin = self.place
        name = self._tag_name()
        if self.place == len(self.source):
            self.fail(f"Unclosed start tag at byte offset {self.byte(begin)}")
        if name not in _TAGS:
            self.fail(f'Unsupported start tag "{name}" at byte offset {self.byte(begin)}')
        argument = self._attributes(name, begin)
        self.place += 1
        if name == "span" and argument != "spoiler":
            self.fail(f'Tag "span" must have class "tg-spoiler" at byte offset {self.byte(begin)}')
        self.begin(name, argument, begin)

    def _tag_name(self) -> str:
        found = _TAG.match(self.source, self.place)
        self.place = found.end() if found else self.place
        return _small(found[1]) if found else ""

    def _attributes(self, tag: str, begin: int) -> str:
        """Read the attributes of a tag up to its `>`, and return what they say about the entity."""
        argument, time = "", "0"
        while not self._skips_to(">"):
            name = self._take(_ATTRIBUTE)
            if not name:
                self.fail(f'Empty attribute name in the tag "{tag}" at byte offset {self.byte(begin)}')
            is_given = self._skips_to("=")
            self.place += is_given
            self._skips_to("")
            if self.place == len(self.source):
                self.fail(f'Unclosed start tag "{tag}" at byte offset {self.byte(begin)}')
            value = self._value() if is_given else ""
            if self.place == len(self.source):
                self.fail(f"Unclosed start tag at byte offset {self.byte(begin)}")
            if (tag, name) == ("tg-time", "unix"):
                time = value
            elif (tag, name) in _ARGUMENTS and (is_given or tag == "blockquote"):
                prefix = _ARGUMENTS[tag, name]
                argument = value.removeprefix(prefix) if value.startswith(prefix) else argument
                argument = "1" if tag == "blockquote" else argument
        return f"{time} {argument}" if tag == "tg-time" else argument

    def _value(self) -> str:
        quote = self.source[self.place]
        if quote not in "'\"":
            begin = self.place
            value = self._take(_TOKEN)
            if self.source[self.place : self.place + 1] not in _ENDS_TOKEN:
                self.fail(f"Unexpected end of name token at byte offset {self.byte(begin)}")
            return _small(value)
        end = self.source.find(quote, self.place + 1)
        end = end if end >= 0 else len(self.source)
        value = self.source[self.place + 1 : end]
        self.place = min(end + 1, len(self.source))
        return _REFERENCE.sub(_character, value)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.source, self.place)
        self.place = found.end() if found else self.place
        return found[0] if found else ""

    def _skips_to(self, text: str) -> bool:
        """Skip blanks. Returns whether `text` comes next."""
        self._take(_SPACES)
        return self.ahead(text)

    def _end(self) -> None:
        begin = self.place
        if not self.stack:
            self.fail(f"Unexpected end tag at byte offset {self.byte(begin)}")
        name = self._tag_name()
        if not self._skips_to(">"):
            self.fail(f"Unclosed end tag at byte offset {self.byte(begin)}")
        self.place += 1
        opened = self.stack[-1]
        if name and name != opened.kind:
            self.fail(
                f'Unmatched end tag at byte offset {self.byte(begin)}, expected "</{opened.kind}>", found "</{name}>"'
            )
        self.stack.pop()
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
            if not (emoji := integer(argument)):
                self.fail("Invalid custom emoji identifier specified")
            self.add(opened, "custom_emoji", custom_emoji_id=str(emoji))
        elif name == "tg-time":
            self._time(opened, *argument.split(" ", 1))
        else:
            self.add(opened, _TAGS[name])

    def _time(self, opened: Open, unix: str, format: str) -> None:
        if not is_time_format(format):
            self.fail("Invalid date format used")
        found = re.match("-?[0-9]*", unix)
        time = int(found[0]) if found and found[0].strip("-") else 0
        if time > 0:
            self.add(opened, "date_time", unix_time=time)

    def _code(self, opened: Open) -> None:
        """Add a code entity; `pre` and `code` around the same text are one entity if the code has a language."""
        last = self.entities[-1] if self.entities else {}
        is_same = (last.get("offset"), last.get("length")) == (opened.unit, self.unit - opened.unit)
        if opened.kind == "pre" and is_same and last["type"] == "code" and "language" in last:
            last["type"] = "pre"
        elif opened.kind == "code" and is_same and last["type"] == "pre" and "language" not in last and opened.argument:
            last["language"] = opened.argument
        else:
            self.add(opened, opened.kind, **({"language": opened.argument} if opened.argument else {}))


def _character(found: re.Match[str]) -> str:
    """Return the character of a reference, or the reference itself if it names none."""
    if found[3]:
        return _NAMED[found[3]]
    code = int(found[1], 16) if found[1] else int(found[2])
    return chr(code) if 0 < code < 0x10FFFF else found[0]


def _small(text: str) -> str:
    """Return a text with small Latin letters; others stay as they are."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), text)


_ENDS_TOKEN = frozenset(" \t\r\n\0\v>") | {""}
# Which attribute of which tag says something, and what its value begins with.
_ARGUMENTS = {
    ("a", "href"): "",
    ("code", "class"): "language-",
    ("span", "class"): "tg-",
    ("tg-emoji", "emoji-id"): "",
    ("blockquote", "expandable"): "",
    ("tg-time", "format"): "",
}
