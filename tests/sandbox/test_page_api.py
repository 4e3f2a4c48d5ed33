"""The page's side of the sandbox over HTTP: state, events, and what people do."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
from aiohttp import web

from bot.clock import SystemClock
from bot.desk.policy.desk_file import DeskFile
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.page_api import PageApi
from bot.sandbox.page_tabs import DeskRules, Handbook, Trials
from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import Client, png
from tests.support.virtual import VirtualClock

ANNA, TEAM = 1001, -1001000000001


class Page:
    """A browser's view: requests to one server, and its stream of events."""

    def __init__(self, url: str, actions: list[str], trials: Trials) -> None:
        self.url = url
        self.actions = actions
        self.trials = trials
        self.session = aiohttp.ClientSession()

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.get(self.url + path, **options) as response:
            return response.status, await response.json()

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/world/{path}", json=body) as response:
            return response.status, await response.json()

    async def did(self, path: str, **body: Any) -> Any:
        status, answer = await self.post(path, **body)
        assert status == 200, answer
        return answer

    async def events(self, after: int, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(60), self.session.get(f"{self.url}/world/events?after={after}") as response:
            assert response.content_type == "text/event-stream"
            while len(found) < count:
                line = (await response.content.readline()).decode()
                if line.startswith("data: "):
                    found.append(json.loads(line[6:]))
        return found


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    telegram = Telegram(clock=VirtualClock(by_hand=True), limits=False, topics=True)
    await telegram.start()
    yield telegram
    await telegram.close()


@pytest.fixture
async def page(telegram: Telegram, tmp_path: Path) -> AsyncIterator[Page]:
    actions: list[str] = []

    async def control(action: str) -> None:
        actions.append(action)

    studio = Studio(hub=telegram.hub)

    async def restart(settings: Mapping[str, str]) -> None:
        actions.append(",".join(f"{name}={value}" for name, value in settings.items() if "PRICE" not in name))

    trials = Trials(restart)
    page_api = PageApi(
        telegram, studio, lambda: {"running": not actions, "pid": 7}, control, trials=trials,
        handbook=Handbook(tmp_path),
        desk=DeskRules(tmp_path, SystemClock()),
    )  # fmt: skip
    runner = web.AppRunner(page_api.app(), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    page = Page(f"http://127.0.0.1:{runner.addresses[0][1]}", actions, trials)
    yield page
    await page.session.close()
    await runner.cleanup()
    await studio.close()


@pytest.fixture
async def client(telegram: Telegram) -> AsyncIterator[Client]:
    client = Client(telegram.url, telegram.token)
    yield client
    await client.close()


async def test_the_state_has_all_the_page_needs(page: Page, telegram: Telegram, client: Client) -> None:
    await page.did("send", chat_id=ANNA, user_id=ANNA, text="hello")
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=1, text="He", can_stop=True)
    _, state = await page.get("/world/state")
    assert set(state) == {
        "seq", "bot", "users", "chats", "messages", "drafts", "commands", "journal", "faults", "model", "trials",
    }  # fmt: skip
    assert state["bot"] == {
        "id": 4200000042,
        "username": "govorun_sandbox_bot",
        "first_name": "Govorun",
        "has_topics_enabled": True,
        "running": True,
        "pid": 7,
    }
    assert state["chats"][-1] == {
        "id": TEAM,
        "type": "supergroup",
        "title": "Team",
        "members": [1001, 1002, 1003],
        "is_forum": False,
        "administers": False,
        "reply_keyboard": [],
        "topics": [],
    }
    assert state["messages"][str(ANNA)] == telegram.transcript(ANNA)
    assert state["drafts"] == [
        {
            "chat_id": ANNA,
            "thread_id": 0,
            "draft_id": 1,
            "text": "He",
            "entities": [],
            "rich_message": None,
            "can_stop": True,
            "keep_on_stop": False,
            "thinking": False,
        }
    ]
    assert [(entry["lane"], entry["name"]) for entry in state["journal"]] == [
        ("update", "message"),
        ("call", "sendMessageDraft"),
    ]
    assert state["faults"]["telegram"] == {"flood": 0.0, "error500": 0.0, "reset": 0.0, "latency_ms": 0}
    assert state["seq"] == telegram.hub.seq


async def test_events_follow_the_state_without_a_gap(page: Page, telegram: Telegram, client: Client) -> None:
    _, state = await page.get("/world/state")
    reading = asyncio.create_task(page.events(state["seq"], 8))
    await page.did("send", chat_id=ANNA, user_id=ANNA, text="hello")
    await client.ok("sendChatAction", chat_id=ANNA, action="typing")
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=1, text="He")
    await client.ok("sendMessage", chat_id=ANNA, text="Hello")
    events = await reading
    assert [event["seq"] for event in events] == list(range(state["seq"] + 1, state["seq"] + 9))
    assert [event["type"] for event in events] == [
        "message", "journal", "action", "journal", "draft", "journal", "draft_gone", "message",
    ]  # fmt: skip
    assert events[-1]["message"]["text"] == "Hello"


async def test_a_page_that_fell_behind_is_told_to_start_again(page: Page, telegram: Telegram) -> None:
    for _ in range(2100):
        telegram.hub.publish("action", chat_id=ANNA, thread_id=0, action="typing")
    assert (await page.events(1, 1))[0]["type"] == "reset"
    telegram.hub.publish("action", chat_id=ANNA, thread_id=0, action="typing")
    assert (await page.events(telegram.hub.seq - 1, 1))[0]["type"] == "action"


async def test_the_page_can_do_what_people_do(page: Page, telegram: Telegram, client: Client) -> None:
    sent = (await page.did("send", chat_id=ANNA, user_id=ANNA, text="one"))["message"]["message_id"]
    edited = await page.did("edit", chat_id=ANNA, user_id=ANNA, message_id=sent, text="two")
    assert edited["message"]["text"] == "two"
    await page.did("react", chat_id=ANNA, user_id=ANNA, message_id=sent, emoji="👍")
    assert telegram.snapshot()["messages"][str(ANNA)][0]["reactions"] == {"👍": [ANNA]}
    await page.did("react", chat_id=ANNA, user_id=ANNA, message_id=sent, emoji=None)
    topic = (await page.did("topic", chat_id=ANNA, user_id=ANNA, name="T"))["topic"]["id"]
    await page.did("send", chat_id=ANNA, user_id=ANNA, text="in it", thread_id=topic, reply_to=sent)
    assert telegram.transcript(ANNA, topic)[-1]["reply_to_message"]["message_id"] == sent
    await page.did("delete_topic", chat_id=ANNA, thread_id=topic)
    after = telegram.hub.seq
    await page.did("delete", chat_id=ANNA, message_id=sent)
    assert (await page.events(after, 1))[0]["message_ids"] == [sent]
    await page.did("block", user_id=ANNA, blocked=True)
    assert telegram.snapshot()["users"][0]["blocked"]
    assert "blocked" in await client.refused("sendMessage", chat_id=ANNA, text="x")
    person = (await page.did("chat", type="private", title="Дина", language_code="ru"))["chat"]
    group = (await page.did("chat", type="supergroup", title="G", members=[ANNA], is_forum=True))["chat"]
    assert (person["type"], group["is_forum"], group["members"]) == ("private", True, [ANNA])
    await page.did("reset")
    assert all(not messages for messages in telegram.snapshot()["messages"].values())


async def test_presses_are_answered_through_the_stream(page: Page, telegram: Telegram, client: Client) -> None:
    markup = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    sent = await client.ok("sendMessage", chat_id=ANNA, text="?", reply_markup=markup)
    query = await page.did("press", chat_id=ANNA, user_id=ANNA, message_id=sent["message_id"], data="yes")
    after = telegram.hub.seq
    await client.ok("answerCallbackQuery", callback_query_id=query["callback_query_id"], text="Done")
    event = (await page.events(after, 1))[0]
    assert (event["type"], event["text"], event["show_alert"], event["user_id"]) == (
        "callback_answer",
        "Done",
        False,
        ANNA,
    )


async def test_stop_takes_the_draft_away_and_tells_the_bot(page: Page, telegram: Telegram, client: Client) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=9, text="He", can_stop=True)
    await page.did("stop", chat_id=ANNA, draft_id=9)
    assert telegram.drafts == []
    assert (await client.updates())[0]["stopped_message_generation"]["draft_id"] == 9


async def test_files_go_up_and_come_back_harmless(page: Page, telegram: Telegram) -> None:
    url = f"{page.url}/world/upload?chat_id={ANNA}&user_id={ANNA}"
    headers = {"X-Sandbox": "1", "Content-Type": "image/png"}
    picture = png(50, 40)
    async with page.session.post(url + "&kind=photo&caption=look", data=picture, headers=headers) as response:
        message = (await response.json())["message"]
    async with page.session.get(f"{page.url}/world/file/{message['photo'][-1]['file_id']}") as response:
        assert (await response.read(), response.content_type) == (picture, "image/png")
    headers["Content-Type"] = "text/html"
    async with page.session.post(url + "&kind=document&name=x.html", data=b"<script>", headers=headers) as response:
        document = (await response.json())["message"]["document"]
    assert (document["file_name"], document["mime_type"]) == ("x.html", "text/html")
    async with page.session.get(f"{page.url}/world/file/{document['file_id']}") as response:
        assert response.content_type == "application/octet-stream"
        assert response.headers["Content-Disposition"] == "attachment"
    for kind in ("sticker", "video_note"):
        async with page.session.post(f"{url}&kind={kind}&group=7", data=picture, headers=headers) as response:
            message = (await response.json())["message"]
            assert (kind in message, message["media_group_id"]) == (True, "7")
    async with page.session.post(url, data=picture) as response:
        assert response.status == 403
    async with page.session.post(url + "&kind=photo", data=b"no picture", headers=headers) as response:
        assert (response.status, await response.json()) == (400, {"error": "Bad Request: IMAGE_PROCESS_FAILED"})


async def test_any_recorded_sound_becomes_the_ogg_opus_of_a_voice_message(page: Page, telegram: Telegram) -> None:
    url = f"{page.url}/world/upload?chat_id={ANNA}&user_id={ANNA}&kind=voice"
    headers = {"X-Sandbox": "1", "Content-Type": "audio/webm"}
    async with page.session.post(url, data=webm(seconds=2), headers=headers) as response:
        voice = (await response.json())["message"]["voice"]
    assert (voice["mime_type"], voice["duration"]) == ("audio/ogg", 2)
    assert telegram.state.files[voice["file_id"]].data.startswith(b"OggS")
    async with page.session.post(url, data=b"no sound", headers=headers) as response:
        assert response.status == 400


def webm(seconds: int) -> bytes:
    """Silence, in the format in which Chromium records a microphone."""
    out, rate = io.BytesIO(), 48_000
    with av.open(out, "w", format="webm") as target:
        stream = target.add_stream("libopus", rate=rate, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=rate * seconds)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.rate, frame.pts = rate, 0
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


async def test_what_people_try_becomes_settings_of_the_bot(page: Page, telegram: Telegram) -> None:
    page.trials.bot_ready("code")
    await page.did("try", search=True, budget=5)
    answer = await page.did("try", budget=0, confirm=2, closed=True)
    assert page.actions == [
        "TOOLS=time,calculator,reminders,search,USER_DAILY_MONEY=5",
        "TOOLS=time,calculator,reminders,search,CONFIRM_ABOVE=2,ACCESS=closed",
    ]
    assert answer["trials"] == {
        "search": 1, "budget": 0, "confirm": 2, "closed": 1, "instance": 0, "code": "code", "owner": 0, "ready": True,
    }  # fmt: skip
    for body in ({"dance": 1}, {"budget": "5"}, {"confirm": -1}):
        assert (await page.post("try", **body))[0] == 400
    assert len(page.actions) == 2


async def test_the_code_of_the_owner_works_once(page: Page, telegram: Telegram) -> None:
    page.trials.bot_ready("code")
    await page.did("send", chat_id=ANNA, user_id=ANNA, text="/start other")
    await page.did("send", chat_id=TEAM, user_id=1003, text="/start code")
    assert page.trials.state()["code"] == "code"
    await page.did("send", chat_id=1002, user_id=1002, text="/start code")
    assert (page.trials.state()["code"], page.trials.state()["owner"]) == ("", 1002)
    page.trials.bot_started()
    assert not page.trials.state()["ready"]
    page.trials.bot_ready("")
    assert page.trials.state()["owner"] == 1002
    page.trials.bot_ready("new")  # a bot that knows no owner: it was stopped before it read the code
    assert page.trials.state()["owner"] == 0


async def test_a_message_that_asks_for_a_reply_says_so_to_the_page_only(telegram: Telegram, client: Client) -> None:
    sent = await client.ok("sendMessage", chat_id=ANNA, text="What?", reply_markup={"force_reply": True})
    assert telegram.snapshot()["messages"][str(ANNA)][0]["force_reply"]
    assert not {"force_reply", "reply_markup"} & sent.keys()


async def test_faults_of_both_sides_are_set_in_one_place(page: Page, telegram: Telegram, client: Client) -> None:
    answer = await page.did("faults", telegram={"error500": 1.0}, model={"quota429": 0.5})
    assert answer["faults"]["telegram"]["error500"] == 1.0
    assert (answer["faults"]["model"]["quota429"], answer["faults"]["model"]["error500"]) == (0.5, 0)
    assert (await client.call("getMe"))["error_code"] == 500
    await page.did("faults", telegram={"error500": 0})
    assert await client.ok("getMe")


async def test_the_bot_and_the_model_are_controlled(page: Page) -> None:
    answer = await page.did("bot", action="kill")
    assert (page.actions, answer["bot"]["running"]) == (["kill"], False)
    url = "http://127.0.0.1:1/v1"
    assert (await page.did("model", kind="url", name=url))["model"]["title"] == url


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("send", {"chat_id": 5, "text": "x"}, "there is no such chat"),
        ("send", {"chat_id": ANNA, "text": "  "}, "the text is empty"),
        ("send", {"chat_id": ANNA, "text": "x", "user_id": 5}, "there is no user 5"),
        ("send", {"chat_id": ANNA, "text": "x", "thread_id": 5}, "there is no such topic"),
        ("send", {"chat_id": "x", "text": "x"}, "chat_id must be a number"),
        ("press", {"chat_id": ANNA, "message_id": 5, "data": "x"}, "there is no such message"),
        ("react", {"chat_id": ANNA, "message_id": 5, "emoji": "x"}, "there is no such message"),
        ("bot", {"action": "dance"}, "action must be kill, stop, start or restart"),
        ("chat", {"type": "channel", "title": "x"}, "type must be private or supergroup"),
        ("faults", {"telegram": {"flood": 2}}, "flood must be a number from 0 to 1"),
        ("handbook", {"language": "../en"}, "the handbook has no language '../en'"),
        ("handbook_page", {"language": "en", "page": "../x", "text": ""}, "the handbook has no page '../x'"),
        ("model", {"kind": "oracle"}, "there is no model kind 'oracle'; known: scripted, local, url"),
    ],
)
async def test_wrong_requests_get_a_sentence(page: Page, path: str, body: dict[str, Any], sentence: str) -> None:
    assert await page.post(path, **body) == (400, {"error": sentence})


async def test_the_handbook_has_all_pages_in_both_languages_and_its_copy_can_be_changed(page: Page) -> None:
    english, russian = [(await page.did("handbook", language=one))["handbook"] for one in ("en", "ru")]
    assert english["pages"].keys() == russian["pages"].keys()
    assert len(english["pages"]) == 40
    await page.did("handbook_page", language="en", page="returns", text="# Returns\n\nNever.\n")
    assert (await page.did("handbook", language="en"))["handbook"]["pages"]["returns"] == "# Returns\n\nNever.\n"
    assert Path(english["folder"], "returns.md").read_text() == "# Returns\n\nNever.\n"
    assert "Show the source" in str(english["labels"]["source"])


async def test_other_sites_can_not_reach_it(page: Page) -> None:
    status, _ = await page.get("/world/state", headers={"Host": "evil.example:80"})
    assert status == 403
    async with page.session.post(f"{page.url}/world/reset", data="{}") as response:
        assert response.status == 415


async def test_the_rules_of_the_desk_are_switched_and_ones_own_are_left_alone(page: Page, tmp_path: Path) -> None:
    rules = tmp_path / "desk.toml"
    assert await page.did("desk", own=True) == {"desk": {"closed": False, "own": True}}
    assert DeskFile(tmp_path).table.has_own_seats
    assert await page.did("desk", closed=True) == {"desk": {"closed": True, "own": True}}
    now = SystemClock().time()
    assert DeskFile(tmp_path).table.hours.hours.next_opening(now) not in (None, now)
    assert "true or false" in str(await page.post("desk", closed=1))
    rules.write_text("[hours]\n")
    assert "rules of your own" in str(await page.post("desk", own=False))
    assert rules.read_text() == "[hours]\n"


async def test_an_account_is_connected_and_disconnected_and_others_write_there(page: Page, telegram: Telegram) -> None:
    telegram.state.profile.business = True
    assert "action must be" in str(await page.post("account", user_id=ANNA, action="say", person=1002, text="hello"))
    assert await page.did("account", user_id=ANNA, action="connect") == {"account": {"connected": True, "messages": []}}
    found = await page.did("account", user_id=ANNA, action="say", person=1002, text="hello")
    assert [one["text"] for one in found["account"]["messages"]] == ["hello"]
    found = await page.did("account", user_id=ANNA, action="disconnect", person=1002)
    assert not found["account"]["connected"]
    assert "action must be" in str(await page.post("account", user_id=ANNA, action="dance"))
