"""After the close a customer gives stars and, by a reply, a word; neither opens the case again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import actions, pressed
from tests.support.desk_side import BOT, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

RATED = "SELECT owner, rating, comment FROM desk_cases"


async def closed(stage: Stage, folder: Path, customer: int, language: str) -> DeskStage:
    desk = await desk_on(stage, folder, language=language)
    await desk.called(customer)
    await desk.presses("desk.take", language=language)
    await desk.presses("desk.close", language=language)
    return desk


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_stars_and_a_word_are_taken_and_open_nothing(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    desk = await closed(stage, tmp_path, customer, language)
    assert stage.telegram.texts(customer)[-1] == say(language, "desk.rate.ask")
    assert "desk.rate" in actions(stage)
    await pressed(stage, "★★", chat=customer)
    thanks = stage.telegram.transcript(customer)[-1]
    assert thanks["text"] == say(language, "desk.rate.thanks", stars="★★")
    assert desk.seen()[-1] == say(language, "desk.rate.told") + " ★★"
    await desk.writes("too slow", customer, reply_to=thanks["message_id"])
    assert rows(stage, RATED) == [("closed", 2, "too slow")]
    assert desk.seen()[-1] == say(language, "desk.rate.told") + " too slow"
    assert stage.prompts() == []


async def test_many_stars_are_told_stand_on_the_card_and_nobody_is_asked_twice_a_week(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await closed(stage, tmp_path, ANNA, "en")
    await pressed(stage, "★★★★★", chat=ANNA)
    assert rows(stage, RATED) == [("closed", 5, "")]
    assert say("en", "desk.rate.told") + " ★★★★★" in desk.seen()
    assert any(" · ★★★★★" in text and text.startswith("#") for text in desk.seen())
    assert say("en", "desk.figures.stars", stars="5.0", count=1) in await stage.ask(f"/desk{BOT}", desk.group, OLGA)
    await desk.writes("one more question")
    await desk.says("/take")
    await desk.says("/close")
    assert stage.telegram.texts(ANNA).count(say("en", "desk.rate.ask")) == 0
