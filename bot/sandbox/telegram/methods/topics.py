"""Bot API methods about topics and pinned messages, with the rights that they ask for. `METHODS` is at the end."""

from __future__ import annotations

from functools import partial

from bot.sandbox.guard import Json
from bot.sandbox.telegram.call import Call, bad
from bot.sandbox.telegram.chats import COLORS, Chat, Topic
from bot.sandbox.telegram.state import Method, State

ICONS = ("5309832892262654231", "5312536423851630001")  # custom emoji that every bot may use as the icon of a topic


def create_forum_topic(api: State, call: Call) -> Json:
    """Create a topic and return the ForumTopic. Raises 400 if topics are not allowed."""
    chat = api.chat_of(call)
    if chat.private and not api.profile.topics:
        raise bad("BOT_FORUM_CREATE_FORBIDDEN")
    _check_forum(chat)
    if not chat.lets_bot("can_manage_topics"):
        raise bad("not enough rights to create a topic")
    color = call.integer("icon_color", COLORS[0])
    if color not in COLORS:
        raise bad("TOPIC_ICON_COLOR_INVALID")
    message = api.make_topic(chat, api.profile.id, _topic_name(call), color)
    return {"message_thread_id": message["message_id"], **message["forum_topic_created"]}


def edit_forum_topic(api: State, call: Call) -> bool:
    """Rename a topic. Raises 400 for an unknown topic, without the right, or if nothing would change."""
    chat = api.chat_of(call)
    topic = _managed(api, call, chat, "not enough rights to edit the topic")
    if not call.text("name") and "icon_custom_emoji_id" not in call.params:
        return True
    if call.text("name"):
        name = _topic_name(call)
        if name == topic.name and not topic.is_name_implicit:
            raise bad("TOPIC_NOT_MODIFIED")
        topic.name, topic.is_name_implicit = name, False
        api.post(chat, api.profile.id, {"forum_topic_edited": {"name": name}}, thread_id=topic.id)
    api.show_chat(chat)
    return True


def toggle_forum_topic(api: State, call: Call, *, closed: bool) -> bool:
    """Close or reopen a topic. Raises 400 for an unknown topic, without the right, or if nothing would change."""
    chat = api.chat_of(call)
    topic = _managed(api, call, chat, "not enough rights to close or open the topic")
    if topic.is_closed == closed:
        raise bad("TOPIC_NOT_MODIFIED")
    api.close_topic(chat, topic, api.profile.id, closed)
    return True


def delete_forum_topic(api: State, call: Call) -> bool:
    """Delete a topic with its messages. Raises 400 for an unknown topic or without the right to delete messages."""
    chat = api.chat_of(call)
    topic = _topic(call, chat)
    if not chat.lets_bot("can_delete_messages"):
        raise bad("not enough rights to delete the topic")
    api.drop_topic(chat, topic.id)
    return True


def get_forum_topic_icon_stickers(api: State, call: Call) -> list[Json]:
    """Return the custom emoji that may be icons of topics, as Stickers."""
    shape = {"type": "custom_emoji", "width": 100, "height": 100, "is_animated": True, "is_video": False}
    return [shape | {"file_id": f"CAAC{id_}", "file_unique_id": id_, "custom_emoji_id": id_} for id_ in ICONS]


def pin_message(api: State, call: Call) -> bool:
    """Pin a message. Raises 400 for an unknown message or without the right."""
    _pinner(api, call)
    chat, number = api.message_of(call, "pin")
    if number not in chat.pinned:
        chat.pinned.append(number)
        original = {key: value for key, value in chat.messages[number].items() if key != "reply_to_message"}
        api.post(chat, api.profile.id, {"pinned_message": original})
    return True


def unpin_message(api: State, call: Call) -> bool:
    """Unpin a message, by default the newest pinned one. Raises 400 if it is not pinned, or without the right."""
    chat = _pinner(api, call)
    number = call.integer("message_id") or (chat.pinned[-1] if chat.pinned else 0)
    if number not in chat.pinned:
        raise bad("message to unpin not found")
    chat.pinned.remove(number)
    return True


def _pinner(api: State, call: Call) -> Chat:
    chat = api.chat_of(call)
    if not chat.lets_bot("can_pin_messages"):
        raise bad("not enough rights to manage pinned messages in the chat")
    return chat


def _check_forum(chat: Chat) -> None:
    if not chat.private and not chat.is_forum:
        raise bad("the chat is not a forum")


def _topic(call: Call, chat: Chat) -> Topic:
    _check_forum(chat)
    topic = chat.topics.get(call.integer("message_thread_id"))
    if topic is None:
        raise bad("TOPIC_ID_INVALID")
    return topic


def _managed(api: State, call: Call, chat: Chat, refusal: str) -> Topic:
    """The topic of the call, which the bot may manage: it has the right, or has made the topic."""
    topic = _topic(call, chat)
    if not chat.lets_bot("can_manage_topics") and topic.creator != api.profile.id:
        raise bad(refusal)
    return topic


def _topic_name(call: Call) -> str:
    name = call.text("name").strip()
    if not name:
        raise bad("TOPIC_NAME_INVALID" if call.text("name") else "topic name must be non-empty")
    if len(name) > 128:
        raise bad("TOPIC_NAME_TOO_LONG")
    return name


METHODS: dict[str, Method] = {
    "createForumTopic": create_forum_topic,
    "editForumTopic": edit_forum_topic,
    "closeForumTopic": partial(toggle_forum_topic, closed=True),
    "reopenForumTopic": partial(toggle_forum_topic, closed=False),
    "deleteForumTopic": delete_forum_topic,
    "getForumTopicIconStickers": get_forum_topic_icon_stickers,
    "pinChatMessage": pin_message,
    "unpinChatMessage": unpin_message,
}
