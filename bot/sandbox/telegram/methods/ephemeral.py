"""Whether the bot may send an ephemeral message, which only one member of a group sees. Begin with `allowed`.

A bot may send one within 15 s of a button press or of an ephemeral message of that person, and at any time in a group
where it is an administrator. Telegram does not document the texts of the errors: those here imitate its style.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.context import MethodContext
from bot.sandbox.telegram.methods.content import Reply
from bot.sandbox.telegram.state import Chat

WINDOW = 15.0  # seconds after a press or message in which the bot may answer ephemerally


def allowed(api: MethodContext, call: Call, given: dict[str, Any]) -> tuple[Chat, int, Reply]:
    """The group, the id of the person who may see the message, and the ephemeral message that it replies to.

    `given` are the `ephemeral_message_parameters` of a sending method. Raises 400 if it is forbidden.
    """
    chat = api.chat(call)
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
