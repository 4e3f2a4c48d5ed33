"""Bot API methods that send a message, send messages again, or show something for a moment. `METHODS` is at the end."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import Call, FileKind, Upload, bad
from bot.sandbox.telegram.chats import DRAFT_LIFE, Draft, Message
from bot.sandbox.telegram.markup.entities import Formatted
from bot.sandbox.telegram.markup.rich import rich
from bot.sandbox.telegram.methods.content import (
    allow_ephemeral,
    asks_for_reply,
    caption,
    formatted,
    keyboard,
    reply,
    reply_keyboard,
    text_fields,
)
from bot.sandbox.telegram.state import Method, State


def send_message(api: State, call: Call) -> Message:
    """Send a text."""
    return post(api, call, text_fields(api, call))


def send_rich_message(api: State, call: Call) -> Message:
    """Send a rich message."""
    return post(api, call, {"rich_message": rich(call.parsed("rich_message", "rich message"))})


def send_file(api: State, call: Call, *, kind: FileKind) -> Message:
    """Send a file of a kind, uploaded or by the file id of an earlier one."""
    return post(api, call, file_content(api, call, kind))


def file_content(api: State, call: Call, kind: FileKind) -> Json:
    """The file of a call with its caption, as fields of a Message. Raises 400."""
    found = call.file(kind)
    if not isinstance(found, Upload):
        file = _again(api, found, kind)
    elif not found.data:
        raise bad("file must be non-empty")
    else:
        name, duration = found.name, call.integer("duration")
        file = api.keep_file(kind, found.data, name=name, mime=found.mime, duration=duration)
    spoiler = {"has_media_spoiler": True} if kind in SEEN and call.flag("has_spoiler") else {}
    if kind in ("sticker", "video_note"):
        return {kind: file}
    found_caption = caption(call)
    api.remark(call, found_caption.remarks)
    return {kind: file, **spoiler, **found_caption.fields("caption", "caption_entities")}


def send_album(api: State, call: Call) -> list[Message]:
    """Send 2 to 10 photos and videos, or documents, or songs, as an album."""
    given = call.parsed("media", "InputMedia")
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise bad("can't parse media JSON object")
    if not 2 <= len(given) <= MAX_IN_ALBUM:
        raise bad("there must be 2-10 media in the album" if given else "media must be non-empty")
    kinds = [_album_kind(item) for item in given]
    if len({*kinds}) > 1 and not SEEN.issuperset(kinds):
        raise bad("documents and audios can't be mixed with other media types in an album")
    group = {"media_group_id": api.unique()}
    rows = zip(kinds, given, strict=True)
    parts = [(kind, Call(call.method, {**item, kind: item.get("media")}, call.files)) for kind, item in rows]
    return [post(api, call, group | content) for content in [file_content(api, part, kind) for kind, part in parts]]


def _album_kind(item: Json) -> FileKind:
    found = next((kind for kind in IN_ALBUM if kind == item.get("type")), None)
    if found is None:
        raise bad("can't parse InputMedia: unsupported media type")
    return found


def send_location(api: State, call: Call) -> Message:
    """Send a place on the map."""
    try:
        where = {name: float(call.text(name)) for name in ("latitude", "longitude")}
    except ValueError:
        raise bad("latitude or longitude is invalid") from None
    return post(api, call, {"location": where})


def send_contact(api: State, call: Call) -> Message:
    """Send the name and the telephone number of a person."""
    if not call.text("phone_number"):
        raise bad("phone number is empty")
    if not call.text("first_name"):
        raise bad("first name is empty")
    return post(api, call, {"contact": {name: call.text(name) for name in ("phone_number", "first_name")}})


def post(api: State, call: Call, content: Json) -> Message:
    """Send a content to the chat of a call, as the call says: topic, reply, keyboard. Raises 400."""
    given = call.parsed("ephemeral_message_parameters", "ephemeral message parameters") if api.ephemeral else None
    if isinstance(given, dict) and call.method in FOR_ONE:
        chat, receiver, answered = allow_ephemeral(api, call, given)
    else:
        chat, receiver, answered = api.chat_of(call), 0, None
    if chat.private and api.people[chat.id].no_voices and not VOICES.isdisjoint(content):
        raise bad("VOICE_MESSAGES_FORBIDDEN")
    thread_id = api.thread(chat, call.integer("message_thread_id"))
    markup, replying = keyboard(call), reply_keyboard(call, chat)
    answered = answered or reply(call, chat)
    content = {**content, "reply_markup": markup} if markup else content
    if call.flag("protect_content"):
        content["has_protected_content"] = True
    where: Json = {"thread_id": thread_id, "reply_to": answered.message_id, "quote": answered.quote}
    where |= {"receiver": receiver, "force_reply": asks_for_reply(call)}
    if connection := api.connections.get(chat.connection):
        content |= {"business_connection_id": connection.id, "sender_business_bot": api.profile.user()}
        message = api.post(chat, connection.owner, content, **where)
        api.updates.add("business_message", message, lane=f"business {connection.id}")
        return message
    message = api.post(chat, api.profile.id, content, **where)
    if replying is not None and not receiver:
        api.put_reply_keyboard(chat, message, replying)
    return message


def _again(api: State, file_id: str, kind: str) -> Any:
    """The file of an earlier message with this file id. Raises 400 for an unknown id or a URL."""
    if not file_id:
        raise bad(f"there is no {kind} in the request")
    if file_id.startswith(("http://", "https://")):
        raise bad("Failed to get HTTP URL content")
    for chat in api.chats.values():
        for message in chat.messages.values():
            found = message.get(kind)
            if found and file_id in json.dumps(found):
                return found
    raise bad("wrong file identifier/HTTP URL specified")


MAX_IN_ALBUM = 10
IN_ALBUM: tuple[FileKind, ...] = ("photo", "video", "document", "audio")
SEEN = {"photo", "video"}  # kinds that are shown as pictures, and that an album may mix
VOICES = {"voice", "video_note"}  # what a person may forbid

FOR_ONE = ("sendMessage", "sendRichMessage", "sendPhoto", "sendDocument", "sendVoice")


AROUND = frozenset(
    {  # what belongs to a message and not to its content
        "message_id",
        "from",
        "sender_chat",
        "chat",
        "date",
        "edit_date",
        "reply_to_message",
        "quote",
        "reply_markup",
        "message_thread_id",
        "is_topic_message",
        "media_group_id",
        "forward_origin",
        "has_protected_content",
        "ephemeral_message_id",
        "receiver_user",
        "business_connection_id",
        "sender_business_bot",
    }
)
SERVICES = frozenset(
    """
    forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened pinned_message new_chat_members
    left_chat_member migrate_to_chat_id migrate_from_chat_id new_chat_title
    """.split()
)
NOT_COPIED = frozenset({"story", "giveaway", "giveaway_winners", "paid_media", "invoice"})


def copy_message(api: State, call: Call) -> Json:
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


def forward_message(api: State, call: Call) -> Message:
    """Send a message again with a note where it comes from."""
    original = _original(api, call, call.integer("message_id"))
    if original is None:
        raise bad("message to forward not found")
    if not may_forward(original):
        raise bad("the message can't be forwarded")
    return post(api, call, forwarded(original))


def send_several(api: State, call: Call, *, copies: bool) -> list[Json]:
    """Copy or forward up to 100 messages; albums stay albums. Returns a MessageId for each.

    Messages that do not exist, or may not be sent again, are left out. Raises 400 if none is left.
    """
    numbers = call.numbers("message_ids")
    if numbers != sorted(set(numbers)):
        raise bad("message identifiers must be in a strictly increasing order")
    allowed = _may_copy if copies else may_forward
    there = [one for number in numbers if (one := _original(api, call, number)) is not None]
    found = [one for one in there if allowed(one)]
    if not found:  # the real server has one text for copies and forwards
        raise bad("messages can't be forwarded" if there else "there are no messages to forward")
    groups = {group: api.unique() for one in found if (group := one.get("media_group_id"))}
    sent = []
    for one in found:
        content = _content(one) if copies else forwarded(one)
        if copies and call.flag("remove_caption"):
            content = {name: value for name, value in content.items() if not name.startswith("caption")}
        group = {"media_group_id": groups[one["media_group_id"]]} if "media_group_id" in one else {}
        sent.append({"message_id": post(api, call, group | content)["message_id"]})
    return sent


def _origin(original: Message) -> Json:
    """Where a message comes from that is forwarded, as a MessageOrigin."""
    if origin := original.get("forward_origin"):
        return dict(origin)
    at, sender = original["date"], original.get("sender_chat")
    if sender is None:
        return {"type": "user", "sender_user": original["from"], "date": at}
    if sender["type"] == "channel":
        return {"type": "channel", "chat": sender, "message_id": original["message_id"], "date": at}
    return {"type": "chat", "sender_chat": sender, "date": at}


def _original(api: State, call: Call, number: int) -> Message | None:
    if not call.text("from_chat_id"):
        raise bad('parameter "from_chat_id" is required')
    return api.chat(call.integer("from_chat_id")).messages.get(number)


def _content(original: Message) -> Json:
    return {name: value for name, value in original.items() if name not in AROUND}


def forwarded(original: Message) -> Json:
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


ACTIONS = frozenset(
    """
    typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker
    find_location record_video_note upload_video_note
    """.split()
)
ANSWER_LIMIT = 200


def send_message_draft(api: State, call: Call) -> bool:
    """Show a plain text as the draft of a private chat for 30 s."""
    found = formatted(call, "text", allow_empty=True)
    api.remark(call, found.remarks)
    return _draft(api, call, found, None)


def send_rich_message_draft(api: State, call: Call) -> bool:
    """Show a rich message as the draft of a private chat for 30 s."""
    given = call.parsed("rich_message", "rich message")
    return _draft(api, call, Formatted(""), rich(given, draft=True))


def send_chat_action(api: State, call: Call) -> bool:
    """Show that the bot is typing, or another chat action."""
    chat, thread_id = api.place(call)
    action = call.text("action")
    if action not in ACTIONS:
        raise bad("wrong parameter action in request")
    api.hub.publish("action", chat_id=chat.id, thread_id=thread_id, action=action)
    return True


def answer_callback_query(api: State, call: Call) -> bool:
    """Answer a button press. Raises 400 for a second answer and after 150 s."""
    if len(call.text("text")) > ANSWER_LIMIT:
        raise bad("MESSAGE_TOO_LONG")
    query_id = call.text("callback_query_id")
    user_id, until = api.queries.pop(query_id, (0, 0.0))
    if until <= api.clock.time():
        raise bad("query is too old and response timeout expired or query ID is invalid")
    answer = {"text": call.text("text"), "show_alert": call.flag("show_alert")}
    api.hub.publish("callback_answer", callback_query_id=query_id, user_id=user_id, **answer)
    return True


def decline(api: State, call: Call, *, query: str) -> bool:
    """Decline a payment: the sandbox sells nothing. Raises 400 for an answer that would accept it."""
    if not call.text(query) or call.flag("ok") or not call.text("error_message"):
        raise bad("QUERY_ID_INVALID")
    return True


def _draft(api: State, call: Call, found: Formatted, rich_message: dict[str, object] | None) -> bool:
    if not api.chat_of(call).private:
        raise bad("TEXTDRAFT_PEER_INVALID")
    chat, thread_id = api.place(call)
    draft_id = call.integer("draft_id")
    if not draft_id:
        raise bad("draft_id must be non-zero")
    draft = Draft(
        chat_id=chat.id,
        thread_id=thread_id,
        draft_id=draft_id,
        text=found.text,
        entities=found.entities,
        rich_message=rich_message,
        can_stop=call.flag("can_stop"),
        keep_on_stop=call.flag("keep_on_stop"),
        thinking=not found.text and rich_message is None,
        until=api.clock.monotonic() + DRAFT_LIFE,
    )
    api.put_draft(draft)
    return True


METHODS: dict[str, Method] = {
    "sendMessage": send_message,
    "sendRichMessage": send_rich_message,
    "sendPhoto": partial(send_file, kind="photo"),
    "sendDocument": partial(send_file, kind="document"),
    "sendVoice": partial(send_file, kind="voice"),
    "sendVideo": partial(send_file, kind="video"),
    "sendAnimation": partial(send_file, kind="animation"),
    "sendAudio": partial(send_file, kind="audio"),
    "sendVideoNote": partial(send_file, kind="video_note"),
    "sendSticker": partial(send_file, kind="sticker"),
    "sendMediaGroup": send_album,
    "sendLocation": send_location,
    "sendContact": send_contact,
    "copyMessage": copy_message,
    "copyMessages": partial(send_several, copies=True),
    "forwardMessage": forward_message,
    "forwardMessages": partial(send_several, copies=False),
    "sendMessageDraft": send_message_draft,
    "sendRichMessageDraft": send_rich_message_draft,
    "sendChatAction": send_chat_action,
    "answerCallbackQuery": answer_callback_query,
    "answerPreCheckoutQuery": partial(decline, query="pre_checkout_query_id"),
    "answerShippingQuery": partial(decline, query="shipping_query_id"),
}
