"""Routers of aiogram beside our own handlers: what they get (`Kind.UNHANDLED`), and what becomes of the update."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message, PollAnswer

from bot import App, Incoming, Reply
from bot.telegram.receiving.parsing import ALLOWED
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from tests.support.stage import Stage
from tests.support.telegram_side import inbox, rows, settled

SEEN: list[str] = []
Polled = Callable[..., int]


def router() -> Router:
    """A router as people write them."""
    mine = Router()

    @mine.message(Command("order"))
    async def order(message: Message) -> None:
        keyboard = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Pay", callback_data="pay:7")]])
        sent = await message.answer("Tea, 7 coins", reply_markup=keyboard)
        assert sent.text == "Tea, 7 coins"  # aiogram's own type

    @mine.message(Command("help", "broken"))
    async def broken(message: Message) -> None:
        raise RuntimeError("no tea left")

    @mine.message(F.new_chat_title)
    async def renamed(message: Message) -> Any:
        return message.answer("A fine title")  # a call that aiogram makes for the handler

    @mine.callback_query(F.data.startswith("pay:"))
    async def pay(query: CallbackQuery) -> None:
        await query.answer("Paid")
        assert isinstance(query.message, Message)
        await query.message.edit_text("Paid: tea")

    @mine.poll_answer()
    async def voted(answer: PollAnswer) -> None:
        if 13 in answer.option_ids:
            raise RuntimeError("no such option")
        SEEN.append(f"{answer.poll_id}: {answer.option_ids}")

    return mine


@pytest.fixture
def bot_app() -> App:
    SEEN.clear()
    app = App()
    app.include_router(router())

    @app.command("hello")
    async def hello(incoming: Incoming, reply: Reply) -> str:
        return f"Hello, {incoming.user.name}"

    return app


@pytest.fixture
def polled(tg: Tg) -> Polled:
    """Somebody answers a poll."""

    def vote(option: int, user: int = 1001) -> int:
        answer = {
            "poll_id": "77",
            "user": {"id": user, "is_bot": False, "first_name": "Ann"},
            "option_ids": [option],
            "option_persistent_ids": [str(option)],
        }
        return tg.server.push_raw({"poll_answer": answer})

    return vote


async def test_a_command_that_only_a_router_knows_is_the_routers(tg: Tg) -> None:
    ann = tg.user("Ann")
    said = await ann.say("/order")
    assert (said.text, said.buttons) == ("Tea, 7 coins", ["Pay"])
    await ann.press("Pay")
    assert [said.text for said in ann.said()] == ["Paid: tea"]
    assert [call.params["text"] for call in tg.server.calls_of("answerCallbackQuery")] == ["Paid"]
    assert set(inbox(tg.stage)) == {"done"}


async def test_what_is_ours_stays_ours(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    assert "I remember our conversation" in (await ann.say("/help")).text
    assert (await ann.say("/hello")).text == "Hello, Ann"
    studio.says("Tea is fine.")
    assert (await ann.say("a tea, please")).text == "Tea is fine."
    assert "don't know the command /coffee" in (await ann.say("/coffee")).text
    tg.server.press(ann.id, tg.last.id, "nobody's")
    await tg.settled()
    assert "no longer works" in tg.server.calls_of("answerCallbackQuery")[-1].params["text"]


async def test_kinds_of_updates_that_only_routers_know_are_asked_for_and_handed_on(tg: Tg, polled: Polled) -> None:
    await tg.user("Ann").say("hi")
    assert {"poll_answer", "message", "my_chat_member"} <= tg.server.updates.allowed
    polled(2)
    await tg.settled()
    assert SEEN == ["77: [2]"]
    assert inbox(tg.stage) == ["done", "done"]


async def test_a_service_message_reaches_a_router_and_its_answer_is_sent(tg: Tg) -> None:
    ann = tg.user("Ann")
    team = tg.group("Tea", ann)
    chat = tg.server.state.head(tg.server.state.chats[team.id])
    sender = {"id": ann.id, "is_bot": False, "first_name": "Ann"}
    message = {"message_id": 900, "date": 1_800_000_000, "chat": chat, "from": sender, "new_chat_title": "Tea & co"}
    tg.server.push_raw({"message": message})
    await tg.settled()
    assert [said.text for said in ann.said(team)] == ["A fine title"]


async def test_a_handler_that_fails_is_told_of_and_sets_only_its_update_aside(
    tg: Tg, polled: Polled, caplog: pytest.LogCaptureFixture
) -> None:
    assert "Something went wrong" in (await tg.user("Ann").say("/broken")).text
    polled(13)
    polled(3)
    await tg.settled()
    assert SEEN == ["77: [3]"]
    assert inbox(tg.stage) == ["done", "dead", "done"]
    assert rows(tg.stage, "SELECT reason FROM updates WHERE state = 'dead'") == [("a router failed: RuntimeError",)]
    assert "no such option" in caplog.text


async def test_an_update_that_no_type_fits_is_set_aside(tg: Tg) -> None:
    tg.server.push_raw({"poll_answer": {"poll_id": "77", "user": {"id": 1001}}})
    tg.server.push_raw({"poll_answer": {"poll_id": "77", "user": {"id": "nobody"}}})
    await tg.settled()
    assert inbox(tg.stage) == ["dead", "dead"]
    assert SEEN == []


async def test_whom_the_bot_is_closed_to_the_routers_are_closed_to(tg: Tg, polled: Polled) -> None:
    await tg.stage.stop()
    await tg.stage.start(access="closed", owners=(1002,))
    polled(1)
    polled(2, user=1002)
    await tg.settled()
    assert SEEN == ["77: [2]"]
    assert "not open" in (await tg.user("Ann").say("/order")).text


async def test_an_update_that_ends_the_process_each_time_is_given_up(tg: Tg, polled: Polled) -> None:
    await tg.stage.stop()
    polled(4)
    await tg.stage.start()
    await tg.settled()
    await tg.stage.stop()
    path = tg.stage.settings.database_url.partition(":///")[2]
    raw = '{"update_id": 1, "poll_answer": {"poll_id": "1", "user": {"id": 1001}, "option_ids": [1]}}'
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE updates SET state = 'begun', attempts = 2, raw = ?", (raw,))
    SEEN.clear()
    await tg.stage.start()
    await tg.settled()
    assert SEEN == []
    assert rows(tg.stage, "SELECT state, reason FROM updates") == [("dead", "given up after 3 crashes")]


async def test_a_bot_without_routers_asks_for_nothing_more(stage: Stage) -> None:
    stage.extension = None
    await stage.start()
    await stage.ask("hi")
    assert stage.telegram.updates.allowed == {*ALLOWED}
    stage.telegram.push_raw({"poll_answer": {"poll_id": "1", "user": {"id": 1001}, "option_ids": [1]}})
    await settled(stage, "sent")
    assert SEEN == []
