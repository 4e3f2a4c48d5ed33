"""The sandbox's Bot API: drafts of answers."""

from __future__ import annotations

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, TEAM, Client
from tests.support.virtual import VirtualClock


async def test_a_draft_goes_with_the_message_that_follows(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel", can_stop=True)
    assert [(draft["text"], draft["can_stop"]) for draft in telegram.drafts] == [("Hel", True)]
    await client.ok("sendMessage", chat_id=ANNA, text="Hello")
    assert telegram.drafts == []


async def test_an_empty_draft_is_thinking(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7)
    assert telegram.drafts[0]["thinking"]


async def test_a_draft_lives_thirty_seconds(client: Client, telegram: Telegram, manual_clock: VirtualClock) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel")
    manual_clock.advance(29)
    assert telegram.drafts
    before = telegram.hub.seq
    manual_clock.advance(1)
    await telegram.wait_for(
        lambda: [event for event in telegram.hub.after(before) or [] if event["type"] == "draft_gone"]
    )
    assert telegram.drafts == []


async def test_drafts_are_for_private_chats_and_have_an_id(client: Client) -> None:
    assert await client.refused("sendMessageDraft", chat_id=TEAM, draft_id=7, text="x") == (
        "Bad Request: TEXTDRAFT_PEER_INVALID"
    )
    assert "non-zero" in await client.refused("sendMessageDraft", chat_id=ANNA, draft_id=0, text="x")


async def test_a_stopped_draft_is_shown_no_more(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel", can_stop=True)
    telegram.stop(ANNA, 7)
    assert telegram.drafts == []
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hello", can_stop=True)
    assert telegram.drafts == []
    update = (await client.updates())[-1]
    assert update["stopped_message_generation"]["draft_id"] == 7
    assert "message_thread_id" not in update["stopped_message_generation"]


async def test_a_draft_that_keeps_on_stop_stays(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel", can_stop=True, keep_on_stop=True)
    telegram.stop(ANNA, 7)
    assert [(draft["text"], draft["can_stop"]) for draft in telegram.drafts] == [("Hel", False)]
