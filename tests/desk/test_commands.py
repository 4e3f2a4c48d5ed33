"""The words of the desk: the customer's way back to the bot, and what operators do with a case by commands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.storage.tables.knowledge import KnowledgeSource
from bot.texts.catalog import say
from tests.support.choosing import actions, pressed
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.known import handbook, kept
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

OWNER = "SELECT owner, holder FROM desk_cases ORDER BY id DESC LIMIT 1"


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    return desk


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_customer_goes_back_to_the_bot(stage: Stage, tmp_path: Path, customer: int, language: str) -> None:
    desk = await desk_on(stage, tmp_path, language=language)
    await desk.called(customer)
    assert await stage.ask("/bot", customer) == say(language, "desk.returned")
    assert await stage.ask("/bot", customer) == say(language, "desk.is_bots")
    stage.studio.script("here I am")
    assert await stage.ask("hello", customer) == "here I am"


@pytest.mark.parametrize("words", ["Operator!", "I want a human", "позовите оператора", "живой человек, пожалуйста"])
async def test_a_short_message_that_asks_for_a_person_calls_one(stage: Stage, tmp_path: Path, words: str) -> None:
    await desk_on(stage, tmp_path)
    assert await stage.ask(words) == say("en", "desk.called")
    assert stage.prompts() == []


async def test_a_question_about_people_is_a_question(stage: Stage, tmp_path: Path) -> None:
    await desk_on(stage, tmp_path)
    stage.studio.script("eight billion")
    assert await stage.ask("how many human beings are there?") == "eight billion"


async def test_while_a_person_has_the_case_commands_that_ask_a_model_go_to_the_person(desk: DeskStage) -> None:
    await desk.writes("/image a cat")
    assert desk.seen()[-1].replace("\u2060", "") == "/image a cat"
    assert "/settings" in await desk.stage.ask("/help")


async def test_release_lets_a_case_wait_again_and_only_its_holder_may(desk: DeskStage) -> None:
    await desk.says("/release", OLEG)
    assert desk.seen()[-1] == say("en", "desk.not_yours")
    await desk.says("/release")
    assert rows(desk.stage, OWNER) == [("waiting", 0)]


async def test_a_case_that_is_put_aside_comes_back_when_its_customer_writes(desk: DeskStage) -> None:
    await desk.says("/snooze tomorrow, perhaps")
    assert desk.seen()[-1] == say("en", "desk.snooze_how")
    await desk.says("/snooze 2h")
    assert rows(desk.stage, OWNER) == [("snoozed", OLGA)]
    await desk.writes("any news?")
    assert rows(desk.stage, OWNER) == [("held", OLGA)]
    assert "any news?" in desk.seen()


@pytest.mark.parametrize("duty", ["", "/on", "/off", "/pause 1h"])
async def test_who_writes_again_soon_after_the_close_comes_back_to_the_person_who_is_there(
    desk: DeskStage, duty: str
) -> None:
    await desk.says("/close")
    assert rows(desk.stage, OWNER) == [("closed", 0)]
    if duty:
        await desk.says(duty)
    await desk.writes("one more thing")
    is_there = duty in ("", "/on")
    assert rows(desk.stage, OWNER) == [("held", OLGA) if is_there else ("waiting", 0)]
    assert desk.card()["text"].startswith(f"#1 · {'answered by Olga' if is_there else 'waiting'}")
    assert "one more thing" in desk.seen()
    assert desk.stage.prompts() == []


async def test_two_who_press_take_at_once_are_told_who_was_first(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    button = next(
        one for one in desk.card()["reply_markup"]["inline_keyboard"][0] if one["text"] == say("en", "desk.take")
    )
    for who in (OLGA, OLEG):
        stage.telegram.press(desk.group, desk.card()["message_id"], button["callback_data"], who)
    await desk.quiet(len(rows(stage, "SELECT 1 FROM updates")))
    ((owner, holder),) = rows(stage, OWNER)
    assert owner == "held"
    await desk.says("mine", holder)
    assert stage.telegram.texts(ANNA)[-1] == "mine"


async def test_an_unknown_word_is_answered_with_the_known_ones(desk: DeskStage) -> None:
    await desk.says("/nonsense")
    assert desk.seen()[-1] == say("en", "desk.words")


@pytest.mark.parametrize("words", ["Thanks a lot!", "спасибо", "👍"])
async def test_a_word_of_thanks_opens_no_closed_case_again(desk: DeskStage, words: str) -> None:
    await desk.says("/close")
    thanks = await desk.writes(words)
    assert rows(desk.stage, OWNER) == [("closed", 0)]
    assert desk.seen()[-1] == words
    assert desk.reactions(ANNA)[thanks["message_id"]] == "👍"
    assert desk.stage.prompts() == []


async def test_an_answer_is_deleted_at_the_customers_while_telegram_lets_a_bot_do_so(desk: DeskStage) -> None:
    before = desk.stage.telegram.texts(ANNA)
    sent = await desk.says("the wrong one")
    await desk.says("/del")
    assert desk.seen()[-1] == say("en", "desk.del_how")
    await desk.says("/del", reply_to=sent["message_id"])
    assert desk.stage.telegram.texts(ANNA) == before


async def test_the_case_of_somebody_who_is_no_operator_any_more_waits_again(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.says("/take", OLEG)
    assert rows(stage, OWNER) == [("held", OLEG)]
    await stage.crash()
    await stage.start(owners=frozenset({OLGA}))
    await desk.writes("is anybody there?")
    assert rows(stage, OWNER) == [("waiting", 0)]
    assert "is anybody there?" in desk.seen()


async def test_a_case_that_is_put_aside_comes_back_at_its_time_also_after_a_kill(desk: DeskStage) -> None:
    await desk.says("/snooze 2h")
    await desk.stage.crash()
    await desk.stage.start()
    await asyncio.sleep(7_000)
    assert rows(desk.stage, OWNER) == [("snoozed", OLGA)]
    await asyncio.sleep(300)
    await desk.quiet()
    assert rows(desk.stage, OWNER) == [("held", OLGA)]
    assert desk.seen()[-1] == say("en", "desk.back", name="Olga")


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_who_gets_no_answer_from_the_sources_may_call_a_person(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    docs = handbook(tmp_path)
    desk = await desk_on(stage, tmp_path, language=language, knowledge="extract", embeddings="off")
    assert stage.app is not None
    base = kept(stage.app, docs)
    await base.sync(await base.add(KnowledgeSource(name="docs", kind="", address=str(docs), audience=("everyone",))))
    await base.files.close()
    question = {"en": "Which colours can one buy?", "ru": "Какого цвета ваши ноутбуки?"}[language]
    assert (await stage.ask(question, customer)).startswith(say(language, "kb.unanswered"))
    assert "desk.call" in actions(stage)
    await pressed(stage, say(language, "desk.person"), chat=customer)
    await desk.quiet()
    assert stage.telegram.texts(customer)[-1] == say(language, "desk.called")
    assert say(language, "desk.reason.no_quote") in desk.card()["text"]
