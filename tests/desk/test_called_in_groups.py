"""A person is called in a group of customers: the case opens in private, and in the group only the bot speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.choosing import toasts
from tests.support.desk_side import BOT, OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows, soon


async def with_group(stage: Stage, folder: Path) -> tuple[DeskStage, int]:
    """A desk, and a group of customers in which the bot answers Anna and Boris."""
    desk = await desk_on(stage, folder)
    return desk, stage.telegram.group("Yard", [ANNA, BORIS])["id"]


async def says(stage: Stage, desk: DeskStage, text: str, chat: int, user: int) -> str:
    """Somebody writes in a group; the newest text of the bot there."""
    before = len(inbox(stage))
    stage.telegram.say(chat, text, user)
    await desk.quiet(before)
    return (stage.telegram.texts(chat) or [""])[-1]


@pytest.mark.parametrize("words", [f"/human{BOT}", f"{BOT} operator"])
async def test_who_is_known_gets_the_person_in_private_and_the_bot_goes_on_in_the_group(
    stage: Stage, tmp_path: Path, words: str
) -> None:
    desk, yard = await with_group(stage, tmp_path)
    stage.studio.script("hello", "in the group")
    await stage.ask("hi")
    assert await says(stage, desk, words, yard, ANNA) == say("en", "desk.in_private")
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.called")
    await desk.presses("desk.take")
    await desk.says("Hello, I am Olga, what is it?")
    assert stage.telegram.texts(ANNA)[-1] == "Hello, I am Olga, what is it?"
    await desk.writes("my lamp is broken")
    assert desk.seen()[-1] == "my lamp is broken"
    assert await says(stage, desk, f"{BOT} and you?", yard, ANNA) == "in the group"
    assert "Hello, I am Olga, what is it?" not in stage.telegram.texts(yard)
    assert len(stage.prompts()) == 2


async def test_nobody_else_ends_the_case_and_the_stars_are_asked_in_private(stage: Stage, tmp_path: Path) -> None:
    desk, yard = await with_group(stage, tmp_path)
    stage.studio.script("hello")
    await stage.ask("hi")
    await says(stage, desk, f"/human{BOT}", yard, ANNA)
    await desk.presses("desk.take")
    for who in (BORIS, ANNA):
        said = await says(stage, desk, f"/bot{BOT}", yard, who)
        assert said in (say("en", "desk.is_bots.here"), say("ru", "desk.is_bots.here"))
    assert rows(stage, "SELECT owner, chat FROM desk_cases") == [("held", ANNA)]
    told = len(stage.telegram.texts(yard))
    await desk.presses("desk.close")
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.rate.ask")
    assert len(stage.telegram.texts(yard)) == told


@pytest.mark.parametrize(("who", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_who_never_wrote_to_the_bot_gets_a_link_that_begins_the_chat_and_calls(
    stage: Stage, tmp_path: Path, who: int, language: str
) -> None:
    desk, yard = await with_group(stage, tmp_path)
    said = await says(stage, desk, f"/human{BOT}", yard, who)
    link = f"https://t.me/{BOT[1:]}?start=human"
    assert said == say(language, "desk.begin", link=link)
    assert rows(stage, "SELECT 1 FROM desk_cases") == []
    assert not [call for call in stage.telegram.calls if call.chat_id == who], "a bot may not write first"
    assert await says(stage, desk, "/start human", who, who) == say(language, "desk.called")
    await desk.presses("desk.take")
    await desk.says("Olga is here")
    assert stage.telegram.texts(who)[-1] == "Olga is here"
    assert await says(stage, desk, f"/human{BOT}", yard, who) == say(language, "desk.in_private")
    assert stage.telegram.texts(who)[-1] == say(language, "desk.is_called")


async def test_without_a_connected_group_the_bot_says_so_in_a_group_too(stage: Stage, tmp_path: Path) -> None:
    await stage.start(desk=tmp_path)
    yard = stage.telegram.group("Yard", [ANNA])["id"]
    assert await stage.ask(f"/human{BOT}", yard, ANNA) == say("en", "desk.nobody")
    assert rows(stage, "SELECT 1 FROM desk_cases") == []


async def test_of_two_who_press_take_at_once_one_has_the_case_and_the_other_reads_who(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    take = next(one for one in buttons_of(desk.card()) if one["text"] == say("en", "desk.take"))
    for who in (OLGA, OLEG, OLEG):
        stage.telegram.press(desk.group, desk.card()["message_id"], take["callback_data"], who)
    await soon(stage, lambda: len(toasts(stage)) >= 4 or None)  # with the one that has connected the group
    await desk.quiet()
    taken, has = say("en", "desk.taken"), say("en", "desk.has", name="Olga")
    assert toasts(stage)[-3:] == [taken, has, has]
    assert rows(stage, "SELECT owner, holder FROM desk_cases") == [("held", OLGA)]
    assert "answered by Olga" in desk.card()["text"]
    await desk.says("/take", OLEG)
    assert rows(stage, "SELECT holder FROM desk_cases") == [(OLEG,)], "who wants it from a colleague says so"


async def test_an_offer_that_is_sent_when_a_colleague_was_faster_stays_a_note(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.says("I can help", OLEG)
    await desk.presses("desk.take", OLGA)
    await desk.presses("desk.send", OLEG)
    assert toasts(stage)[-1] == say("en", "desk.has", name="Olga")
    assert "I can help" not in stage.telegram.texts(ANNA)
    assert rows(stage, "SELECT holder FROM desk_cases") == [(OLGA,)]
