"""Bot API methods that send a message. The table `METHODS` is at the end."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from bot.sandbox.telegram.call import Call, Upload, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.files import FileKind
from bot.sandbox.telegram.markup.rich import rich
from bot.sandbox.telegram.methods import ephemeral
from bot.sandbox.telegram.methods.content import asks_for_reply, caption, keyboard, reply, reply_keyboard, text_fields
from bot.sandbox.telegram.state import Message


def send_message(api: MethodContext, call: Call) -> Message:
    """Send a text."""
    return post(api, call, text_fields(api, call))


def send_rich_message(api: MethodContext, call: Call) -> Message:
    """Send a rich message."""
    return post(api, call, {"rich_message": rich(call.parsed("rich_message", "rich message"))})


def send_file(api: MethodContext, call: Call, *, kind: FileKind) -> Message:
    """Send a file of a kind, uploaded or by the file id of an earlier one."""
    return post(api, call, file_content(api, call, kind))


def file_content(api: MethodContext, call: Call, kind: FileKind) -> dict[str, Any]:
    """The file of a call with its caption, as fields of a Message. Raises 400."""
    found = call.file(kind)
    if not isinstance(found, Upload):
        file = _again(api, found, kind)
    elif not found.data:
        raise bad("file must be non-empty")
    else:
        name, duration = found.name, call.integer("duration")
        file = api.state.keep_file(kind, found.data, name=name, mime=found.mime, duration=duration)
    spoiler = {"has_media_spoiler": True} if kind in SEEN and call.flag("has_spoiler") else {}
    if kind in ("sticker", "video_note"):
        return {kind: file}
    found_caption = caption(call)
    api.remark(call, found_caption.remarks)
    return {kind: file, **spoiler, **found_caption.fields("caption", "caption_entities")}


def send_album(api: MethodContext, call: Call) -> list[Message]:
    """Send 2 to 10 photos and videos, or documents, or songs, as an album."""
    given = call.parsed("media", "InputMedia")
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise bad("can't parse media JSON object")
    if not 2 <= len(given) <= MOST_IN_ALBUM:
        raise bad("there must be 2-10 media in the album" if given else "media must be non-empty")
    kinds = [_album_kind(item) for item in given]
    if len({*kinds}) > 1 and not SEEN.issuperset(kinds):
        raise bad("documents and audios can't be mixed with other media types in an album")
    group = {"media_group_id": api.state.unique()}
    rows = zip(kinds, given, strict=True)
    parts = [(kind, Call(call.method, {**item, kind: item.get("media")}, call.files)) for kind, item in rows]
    return [post(api, call, group | content) for content in [file_content(api, part, kind) for kind, part in parts]]


def _album_kind(item: dict[str, Any]) -> FileKind:
    found = next((kind for kind in IN_ALBUM if kind == item.get("type")), None)
    if found is None:
        raise bad("can't parse InputMedia: unsupported media type")
    return found


def send_location(api: MethodContext, call: Call) -> Message:
    """Send a place on the map."""
    try:
        where = {name: float(call.text(name)) for name in ("latitude", "longitude")}
    except ValueError:
        raise bad("latitude or longitude is invalid") from None
    return post(api, call, {"location": where})


def send_contact(api: MethodContext, call: Call) -> Message:
    """Send the name and the telephone number of a person."""
    if not call.text("phone_number"):
        raise bad("phone number is empty")
    if not call.text("first_name"):
        raise bad("first name is empty")
    return post(api, call, {"contact": {name: call.text(name) for name in ("phone_number", "first_name")}})


def post(api: MethodContext, call: Call, content: dict[str, Any]) -> Message:
    """Send a content to the chat of a call, as the call says: topic, reply, keyboard. Raises 400."""
    given = call.parsed("ephemeral_message_parameters", "ephemeral message parameters") if api.ephemeral else None
    if isinstance(given, dict) and call.method in FOR_ONE:
        chat, receiver, answered = ephemeral.allowed(api, call, given)
    else:
        chat, receiver, answered = api.chat(call), 0, None
    if chat.private and api.state.people[chat.id].no_voices and not VOICES.isdisjoint(content):
        raise bad("VOICE_MESSAGES_FORBIDDEN")
    thread_id = api.state.thread(chat, call.integer("message_thread_id"))
    markup, replying = keyboard(call), reply_keyboard(call, chat)
    answered = answered or reply(call, chat)
    content = {**content, "reply_markup": markup} if markup else content
    if call.flag("protect_content"):
        content["has_protected_content"] = True
    where: dict[str, Any] = {"thread_id": thread_id, "reply_to": answered.message_id, "quote": answered.quote}
    where |= {"receiver": receiver, "force_reply": asks_for_reply(call)}
    if connection := api.state.connections.get(chat.connection):
        content |= {"business_connection_id": connection.id, "sender_business_bot": api.state.profile.user()}
        message = api.state.post(chat, connection.owner, content, **where)
        api.updates.add("business_message", message, lane=f"business {connection.id}")
        return message
    message = api.state.post(chat, api.state.profile.id, content, **where)
    if replying is not None and not receiver:
        api.state.put_reply_keyboard(chat, message, replying)
    return message


def _again(api: MethodContext, file_id: str, kind: str) -> Any:
    """The file of an earlier message with this file id. Raises 400 for an unknown id or a URL."""
    if not file_id:
        raise bad(f"there is no {kind} in the request")
    if file_id.startswith(("http://", "https://")):
        raise bad("Failed to get HTTP URL content")
    for chat in api.state.chats.values():
        for message in chat.messages.values():
            found = message.get(kind)
            if found and file_id in json.dumps(found):
                return found
    raise bad("wrong file identifier/HTTP URL specified")


MOST_IN_ALBUM = 10
IN_ALBUM: tuple[FileKind, ...] = ("photo", "video", "document", "audio")
SEEN = {"photo", "video"}  # kinds that are shown as pictures, and that an album may mix
VOICES = {"voice", "video_note"}  # what a person may forbid

FOR_ONE = ("sendMessage", "sendRichMessage", "sendPhoto", "sendDocument", "sendVoice")

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
}
