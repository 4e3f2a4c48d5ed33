"""Questions that come in pieces, long pastes and albums, are one turn (P15, F53)."""

from __future__ import annotations

import pytest

from bot import App
from bot.texts.catalog import say
from tests.support.odd_updates import is_polite
from tests.support.sandbox_client import png
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, questions, soon


@pytest.fixture
def bot_app() -> App:
    """Without a model that sees: a picture is a part of the question, and the question is answered at once."""
    return App(models=[{"name": "yandexgpt"}, {"name": "yandexgpt-lite"}])


async def test_a_paste_in_three_pieces_is_one_question(stage: Stage) -> None:
    await stage.start()
    words = [f"{number:07d}" for number in range(1200)]
    stage.studio.script("read")
    assert await stage.ask(" ".join(words)) == "read"
    assert [question.split() for question in questions(stage)] == [words]
    assert len(stage.telegram.transcript(ANNA)) == 3 + 1
    assert set(inbox(stage)) == {"done"}


async def test_a_paste_that_ends_with_a_full_piece_is_not_waited_for_long(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("read")
    assert await stage.ask("a" * 8192) == "read"
    assert questions(stage) == ["a" * 8192]


async def test_pastes_of_two_people_in_a_group_are_not_mixed(stage: Stage) -> None:
    await stage.start()
    for letter, user in (("a", ANNA), ("b", BORIS)):
        stage.telegram.say(TEAM, "@govorun_sandbox_bot " + letter * 4070, user)
    await stage.texts(2, TEAM)
    assert sorted(text.split(": ")[-1][0] + text[-1] for text in questions(stage)) == ["aa", "bb"]


async def test_a_stop_is_not_part_of_a_paste(stage: Stage) -> None:
    await stage.start()
    stage.telegram.say(ANNA, "a" * 4096)
    stage.telegram.say(ANNA, "/stop")
    await stage.texts(2)
    assert "/stop" not in "".join(questions(stage))


async def test_an_album_is_one_turn(stage: Stage) -> None:
    await stage.start()
    stage.telegram.album(ANNA, [png(8, 8)] * 5)
    assert is_polite((await stage.texts(1))[0])
    await stage.clock.sleep(10)
    assert stage.telegram.texts(ANNA) == [say("en", "picture.blind")]


@pytest.mark.parametrize("caption_on", [0, 4])
async def test_the_caption_of_an_album_is_the_question(stage: Stage, caption_on: int) -> None:
    await stage.start()
    stage.studio.script("a caption")
    stage.telegram.album(ANNA, [png(8, 8)] * 5, "what is this?", caption_on=caption_on)
    assert await stage.texts(1) == ["a caption"]
    assert questions(stage) == ["what is this?"]


async def test_two_albums_that_come_through_each_other_are_two_turns(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two")
    for number in range(3):
        for group in ("first", "second"):
            caption = f"what is the {group}?" if number == 1 else ""
            stage.telegram.upload(ANNA, png(8, 8), caption=caption, group=group)
    assert await stage.texts(2) == ["one", "two"]
    await stage.clock.sleep(10)
    assert questions(stage) == ["what is the first?", "what is the second?"]


async def test_a_part_of_an_album_that_comes_late_is_a_turn_of_its_own(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("first", "late")
    stage.telegram.upload(ANNA, png(8, 8), caption="one", group="g")
    await stage.texts(1)
    await stage.clock.sleep(11)
    stage.telegram.upload(ANNA, png(8, 8), caption="two", group="g")
    assert await stage.texts(2) == ["first", "late"]


async def test_what_follows_an_album_keeps_its_place(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("the album", "the question")
    stage.telegram.album(ANNA, [png(8, 8)] * 3, "look")
    stage.telegram.say(ANNA, "and now?")
    assert await stage.texts(2) == ["the album", "the question"]


async def test_an_album_that_a_stop_interrupts_does_not_overtake_what_waited(stage: Stage) -> None:
    stage.studio.speed = 1
    await stage.start(shutdown_grace=60)
    stage.studio.script("a slow answer, of some words", "what waited", "the album")
    stage.telegram.say(ANNA, "slowly, please")
    stage.telegram.say(ANNA, "and then?")
    stage.telegram.album(ANNA, [png(8, 8)] * 2, "look")
    await soon(stage, lambda: len(inbox(stage)) == 4)
    await stage.stop()
    await stage.start()
    await stage.texts(3)
    assert questions(stage) == ["slowly, please", "and then?", "look"]


async def test_an_album_that_a_crash_interrupts_is_one_turn_after_it(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("whole")
    stage.telegram.album(ANNA, [png(8, 8)] * 4, "look")
    await soon(stage, lambda: len(inbox(stage)) == 4)
    await stage.crash()
    await stage.start()
    assert await stage.texts(1) == ["whole"]
    await stage.clock.sleep(5)
    assert questions(stage) == ["look"]
