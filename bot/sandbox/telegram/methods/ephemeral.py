"""Ephemeral messages, which one member of a group sees and the others do not: sending, editing, deleting.

A bot may send one within 15 s of a button press or of an ephemeral message of that person, and at any time in a group
where it is an administrator. Ephemeral messages have ids and methods of their own. Telegram does not document the texts
of the errors: those here are made up in its manner.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram import files as files
from bot.sandbox.telegram.call import Call, Upload, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.methods.content import caption, keyboard
from bot.sandbox.telegram.methods.edit import CAPTION, TEXT, changed, check_caption_edit, check_text_edit, text_or_rich
from bot.sandbox.telegram.state import Chat, Message

WINDOW = 15.0  # seconds after a press or message in which the bot may answer ephemerally
MEDIA = ("photo", "document")
SHORT = 1024  # characters of an edit on a server with `short_edits`, as if it were a caption


def send(api: MethodContext, call: Call, given: dict[str, Any], content: dict[str, Any]) -> Message:
    """Send the content of a sending method ephemerally. `given` are its `ephemeral_message_parameters`. Raises 400 if
    forbidden.
    """
    chat = api.state.chat(api.chat_id(call))
    receiver = given.get("receiver_user_id")
    if not isinstance(receiver, int):
        raise bad("can't parse EphemeralMessageParameters: receiver_user_id is not specified")
    if chat.private or chat.type == "channel":
        raise bad("EPHEMERAL_CHAT_INVALID")
    if receiver not in chat.members:
        raise bad("USER_NOT_PARTICIPANT")
    replied = _replied(api, call, chat, receiver)
    if not (_pressed(api, given, chat, receiver) or replied or chat.administers):
        raise bad("CHAT_ADMIN_REQUIRED")
    thread_id = api.state.thread(chat, call.integer("message_thread_id"))
    markup = keyboard(call)
    content = {**content, "reply_markup": markup} if markup else content
    if call.flag("protect_content"):
        content["has_protected_content"] = True
    mine = api.state.profile.id
    return api.state.whisper(chat, mine, receiver, content, thread_id=thread_id, reply_to=replied)


def _pressed(api: MethodContext, given: dict[str, Any], chat: Chat, receiver: int) -> bool:
    """Whether the message answers a button press.

    Raises 400 for an unknown press, a press of another person or in another chat, and one over 15 s ago.
    """
    query = str(given.get("callback_query_id") or "")
    if not query:
        return False
    press = api.presses.get(query)
    if press is None or press.user != receiver or press.chat != chat.id:
        raise bad("QUERY_ID_INVALID")
    if press.at + WINDOW < api.state.clock.time():
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if given.get("replace_callback_query_message") and press.unseen:
        raise bad("EPHEMERAL_MESSAGE_REPLACE_INVALID")
    return True


def _replied(api: MethodContext, call: Call, chat: Chat, receiver: int) -> int:
    """The id of the ephemeral message that is replied to; 0 for none. Raises 400 if it is unknown or over 15 s old."""
    found = call.parsed("reply_parameters", "reply parameters")
    number = found.get("ephemeral_message_id") if isinstance(found, dict) else None
    if not number:
        return 0
    original = chat.unseen.get(number)
    if original is None or original["from"]["id"] != receiver:
        raise bad("message to be replied not found")
    if original["date"] + WINDOW < api.state.clock.time():
        raise bad("EPHEMERAL_REPLY_EXPIRED")
    return int(number)


def edit_text(api: MethodContext, call: Call) -> bool:
    """Replace the text or rich message of an ephemeral message."""
    content = text_or_rich(api, call)
    if api.short_edits and len(content.get("text", "")) > SHORT:
        raise bad("MEDIA_CAPTION_TOO_LONG")
    chat, message = _mine(api, call)
    check_text_edit(api, message, content)
    return _change(api, call, chat, message, TEXT, content)


def edit_caption(api: MethodContext, call: Call) -> bool:
    """Replace the caption of an ephemeral photo, document or voice message."""
    found = caption(call)
    chat, message = _mine(api, call)
    check_caption_edit(message)
    return _change(api, call, chat, message, CAPTION, found.fields(*CAPTION))


def edit_media(api: MethodContext, call: Call) -> bool:
    """Replace a text by a file or a file by another one. Only files uploaded with the call are accepted."""
    given = call.parsed("media", "InputMedia")
    kind = given.get("type") if isinstance(given, dict) else ""
    if kind not in MEDIA:
        raise bad("can't parse InputMedia: unsupported media type")
    media = Call(call.method, given, call.files)
    found, words = media.file("media"), caption(media)
    chat, message = _mine(api, call)
    if not isinstance(found, Upload) or not found.data:
        raise bad("wrong file identifier/HTTP URL specified")
    state = api.state
    content: dict[str, Any] = words.fields(*CAPTION)
    if kind == "photo":
        content["photo"] = files.photo(found.data, state.unique, state.store)
    else:
        content["document"] = files.document(found.data, found.name, found.mime, state.unique, state.store)
    return _change(api, call, chat, message, (*TEXT, *CAPTION, *MEDIA), content)


def edit_markup(api: MethodContext, call: Call) -> bool:
    """Replace the inline keyboard of an ephemeral message."""
    chat, message = _mine(api, call)
    return _change(api, call, chat, message, (), {})


def delete(api: MethodContext, call: Call) -> bool:
    """Delete an ephemeral message. Raises 400 if it does not exist."""
    chat, message = _mine(api, call, "message to delete not found")
    api.state.forget_unseen(chat, [message["ephemeral_message_id"]])
    return True


def _mine(api: MethodContext, call: Call, reason: str = "message to edit not found") -> tuple[Chat, Message]:
    chat = api.state.chat(api.chat_id(call))
    message = chat.unseen.get(call.integer("ephemeral_message_id"))
    if message is None or message["receiver_user"]["id"] != call.integer("receiver_user_id"):
        raise bad(reason)
    return chat, message


def _change(
    api: MethodContext, call: Call, chat: Chat, message: Message, names: tuple[str, ...], content: dict[str, Any]
) -> bool:
    """Replace the fields `names` by `content`, and the keyboard. The methods return True and not the message."""
    fresh = changed(api, message, names, content, keyboard(call, editing=True))
    chat.unseen[message["ephemeral_message_id"]] = fresh
    api.state.show_unseen(chat, fresh)
    return True


METHODS: dict[str, Method] = {
    "editEphemeralMessageText": edit_text,
    "editEphemeralMessageCaption": edit_caption,
    "editEphemeralMessageMedia": edit_media,
    "editEphemeralMessageReplyMarkup": edit_markup,
    "deleteEphemeralMessage": delete,
}
