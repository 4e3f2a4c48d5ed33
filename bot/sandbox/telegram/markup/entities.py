"""Formatted text as the server stores it: entities checked, text cleaned and trimmed, links found. Begin with `settle`.

Offsets in requests and messages are UTF-16 code units; inside this module they are code points, which cannot point into
the middle of a surrogate pair.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import bad
from bot.sandbox.telegram.markup.addresses import WrongAddress, checked_address, is_time_format, user_of

Entity = Json

TEXT_LIMIT = 4_096
CAPTION_LIMIT = 1_024
REQUEST_LIMIT = 32_768
ENTITIES_SHOWN = 100

QUOTES = frozenset({"blockquote", "expandable_blockquote"})
CODES = frozenset({"pre", "code"})
STYLES = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
GIVEN = QUOTES | CODES | STYLES | {"text_link", "text_mention", "custom_emoji", "date_time"}
FOUND = frozenset("mention hashtag cashtag bot_command url email phone_number bank_card_number".split())
REQUIRED: dict[str, dict[str, tuple[type, ...]]] = {
    "text_link": {"url": (str,)},
    "text_mention": {"user": (dict,)},
    "custom_emoji": {"custom_emoji_id": (str, int)},
    "date_time": {"unix_time": (int,)},
}

_DROPPED = re.compile("[\r\u2028-\u202e\u0333\u033f\u030a]")
_BLANKED = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f]")
_INVISIBLE = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


@dataclass(slots=True)
class Formatted:
    """A text with its entities as a message contains it. `remarks` are the changes that the server makes silently."""

    text: str
    entities: list[Entity] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def fields(self, text: str = "text", entities: str = "entities") -> Json:
        """The text and the entities as fields of a Message with these names; empty fields are left out."""
        found = {text: self.text} if self.text else {}
        return {**found, entities: self.entities} if self.entities else dict(found)


@dataclass(slots=True)
class _Span:
    start: int
    end: int
    entity: Entity

    @property
    def type(self) -> str:
        return str(self.entity["type"])


def units(text: str) -> int:
    """The length of `text` in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def checked(raw: Any) -> list[Entity]:
    """The entities of a request. Raises 400 for a malformed one.

    Types that only the server finds (links, mentions, hashtags, ...) are left out.
    """
    if not isinstance(raw, list):
        return []
    return [entity for item in raw if (entity := _checked(item))["type"] not in FOUND]


def _checked(item: Any) -> Entity:
    if not isinstance(item, dict):
        raise bad("Can't parse MessageEntity: expected an Object")
    for name in ("offset", "length"):
        if not isinstance(item.get(name), int) or isinstance(item.get(name), bool):
            raise bad(f'Can\'t parse MessageEntity: Field "{name}" must be a Number')
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in GIVEN | FOUND:
        raise bad("Can't parse MessageEntity: Unsupported type specified")
    for name, types in REQUIRED.get(kind, {}).items():
        if not isinstance(item.get(name), types):
            raise bad(f"Can't parse MessageEntity: Can't find field \"{name}\"")
    for name in ("offset", "length"):
        if not 0 <= item[name] <= 1_000_000:
            raise bad(f"Receive an entity with incorrect {name} {item[name]}")
    if not is_time_format(str(item.get("date_time_format", ""))):
        raise bad("Can't parse MessageEntity: Invalid date format used")
    return _linked(item) if kind == "text_link" else dict(item)


def _linked(item: Entity) -> Entity:
    """Return a link with its address as the server stores it, or the mention of a user. Raises 400 for a wrong one."""
    url = _DROPPED.sub("", _BLANKED.sub(" ", item["url"]))
    rest = {name: value for name, value in item.items() if name != "url"}
    if user := user_of(url):
        return {**rest, "type": "text_mention", "user": {"id": user}}
    try:
        return {**rest, "url": checked_address(url)}
    except WrongAddress as error:
        raise bad(f"Entity URL '{url}' is invalid: {error}") from None


def settle(text: str, entities: list[Entity], *, allow_empty: bool = False) -> Formatted:
    """Change a text and its entities as the real server does before it stores them. Raises 400 for wrong offsets.

    Control characters are removed, both ends are trimmed and the offsets shifted, styles inside code are dropped,
    entities after the first 100 are ignored, and links, mentions and commands are found.
    """
    spans = _spans(text, [entity for entity in entities if entity["length"]])
    text = _clean(text, spans)
    remarks: list[str] = []
    text = _trim(text, spans)
    if is_blank(text):
        if allow_empty:
            return Formatted("", [], remarks)
        raise bad("Text must be non-empty")
    spans = _untangle(spans, remarks)
    if len(spans) > ENTITIES_SHOWN:
        remarks.append(f"{len(spans) - ENTITIES_SHOWN} entities over {ENTITIES_SHOWN} ignored")
        spans = spans[:ENTITIES_SHOWN]
    taken = [span for span in spans if span.type not in STYLES | QUOTES]
    spans += [span for span in find(text) if not any(_cross(span, other) for other in taken)]
    return Formatted(text, _entities(text, spans), remarks)


def detect(text: str) -> list[Entity]:
    """The entities that the server finds in a text by itself: links, addresses, commands, mentions and tags."""
    return _entities(text, find(text))


def is_blank(text: str) -> bool:
    """Whether a text has white space and invisible characters only."""
    return all(char.isspace() or char in _INVISIBLE or unicodedata.category(char) == "Cf" for char in text)


def _spans(text: str, entities: list[Entity]) -> list[_Span]:
    entities = sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))
    if not entities:
        return []
    places = {unit: index for index, unit in enumerate(accumulate((1 + (char > "\uffff") for char in text), initial=0))}
    return [_span(text, entity, places) for entity in entities]


def _span(text: str, entity: Entity, places: dict[int, int]) -> _Span:
    first, last, end = entity["offset"], entity["offset"] + entity["length"], units(text)
    if first >= end:
        raise bad(f"Entity begins after the end of the text at UTF-16 offset {first}")
    if last > end:
        raise bad(f"Entity beginning at UTF-16 offset {first} ends after the end of the text at UTF-16 offset {last}")
    if first not in places:
        before = len(text[: places[first - 1] + 1].encode())
        raise bad(f"Entity begins in a middle of a UTF-16 symbol at byte offset {before}")
    if last not in places:
        before = len(text[: places[last - 1] + 1].encode())
        raise bad(
            f"Entity beginning at UTF-16 offset {first} ends in a middle of a UTF-16 symbol at byte offset {before}"
        )
    return _Span(places[first], places[last], entity)


def _clean(text: str, spans: list[_Span]) -> str:
    text = _BLANKED.sub(" ", text)
    if not _DROPPED.search(text):
        return text
    kept = list(accumulate((not _DROPPED.match(char) for char in text), initial=0))
    for span in spans:
        span.start, span.end = kept[span.start], kept[span.end]
    return _DROPPED.sub("", text)


def _trim(text: str, spans: list[_Span]) -> str:
    """Cut white space at both ends. On the left the real server cuts only up to the first entity."""
    text = text.rstrip(" \n")
    for span in spans:
        span.end = min(span.end, len(text))
    spans[:] = [span for span in spans if span.start < span.end and _keeps(text, span)]
    stop = min((span.start for span in spans), default=len(text))
    cut = min(len(text) - len(text.lstrip(" \n")), stop)
    for span in spans:
        span.start -= cut
        span.end -= cut
    return text[cut:]


def _keeps(text: str, span: _Span) -> bool:
    return span.type in QUOTES | CODES or not text[span.start : span.end].isspace()


def _cross(one: _Span, other: _Span) -> bool:
    return one.start < other.end and other.start < one.end


def _untangle(spans: list[_Span], remarks: list[str]) -> list[_Span]:
    """Drop or split entities that may not overlap: styles in code, links in links, quotes in quotes, crossing parts."""
    kept: list[_Span] = []
    for span in sorted(spans, key=_rank):
        rest = [span]
        for other in kept:
            rest = [piece for part in rest for piece in _beside(part, other)]
        if len(rest) != 1 or (rest[0].start, rest[0].end) != (span.start, span.end):
            remarks.append(f"{span.type} at {span.start} overlaps another entity and was cut to {len(rest)} parts")
        kept += rest
    return sorted(kept, key=lambda span: (span.start, -span.end))


def _rank(span: _Span) -> tuple[int, int, int]:
    order = 0 if span.type in QUOTES else 1 if span.type in CODES else 2 if span.type not in STYLES else 3
    return order, span.start, -span.end


def _beside(span: _Span, other: _Span) -> list[_Span]:
    """The parts of `span` that remain outside `other`, which has priority."""
    if not _cross(span, other) or not _excludes(span, other):
        return [span]
    if span.type not in STYLES:
        return []
    pieces = [(span.start, other.start), (other.end, span.end)]
    return [_Span(start, end, span.entity) for start, end in pieces if start < end]


def _excludes(span: _Span, other: _Span) -> bool:
    if other.type in QUOTES:
        inside = other.start <= span.start and span.end <= other.end
        return span.type in QUOTES or not (inside or span.type in STYLES)
    if other.type in CODES:
        return True
    if other.type in STYLES:
        return span.type == other.type
    return span.type not in STYLES


def _entities(text: str, spans: list[_Span]) -> list[Entity]:
    spans = sorted(spans, key=lambda span: (span.start, -span.end))
    if not spans:
        return []
    places = list(accumulate((1 + (char > "\uffff") for char in text), initial=0))
    return [
        {**span.entity, "offset": places[span.start], "length": places[span.end] - places[span.start]} for span in spans
    ]


# --- what the server finds by itself ----------------------------------------------------------------------------------

_PATTERNS: list[tuple[str, re.Pattern[str]]] = [
    ("url", re.compile(r"(?:tg|ton|tonsite)://[\w-]+(?:[/?#][^\s<>\"]*)?", re.I | re.A)),
    (
        "url",
        re.compile(
            r"(?<![\w@./-])(?:https?://(?:[^\W_][\w-]*\.)+[^\W\d_]{2,}(?![\w@~-])(?::[1-9]\d{0,3}(?!\d))?(?:[/?#][^\s<>\"]*)?"
            r"|(?:[a-z0-9-]+\.)+(?:com|org|net|ru|io|dev)\b(?:/\S*)?)",
            re.I,
        ),
    ),
    ("email", re.compile(r"(?<![\w.@+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", re.I)),
    ("bot_command", re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])")),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z][A-Za-z0-9_]{2,31}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w{1,256}")),
    ("cashtag", re.compile(r"(?<![\w$])\$[A-Z]{1,8}\b")),
]


def find(text: str) -> list[_Span]:
    """Spans of links, addresses, commands, mentions and tags in a text; they do not overlap."""
    spans: list[_Span] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.start(), match.end()
            if kind == "url":
                end = start + len(match.group().rstrip(".,;:!?)»"))
            span = _Span(start, end, {"type": kind})
            if not any(_cross(span, other) for other in spans):
                spans.append(span)
    return spans
