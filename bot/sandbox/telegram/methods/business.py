"""Bot API methods about business connections. The table `METHODS` is at the end."""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram.call import ApiError, Call, bad
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.state import Connection

FORBIDDEN = "Forbidden: BOT_ACCESS_FORBIDDEN"


def get_business_connection(api: MethodContext, call: Call) -> dict[str, Any]:
    """Return a BusinessConnection. Raises 400 for an unknown one."""
    connection = api.state.connections.get(call.text("business_connection_id"))
    if connection is None:
        raise bad("BUSINESS_CONNECTION_INVALID")
    return connection.view(api.state.user(connection.owner))


def read_business_message(api: MethodContext, call: Call) -> bool:
    """Mark a message as read. Raises 400 for an unknown message, 403 without the right."""
    connection = _allowed(api, call, "can_read_messages")
    if api.message_id(call) not in api.state.business_chat(connection, call.integer("chat_id")).messages:
        raise bad("message not found")
    return True


def delete_business_messages(api: MethodContext, call: Call) -> bool:
    """Delete messages of one chat: what the account has sent, or with another right everything."""
    connection = _allowed(api, call, "can_delete_sent_messages", "can_delete_all_messages")
    numbers = call.parsed("message_ids", "message identifiers")
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= 100:
        raise bad("message identifiers are not specified")
    for chat in connection.chats.values():
        found = [chat.messages[number] for number in numbers if number in chat.messages]
        if "can_delete_all_messages" not in connection.rights and any(
            message["from"]["id"] != connection.owner for message in found
        ):
            raise ApiError(403, FORBIDDEN)
        api.state.remove(chat, [message["message_id"] for message in found])
    return True


def _allowed(api: MethodContext, call: Call, *rights: str) -> Connection:
    """The live connection of a call, which has one of these rights. Raises 400 or 403."""
    connection = api.state.connections.get(call.text("business_connection_id"))
    if connection is None or not connection.is_enabled:
        raise bad("BUSINESS_CONNECTION_INVALID")
    if not {*rights} & {*connection.rights}:
        raise ApiError(403, FORBIDDEN)
    return connection


METHODS: dict[str, Method] = {
    "getBusinessConnection": get_business_connection,
    "readBusinessMessage": read_business_message,
    "deleteBusinessMessages": delete_business_messages,
}
