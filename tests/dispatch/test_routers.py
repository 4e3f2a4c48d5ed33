"""Routers of aiogram beside our own handlers: what they get (`Kind.UNHANDLED`), and what becomes of the update."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from aiogram import Bot, F, Router
from aiogram.filters import Command, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message, PollAnswer

from bot import App, Incoming, Reply
from bot.ports import NO_STATE
from bot.storage.mailboxes import StoredRouterStates
from bot.telegram.receiving.parsing import ALLOWED
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from tests.support.stage import Stage
from tests.support.telegram_side import inbox, rows, settled

SEEN: list[str] = []
LIFE: list[str] = []


class Delivery(StatesGroup):
    """A form as people write it with aiogram."""

    address = State()


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

    @mine.message(Command("form"))
    async def form(message: Message, state: FSMContext) -> None:
        await state.set_state(Delivery.address)
        await state.update_data(asked=(1, "Straße"))
        await message.answer("Where to?")

    @mine.message(Command("leave"), StateFilter("*"))
    async def leave(message: Message, state: FSMContext) -> None:
        await state.clear()
        await message.answer("Left")

    @mine.message(Delivery.address, F.text)
    async def address(message: Message, state: FSMContext) -> None:
        await state.clear()
        await message.answer(f"To {message.text}")

    @mine.message(F.contact)
    async def contact(message: Message) -> None:
        assert message.contact is not None
        await message.answer(f"I call {message.contact.phone_number}")

    @mine.message(F.location)
    async def location(message: Message) -> None:
        assert message.location is not None
        await message.answer(f"At {message.location.latitude}")

    @mine.message(F.dice)
    async def dice(message: Message) -> None:
        assert message.dice is not None
        await message.answer(f"You threw {message.dice.value}")

    @mine.message(F.web_app_data)
    async def from_page(message: Message) -> None:
        assert message.web_app_data is not None
        await message.answer(f"From the page: {message.web_app_data.data}")

    @mine.startup()
    async def started(bot: Bot) -> None:
        LIFE.append(f"started @{(await bot.me()).username}")

    @mine.shutdown()
    async def ended(bot: Bot) -> None:
        LIFE.append("ended")

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
    LIFE.clear()
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


def sent(tg: Tg, number: int, **content: Any) -> None:
    """Ann sends something that is no text."""
    ann = tg.user("Ann")
    who = {"id": ann.id, "is_bot": False, "first_name": "Ann"}
    chat = {"id": ann.id, "type": "private", "first_name": "Ann"}
    tg.server.push_raw({"message": {"message_id": number, "date": 1_800_000_000, "chat": chat, "from": who, **content}})


async def test_a_router_that_has_set_a_state_gets_the_text_before_the_model(tg: Tg, studio: StudioSide) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    assert (await ann.say("/form")).text == "Where to?"
    studio.says("Hello, Bob.")
    assert (await bob.say("Elm Street 5")).text == "Hello, Bob."
    assert "I remember our conversation" in (await ann.say("/help")).text
    assert (await ann.say("Elm Street 5")).text == "To Elm Street 5"
    studio.says("The model again.")
    assert (await ann.say("Elm Street 6")).text == "The model again."
    await ann.say("/form")
    assert (await ann.say("/leave")).text == "Left"
    studio.says("And again.")
    assert (await ann.say("Elm Street 7")).text == "And again."
    assert len(studio.requests) == 3


async def test_a_dialogue_of_a_router_survives_a_restart_and_a_crash(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    for again in (tg.restart, tg.crash):
        assert (await ann.say("/form")).text == "Where to?"
        await again()
        assert (await ann.say("Elm Street 5")).text == "To Elm Street 5"
        assert rows(tg.stage, "SELECT count(*) FROM router_states") == [(0,)]
    assert studio.requests == []


async def test_what_a_handler_changes_is_stored_with_the_end_of_its_update(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    await ann.say("/form")
    tg.server.fail_next("sendMessage", code=400, description="Bad Request: no")
    assert "Something went wrong" in (await ann.say("Elm Street 5")).text
    hanging = tg.server.fail_next("sendMessage", times=None, code=0, delay=1e6, about="To Elm")
    ann.write("Elm Street 6")
    await tg.until(lambda: "begun" in inbox(tg.stage) and not tg.server.pending)
    hanging.remove()
    await tg.crash()
    await tg.settled()
    assert ann.said()[-1].text == "To Elm Street 6", "the handler of the state was called again"
    assert studio.requests == []


async def test_the_states_of_a_person_are_exported_and_forgotten(tg: Tg) -> None:
    ann = tg.user("Ann")
    await ann.say("/form")
    assert tg.stage.app is not None
    store, bot = tg.stage.app.store, tg.running.bot
    states, key = StoredRouterStates(store), (bot, ann.id, ann.id, 0, "", "default")
    assert await states.read(key) == ("Delivery:address", '{"asked": [1, "Straße"]}')
    exported = await store.read(lambda tx: tx.personal_data.export_rows(bot, ann.id))
    assert [row["state"] for row in exported["router_states"]] == ["Delivery:address"]
    await store.write(lambda tx: tx.personal_data.delete_expired(bot, 0.0, private=True))
    assert await states.read(key) != NO_STATE
    await store.write(lambda tx: tx.personal_data.delete_person(bot, ann.id))
    assert await states.read(key) == NO_STATE
    assert (await ann.say("/form")).text == "Where to?"
    later = tg.stage.clock.time() + 1
    await store.write(lambda tx: tx.personal_data.delete_expired(bot, later, private=True))
    assert await states.read(key) == NO_STATE


async def test_what_no_model_reads_reaches_a_router_with_a_handler_for_it(tg: Tg) -> None:
    ann = tg.user("Ann")
    ways: dict[str, dict[str, Any]] = {
        "I call +123": {"contact": {"phone_number": "+123", "first_name": "Ann", "user_id": ann.id}},
        "At 55.75": {"location": {"latitude": 55.75, "longitude": 37.61}},
        "You threw 6": {"dice": {"emoji": "🎲", "value": 6}},
        "From the page: x": {"web_app_data": {"data": "x", "button_text": "Open"}},
    }
    for number, content in enumerate(ways.values(), 900):
        sent(tg, number, **content)
        await tg.settled()
    assert [said.text for said in ann.said()] == list(ways)
    sent(tg, 950, video={"file_id": "v", "file_unique_id": "v", "width": 1, "height": 1, "duration": 1})
    await tg.settled()
    assert "I can't read this" in tg.said(ann.id)[-1].text


async def test_startup_and_shutdown_of_routers_are_told(tg: Tg) -> None:
    assert LIFE == ["started @govorun_sandbox_bot"]
    await tg.restart()
    assert LIFE == ["started @govorun_sandbox_bot", "ended", "started @govorun_sandbox_bot"]


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
