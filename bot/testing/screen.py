"""What people see in a chat, as texts: single frames of a message that grows, and a whole dialogue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.sandbox.telegram.http import ApiCall
from bot.sandbox.telegram.server_facade import text_of

BOT = "Bot"
CONTENT = ("photo", "voice", "document", "audio", "video", "animation", "sticker", "contact", "location", "dice")
EVENTS = {
    "new_chat_members": "joined the group",
    "left_chat_member": "left the group",
    "new_chat_title": "named the group",
    "pinned_message": "pinned a message",
    "forum_topic_created": "made a topic",
}


def frame_of(call: ApiCall, chat: int) -> str | None:
    """The text that a call has put on the screen of a chat; None if it has shown nothing."""
    if call.chat_id != chat or not call.applied:
        return None
    if isinstance(call.result, dict) and "message_id" in call.result and "chat" in call.result:
        return text_of(call.result) or None
    if not call.method.endswith("Draft"):
        return None
    rich = call.params.get("rich_message")
    shown = {"rich_message": json.loads(rich) if isinstance(rich, str) else rich} if rich else call.params
    return text_of(shown) or None


def written(messages: Iterable[Mapping[str, Any]], bot: int) -> str:
    """Messages as a text for people: "Ann: hi", further lines of a message and its buttons indented below."""
    return "".join(f"{line}\n" for message in messages for line in _lines(message, bot))


def _lines(message: Mapping[str, Any], bot: int) -> Iterator[str]:
    sender = message.get("from", {})
    name = BOT if sender.get("id") == bot else str(sender.get("first_name", ""))
    content = [f"[{kind}]" for kind in CONTENT if kind in message]
    content += [f"[{event}]" for kind, event in EVENTS.items() if kind in message]
    first, *others = [*content, *text_of(dict(message)).splitlines()] or ["[other]"]
    yield f"{name}: {first}"
    yield from (f"  {line}".rstrip() for line in others)
    for row in message.get("reply_markup", {}).get("inline_keyboard", []):
        yield "  " + " ".join(f"<{button['text']}>" for button in row)
