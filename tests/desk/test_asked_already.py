"""Operators see that a customer asks what was answered within a week, with the answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.app.application import App
from bot.testing.stage import Stage
from bot.testing.studio import StudioSide
from bot.testing.tg import DeskTopic, Person, Tg
from bot.texts.catalog import say
from bot.texts.dates import day
from tests.support.virtual import pass_by

QUESTION, ANSWER = "Where do I return the lamp?", "At the desk, on Mondays."
WEEK = 7 * 86_400


@pytest.fixture
def bot_app() -> App:
    return App(system_prompt="x", tools=[], embeddings="off")


async def called(tg: Tg, customer: Person, language: str = "en") -> tuple[DeskTopic, Person]:
    operator = tg.user("Olga", language)
    desk = await tg.connect_desk("Support", operator)
    await customer.say("/human")
    return desk.topic(customer), operator


def hint(stage: Stage, answer: str = ANSWER, language: str = "en") -> str:
    today = day(datetime.fromtimestamp(stage.clock.time(), UTC), language)
    return say(language, "desk.asked_already", day=today, answer=answer)


async def test_the_card_shows_the_answer_that_the_bot_has_given_to_an_equal_question(
    tg: Tg, stage: Stage, studio: StudioSide
) -> None:
    ann = tg.user("Ann")
    studio.says(ANSWER)
    await ann.say(QUESTION)
    wanted = hint(stage)
    pass_by(WEEK - 86_400)
    studio.says("I said so.")
    await ann.say("where  do i return the LAMP")
    topic, olga = await called(tg, ann)
    card = topic.said()[1].text
    assert f"\n{wanted}\n" in card
    await topic.press(olga, "Take")
    await topic.says(olga, "As before.")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_message_of_a_case_shows_the_answer_of_an_operator_to_an_equal_one(
    tg: Tg, stage: Stage, language: str
) -> None:
    ann = tg.user("Ann", language)
    topic, olga = await called(tg, ann, language)
    await topic.press(olga, say(language, "desk.take"))
    await ann.send_content({"text": QUESTION})
    assert topic.said()[-1].text == QUESTION
    await topic.says(olga, ANSWER)
    await ann.send_content({"text": "Thanks a lot!"})
    await ann.send_content({"text": QUESTION})
    assert topic.said()[-1].text == f"{QUESTION}\n{hint(stage, language=language)}"
    assert topic.said()[-1].raw["entities"][-1]["type"] == "blockquote"


async def test_nothing_is_shown_of_old_unanswered_short_and_other_questions(
    tg: Tg, stage: Stage, studio: StudioSide
) -> None:
    ann, ben = tg.user("Ann"), tg.user("Ben")
    studio.says("Ben's secret.")
    await ben.say("What is my room number?")
    topic, olga = await called(tg, ann)
    await topic.press(olga, "Take")
    await ann.send_content({"text": QUESTION})
    await ann.send_content({"text": QUESTION})
    assert topic.said()[-1].text == QUESTION, "nobody has answered it"
    await topic.says(olga, ANSWER)
    for words in ("Where do I return the lamps?", "What is my room number?"):
        await ann.send_content({"text": words})
        assert topic.said()[-1].text == words
    await ann.send_content({"text": "Thank you"})
    await topic.says(olga, "Welcome.")
    await ann.send_content({"text": "Thank you"})
    assert topic.said()[-1].text == "Thank you"
    pass_by(WEEK + 1)
    await ann.send_content({"text": QUESTION})
    assert topic.said()[-1].text == QUESTION


async def test_the_answer_in_the_hint_mentions_nobody_and_is_no_command(tg: Tg, stage: Stage) -> None:
    ann = tg.user("Ann")
    topic, olga = await called(tg, ann)
    await topic.press(olga, "Take")
    await ann.send_content({"text": QUESTION})
    await topic.says(olga, "Ask @boss. " + "x" * 400)
    await ann.send_content({"text": QUESTION})
    shown = topic.said()[-1].text
    assert "Ask @\u2060boss." in shown
    assert shown.endswith("x…")
    assert len(shown) < 450
