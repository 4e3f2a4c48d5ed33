"""Servers that stand in Telegram's place and know less of the Bot API: nothing that they lack may cost an answer.

See F32, F33, F35 in docs/promises.md.

Their shapes are those of emulators that people test their bots with (`docs/testing.md` names them): what a method is
not known by is a page, a JSON of their own, a 404 without a word; edits return null; polls come back at once.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from aiogram.methods import EditMessageText, GetMe, SendChatAction, SendMessage, SetWebhook

from bench.crew import free_port
from bot.errors import Refused, TransportError
from bot.sandbox.telegram.server_facade import buttons_of
from bot.telegram.client.api import Api, Flood, NoMethod, Unknown
from tests.support.raw_server import Play, answer, serve
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import counted, deliveries, drafts, loud, settled, soon, words

pytestmark = pytest.mark.wire("tcp")

TOKEN = "123456:" + "s" * 35
ME = {"ok": True, "result": {"id": 7, "is_bot": True, "first_name": "G", "username": "g_bot"}}
TABLE = "| a | b |\n|---|---|\n| one | two |"

UNKNOWN: dict[str, tuple[int, Any]] = {
    "a page": (404, b"<!DOCTYPE html><pre>Cannot POST /bot1:x/sendMessageDraft</pre>"),
    "plain text": (404, b"404 page not found"),
    "nothing": (404, b""),
    "a framework's 404": (404, {"detail": "Not Found"}),
    "the 404 of a wrong token": (404, {"ok": False, "error_code": 404, "description": "Not Found"}),
    "405": (405, {"detail": "Method Not Allowed"}),
    "501": (501, b"Not Implemented"),
    "500 with words of its own": (500, {"message": "API method 'sendMessageDraft' is not supported."}),
    "200 with words of its own": (200, {"ok": False, "error": "unknown method"}),
    "Telegram's words": (404, {"ok": False, "error_code": 404, "description": "Not Found: method not found"}),
    "a 404 inside a 200": (200, {"ok": False, "error_code": 404, "description": "Not Found: method not found"}),
    "422": (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}),
    "400 with words": (400, {"ok": False, "error_code": 400, "description": "Bad Request: method not found"}),
}  # fmt: skip
SOME = ("a page", "a framework's 404", "the 404 of a wrong token", "500 with words of its own")
unknown = pytest.mark.parametrize(("status", "body"), [UNKNOWN[name] for name in SOME], ids=SOME)


def lacks(stage: Stage, *methods: str, status: int = 404, body: Any = b"404 page not found") -> None:
    """From now on the server does not know these methods."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for method in methods:
        stage.telegram.fail_next(method, code=status, body=data or b" ", times=None)


def edits_return(stage: Stage, result: Any) -> None:
    body = json.dumps({"ok": True, "result": result}).encode()
    stage.telegram.fail_next("editMessageText", code=200, body=body, apply=True, times=None)


# --- methods that are not known ---------------------------------------------------------------------------------------


@unknown
async def test_where_drafts_are_unknown_in_any_shape_edits_show_the_answer(
    stage: Stage, status: int, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage.studio.speed = 5
    await stage.start()
    lacks(stage, "sendMessageDraft", status=status, body=body)
    stage.studio.script(counted(60), counted(60))
    for number in (1, 2):
        stage.telegram.say(ANNA, "count")
        await settled(stage, *["sent"] * number)
    assert [text.split() for text in stage.telegram.texts(ANNA)] == [[f"word{number}" for number in range(60)]] * 2
    assert len(stage.telegram.calls_of("editMessageText")) > 4
    assert len(drafts(stage)) <= 3
    assert len([r for r in caplog.records if "sendMessageDraft" in r.getMessage()]) <= 1
    assert "Traceback" not in caplog.text


@unknown
async def test_where_rich_messages_are_unknown_the_table_arrives_as_text(stage: Stage, status: int, body: Any) -> None:
    await stage.start()
    lacks(stage, "sendRichMessage", "sendRichMessageDraft", status=status, body=body)
    stage.studio.script(TABLE)
    stage.telegram.say(ANNA, "a table")
    await settled(stage, "sent")
    assert "one" in stage.telegram.texts(ANNA)[0]
    assert len(loud(stage)) <= 4


@unknown
async def test_where_neither_pictures_nor_files_are_known_it_is_said_in_words(
    stage: Stage, status: int, body: Any
) -> None:
    await stage.start()
    lacks(stage, "sendPhoto", "sendDocument", status=status, body=body)
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: deliveries(stage) and set(deliveries(stage)) == {"sent"} and stage.telegram.texts(ANNA))
    assert stage.telegram.calls_of("sendPhoto")


async def test_where_edits_are_unknown_the_whole_answer_is_sent(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    lacks(stage, "sendMessageDraft", "editMessageText")
    stage.studio.script(counted(60), "second")
    stage.telegram.say(ANNA, "count")
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA)[-1].split() == [f"word{number}" for number in range(60)]
    assert await stage.ask("again") == "second"


@unknown
async def test_a_bot_starts_and_answers_where_only_the_least_is_known(stage: Stage, status: int, body: Any) -> None:
    lacks(stage, "getWebhookInfo", "deleteWebhook", "setMyCommands", "sendChatAction", status=status, body=body)
    lacks(stage, "sendMessageDraft", "sendRichMessage", "sendRichMessageDraft", status=status, body=body)
    await stage.start()
    stage.studio.script("here I am", TABLE)
    assert await stage.ask("hello") == "here I am"
    assert "one" in await stage.ask("a table")


@pytest.mark.parametrize(("status", "body"), UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_an_unknown_method_is_a_refusal_in_any_shape(status: int, body: Any) -> None:
    action = SendChatAction(chat_id=1, action="typing")
    refusal = answer(status, body)
    assert isinstance(await outcome(refusal, answer(200, ME), refusal, method=action), Refused)


async def test_a_method_that_is_not_known_is_told_from_a_server_that_is_away() -> None:
    page = answer(404, b"<html>Not Found</html>")
    action = SendChatAction(chat_id=1, action="typing")
    assert isinstance(await outcome(page, method=action), Unknown)  # getMe is answered with the page as well
    assert isinstance(await outcome(page, method=SendMessage(chat_id=1, text="x")), Unknown)
    assert isinstance(await outcome(page, answer(200, ME), page, method=action), NoMethod)
    assert isinstance(await outcome(page, answer(200, ME), method=SendMessage(chat_id=1, text="x")), Unknown)


async def outcome(*script: Play, method: Any) -> TransportError:
    async with serve(*script) as raw:
        api = Api(token=TOKEN, url=raw.url)
        try:
            with pytest.raises(TransportError) as caught:
                await api.call(method, deadline=5)
        finally:
            await api.close()
    return caught.value


# --- answers that say less --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [None, True, {}, "ok", {"message_id": "5"}])
@pytest.mark.parametrize("method", [EditMessageText(chat_id=1, message_id=2, text="x"), SetWebhook(url="https://a.b")])
async def test_a_call_whose_result_tells_nothing_is_carried_out(method: Any, result: Any) -> None:
    async with serve(answer(200, {"ok": True, "result": result})) as raw:
        api = Api(token=TOKEN, url=raw.url)
        await api.call(method)
        await api.close()


async def test_numbers_as_texts_are_numbers() -> None:
    async with serve(answer(200, {"ok": True, "result": {"message_id": "12"}})) as raw:
        api = Api(token=TOKEN, url=raw.url)
        assert int((await api.call(SendMessage(chat_id=1, text="x")))["message_id"]) == 12
        await api.close()


async def test_a_flood_wait_inside_a_200_is_one() -> None:
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests"}
    assert isinstance(await outcome(answer(200, body), method=GetMe()), Flood)
    missing = {"ok": False, "error_code": 400, "description": "Bad Request: message to edit not found"}
    assert isinstance(await outcome(answer(200, missing), method=GetMe()), Refused)


async def test_edits_that_return_nothing_end_the_answer_once(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    lacks(stage, "sendMessageDraft")
    edits_return(stage, None)
    stage.studio.script(counted(60), "second")
    stage.telegram.say(ANNA, "count")
    await settled(stage, "sent")
    edits = len(stage.telegram.calls_of("editMessageText"))
    assert [text.split() for text in stage.telegram.texts(ANNA)] == [[f"word{number}" for number in range(60)]]
    assert await stage.ask("again") == "second"
    assert len(stage.telegram.calls_of("editMessageText")) <= edits + 2


@pytest.mark.parametrize("result", [None, True, {"message_id": 2, "text": "the end of it"}])
async def test_a_long_answer_is_whole_where_edits_leave_blocks_out(stage: Stage, result: Any) -> None:
    stage.studio.speed = 100
    await stage.start()
    lacks(stage, "sendMessageDraft", "sendRichMessageDraft", "sendRichMessage")
    edits_return(stage, result)
    stage.studio.script(f"{TABLE}\n\n" + "".join(counted(700)))
    stage.telegram.say(ANNA, "count")
    await settled(stage, "sent")
    text = "".join(stage.telegram.texts(ANNA))
    assert len(stage.telegram.texts(ANNA)) > 1
    assert stage.telegram.calls_of("editMessageText")[-1].params.get("text")  # blocks are not the last word
    assert [number for number in range(700) if f"word{number}" not in text] == []


@pytest.mark.parametrize("result", [None, True, {}, {"text": "just once"}])
async def test_sends_that_never_tell_a_number_are_not_repeated_for_ever(stage: Stage, result: Any) -> None:
    await stage.start()
    body = json.dumps({"ok": True, "result": result}).encode()
    stage.telegram.fail_next("sendMessage", code=200, body=body, times=None)
    lacks(stage, "editMessageText")
    stage.studio.script("just once", "the next one")
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "sent")
    stage.telegram.say(ANNA, "and now?")
    await settled(stage, "sent", "sent")
    assert len(stage.telegram.calls_of("sendMessage")) <= 4


async def test_an_edit_that_proves_nothing_does_not_pass_for_a_lost_answer(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("editMessageText", code=200, body=b'{"ok":true,"result":null}', times=None)
    stage.telegram.fail_next("sendMessage", reset=True)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]


async def test_a_server_whose_messages_are_shorter_gets_the_answer_in_more_pieces(stage: Stage) -> None:
    """An emulator counts the bytes of 4,096 characters, which Russian words have two of each."""
    await stage.start(rich_messages=False)
    text = " ".join(f"слово{number}" for number in range(400))
    stage.studio.script(text)
    stage.telegram.fail_next("sendMessage", code=400, description="Bad Request: message is too long", times=2)
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    assert len(stage.telegram.texts(ANNA)) > 2
    assert words("".join(stage.telegram.texts(ANNA))) == words(text)


# --- fields and kinds that are not known ------------------------------------------------------------------------------

STRICT: dict[str, tuple[int, Any]] = {
    "Telegram's words": (400, {"ok": False, "error_code": 400, "description": "Bad Request: unknown field {}"}),
    "a framework's 422": (422, {"detail": [{"loc": ["body", "{}"], "msg": "extra fields not permitted"}]}),
    "500 with words of its own": (500, {"message": "{} is not supported"}),
}
strict = pytest.mark.parametrize(("status", "body"), STRICT.values(), ids=STRICT.keys())


def refuses(stage: Stage, method: str, word: str, status: int, body: Any) -> None:
    """From now on the server refuses the method where this word is in the call, and names it."""
    data = json.dumps(body).replace("{}", word).encode()
    stage.telegram.fail_next(method, code=status, body=data, about=word, times=None)


@strict
@pytest.mark.parametrize("streaming", ["draft", "edit"])
async def test_where_options_of_previews_are_refused_the_answer_comes_without(
    stage: Stage, streaming: str, status: int, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage.studio.speed = 5
    await stage.start(streaming=streaming)
    for method in ("sendMessage", "editMessageText"):
        refuses(stage, method, "link_preview_options", status, body)
    stage.studio.script(["**bold** ", *counted(60)], "second")
    assert (await stage.ask("count")).startswith("bold word0")
    assert await stage.ask("again") == "second"
    assert [call.status for call in loud(stage)].count(status) == 1
    assert [call.method for call in loud(stage)].count("editMessageText") > 2
    told = [record.getMessage() for record in caplog.records if "link_preview_options" in record.getMessage()]
    assert len(told) == 1


async def test_a_refusal_for_another_reason_does_not_bring_previews(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=400, description="Bad Request: something new")
    stage.studio.script("one", "two")
    await stage.ask("hello")
    await stage.ask("again")
    assert all("link_preview_options" in call.params for call in loud(stage))


@strict
@pytest.mark.parametrize("refused", ["stopped_message_generation", "my_chat_member", "allowed_updates"])
async def test_where_a_kind_of_updates_is_refused_the_others_are_asked_for(
    stage: Stage, refused: str, status: int, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    refuses(stage, "getUpdates", refused, status, body)
    await stage.start()
    assert await stage.ask("hello")
    assert await stage.ask("again")
    polls = stage.telegram.calls_of("getUpdates")
    assert [call.status for call in polls].count(status) <= 3
    asked = polls[-1].params.get("allowed_updates", "")
    assert refused not in asked
    assert ("message" in asked) is (refused != "allowed_updates")
    assert len([one for one in caplog.records if "kinds of updates" in one.getMessage()]) == 1


async def test_a_webhook_is_set_without_the_kinds_that_the_server_refuses(stage: Stage) -> None:
    port = free_port()
    refuses(stage, "setWebhook", "stopped_message_generation", *STRICT["Telegram's words"])
    await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
    assert await stage.ask("hello")
    assert [call.status for call in stage.telegram.calls_of("setWebhook")] in ([400, 200], [400, 429, 400, 200])


async def test_a_poll_that_is_refused_once_costs_no_kind_of_updates(stage: Stage) -> None:
    """Another bot's login page, or a server that starts: fewer kinds are remembered only where they help."""
    await stage.start()
    fault = stage.telegram.fail_next("getUpdates", code=422, body=b"{}", times=None)
    await stage.clock.sleep(60)
    fault.remove()
    assert await stage.ask("hello")
    assert "stopped_message_generation" in stage.telegram.calls_of("getUpdates")[-1].params["allowed_updates"]


# --- updates ----------------------------------------------------------------------------------------------------------


async def test_polls_that_come_back_at_once_do_not_spin(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    fault = stage.telegram.fail_next("getUpdates", code=200, body=b'{"ok":true,"result":[]}', times=None)
    before = len(stage.telegram.calls_of("getUpdates"))
    await stage.clock.sleep(60)
    assert len(stage.telegram.calls_of("getUpdates")) - before < 60 * 5
    fault.remove()
    assert await stage.ask("still there?")


async def test_an_update_that_is_given_again_and_again_is_answered_once_and_does_not_spin(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    person = {"id": ANNA, "first_name": "Anna"}
    update = {"update_id": 900, "message": {"message_id": 77, "from": person, "chat": {"id": ANNA}, "text": "one"}}
    body = json.dumps({"ok": True, "result": [update]}).encode()
    stage.telegram.fail_next("getUpdates", code=200, body=body, times=None)
    before = len(stage.telegram.calls_of("getUpdates"))
    await stage.texts(2)
    await stage.clock.sleep(60)
    assert len(stage.telegram.texts(ANNA)) == 2
    assert len(stage.telegram.calls_of("getUpdates")) - before < 60 * 5


PERSON = {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"}


def first_word(date: int, text: str) -> dict[str, Any]:
    """What somebody says first to a server that has just begun to number updates and messages."""
    chat = {"id": ANNA, "type": "private"}
    return {"update_id": 1, "message": {"message_id": 1, "from": PERSON, "chat": chat, "date": date, "text": text}}


@pytest.mark.parametrize("restart", [False, True])
async def test_a_server_that_begins_all_its_numbers_anew_is_heard(stage: Stage, restart: bool) -> None:
    """The database remembers the numbers of before; the same thing given twice is still one."""
    await stage.start()
    stage.studio.script("one", "two")
    stage.telegram.push_raw(first_word(1_800_000_000, "before"))
    await stage.texts(1)
    if restart:
        await stage.stop()
        await stage.start()
    for _ in range(2):
        stage.telegram.push_raw(first_word(1_800_000_060, "after"))
    await stage.texts(2)
    await stage.clock.sleep(30)
    assert stage.telegram.texts(ANNA) == ["one", "two"]


async def test_a_press_under_a_number_that_was_used_before_works(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    message = stage.telegram.transcript(ANNA)[-1]
    for button, title in zip(buttons_of(message)[:2], ("Model", "Persona"), strict=True):
        press = {"id": "1", "from": PERSON, "message": message, "chat_instance": "1", "data": button["callback_data"]}
        stage.telegram.push_raw({"callback_query": press})
        await soon(stage, lambda title=title: title in stage.telegram.texts(ANNA)[-1] or None)  # type: ignore[misc]


async def test_after_a_server_was_away_everything_that_it_has_is_asked_for(stage: Stage) -> None:
    """It may have been started anew, and some give nothing below the offset that is asked for."""
    await stage.start()
    await stage.ask("hello")
    stage.telegram.fail_next("getUpdates", reset=True)
    stage.telegram.say(ANNA, "and again")
    await stage.texts(2)
    await stage.clock.sleep(60)
    first, *others = [call.params.get("offset") for call in stage.telegram.calls_of("getUpdates")]
    assert first is None
    assert others.count(None) == 1
    assert others[-1] is not None
    assert len(stage.prompts()) == 2


async def test_a_server_that_calls_every_bot_by_one_number_gets_what_was_left(stage: Stage) -> None:
    await stage.start()
    await stage.stop()
    body = {"ok": True, "result": {"id": 666, "first_name": "Test", "username": "govorun_sandbox_bot"}}
    stage.telegram.fail_next("getMe", code=200, body=json.dumps(body).encode(), times=None)
    await stage.start()
    fault = stage.telegram.fail_next("sendMessage", reset=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await soon(stage, lambda: "sending" in deliveries(stage))
    await stage.crash()
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]


async def test_a_reply_to_a_bot_with_another_number_than_its_token_is_for_it(stage: Stage) -> None:
    body = {"ok": True, "result": {"id": 666, "first_name": "Test", "username": "govorun_sandbox_bot"}}
    stage.telegram.fail_next("getMe", code=200, body=json.dumps(body).encode(), times=None)
    await stage.start()
    person = {"id": ANNA, "first_name": "Anna"}
    chat = {"id": TEAM, "type": "supergroup"}
    answered = {"message_id": 3, "from": {"id": 666, "is_bot": True}, "chat": chat, "text": "yes?"}
    said = {"message_id": 4, "from": person, "chat": chat, "text": "go on", "reply_to_message": answered}
    batch = {"ok": True, "result": [{"update_id": 900, "message": said}]}
    stage.telegram.fail_next("getUpdates", code=200, body=json.dumps(batch).encode())
    assert await stage.texts(1, TEAM)


# --- webhook ----------------------------------------------------------------------------------------------------------


async def test_a_webhook_on_this_machine_is_set_where_the_server_returns_nothing(stage: Stage) -> None:
    """It does not know secrets either: who is on this machine may bring updates without one, unless one was set."""
    port = free_port()
    stage.telegram.fail_next("setWebhook", code=200, body=b'{"ok":true,"result":null}', times=None)
    await stage.start(webhook_url=f"http://127.0.0.1:{port}/hook", webhook_port=port)
    await soon(stage, lambda: stage.telegram.calls_of("setWebhook"))
    person = {"id": ANNA, "first_name": "Anna"}
    said = {"message_id": 4, "from": person, "chat": {"id": ANNA, "type": "private"}, "text": "hello"}

    async def knock(number: int, **headers: str) -> int:
        update = {"update_id": number, "message": {**said, "message_id": number}}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/hook", json=update, headers=headers) as response,
        ):
            return response.status

    assert await knock(5) == 200
    assert await stage.texts(1)
    assert await knock(6, **{"X-Telegram-Bot-Api-Secret-Token": "wrong"}) == 401
    assert await knock(7, **{"X-Forwarded-For": "203.0.113.7"}) == 401
    assert await knock(8, Origin="http://127.0.0.1:8000") == 401
    assert len(stage.telegram.calls_of("setWebhook")) == 1
