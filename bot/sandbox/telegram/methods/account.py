"""Bot API methods about the bot itself, updates, files, chats and business connections. `METHODS` is at the end."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import DOWNLOAD_LIMIT, ApiError, Call, bad, too_many
from bot.sandbox.telegram.chats import Chat, Connection
from bot.sandbox.telegram.state import Method, State

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
SCOPES = frozenset(
    """
    default all_private_chats all_group_chats all_chat_administrators chat chat_administrators chat_member
    """.split()
)
DEFAULT_SCOPE = '{"type": "default"}'
GROUP_SCOPE = '{"type": "all_group_chats"}'
GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")


# --- the bot ----------------------------------------------------------------------------------------------------------


def get_me(api: State, call: Call) -> Json:
    """Return the bot as a User with its abilities."""
    return api.profile.me()


def done(api: State, call: Call) -> bool:
    """Return True: for methods that the sandbox accepts without doing anything."""
    return True


def set_text(api: State, call: Call, *, field: str, limit: int) -> bool:
    """Set the bot's name or description for a language. `field` is the parameter, `limit` its longest length."""
    value = call.text(field)
    if len(value) > limit:
        raise bad(f"bot {field.replace('_', ' ')} is too long")
    api.settings[f"{field}/{call.text('language_code')}"] = value
    return True


def get_text(api: State, call: Call, *, field: str) -> dict[str, str]:
    """Return the bot's name or description in a language, else the default one. `field` says which."""
    default = api.settings.get(f"{field}/", api.profile.first_name if field == "name" else "")
    return {field: api.settings.get(f"{field}/{call.text('language_code')}", default)}


def set_my_commands(api: State, call: Call) -> bool:
    """Set the menu of commands for a scope and language. Raises 400 for a command that Telegram would not take."""
    commands = call.parsed("commands", "commands")
    if not isinstance(commands, list):
        raise bad("can't parse commands: Array expected")
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    kept = [_command(item) for item in commands]
    scope, language = _scope(call)
    api.commands.setdefault(scope, {})[language] = kept
    _show_commands(api)
    return True


def get_my_commands(api: State, call: Call) -> list[Json]:
    """Return the menu of commands of a scope and language; empty if none was set."""
    scope, language = _scope(call)
    return api.commands.get(scope, {}).get(language, [])


def delete_my_commands(api: State, call: Call) -> bool:
    """Remove the menu of commands of a scope and language."""
    scope, language = _scope(call)
    api.commands.get(scope, {}).pop(language, None)
    _show_commands(api)
    return True


def _command(item: Any) -> Json:
    if not isinstance(item, dict):
        raise bad("can't parse BotCommand: expected an Object")
    name, description = str(item.get("command", "")).removeprefix("/"), str(item.get("description", ""))
    if not COMMAND.fullmatch(name):
        raise bad("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    unseen = {"is_ephemeral": True} if item.get("is_ephemeral") is True else {}
    return {"command": name, "description": description, **unseen}


def _scope(call: Call) -> tuple[str, str]:
    scope = call.parsed("scope", "BotCommandScope") or {"type": "default"}
    if not isinstance(scope, dict) or str(scope.get("type")) not in SCOPES:
        raise bad("can't parse BotCommandScope: Unsupported type specified")
    language = call.text("language_code")
    if language and not re.fullmatch("[a-z]{2}", language):
        raise bad("invalid language_code specified")
    return json.dumps(scope, sort_keys=True), language


def _show_commands(api: State) -> None:
    api.hub.publish("commands", commands=api.commands)


# --- updates and files ------------------------------------------------------------------------------------------------


async def get_updates(api: State, call: Call) -> list[Json]:
    """Return updates by long polling."""
    if not api.updates.webhook_active:
        api.updates.ask(call.parsed("allowed_updates", "allowed updates"))
    return await api.updates.poll(call.integer("offset"), call.integer("limit", 100), call.integer("timeout"))


async def set_webhook(api: State, call: Call) -> bool:
    """Set the webhook; an empty `url` removes it. Raises 429 when called twice within a second."""
    now = api.clock.monotonic()
    if call.text("url") and now < api.webhook_at + 1:
        raise too_many(1)
    api.webhook_at = now
    connections, drop = call.integer("max_connections", 40), call.flag("drop_pending_updates")
    await api.webhook.set(call.text("url"), call.text("secret_token"), connections, drop_pending=drop)
    api.updates.ask(call.parsed("allowed_updates", "allowed updates"))
    return True


async def delete_webhook(api: State, call: Call) -> bool:
    """Remove the webhook, so that updates come by polling."""
    await api.webhook.set("", "", 40, drop_pending=call.flag("drop_pending_updates"))
    return True


def get_webhook_info(api: State, call: Call) -> Json:
    """Return the state of the webhook as a WebhookInfo."""
    return {**api.webhook.info(), "allowed_updates": sorted(api.updates.allowed)}


def get_file(api: State, call: Call) -> Json:
    """Return a File with the path to download it. Raises 400 for an unknown file or one over 20 MB."""
    file = api.files.get(call.text("file_id"))
    if file is None:
        raise bad("wrong file_id or the file is temporarily unavailable")
    if len(file.data) > DOWNLOAD_LIMIT:
        raise bad("file is too big")
    return {**file.head(), "file_path": file.path}


# --- chats ------------------------------------------------------------------------------------------------------------


def get_chat(api: State, call: Call) -> Json:
    """Return a chat as a ChatFullInfo."""
    chat = api.chat_of(call)
    more = {"accent_color_id": abs(chat.id) % 7, "max_reaction_count": 11}
    return {**api.head(chat), **more, "accepted_gift_types": dict.fromkeys(GIFTS, False)}


def get_chat_member(api: State, call: Call) -> Json:
    """Return a person or the bot as a ChatMember. Raises 400 for an unknown user."""
    chat = api.chat_of(call)
    user_id = call.integer("user_id")
    if user_id not in api.people and user_id != api.profile.id:
        raise bad("user not found")
    return member(api, chat, user_id)


def get_chat_administrators(api: State, call: Call) -> list[Json]:
    """Return the owner and the administrators of a group, without bots. Raises 400 for a private chat."""
    chat = api.chat_of(call)
    if chat.private:
        raise bad("there are no administrators in the private chat")
    members = [member(api, chat, user_id) for user_id in chat.members]
    return [item for item in members if item["status"] in {"creator", "administrator"}]


def get_chat_member_count(api: State, call: Call) -> int:
    """Return how many members a chat has, the bot included."""
    chat = api.chat_of(call)
    return len(chat.members) + chat.has_bot


def member(api: State, chat: Chat, user_id: int) -> Json:
    """Return a user as a ChatMember: the first member of a group is its owner, others may be administrators."""
    is_bot, user = user_id == api.profile.id, {"user": api.user(user_id)}
    if not (chat.has_bot if is_bot else user_id in chat.members):
        return {"status": "left", **user}
    if not chat.private and user_id == chat.members[0]:
        return {"status": "creator", **user, "is_anonymous": False}
    if chat.administers if is_bot else user_id in chat.administrators:
        rights = {name: chat.lets_bot(name) if is_bot else chat.lets(user_id, name) for name in RIGHTS}
        return {"status": "administrator", **user, "is_anonymous": False, "can_be_edited": False, **rights}
    return {"status": "member", **user}


RIGHTS = tuple(
    """
    can_manage_chat can_delete_messages can_restrict_members can_promote_members can_change_info can_invite_users
    can_pin_messages can_manage_topics
    """.split()
)


FORBIDDEN = "Forbidden: BOT_ACCESS_FORBIDDEN"


def get_business_connection(api: State, call: Call) -> Json:
    """Return a BusinessConnection. Raises 400 for an unknown one."""
    connection = api.connections.get(call.text("business_connection_id"))
    if connection is None:
        raise bad("BUSINESS_CONNECTION_INVALID")
    return connection.view(api.user(connection.owner))


def read_business_message(api: State, call: Call) -> bool:
    """Mark a message as read. Raises 400 for an unknown message, 403 without the right."""
    connection = _allowed(api, call, "can_read_messages")
    if api.message_id(call) not in api.business_chat(connection, call.integer("chat_id")).messages:
        raise bad("message not found")
    return True


def delete_business_messages(api: State, call: Call) -> bool:
    """Delete messages of one chat: what the account has sent, or with another right everything."""
    connection = _allowed(api, call, "can_delete_sent_messages", "can_delete_all_messages")
    numbers = call.numbers("message_ids")
    for chat in connection.chats.values():
        found = [chat.messages[number] for number in numbers if number in chat.messages]
        if "can_delete_all_messages" not in connection.rights and any(
            message["from"]["id"] != connection.owner for message in found
        ):
            raise ApiError(403, FORBIDDEN)
        api.remove(chat, [message["message_id"] for message in found])
    return True


def _allowed(api: State, call: Call, *rights: str) -> Connection:
    """The live connection of a call, which has one of these rights. Raises 400 or 403."""
    connection = api.connections.get(call.text("business_connection_id"))
    if connection is None or not connection.is_enabled:
        raise bad("BUSINESS_CONNECTION_INVALID")
    if not {*rights} & {*connection.rights}:
        raise ApiError(403, FORBIDDEN)
    return connection


METHODS: dict[str, Method] = {
    "getMe": get_me,
    "setMyName": partial(set_text, field="name", limit=64),
    "getMyName": partial(get_text, field="name"),
    "setMyDescription": partial(set_text, field="description", limit=512),
    "getMyDescription": partial(get_text, field="description"),
    "setMyShortDescription": partial(set_text, field="short_description", limit=120),
    "getMyShortDescription": partial(get_text, field="short_description"),
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "getFile": get_file,
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "getChatAdministrators": get_chat_administrators,
    "getChatMemberCount": get_chat_member_count,
    **dict.fromkeys(("logOut", "close", "setChatMenuButton", "setMyDefaultAdministratorRights", "leaveChat"), done),
    "getBusinessConnection": get_business_connection,
    "readBusinessMessage": read_business_message,
    "deleteBusinessMessages": delete_business_messages,
}
