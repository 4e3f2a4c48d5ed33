"""Reads what came with a message beside its own text (`read_beside`): a reply, a quote, a forward, addresses of words.

The messenger's clients show all of it, so a person who writes "is this true?" takes for granted that it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bot.telegram.receiving import fields
from bot.types import Beside

MAX_TEXT = 4_096  # characters of each text: a whole message of Telegram
MAX_LINKS = 30
CUT = "…"
ORIGINS = ("sender_user", "sender_chat", "chat")  # of a `MessageOrigin`, by its type
OLDER = ("forward_from", "forward_from_chat")  # before Bot API 7.0; emulators still send them


def read_beside(body: dict[str, Any], own: Collection[int]) -> tuple[Beside, ...]:
    """Return what came with a message. `own` are the ids of the bot itself."""
    quote, found = _dict(body, "quote"), [*_replied(body, own), *_forwarded(body, own)]
    if words := _bounded(_spelled(quote)):
        found.append(Beside("quote", words))
    for kind in ("links", "struck"):
        lines = [line for is_link, line in _marked(body) if is_link == (kind == "links")]
        if lines:
            found.append(Beside(kind, _bounded("\n".join(lines[:MAX_LINKS]))))
    return tuple(found)


def _replied(body: dict[str, Any], own: Collection[int]) -> Iterator[Beside]:
    """The message that is replied to. Of one in another chat only its origin is told, and a quote."""
    answered, elsewhere = _dict(body, "reply_to_message"), _dict(body, "external_reply")
    if words := _bounded(_spelled(answered) or _content(answered)):
        yield Beside("reply", words, _author(answered), is_bots=_dict(answered, "from").get("id") in own)
    elif elsewhere:
        author, is_bots = _origin(_dict(elsewhere, "origin"), own)
        yield Beside("reply", _bounded(_content(elsewhere)), author, is_bots=is_bots)


def _forwarded(body: dict[str, Any], own: Collection[int]) -> Iterator[Beside]:
    if "forward_origin" in body:
        author, is_bots = _origin(_dict(body, "forward_origin"), own)
        yield Beside("forward", author=author, is_bots=is_bots)
    elif "forward_date" in body:
        who = next((_dict(body, key) for key in OLDER if _dict(body, key)), {})
        said = _name(who) or fields.name(body.get("forward_sender_name"))
        yield Beside("forward", author=said, is_bots=who.get("id") in own)


def _origin(origin: dict[str, Any], own: Collection[int]) -> tuple[str, bool]:
    """Who wrote a message first, and whether that was the bot."""
    who = next((_dict(origin, key) for key in ORIGINS if _dict(origin, key)), {})
    names = (_name(who) or fields.name(origin.get("sender_user_name")), fields.name(origin.get("author_signature")))
    return ", ".join(filter(None, names)), who.get("id") in own


def _author(message: dict[str, Any]) -> str:
    return _name(_dict(message, "sender_chat")) or _name(_dict(message, "from"))


def _name(who: dict[str, Any]) -> str:
    """The name of a person or a chat."""
    names = (fields.name(who.get(key)) for key in ("title", "first_name", "last_name"))
    return " ".join(filter(None, names))[:128]


# --- texts ------------------------------------------------------------------------------------------------------------


def _spelled(message: dict[str, Any]) -> str:
    """The text of a message with what its formatting says: addresses behind their words, struck words as struck."""
    text = fields.text(message)
    for start, end, entity in sorted(_spans(message, text), key=lambda span: -span[1]):
        before, words, after = text[:start], text[start:end], text[end:]
        url = _address(entity)
        text = f"{before}{words} ({url}){after}" if url else f"{before}~~{words}~~{after}"
    return text


def _marked(message: dict[str, Any]) -> Iterator[tuple[bool, str]]:
    """Words of a message whose formatting says more than they: those with an address (True), those that are struck."""
    text = fields.text(message)
    for start, end, entity in _spans(message, text):
        url, words = _address(entity), " ".join(text[start:end].split())
        if words and url != words:
            yield bool(url), f"{words}: {url}" if url else words
    for row in _list(_dict(message, "reply_markup"), "inline_keyboard"):
        for button in row if isinstance(row, list) else ():
            if isinstance(button, dict) and (url := fields.whole(button.get("url"))):
                yield True, f"{fields.name(button.get('text'))}: {url}"


def _spans(message: dict[str, Any], text: str) -> list[tuple[int, int, dict[str, Any]]]:
    """The entities that change what a text says, with their places in it. Telegram counts in units of UTF-16."""
    units = text.encode("utf-16-le")
    found = []
    for entity in fields.entities(message):
        if _address(entity) or entity["type"] == "strikethrough":
            start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
            places = [len(units[:place].decode("utf-16-le", "ignore")) for place in (start, end)]
            found.append((places[0], places[1], entity))
    return found


def _address(entity: dict[str, Any]) -> str:
    return fields.whole(entity.get("url")) if entity["type"] == "text_link" else ""


def _content(message: dict[str, Any]) -> str:
    """What a message without a text says: its poll, list, contact or place; else its kind in brackets, unless it is a
    file that is read by itself.
    """
    for kind in fields.ATTACHMENTS:
        value = message.get(kind)
        if not value or kind in fields.READABLE:
            continue
        said = _said(value) if isinstance(value, dict) else ""
        return f"[{kind}] {said}".strip()
    return ""


def _said(value: dict[str, Any]) -> str:
    rows = [value.get("question"), *(_of(one, "text") for key in ("options", "tasks") for one in _list(value, key))]
    rows += [
        value.get(key) for key in ("title", "address", "first_name", "last_name", "phone_number", "emoji", "value")
    ]
    return "\n".join(str(row) for row in rows if row and isinstance(row, str | int))


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - len(CUT)] + CUT


def _dict(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
