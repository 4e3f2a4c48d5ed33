"""The sandbox's Telegram: what people do becomes updates, and updates reach the bot by polling or by webhook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import Client, png
from tests.support.virtual import VirtualClock

ANNA, BORIS, TEAM = 1001, 1002, -1001000000001


@pytest.fixture
async def telegram(manual_clock: VirtualClock) -> AsyncIterator[Telegram]:
    telegram = Telegram(clock=manual_clock, limits=False, seed=1)
    await telegram.start()
    yield telegram
    await telegram.close()


def texts(updates: list[dict[str, Any]]) -> list[str]:
    return [update["message"]["text"] for update in updates]


# --- confirming -------------------------------------------------------------------------------------------------------


async def test_an_offset_confirms_on_arrival_what_is_below_it(client: Client, telegram: Telegram) -> None:
    for text in "abc":
        telegram.say(ANNA, text)
    updates = await client.updates()
    assert texts(updates) == ["a", "b", "c"]
    assert [update["update_id"] for update in updates] == [100000001, 100000002, 100000003]
    assert texts(await client.updates(limit=2)) == ["a", "b"]
    telegram.fail_next("getUpdates", apply=True, code=502)
    await client.call("getUpdates", offset=100000003)
    assert texts(await client.updates()) == ["c"]


async def test_a_negative_offset_forgets_all_but_the_newest(client: Client, telegram: Telegram) -> None:
    for text in "abc":
        telegram.say(ANNA, text)
    assert texts(await client.updates(offset=-1)) == ["c"]
    assert telegram.pending == 1


async def test_an_offset_beyond_the_queue_confirms_nothing(client: Client, telegram: Telegram) -> None:
    telegram.say(ANNA, "a")
    assert texts(await client.updates(offset=900000000)) == ["a"]


async def test_a_waiting_poll_ends_with_the_first_update(
    client: Client, telegram: Telegram, manual_clock: VirtualClock
) -> None:
    poll = asyncio.create_task(client.updates(timeout=500))
    await manual_clock.until_asleep(50)
    telegram.say(ANNA, "a")
    assert texts(await poll) == ["a"]


async def test_a_waiting_poll_ends_with_nothing_at_its_time(client: Client, manual_clock: VirtualClock) -> None:
    poll = asyncio.create_task(client.updates(timeout=10))
    await manual_clock.until_asleep(10)
    manual_clock.advance(10)
    assert await poll == []


async def test_a_second_poll_ends_the_first(client: Client, telegram: Telegram, manual_clock: VirtualClock) -> None:
    first = asyncio.create_task(client.call("getUpdates", timeout=10))
    await manual_clock.until_asleep(10)
    second = asyncio.create_task(client.updates(timeout=20))
    body = await first
    assert body["error_code"] == 409
    assert body["description"].startswith("Conflict: terminated by other getUpdates request")
    telegram.say(ANNA, "a")
    assert texts(await second) == ["a"]


async def test_updates_grow_old(client: Client, telegram: Telegram, manual_clock: VirtualClock) -> None:
    sent = await client.ok("sendMessage", chat_id=ANNA, text="?")
    telegram.say(ANNA, "a")
    telegram.press(ANNA, sent["message_id"], "x")
    manual_clock.advance(149)
    assert telegram.pending == 2
    manual_clock.advance(2)
    assert [sorted(update)[0] for update in await client.updates()] == ["message"]
    manual_clock.advance(86_400)
    assert await client.updates() == []


async def test_the_guard_against_crash_loops_can_be_switched_on(manual_clock: VirtualClock) -> None:
    telegram = Telegram(clock=manual_clock)
    telegram.updates.careful = True
    client = Client(await telegram.start(), telegram.token)
    for text in "ab":
        telegram.say(ANNA, text)
    assert [len(await client.updates()) for _ in range(2)] == [2, 1]
    manual_clock.advance(1)
    assert len(await client.updates()) == 2
    await client.close()
    await telegram.close()


async def test_allowed_updates_stay_and_the_default_leaves_reactions_out(client: Client, telegram: Telegram) -> None:
    number = telegram.say(ANNA, "a")["message_id"]
    telegram.react(ANNA, number, "👍")
    assert len(await client.updates()) == 1
    await client.updates(allowed_updates=["message_reaction", "no_such_thing"])
    telegram.say(ANNA, "b")
    telegram.react(ANNA, number, None)
    update = (await client.updates())[-1]
    assert update["message_reaction"]["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]
    assert update["message_reaction"]["new_reaction"] == []
    assert telegram.pending == 2
    await client.updates(allowed_updates=[])
    telegram.say(ANNA, "c")
    assert telegram.pending == 3


# --- what people do ---------------------------------------------------------------------------------------------------


async def test_a_long_text_arrives_in_pieces_cut_between_words(client: Client, telegram: Telegram) -> None:
    telegram.say(ANNA, "a" * 5000)
    assert [len(text) for text in texts(await client.updates())] == [4096, 904]
    words = [f"word{number}" for number in range(1_000)]
    telegram.say(ANNA, " ".join(words))
    first, second = texts(await client.updates())[2:]
    assert [*first.split(" "), *second.split(" ")] == words
    assert 3_900 < len(first) < 4_096


async def test_messages_have_the_fields_of_the_real_ones(client: Client, telegram: Telegram) -> None:
    first = telegram.say(ANNA, "/start@govorun_sandbox_bot see https://ya.ru, @boris")
    telegram.say(ANNA, "again", reply_to=first["message_id"])
    start, again = (update["message"] for update in await client.updates())
    assert start["from"] == {
        "id": 1001,
        "is_bot": False,
        "first_name": "Anna",
        "username": "anna",
        "language_code": "en",
    }
    assert start["chat"] == {"id": 1001, "first_name": "Anna", "username": "anna", "type": "private"}
    assert [(item["type"], item["offset"], item["length"]) for item in start["entities"]] == [
        ("bot_command", 0, 26),
        ("url", 31, 13),
        ("mention", 46, 6),
    ]
    assert again["reply_to_message"]["message_id"] == start["message_id"]


async def test_message_ids_count_over_all_private_chats_and_per_supergroup(telegram: Telegram) -> None:
    numbers = [telegram.say(chat, "x")["message_id"] for chat in (ANNA, BORIS, TEAM, ANNA)]
    assert numbers == [1, 2, 1, 3]


async def test_an_album_is_several_updates(client: Client, telegram: Telegram) -> None:
    telegram.album(ANNA, [png(9, 9)] * 3, "look", caption_on=2)
    messages = [update["message"] for update in await client.updates()]
    assert len({message["media_group_id"] for message in messages}) == 1
    assert [message.get("caption") for message in messages] == [None, None, "look"]


async def test_voices_and_documents_can_be_fetched(client: Client, telegram: Telegram) -> None:
    telegram.upload(ANNA, b"OggS", "voice", duration=4)
    telegram.upload(ANNA, b"a,b", "document", name="../../t.csv")
    voice, document = (update["message"] for update in await client.updates())
    assert voice["voice"]["duration"] == 4
    assert document["document"]["file_name"] == "../../t.csv"
    file = await client.ok("getFile", file_id=document["document"]["file_id"])
    assert file["file_path"].startswith("documents/file_")
    assert file["file_path"].endswith(".csv")
    telegram.upload(ANNA, b"x" * (20 * 1024 * 1024 + 1), "document", name="big")
    big = telegram.transcript(ANNA)[-1]["document"]["file_id"]
    assert await client.refused("getFile", file_id=big) == "Bad Request: file is too big"


async def test_edits_and_presses_carry_the_message(client: Client, telegram: Telegram) -> None:
    mine = telegram.say(ANNA, "one")["message_id"]
    telegram.edit(ANNA, mine, "two" + 5_000 * "o")
    with pytest.raises(ValueError, match="own messages"):
        telegram.edit(ANNA, mine, "three", user_id=BORIS)
    telegram.press(ANNA, 999, "data", ANNA)
    _, edited, press = await client.updates()
    assert edited["edited_message"]["text"] == "two" + 4_093 * "o"
    assert press["callback_query"]["message"] == {
        "chat": edited["edited_message"]["chat"],
        "message_id": 999,
        "date": 0,
    }


async def test_blocking_is_told_once(client: Client, telegram: Telegram) -> None:
    telegram.block(ANNA)
    telegram.block(ANNA)
    telegram.block(ANNA, False)
    changes = [update["my_chat_member"]["new_chat_member"]["status"] for update in await client.updates()]
    assert changes == ["kicked", "member"]


async def test_a_migration_is_told_in_both_chats(client: Client, telegram: Telegram) -> None:
    group = telegram.group("Old", [ANNA], type="group")["id"]
    new = telegram.migrate(group)
    to, from_ = (update["message"] for update in await client.updates())
    assert (to["chat"]["id"], to["migrate_to_chat_id"]) == (group, new)
    assert (from_["chat"]["id"], from_["migrate_from_chat_id"]) == (new, group)


async def test_privacy_hides_in_groups_what_is_not_for_the_bot(manual_clock: VirtualClock) -> None:
    telegram = Telegram(clock=manual_clock)
    telegram.state.profile.privacy = True
    for text in ("hello all", "/start", "/start@other_bot", "hi @govorun_sandbox_bot"):
        telegram.say(TEAM, text)
    assert texts([item.body for item in telegram.updates.waiting()]) == ["/start", "hi @govorun_sandbox_bot"]


async def test_any_hostile_update_arrives_as_it_is(client: Client, telegram: Telegram) -> None:
    hostile = {
        "message": {"message_id": 1, "chat": {"id": ANNA, "type": "metaverse"}, "text": "\ud83d\x00", "date": 2**63}
    }
    telegram.push_raw({**hostile, "update_id": 900000000})
    telegram.push_raw({})
    first, second = await client.updates()
    assert first == {**hostile, "update_id": 900000000}
    assert second == {"update_id": 900000001}
    await client.updates(offset=900000002)
    telegram.push_raw({**hostile, "update_id": 900000000})
    assert (await client.updates(offset=900000002))[0]["update_id"] == 900000000
    assert await client.updates(offset=900000002) == []


# --- webhook ----------------------------------------------------------------------------------------------------------


class Receiver:
    """A webhook that answers as it is told: with 200 unless a status was planned for that text."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str | None]] = []
        self.plan: dict[str, list[web.Response]] = {}
        self.hold: dict[str, asyncio.Event] = {}
        self.runner = web.AppRunner(self._app(), shutdown_timeout=0.1)
        self.changed = asyncio.Condition()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        return app

    async def start(self) -> str:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body["message"]["text"] if "message" in body else body["callback_query"]["data"]
        async with self.changed:
            self.got.append((text, request.headers.get("X-Telegram-Bot-Api-Secret-Token")))
            self.changed.notify_all()
        if text in self.hold:
            await self.hold[text].wait()
        return self.plan[text].pop(0) if self.plan.get(text) else web.Response()

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.got]

    async def until(self, *wanted: str) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: self.texts == list(wanted))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    yield receiver
    await receiver.runner.cleanup()


async def test_a_webhook_gets_updates_with_its_secret(client: Client, telegram: Telegram, receiver: Receiver) -> None:
    telegram.say(ANNA, "before")
    url = await receiver.start()
    await client.ok("setWebhook", url=url, secret_token="s3cret")
    await receiver.until("before")
    telegram.say(ANNA, "after")
    await receiver.until("before", "after")
    assert {secret for _, secret in receiver.got} == {"s3cret"}
    await telegram.wait_for(lambda: not telegram.pending)
    body = await client.call("getUpdates")
    assert body["error_code"] == 409
    assert "webhook is active" in body["description"]
    info = await client.ok("getWebhookInfo")
    assert (info["url"], info["pending_update_count"]) == (url, 0)
    await client.ok("deleteWebhook")
    assert await client.updates() == []


async def test_a_failed_delivery_is_repeated_at_once_and_then_later_and_later(
    client: Client, telegram: Telegram, receiver: Receiver, manual_clock: VirtualClock
) -> None:
    receiver.plan["a"] = [web.Response(status=500) for _ in range(3)]
    await client.ok("setWebhook", url=await receiver.start())
    telegram.say(ANNA, "a")
    telegram.say(ANNA, "b")
    for pause, tries in ((0, 1), (2, 2), (4, 3)):
        await receiver.until(*["a"] * tries)
        await manual_clock.until_asleep(pause)
        manual_clock.advance(pause)
    await receiver.until("a", "a", "a", "a", "b")
    assert "500" in (await client.ok("getWebhookInfo"))["last_error_message"]


async def test_a_slow_chat_holds_up_only_itself(client: Client, telegram: Telegram, receiver: Receiver) -> None:
    receiver.hold["slow"] = asyncio.Event()
    await client.ok("setWebhook", url=await receiver.start())
    telegram.say(ANNA, "slow")
    await receiver.until("slow")
    telegram.say(ANNA, "next")
    telegram.say(BORIS, "other")
    await receiver.until("slow", "other")
    telegram.press(ANNA, 1, "press", ANNA)
    await receiver.until("slow", "other", "press")
    receiver.hold["slow"].set()
    await receiver.until("slow", "other", "press", "next")


async def test_a_wish_to_wait_is_honoured(
    client: Client, telegram: Telegram, receiver: Receiver, manual_clock: VirtualClock
) -> None:
    receiver.plan["a"] = [web.Response(status=429, headers={"Retry-After": "30"})]
    await client.ok("setWebhook", url=await receiver.start())
    telegram.say(ANNA, "a")
    await receiver.until("a")
    await manual_clock.until_asleep(30)
    manual_clock.advance(30)
    await receiver.until("a", "a")


async def test_what_is_too_old_is_not_delivered(
    client: Client, telegram: Telegram, receiver: Receiver, manual_clock: VirtualClock
) -> None:
    receiver.plan["a"] = [web.Response(status=500), web.Response(status=500)]
    await client.ok("setWebhook", url=await receiver.start())
    telegram.press(ANNA, 1, "a", ANNA)
    await receiver.until("a")
    await manual_clock.until_asleep(0)
    manual_clock.advance(151)
    telegram.say(ANNA, "b")
    await receiver.until("a", "b")
    assert telegram.pending <= 1


async def test_a_method_in_the_answer_is_carried_out(client: Client, telegram: Telegram, receiver: Receiver) -> None:
    answer = {"method": "sendMessage", "chat_id": ANNA, "text": "from the hook"}
    receiver.plan["a"] = [web.json_response(answer)]
    receiver.plan["b"] = [web.json_response({"method": "deleteWebhook"})]
    await client.ok("setWebhook", url=await receiver.start())
    telegram.say(ANNA, "a")
    telegram.say(ANNA, "b")
    await telegram.wait_for(lambda: telegram.texts(ANNA))
    await receiver.until("a", "b")
    assert telegram.texts(ANNA) == ["from the hook"]
    assert (await client.ok("getWebhookInfo"))["url"]


async def test_a_webhook_must_be_on_this_machine(client: Client, manual_clock: VirtualClock) -> None:
    for url in ("https://example.org/x", "http://10.0.0.1/x", "ftp://127.0.0.1/x"):
        assert "bad webhook" in await client.refused("setWebhook", url=url)
        manual_clock.advance(1)
    assert "unallowed characters" in await client.refused("setWebhook", url="http://127.0.0.1:1/x", secret_token="я")
    assert await client.refused("setWebhook", url="http://127.0.0.1:1/x") == "Too Many Requests: retry after 1"


async def test_setting_a_webhook_ends_a_waiting_poll(
    client: Client, receiver: Receiver, manual_clock: VirtualClock
) -> None:
    poll = asyncio.create_task(client.call("getUpdates", timeout=10))
    await manual_clock.until_asleep(10)
    await client.ok("setWebhook", url=await receiver.start())
    assert (await poll)["description"] == "Conflict: terminated by setWebhook request"
