"""One leg is gone for ten minutes: nobody loses an answer, everybody gets a word in time, the log stays short."""

from __future__ import annotations

import asyncio

import pytest

from bot.sandbox.telegram.server_facade import buttons_of
from tests.promises.faults.network import CROWD, black_hole, studio_down, studio_up, telegram_away
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import counted, deliveries, soon

pytestmark = pytest.mark.wire("tcp")

OUTAGE = 600.0
SORRY = "does not answer"


def bot_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.text.splitlines() if " bot." in line or line.startswith(("WARNING", "ERROR"))]


async def test_f1_a_start_without_telegram_waits_for_it_and_says_so_once_a_minute(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.telegram.say(ANNA, "anybody there?")
    async with telegram_away(stage):
        await stage.start()
        await stage.clock.sleep(300)
        assert 2 <= len(bot_lines(caplog)) <= 5
    back = stage.clock.monotonic()
    assert await stage.texts(1)
    assert stage.clock.monotonic() - back <= 31


async def test_a_start_that_waits_for_telegram_is_stopped_by_one_wish_and_minds_no_second(stage: Stage) -> None:
    """As two reloads do it that come at once."""
    await stage.telegram.down()
    app = await stage.start()
    await stage.clock.sleep(10)
    app.stop()
    await asyncio.sleep(0)
    app.stop()
    await stage.ended()


async def test_f2_twenty_answers_outlive_ten_minutes_without_telegram(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The answers are finished while Telegram is away, and delivered in order when it is back."""
    stage.studio.speed = 10
    stage.studio.answer(lambda messages: "".join(counted(40, messages[-1]["text"].split()[0])))
    await stage.start()
    for person in CROWD:
        stage.telegram.say(person, f"first{person} question")
        stage.telegram.say(person, f"second{person} question")
    await soon(stage, lambda: len(stage.prompts()) >= 10)
    async with telegram_away(stage):
        await stage.clock.sleep(OUTAGE)
        assert deliveries(stage).count("sending") == len(CROWD)
    back = stage.clock.monotonic()
    await soon(stage, lambda: all(len(stage.telegram.texts(person)) == 2 for person in CROWD))
    assert stage.clock.monotonic() - back < 120
    for person in CROWD:
        first, second = stage.telegram.texts(person)
        assert first.split() == [f"first{person}{number}" for number in range(40)]
        assert second.split() == [f"second{person}{number}" for number in range(40)]
    assert len(stage.prompts()) == 2 * len(CROWD)
    assert len(bot_lines(caplog)) <= 20


@pytest.mark.parametrize("swallowed", [False, True], ids=["refused", "swallowed"])
async def test_f63_p12_ten_minutes_without_a_model_are_an_apology_in_time_and_then_an_answer(
    stage: Stage, swallowed: bool
) -> None:
    with black_hole() as nowhere:
        await stage.start(yc_llm_url=nowhere if swallowed else stage.settings.yc_llm_url)
        if not swallowed:
            await studio_down(stage)
        for _ in range(5):
            asked = stage.clock.monotonic()
            sorry = await stage.ask("hello")
            assert SORRY in sorry
            assert stage.clock.monotonic() - asked <= stage.settings.answer_deadline + 1
            await stage.clock.sleep(OUTAGE / 5)
    assert [button["text"] for button in buttons_of(stage.telegram.transcript(ANNA)[-1])] == ["Try again"]
    if swallowed:
        return
    await studio_up(stage)
    stage.studio.script("back again", "and the old one too")
    assert await stage.ask("and now?") == "back again"
    assert await stage.ask("still?", BORIS)


async def test_f63_a_question_asked_during_an_outage_of_the_model_can_be_tried_again(stage: Stage) -> None:
    await stage.start()
    await studio_down(stage)
    assert SORRY in await stage.ask("the one question")
    await studio_up(stage)
    stage.studio.script("the one answer")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["the one answer"] or None)
    assert stage.prompts()[-1][-1]["text"] == "the one question"


async def test_p12_both_legs_gone_at_once_is_told_when_telegram_is_back(stage: Stage) -> None:
    stage.studio.speed = 5
    stage.studio.answer(lambda messages: "".join(counted(100)))
    await stage.start()
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    await studio_down(stage)
    async with telegram_away(stage):
        await stage.clock.sleep(OUTAGE)
    text = (await stage.texts(1))[0]
    assert text.startswith("word0")
    assert "interrupted" in text
