"""Bot API methods that send messages again: copies and forwards. The table `METHODS` is at the end."""

from __future__ import annotations

from functools import partial
from typing import Any

from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.methods.content import caption
from bot.sandbox.telegram.methods.send import post
from bot.sandbox.telegram.state import Message

MOST = 100
AROUND = frozenset({  # what belongs to a message and not to its content
    "message_id", "from", "sender_chat", "chat", "date", "edit_date", "reply_to_message", "quote", "reply_markup",
    "message_thread_id", "is_topic_message", "media_group_id", "forward_origin", "has_protected_content",
    "ephemeral_message_id", "receiver_user", "business_connection_id", "sender_business_bot",
})  # fmt: skip
SERVICES = frozenset({
    "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "pinned_message",
    "new_chat_members", "left_chat_member", "migrate_to_chat_id", "migrate_from_chat_id", "new_chat_title",
})  # fmt: skip
NOT_COPIED = frozenset({"story", "giveaway", "giveaway_winners", "paid_media", "invoice"})


def copy_message(api: MethodContext, call: Call) -> dict[str, Any]:
    """Send the content of a message again, with another caption if one is given. Returns a MessageId."""
    original = _original(api, call, call.integer("message_id"))
    if original is None:
        raise bad("message to copy not found")
    if not _may_copy(original):
        raise bad("the message can't be copied")
    content = _content(original)
    if "caption" in call.params:
        content = {name: value for name, value in content.items() if not name.startswith("caption")}
        content |= caption(call).fields("caption", "caption_entities")
    return {"message_id": post(api, call, content)["message_id"]}


def forward_message(api: MethodContext, call: Call) -> Message:
    """Send a message again with a note where it comes from."""
    original = _original(api, call, call.integer("message_id"))
    if original is None:
        raise bad("message to forward not found")
    if not may_forward(original):
        raise bad("the message can't be forwarded")
    return post(api, call, forwarded(original))


def send_several(api: MethodContext, call: Call, *, copies: bool) -> list[dict[str, Any]]:
    """Copy or forward up to 100 messages; albums stay albums. Returns a MessageId for each.

    Messages that do not exist, or may not be sent again, are left out. Raises 400 if none is left.
    """
    numbers = call.parsed("message_ids", "message identifiers")
    if not isinstance(numbers, list) or not numbers:
        raise bad("message identifiers are not specified")
    if len(numbers) > MOST:
        raise bad("too many message identifiers specified")
    if not all(isinstance(number, int) for number in numbers):
        raise bad("Message identifier must be a Number")
    if numbers != sorted(set(numbers)):
        raise bad("message identifiers must be in a strictly increasing order")
    allowed = _may_copy if copies else may_forward
    there = [one for number in numbers if (one := _original(api, call, number)) is not None]
    found = [one for one in there if allowed(one)]
    if not found:  # the real server has one text for copies and forwards
        raise bad("messages can't be forwarded" if there else "there are no messages to forward")
    groups = {group: api.state.unique() for one in found if (group := one.get("media_group_id"))}
    sent = []
    for one in found:
        content = _content(one) if copies else forwarded(one)
        if copies and call.flag("remove_caption"):
            content = {name: value for name, value in content.items() if not name.startswith("caption")}
        group = {"media_group_id": groups[one["media_group_id"]]} if "media_group_id" in one else {}
        sent.append({"message_id": post(api, call, group | content)["message_id"]})
    return sent


def _origin(original: Message) -> dict[str, Any]:
    """Where a message comes from that is forwarded, as a MessageOrigin."""
    if origin := original.get("forward_origin"):
        return dict(origin)
    at, sender = original["date"], original.get("sender_chat")
    if sender is None:
        return {"type": "user", "sender_user": original["from"], "date": at}
    if sender["type"] == "channel":
        return {"type": "channel", "chat": sender, "message_id": original["message_id"], "date": at}
    return {"type": "chat", "sender_chat": sender, "date": at}


def _original(api: MethodContext, call: Call, number: int) -> Message | None:
    if not call.text("from_chat_id"):
        raise bad('parameter "from_chat_id" is required')
    return api.state.chat(call.integer("from_chat_id")).messages.get(number)


def _content(original: Message) -> dict[str, Any]:
    return {name: value for name, value in original.items() if name not in AROUND}


def forwarded(original: Message) -> dict[str, Any]:
    """What a message is when it is forwarded: its content, and where it comes from."""
    return {"forward_origin": _origin(original), **_content(original)}


def may_forward(original: Message) -> bool:
    """Whether a message may be forwarded: it is neither protected nor a service message."""
    return not original.get("has_protected_content") and SERVICES.isdisjoint(original)


def _may_copy(original: Message) -> bool:
    """Whether a message may be copied: a quiz only if the bot knows its right answer."""
    poll = original.get("poll") or {}
    secret = poll.get("type") == "quiz" and "correct_option_id" not in poll
    return may_forward(original) and NOT_COPIED.isdisjoint(original) and not secret


METHODS: dict[str, Method] = {
    "copyMessage": copy_message,
    "copyMessages": partial(send_several, copies=True),
    "forwardMessage": forward_message,
    "forwardMessages": partial(send_several, copies=False),
}
