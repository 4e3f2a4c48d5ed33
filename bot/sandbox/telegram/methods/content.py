"""The parts of a message that the bot sends (text, caption, keyboard, reply), checked as the real server checks them.

A bot may send an ephemeral message within 15 s of a button press or of an ephemeral message of that person, and at any
time in a group where it is an administrator. Telegram does not document the texts of the errors: those here imitate its
style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.markup import entities
from bot.sandbox.telegram.markup.addresses import WrongAddress, checked_address, user_of
from bot.sandbox.telegram.markup.entities import Formatted
from bot.sandbox.telegram.markup.markdown import parse
from bot.sandbox.telegram.state import State

ROW = 8
KEYBOARD = 100
# The parameter with the entities, the most characters, and what a longer text is answered.
TEXTS = {
    "text": ("entities", entities.TEXT_LIMIT, "Message is too long"),
    "caption": ("caption_entities", entities.CAPTION_LIMIT, "Message caption is too long"),
}
ACTIONS = tuple(
    """
    url callback_data web_app login_url switch_inline_query switch_inline_query_current_chat
    switch_inline_query_chosen_chat copy_text callback_game pay disabled
    """.split()
)


def text_fields(api: State, call: Call) -> Json:
    """The text of a call with its entities and its link preview, as fields of a Message. Raises 400."""
    if not call.text("text"):
        raise bad("Message text is empty")
    found = formatted(call, "text")
    api.remark(call, found.remarks)
    preview = call.parsed("link_preview_options", "link preview options")
    return found.fields() | ({"link_preview_options": preview} if isinstance(preview, dict) else {})


def formatted(call: Call, name: str, *, allow_empty: bool = False) -> Formatted:
    """The text or caption of a call with its entities. Raises 400 if it is too long or badly formatted.

    If there is a parse mode the given entities are ignored, as on the real server.
    """
    given, (marks, limit, reason) = call.text(name), TEXTS[name]
    if len(given.encode("utf-8", "replace")) > entities.REQUEST_LIMIT:
        raise bad("Text is too long")
    mode = call.text("parse_mode")
    if given and mode and mode.lower() != "none":
        plain, found = parse(given, mode)
    else:
        plain, found = given, entities.checked(call.parsed(marks, "entities"))
    settled = entities.settle(plain, found, allow_empty=allow_empty)
    if len(settled.text) > limit:
        raise bad(reason)
    return settled


def caption(call: Call) -> Formatted:
    """The caption of a photo, document or voice message; it may be empty. Raises 400 if it is too long or badly
    formatted.
    """
    return formatted(call, "caption", allow_empty=True)


SHARED = {"request_contact": "phone number", "request_location": "location"}  # by reply buttons in private chats only


def reply_keyboard(call: Call, chat: Chat) -> list[list[Json]] | None:
    """Return the rows of the reply keyboard that a message brings; an empty list removes it, None leaves it.

    Raises 400 for a button that shares something in a group.
    """
    markup = call.parsed("reply_markup", "reply keyboard markup")
    if not isinstance(markup, dict) or not ("keyboard" in markup or markup.get("remove_keyboard") is True):
        return None
    rows = [[{"text": one} if isinstance(one, str) else one for one in row] for row in markup.get("keyboard", [])]
    for name, thing in SHARED.items():
        if not chat.private and any(one.get(name) for row in rows for one in row):
            raise bad(f"{thing} can be requested in private chats only")
    return rows


def keyboard(call: Call, *, editing: bool = False) -> Json | None:
    """The inline keyboard of a message; None for no keyboard and for other kinds of keyboards.

    Raises 400 for a malformed keyboard, and with `editing` for any but an inline one.
    """
    markup = call.parsed("reply_markup", "reply keyboard markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad("Object expected as reply markup")
    if "inline_keyboard" in markup:
        return _inline(markup["inline_keyboard"])
    if editing:
        raise bad("inline keyboard expected")
    if "keyboard" in markup:
        rows = _rows(markup["keyboard"], 'Field "keyboard" must be an Array of Arrays')
        _check_size(rows)
    return None


def asks_for_reply(call: Call) -> bool:
    """Whether `reply_markup` is a ForceReply."""
    markup = call.parsed("reply_markup", "reply keyboard markup")
    return isinstance(markup, dict) and markup.get("force_reply") is True


def _inline(given: Any) -> Json | None:
    rows = _rows(given, 'Field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    _check_size(rows)
    rows = [[_button(button) for button in row] for row in rows]
    return {"inline_keyboard": rows} if rows else None


def _rows(given: Any, reason: str) -> list[list[Any]]:
    if not isinstance(given, list) or not all(isinstance(row, list) for row in given):
        raise bad(reason)
    return [row for row in given if row]


def _check_size(rows: list[list[Any]]) -> None:
    if any(len(row) > ROW for row in rows) or sum(map(len, rows)) > KEYBOARD:
        raise bad("reply markup is too long")


def _button(given: Any) -> Json:
    problem = "Can't parse inline keyboard button: "
    if not isinstance(given, dict):
        raise bad(problem + "InlineKeyboardButton must be an Object")
    if not isinstance(given.get("text"), str):
        raise bad(problem + 'Can\'t find field "text"')
    if not given["text"].strip():
        raise bad("BUTTON_TEXT_INVALID")
    found = [name for name in ACTIONS if given.get(name) is not None]
    if len(found) != 1:
        raise bad(problem + "Text buttons are unallowed in the inline keyboard")
    _check_action(found[0], given[found[0]])
    if given.get("style") not in {None, "", "primary", "success", "danger"}:
        raise bad(problem + "invalid button style specified")
    return {name: value for name, value in given.items() if value not in (None, "")}


def _check_action(name: str, value: Any) -> None:
    if name == "callback_data" and not (isinstance(value, str) and 1 <= len(value.encode()) <= 64):
        raise bad("BUTTON_DATA_INVALID")
    if name == "url":
        _check_address(value)
    if name == "copy_text" and not (isinstance(value, dict) and 1 <= len(str(value.get("text", ""))) <= 256):
        raise bad("BUTTON_COPY_TEXT_INVALID")


def _check_address(value: Any) -> None:
    try:
        if not user_of(str(value)):
            checked_address(str(value))
    except WrongAddress as error:
        raise bad(f"Inline keyboard button URL '{value}' is invalid: {error}") from None


@dataclass(frozen=True, slots=True)
class Reply:
    """The message that is replied to (0: none), and the part of it that is quoted."""

    message_id: int = 0
    quote: str = ""


def reply(call: Call, chat: Chat) -> Reply:
    """What the message replies to. Raises 400 if that does not exist, unless the call allows sending
    without a reply.
    """
    given = call.parsed("reply_parameters", "reply parameters")
    if given is None:
        number = call.integer("reply_to_message_id")
        given = {"message_id": number, "allow_sending_without_reply": call.flag("allow_sending_without_reply")}
    if not isinstance(given, dict):
        raise bad("Object expected as reply parameters")
    number = given.get("message_id") or 0
    if not isinstance(number, int) or not number:
        return Reply()
    original = chat.messages.get(number)
    if original is None:
        if given.get("allow_sending_without_reply"):
            return Reply()
        raise bad("message to be replied not found")
    quote = str(given.get("quote") or "")
    if quote and quote not in str(original.get("text") or original.get("caption") or ""):
        raise bad("QUOTE_TEXT_INVALID")
    return Reply(number, quote)


WINDOW = 15.0  # seconds after a press or message in which the bot may answer ephemerally


def allow_ephemeral(api: State, call: Call, given: Json) -> tuple[Chat, int, Reply]:
    """The group, the id of the person who may see the message, and the ephemeral message that it replies to.

    `given` are the `ephemeral_message_parameters` of a sending method. Raises 400 if it is forbidden.
    """
    chat = api.chat_of(call)
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
    return chat, receiver, Reply(replied)


def _pressed(api: State, given: Json, chat: Chat, receiver: int) -> bool:
    """Whether the message answers a button press.

    Raises 400 for an unknown press, a press of another person or in another chat, and one over 15 s ago.
    """
    query = str(given.get("callback_query_id") or "")
    if not query:
        return False
    press = api.presses.get(query)
    if press is None or press.user != receiver or press.chat != chat.id:
        raise bad("QUERY_ID_INVALID")
    if press.at + WINDOW < api.clock.time():
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if given.get("replace_callback_query_message") and press.unseen:
        raise bad("EPHEMERAL_MESSAGE_REPLACE_INVALID")
    return True


def _replied(api: State, call: Call, chat: Chat, receiver: int) -> int:
    """The id of the ephemeral message that is replied to; 0 for none. Raises 400 if it is unknown or over 15 s old."""
    found = call.parsed("reply_parameters", "reply parameters")
    number = found.get("ephemeral_message_id") if isinstance(found, dict) else None
    if not number:
        return 0
    original = chat.unseen.get(number)
    if original is None or original["from"]["id"] != receiver:
        raise bad("message to be replied not found")
    if original["date"] + WINDOW < api.clock.time():
        raise bad("EPHEMERAL_REPLY_EXPIRED")
    return int(number)
