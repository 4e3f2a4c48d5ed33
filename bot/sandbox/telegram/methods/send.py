"""Bot API methods that send a message. The table `METHODS` is at the end."""

from __future__ import annotations

import json
from typing import Any

from bot.sandbox.telegram import files as files
from bot.sandbox.telegram.call import Call, Upload, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.markup.rich import rich
from bot.sandbox.telegram.methods import ephemeral
from bot.sandbox.telegram.methods.content import asks_for_reply, caption, keyboard, reply, text_fields
from bot.sandbox.telegram.state import Chat, Message


def send_message(api: MethodContext, call: Call) -> Message:
    """Send a text."""
    return _post(api, call, text_fields(api, call))


def send_rich_message(api: MethodContext, call: Call) -> Message:
    """Send a rich message."""
    return _post(api, call, {"rich_message": rich(_rich(call))})


def send_photo(api: MethodContext, call: Call) -> Message:
    """Send a photo, uploaded or by the file id of an earlier one."""
    found = call.file("photo")
    if isinstance(found, Upload):
        sizes = files.photo(_filled(found), api.state.unique, api.state.store)
    else:
        sizes = _again(api, found, "photo")
    spoiler = {"has_media_spoiler": True} if call.flag("has_spoiler") else {}
    return _captioned(api, call, {"photo": sizes, **spoiler})


def send_document(api: MethodContext, call: Call) -> Message:
    """Send a document, uploaded or by the file id of an earlier one."""
    found = call.file("document")
    if isinstance(found, Upload):
        document = files.document(_filled(found), found.name, found.mime, api.state.unique, api.state.store)
    else:
        document = _again(api, found, "document")
    return _captioned(api, call, {"document": document})


def send_voice(api: MethodContext, call: Call) -> Message:
    """Send a voice message, uploaded or by the file id of an earlier one."""
    found = call.file("voice")
    if isinstance(found, Upload):
        duration = call.integer("duration")
        voice = files.voice(_filled(found), found.mime, duration, api.state.unique, api.state.store)
    else:
        voice = _again(api, found, "voice")
    return _captioned(api, call, {"voice": voice})


def copy_message(api: MethodContext, call: Call) -> dict[str, Any]:
    """Send the content of a message again, with another caption if one is given. Returns a MessageId."""
    original = _original(api, call, "message to copy not found")
    content = {name: original[name] for name in CONTENT if name in original}
    if "caption" in call.params:
        content = {name: value for name, value in content.items() if not name.startswith("caption")}
        content |= caption(call).fields("caption", "caption_entities")
    return {"message_id": _post(api, call, content)["message_id"]}


def forward_message(api: MethodContext, call: Call) -> Message:
    """Send the content of a message again with a note where it comes from."""
    original = _original(api, call, "message to forward not found")
    content = {name: original[name] for name in CONTENT if name in original}
    origin = {"type": "user", "sender_user": original["from"], "date": original["date"]}
    return _post(api, call, {"forward_origin": origin, **content})


def _post(api: MethodContext, call: Call, content: dict[str, Any]) -> Message:
    given = call.parsed("ephemeral_message_parameters", "ephemeral message parameters") if api.ephemeral else None
    if isinstance(given, dict) and call.method in FOR_ONE:
        return ephemeral.send(api, call, given, content)
    chat = api.state.chat(api.chat_id(call))
    thread_id = api.state.thread(chat, call.integer("message_thread_id"))
    markup = keyboard(call)
    answered = reply(call, chat)
    content = {**content, "reply_markup": markup} if markup else content
    if call.flag("protect_content"):
        content["has_protected_content"] = True
    return api.state.post(
        chat, api.state.profile.id, content, thread_id=thread_id, reply_to=answered.message_id, quote=answered.quote,
        force_reply=asks_for_reply(call),
    )  # fmt: skip


def _captioned(api: MethodContext, call: Call, content: dict[str, Any]) -> Message:
    found = caption(call)
    api.remark(call, found.remarks)
    return _post(api, call, {**content, **found.fields("caption", "caption_entities")})


def _rich(call: Call) -> Any:
    return call.parsed("rich_message", "rich message")


def _filled(upload: Upload) -> bytes:
    if not upload.data:
        raise bad("file must be non-empty")
    return upload.data


def _again(api: MethodContext, file_id: str, kind: str) -> Any:
    """The photo, document or voice of an earlier message with this file id. Raises 400 for an unknown id or a URL."""
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


def _original(api: MethodContext, call: Call, reason: str) -> Message:
    source: Chat = api.state.chat(call.integer("from_chat_id"))
    original = source.messages.get(call.integer("message_id"))
    if original is None:
        raise bad(reason)
    return original


CONTENT = (
    "text", "entities", "caption", "caption_entities", "photo", "document", "voice", "rich_message",
    "link_preview_options",
)  # fmt: skip

FOR_ONE = ("sendMessage", "sendRichMessage", "sendPhoto", "sendDocument", "sendVoice")

METHODS: dict[str, Method] = {
    "sendMessage": send_message,
    "sendRichMessage": send_rich_message,
    "sendPhoto": send_photo,
    "sendDocument": send_document,
    "sendVoice": send_voice,
    "copyMessage": copy_message,
    "forwardMessage": forward_message,
}
