"""The file of the desk in use: rules call people, hours say when, and the first team takes the rest."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.ai_studio.server import Answer
from bot.texts.catalog import say
from tests.support.choosing import actions, pressed
from tests.support.desk_side import DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import inbox, rows

OWNER = "SELECT owner, team, priority, tags FROM desk_cases ORDER BY id DESC LIMIT 1"
TEAMS = '[team.support]\ntitle = "Support"\n[team.billing]\ntitle.en = "Billing"\ntitle.ru = "Оплата"\n'
RULES = TEAMS + (
    "[[rule]]\nwhen = { words = ['refund'] }\ndo = { team = 'billing', priority = 'high', tag = 'money' }\n"
    "[[rule]]\nwhen = { words = ['court'] }\ndo = { person = true }\n"
)
MORNING = datetime(2026, 11, 23, 7, 30, tzinfo=UTC).timestamp()  # a Monday
OFFICE = "[hours]\nzone = 'Europe/Berlin'\nmon-fri = ['09:00-18:00']\n"


async def ruled(stage: Stage, folder: Path, text: str, **more: Any) -> DeskStage:
    """A desk with these rules."""
    (folder / "desk.toml").write_text(text, "utf-8")
    return await desk_on(stage, folder, team="Support" if text.startswith(TEAMS) else "", **more)


def at(stage: Stage, moment: float) -> None:
    """Move the wall clock to a moment."""
    stage.clock.shift += moment - stage.clock.time()


async def test_a_rule_brings_the_question_to_people_and_no_model_is_asked(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, RULES)
    assert await stage.ask("I will go to court!") == say("en", "desk.called")
    await desk.quiet()
    assert stage.prompts() == []
    assert say("en", "desk.reason.rule") in desk.card()["text"]
    assert desk.seen()[-1] == "I will go to court!"
    await desk.presses("desk.take")
    await desk.says("Please don't.")
    assert stage.telegram.texts(ANNA)[-1] == "Please don't."


async def test_a_rule_gives_a_team_a_priority_and_a_tag_and_the_bot_answers(stage: Stage, tmp_path: Path) -> None:
    await ruled(stage, tmp_path, RULES)
    stage.studio.script("Within a week.")
    assert await stage.ask("where is my refund?") == "Within a week."
    assert rows(stage, OWNER) == [("bot", "billing", 1, "money")]


async def test_an_edit_of_the_file_holds_for_the_next_question(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, RULES)
    stage.studio.script("Tell me more.")
    assert await stage.ask("my parcel") == "Tell me more."
    (tmp_path / "desk.toml").write_text("[[rule]]\nwhen = { words = ['parcel'] }\ndo = { person = true }\n")
    assert await stage.ask("my parcel again") == say("en", "desk.called")
    await desk.quiet()
    assert "Bot: Tell me more." in desk.card()["text"]


async def test_after_so_many_questions_a_person_is_called(stage: Stage, tmp_path: Path) -> None:
    await ruled(stage, tmp_path, "[person]\nturns = 2\n")
    stage.studio.script("one", "two")
    assert [await stage.ask(text) for text in ("a", "b")] == ["one", "two"]
    assert await stage.ask("c") == say("en", "desk.called")


async def test_own_words_call_a_person(stage: Stage, tmp_path: Path) -> None:
    await ruled(stage, tmp_path, "[person]\nwords = ['Mayday']\n")
    stage.studio.script("Here I am.")
    assert await stage.ask("operator") == "Here I am."
    assert await stage.ask("mayday, mayday!") == say("en", "desk.called")


@pytest.mark.parametrize(("customer", "language", "named"), [(ANNA, "en", "23 November"), (BORIS, "ru", "23 ноября")])
async def test_while_nobody_works_the_bot_goes_on_and_calls_a_person_at_the_opening(
    stage: Stage, tmp_path: Path, customer: int, language: str, named: str
) -> None:
    desk = await ruled(stage, tmp_path, OFFICE, language=language)
    at(stage, MORNING)
    told = await stage.ask("/human", customer)
    assert told == say(language, "desk.away.bot", opening=f"{named}, 09:00")
    shown = stage.telegram.transcript(customer)[-1]["entities"][0]
    assert (shown["type"], shown["unix_time"], shown["date_time_format"]) == ("date_time", MORNING + 1800, "wDt")
    stage.studio.script("Here I am.")
    assert await stage.ask("still there?", customer) == "Here I am."
    assert desk.cards() == []
    await asyncio.sleep(1805)
    await desk.quiet()
    assert len(desk.cards()) == 1
    assert stage.telegram.texts(customer)[-1] == say(language, "desk.opened")


async def test_a_person_is_called_at_the_later_opening_where_the_hours_were_changed_meanwhile(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await ruled(stage, tmp_path, OFFICE)
    at(stage, MORNING)
    await stage.ask("/human")
    (tmp_path / "desk.toml").write_text(OFFICE.replace("09:00", "10:00"), "utf-8")
    await asyncio.sleep(1805)
    assert desk.cards() == []
    await asyncio.sleep(3600)
    await desk.quiet()
    assert len(desk.cards()) == 1
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.opened")


async def test_a_desk_that_collects_tells_its_hours_once_and_brings_everything(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, OFFICE + "away = 'collect'\n")
    at(stage, MORNING)
    told = say("en", "desk.away.collect", opening="23 November, 09:00")
    assert await stage.ask("/human") == told
    await desk.writes("first")
    await desk.writes("second")
    assert desk.seen()[-2:] == ["first", "second"]
    assert stage.telegram.texts(ANNA)[-1:] == [told]
    at(stage, MORNING + 11 * 3600)  # the evening of that day
    await desk.writes("third")
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.away.collect", opening="24 November, 09:00")


async def test_the_own_words_of_a_desk_are_used(stage: Stage, tmp_path: Path) -> None:
    own = "text.en = 'Closed until {opening}, sorry.'\ntext.ru = 'Закрыто до {opening}.'\n"
    await ruled(stage, tmp_path, OFFICE + own)
    at(stage, MORNING)
    assert await stage.ask("/human") == "Closed until 23 November, 09:00, sorry."


async def test_a_question_a_day_later_begins_a_new_case_and_a_new_conversation(stage: Stage, tmp_path: Path) -> None:
    await ruled(stage, tmp_path, "")
    stage.studio.script("one", "two", "three")
    await stage.ask("first")
    await stage.ask("second")
    stage.clock.shift += 25 * 3600
    await stage.ask("third")
    assert rows(stage, "SELECT owner FROM desk_cases ORDER BY id") == [("closed",), ("bot",)]
    assert "second" not in str(stage.prompts()[-1])


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_model_hands_over_by_a_tool_and_says_why(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    desk = await ruled(stage, tmp_path, "", language=language)
    stage.studio.script(Answer(status="TOOL_CALLS", calls=[("hand_over", {"why": "wants a refund"})]), "I called them.")
    assert await stage.ask("Give me my money back", customer) == say(language, "desk.called")
    await desk.quiet()
    assert f"{say(language, 'desk.reason.model')} (wants a refund)" in desk.cards()[0]
    assert "Give me my money back" in desk.cards()[0]
    assert "I called them." not in stage.telegram.texts(customer)
    await desk.presses("desk.take", language=language)
    await desk.presses("desk.bot", language=language)
    stage.studio.script("Here I am.")
    assert await stage.ask("and now?", customer) == "Here I am."
    assert "I called them" not in str(stage.prompts()[-1])


async def test_a_desk_may_forbid_the_model_to_hand_over(stage: Stage, tmp_path: Path) -> None:
    await ruled(stage, tmp_path, "[person]\ntool = false\n")
    stage.studio.script(Answer(status="TOOL_CALLS", calls=[("hand_over", {"why": "tired"})]), "I'll do it myself.")
    assert await stage.ask("help") == "I'll do it myself."


async def test_two_answers_that_a_customer_dislikes_call_a_person_once(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, "")
    stage.studio.script("one", "two")
    for text in ("a", "b"):
        await stage.ask(text)
    answers = [one["message_id"] for one in stage.telegram.transcript(ANNA) if one.get("text") in ("one", "two")]
    before = len(inbox(stage))
    for message in (answers[0], answers[0], answers[1]):
        stage.telegram.react(ANNA, message, "👎", ANNA)
    await desk.quiet(before + 2)
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.called")
    assert say("en", "desk.reason.disliked") in desk.card()["text"]


@pytest.mark.parametrize("status", [400, 503])
async def test_when_the_model_fails_a_person_can_be_called(stage: Stage, tmp_path: Path, status: int) -> None:
    desk = await ruled(stage, tmp_path, "")
    stage.studio.fail_next("*", times=20, status=status)
    await stage.ask("hello")
    assert "desk.call" in actions(stage)
    await pressed(stage, say("en", "desk.person"))
    await desk.quiet()
    assert say("en", "desk.reason.failed") in desk.card()["text"]
    assert "hello" in desk.card()["text"]


async def test_the_topic_of_a_question_says_which_team_is_asked(stage: Stage, tmp_path: Path) -> None:
    routing = tmp_path / "routing.toml"
    routing.write_text(
        '[topic.money]\ntitle = "Money"\nqueue = "billing"\nwords = ["refund*"]\n'
        'examples = ["my money back", "a wrong sum", "pay by card"]\n'
        '[topic.other]\ntitle = "Other"\n'
    )
    await ruled(stage, tmp_path, TEAMS, routing=routing)
    stage.studio.script("In a week.")
    assert await stage.ask("where is my refund?") == "In a week."
    await stage.ask("/human")
    assert rows(stage, OWNER) == [("waiting", "billing", 0, "")]
