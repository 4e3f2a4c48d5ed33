"""The sandbox's topics and pins: which rights the bot needs, what is refused, and what a migrated group keeps."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.telegram.chats import Chat
from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, Client

BORIS = 1002
RIGHTS = ["can_manage_topics", "can_delete_messages", "can_pin_messages"]


@pytest.fixture
def forum(telegram: Telegram) -> Chat:
    """A forum that Anna owns, with Boris in it; the bot is an administrator with all rights."""
    number = telegram.group("Support", [ANNA, BORIS], is_forum=True)["id"]
    telegram.promote(number)
    return telegram.state.chats[number]


async def test_each_right_is_asked_for_by_its_name(client: Client, telegram: Telegram, forum: Chat) -> None:
    theirs = telegram.topic(forum.id, ANNA, "Theirs")["id"]
    said = await client.ok("sendMessage", chat_id=forum.id, text="hello")
    forum.lacks = list(RIGHTS)
    topic: dict[str, Any] = {"chat_id": forum.id, "message_thread_id": theirs}
    pinned = {"chat_id": forum.id, "message_id": said["message_id"]}
    calls = [
        ("createForumTopic", {"chat_id": forum.id, "name": "x"}, 0, "not enough rights to create a topic"),
        ("editForumTopic", {**topic, "name": "x"}, 0, "not enough rights to edit the topic"),
        ("closeForumTopic", topic, 0, "not enough rights to close or open the topic"),
        ("reopenForumTopic", topic, 0, "not enough rights to close or open the topic"),
        ("pinChatMessage", pinned, 2, "not enough rights to manage pinned messages in the chat"),
        ("unpinChatMessage", pinned, 2, "not enough rights to manage pinned messages in the chat"),
        ("deleteForumTopic", topic, 1, "not enough rights to delete the topic"),
    ]
    for method, params, _, reason in calls:
        assert await client.refused(method, **params) == f"Bad Request: {reason}"
    for method, params, right, _ in calls:
        forum.lacks = [name for name in RIGHTS if name != RIGHTS[right]]
        assert await client.ok(method, **params)
    assert theirs not in forum.topics


async def test_a_topic_of_its_own_the_bot_may_rename_without_a_right_but_not_delete(
    client: Client, forum: Chat
) -> None:
    made = await client.ok("createForumTopic", chat_id=forum.id, name="Ann")
    forum.lacks = list(RIGHTS)
    own = {"chat_id": forum.id, "message_thread_id": made["message_thread_id"]}
    assert await client.ok("editForumTopic", **own, name="Anna")
    assert await client.refused("deleteForumTopic", **own) == "Bad Request: not enough rights to delete the topic"


async def test_in_a_closed_topic_only_those_write_who_may_manage_topics(
    client: Client, telegram: Telegram, forum: Chat
) -> None:
    topic: dict[str, Any] = {"chat_id": forum.id, "message_thread_id": telegram.topic(forum.id, ANNA, "Ann")["id"]}
    telegram.close_topic(*topic.values())
    with pytest.raises(ValueError, match="closed"):
        telegram.say(forum.id, "let me in", BORIS, topic["message_thread_id"])
    assert await client.ok("sendMessage", **topic, text="as an administrator")
    forum.lacks = ["can_manage_topics"]
    assert await client.refused("sendMessage", **topic, text="x") == "Bad Request: TOPIC_CLOSED"
    forum.lacks = []
    assert await client.refused("closeForumTopic", **topic) == "Bad Request: TOPIC_NOT_MODIFIED"
    assert await client.ok("reopenForumTopic", **topic)
    assert telegram.say(forum.id, "thanks", BORIS, topic["message_thread_id"])
    told = [update["message"] for update in await client.updates() if "message" in update]
    services = [message for message in told if "forum_topic_closed" in message]
    assert [one["message_thread_id"] for one in services] == [topic["message_thread_id"]]


async def test_a_topic_that_is_gone_and_a_group_without_topics_are_told_apart(client: Client, forum: Chat) -> None:
    gone: dict[str, Any] = {"chat_id": forum.id, "message_thread_id": 77}
    assert await client.refused("closeForumTopic", **gone) == "Bad Request: TOPIC_ID_INVALID"
    assert await client.refused("sendMessage", **gone, text="x") == "Bad Request: message thread not found"
    plain: dict[str, Any] = {"chat_id": -1001000000001, "message_thread_id": 77}
    assert await client.refused("closeForumTopic", **plain) == "Bad Request: the chat is not a forum"
    assert [one["type"] for one in await client.ok("getForumTopicIconStickers")] == ["custom_emoji"] * 2


async def test_a_group_that_becomes_a_supergroup_keeps_its_topics_rights_and_members(
    client: Client, telegram: Telegram
) -> None:
    old = telegram.group("Support", [ANNA, BORIS], type="group", is_forum=True)["id"]
    telegram.promote(old)
    telegram.state.chats[old].lacks = ["can_pin_messages"]
    made = await client.ok("createForumTopic", chat_id=old, name="Ann")
    new = telegram.migrate(old)
    sent = await client.ok("sendMessage", chat_id=new, message_thread_id=made["message_thread_id"], text="still here")
    assert sent["message_thread_id"] == made["message_thread_id"] < sent["message_id"]
    me = await client.ok("getChatMember", chat_id=new, user_id=telegram.state.profile.id)
    assert (me["status"], me["can_manage_topics"], me["can_pin_messages"]) == ("administrator", True, False)
    assert (await client.ok("getChatMember", chat_id=new, user_id=BORIS))["status"] == "member"


async def test_topics_of_private_chats_have_two_switches(client: Client, telegram: Telegram) -> None:
    telegram.state.profile.people_make_topics = False
    me = await client.ok("getMe")
    assert (me["has_topics_enabled"], me["allows_users_to_create_topics"]) == (True, False)
    with pytest.raises(ValueError, match="people may not make any"):
        telegram.topic(ANNA)
    assert await client.ok("createForumTopic", chat_id=ANNA, name="by the bot")
