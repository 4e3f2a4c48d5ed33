"""A customer asks for a person, an operator takes over, and the bot is silent until it gets the case back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import labels, pressed
from tests.support.desk_side import OLGA, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows


async def test_the_bot_knows_what_the_operator_said_at_the_very_beginning(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("Your order 5512 is on its way")
    await desk.presses("desk.bot")
    stage.studio.script("5512")
    assert await stage.ask("which order?") == "5512"
    assert "Your order 5512 is on its way" in str(stage.prompts()[-1])


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_customer_is_answered_by_the_operator_who_takes_the_case_and_then_by_the_bot(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    desk = await desk_on(stage, tmp_path, language=language)
    stage.studio.script("hello from the bot")
    assert await stage.ask("hello", customer) == "hello from the bot"
    assert await desk.called(customer) == say(language, "desk.called")
    assert "hello from the bot" in desk.card()["text"]
    await desk.writes("where is my order?", customer)
    assert desk.seen()[-1] == "where is my order?"
    await desk.presses("desk.take", language=language)
    assert say(language, "desk.bot") in desk.labels()
    await desk.says("it comes tomorrow")
    assert stage.telegram.texts(customer)[-1] == "it comes tomorrow"
    await desk.writes("thank you", customer)
    assert desk.seen()[-1] == "thank you"
    assert len(stage.prompts()) == 1
    await desk.presses("desk.bot", language=language)
    assert stage.telegram.texts(customer)[-1] == say(language, "desk.returned")
    stage.studio.script("the bot again")
    assert await stage.ask("are you there?", customer) == "the bot again"
    assert "it comes tomorrow" in str(stage.prompts()[-1])


async def test_below_the_first_answer_of_a_case_the_customer_may_choose_a_person(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text("[person]\nchoice = true\n", "utf-8")
    desk = await desk_on(stage, tmp_path)
    stage.studio.script("one", "two")
    await stage.ask("first")
    assert say("en", "desk.person") in labels(stage)
    await stage.ask("second")
    assert say("en", "desk.person") not in labels(stage)
    await pressed(stage, say("en", "desk.person"))
    await desk.quiet()
    assert say("en", "desk.reason.asked") in desk.card()["text"]


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_where_the_limit_is_used_up_a_person_is_offered_who_reads_the_question(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    desk = await desk_on(stage, tmp_path, language=language, daily_tokens=10)
    await stage.ask("hello", customer)
    await stage.ask("where is my order?", customer)
    await pressed(stage, say(language, "desk.person"), chat=customer)
    await desk.quiet()
    assert len(stage.prompts()) == 1
    assert f"{say(language, 'desk.reason.limit')} (where is my order?)" in desk.card()["text"]
    await desk.presses("desk.take", language=language)
    await desk.says("On its way")
    assert stage.telegram.texts(customer)[-1] == "On its way"


async def test_a_command_that_names_an_operator_calls_nobody(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    before = len(inbox(stage))
    told = await stage.ask("/invite operator", OLGA)
    await desk.quiet(before)
    assert told != say("en", "desk.called")
    assert rows(stage, "SELECT * FROM desk_cases") == []
