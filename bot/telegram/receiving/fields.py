"""Reads single fields of an update. The meaning of a whole update is read by `telegram/receiving/parsing.py`.

`whole` and `name` return clean texts, `natural` returns numbers that fit a column. Fields without which an update is
useless are pydantic models (`ReadMessage`, ...), which raise `ValidationError`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.telegram.receiving.rich_text import rich_words
from bot.types import Attachment, User

ATTACHMENTS = (
    "photo",
    "voice",
    "document",
    "video",
    "video_note",
    "audio",
    "sticker",
    "animation",
    "location",
    "contact",
    "poll",
    "dice",
    "venue",
    "story",
    "checklist",
    "paid_media",
    "giveaway",
    "giveaway_winners",
    "invoice",
)
ANONYMOUS = 1087968824  # the account in whose name anonymous administrators speak
CHANNEL = 136817688  # the account in whose name channels speak in groups
SERVICE_SENDERS = {777000, ANONYMOUS, CHANNEL}  # Telegram, an anonymous administrator, a channel: nobody in person
MAX_ID = 2**62
FIRST_DATE = 1_376_000_000  # August 2013


def whole(value: Any) -> str:
    """Return a text that can be stored and sent: without NUL and lone surrogates. "" for a value that is not a text."""
    if not isinstance(value, str):
        return ""
    return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def name(value: Any) -> str:
    """Return a person's name as one line from left to right: without control characters and marks of direction."""
    return "".join(sign for sign in whole(value) if unicodedata.category(sign) not in UNSEEN or sign in JOINERS)[:128]


UNSEEN = ("Cc", "Cf", "Zl", "Zp")
JOINERS = "\u200c\u200d"  # inside emoji and Indic or Persian words
Name = Annotated[str, BeforeValidator(name)]


class Read(BaseModel):
    """Base of the models: ignores unknown fields and can't be changed."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ReadUser(Read):
    """A `User` of the Bot API, as far as it is needed."""

    id: int = Field(ge=1, le=MAX_ID)
    is_bot: bool = False
    first_name: Name = ""
    language_code: Name = ""


class ReadChat(Read):
    """A `Chat` of the Bot API, as far as it is needed."""

    id: int = Field(ge=-MAX_ID, le=MAX_ID)
    type: str = ""
    title: Name = ""


class ReadReply(Read):
    """The message that a message replies to; `number` is its id if it is ephemeral."""

    message_id: int = Field(0, ge=0, le=MAX_ID)
    number: int = Field(0, ge=0, le=MAX_ID, alias="ephemeral_message_id")  # the id of an ephemeral message
    sender: ReadUser | None = Field(None, alias="from")


class ReadMessage(Read):
    """The id and the chat of a `Message` of the Bot API."""

    message_id: int = Field(ge=0, le=MAX_ID)
    chat: ReadChat


def text(body: dict[str, Any]) -> str:
    """Return the text, the caption or the words of the blocks of a message; "" if a reader would see nothing."""
    words = whole(body.get("text")) or whole(body.get("caption")) or whole(_blocks(body)).strip()
    return words if any(not _is_blank(sign) for sign in words) else ""


def _blocks(body: dict[str, Any]) -> str:
    rich = body.get("rich_message")
    return rich_words(rich.get("blocks")) if isinstance(rich, dict) else ""


def _is_blank(sign: str) -> bool:
    """Return whether a reader sees nothing in a character: spaces, controls, lone accents, fillers, full stops."""
    return sign in BLANK or unicodedata.category(sign) in (*UNSEEN, "Zs", "Mn")


BLANK = "\u2800\u3164\u115f\u1160\uffa0.…"


def entities(body: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the formatting of a text or caption: the Bot API's `MessageEntity` objects that a bot may send again."""
    found = body.get("entities") if isinstance(body.get("text"), str) else body.get("caption_entities")
    return tuple(one for one in found if _is_entity(one))[:100] if isinstance(found, list) else ()


def _is_entity(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.get("type") in FORMATS
        and all(natural(one.get(key)) == one.get(key) for key in SPAN)
    )


# No set: what strangers send may be nothing that has a hash.
FORMATS = (
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
    "pre",
    "text_link",
)
SPAN = ("offset", "length")


def emoji(value: Any) -> str:
    """Return the newest of a person's reactions to a message: an emoji, or the kind of a custom one; "" for none."""
    found = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if not found:
        return ""
    kind = whole(found[-1].get("type"))
    return (whole(found[-1].get("emoji")) if kind == "emoji" else {"paid": "⭐"}.get(kind, kind))[:64] or "?"


def attachments(body: dict[str, Any]) -> tuple[Attachment, ...]:
    """Return the file of a message as a tuple of one attachment; an empty tuple for a message without a file."""
    for kind in ATTACHMENTS:
        value = body.get(kind)
        if kind == "photo" and isinstance(value, list):
            value = value[-1] if value else {}
        if isinstance(value, dict):
            return (_attachment(kind, value),)
    return ()


def _attachment(kind: str, value: dict[str, Any]) -> Attachment:
    """Return one file of a message. A missing MIME type is the usual one of that kind of file."""
    if kind == "sticker":
        moves = "application/x-tgsticker" if value.get("is_animated") is True else "video/webm"
        still = value.get("is_animated") is not True and value.get("is_video") is not True
        mime, title = "image/webp" if still else moves, name(value.get("emoji"))
    else:
        told = name(value.get("mime_type")).partition(";")[0].strip()  # "audio/ogg; codecs=opus"
        mime, title = told or USUAL.get(kind, ""), name(value.get("file_name"))
    size, duration = natural(value.get("file_size")), natural(value.get("duration"))
    return Attachment(
        kind=kind,
        ref=whole(value.get("file_id")),
        size=size,
        mime=mime.lower(),
        name=title,
        duration=duration,
        details=_details(kind, value),
    )


def _details(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return what a contact (phone, name, user) or a place (latitude, longitude, title) says; {} for anything else."""
    if kind == "contact":
        names = (name(value.get(key)) for key in ("first_name", "last_name"))
        phone, user = name(value.get("phone_number")), natural(value.get("user_id"))
        return {"phone": phone, "name": " ".join(filter(None, names)), "user": user}
    spot = value.get("location") if kind == "venue" else value if kind == "location" else None
    if not isinstance(spot, dict):
        return {}
    found = {key: spot.get(key) for key in ("latitude", "longitude")}
    is_place = all(isinstance(one, int | float) and abs(one) <= 180 for one in found.values())
    return {**found, "title": name(value.get("title"))} if is_place else {}


USUAL = {"photo": "image/jpeg", "voice": "audio/ogg", "video_note": "video/mp4"}


def quoted(body: dict[str, Any]) -> tuple[Attachment, ...]:
    """Return the picture or document of the message that is replied to, also of one in another chat: the question is
    about it.
    """
    answered = body.get("reply_to_message") or body.get("external_reply")
    if not isinstance(answered, dict):
        return ()
    return tuple(replace(one, quoted=True) for one in attachments(answered) if one.kind in READABLE)


READABLE = ("photo", "document", "sticker")


def moved(body: dict[str, Any], message: ReadMessage) -> tuple[int, int] | None:
    """Return the old and the new id of a group that became a supergroup. Updates come from both chats, in any order."""
    to, came = body.get("migrate_to_chat_id"), body.get("migrate_from_chat_id")
    if _is_group(to) and _is_group(message.chat.id):
        return message.chat.id, to
    if _is_group(came) and _is_group(message.chat.id):
        return came, message.chat.id
    return None


def _is_group(id_: Any) -> TypeGuard[int]:
    return isinstance(id_, int) and -MAX_ID <= id_ < 0


def user(body: dict[str, Any]) -> User | None:
    """Return the sender; for an anonymous administrator of a group the group. None for channels and for Telegram
    itself.
    """
    if not isinstance(body.get("from"), dict):
        return None
    if isinstance(body.get("sender_chat"), dict):
        return _group(body)
    who = ReadUser.model_validate(body["from"])
    return None if who.id in SERVICE_SENDERS else User(who.id, who.first_name, who.language_code, who.is_bot)


def _group(body: dict[str, Any]) -> User | None:
    """Return the group if it speaks as itself (an anonymous administrator), else None. A linked channel is none."""
    sender, place = ReadChat.model_validate(body["sender_chat"]), ReadChat.model_validate(body.get("chat") or {})
    spoken = isinstance(body["from"], dict) and body["from"].get("id") == ANONYMOUS
    return User(place.id, sender.title) if spoken and sender.id == place.id < 0 else None


def channel(body: dict[str, Any]) -> User | None:
    """Return the group as the sender of a message that a channel has posted in it; None for any other message.

    `user` returns None for such a message, because a channel is not a person.
    """
    place = ReadChat.model_validate(body.get("chat") or {})
    spoken = isinstance(body.get("from"), dict) and body["from"].get("id") == CHANNEL
    return User(place.id) if spoken and place.id < 0 else None


def reply(body: dict[str, Any]) -> ReadReply:
    """Return the message that is replied to, with zeros if there is none or it can't be read."""
    try:
        return ReadReply.model_validate(body.get("reply_to_message") or {})
    except ValidationError:
        return ReadReply.model_validate({})


def tongue(body: dict[str, Any]) -> str:
    """Return the language code of the person who acted on the bot in a chat, for example added it to a group."""
    person = body.get("from")
    return name(person.get("language_code")) if isinstance(person, dict) else ""


def natural(value: Any) -> int:
    """Return a number from 0 to `MAX_ID`; 0 for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID else 0


def date(value: Any) -> datetime | None:
    """Return the time of a message (Unix seconds); None for a time before Telegram existed or far in the future."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and FIRST_DATE <= value < 2**34 else None
