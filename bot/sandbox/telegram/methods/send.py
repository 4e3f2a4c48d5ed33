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
from bot.sandbox.telegram.methods.content import asks_for_reply, caption, keyboard, reply, text_fields
from bot.sandbox.telegram.state import Chat, Message


def send_message(api: MethodContext, call: Call) -> Message:
    """Send a text."""
    return _post(api, call, text_fields(api, call))


def send_rich_message(api: MethodContext, call: Call) -> Message:
    """Send a rich message."""
    return _post(api, call, {"rich_message": rich(call.parsed("rich_message", "rich message"))})


def send_file(api: MethodContext, call: Call, *, kind: FileKind) -> Message:
    """Send a photo, document or voice message, uploaded or by the file id of an earlier one."""
    found = call.file(kind)
    if not isinstance(found, Upload):
        file = _again(api, found, kind)
    elif not found.data:
        raise bad("file must be non-empty")
    else:
        name, duration = found.name, call.integer("duration")
        file = api.state.keep_file(kind, found.data, name=name, mime=found.mime, duration=duration)
    spoiler = {"has_media_spoiler": True} if kind == "photo" and call.flag("has_spoiler") else {}
    found_caption = caption(call)
    api.remark(call, found_caption.remarks)
    return _post(api, call, {kind: file, **spoiler, **found_caption.fields("caption", "caption_entities")})


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
        chat, receiver, answered = ephemeral.allowed(api, call, given)
    else:
        chat, receiver, answered = api.chat(call), 0, None
    thread_id = api.state.thread(chat, call.integer("message_thread_id"))
    markup = keyboard(call)
    answered = answered or reply(call, chat)
    content = {**content, "reply_markup": markup} if markup else content
    if call.flag("protect_content"):
        content["has_protected_content"] = True
    where: dict[str, Any] = {"thread_id": thread_id, "reply_to": answered.message_id, "quote": answered.quote}
    where |= {"receiver": receiver, "force_reply": asks_for_reply(call)}
    return api.state.post(chat, api.state.profile.id, content, **where)


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
    "sendPhoto": partial(send_file, kind="photo"),
    "sendDocument": partial(send_file, kind="document"),
    "sendVoice": partial(send_file, kind="voice"),
    "copyMessage": copy_message,
    "forwardMessage": forward_message,
}
