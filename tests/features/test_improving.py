"""A short idea for a picture becomes a richer description, by the text model, before or below the picture."""

from __future__ import annotations

from typing import Any

import pytest

from bot.features.pictures.prompt_improver import LONGEST, SHORT, tidied
from bot.prompts.catalog import instruct
from bot.sandbox import painter
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

JPEG = painter.draw("a cat", 1, 1, 1)
RICH = "A red cat on a tin roof at dusk, warm light from a window, soft rain, watercolour"

pytestmark = pytest.mark.usefixtures("draws_by_operations")


def photos(stage: Stage, chat: int = ANNA) -> list[dict[str, Any]]:
    return [message for message in stage.telegram.transcript(chat) if "photo" in message]


def ordered(stage: Stage) -> list[str]:
    return [seen.body["messages"][0]["text"] for seen in stage.studio.seen("imageGenerationAsync")]


async def drawn(stage: Stage, count: int, chat: int = ANNA) -> list[str]:
    """Wait for so many pictures: their descriptions."""
    await soon(stage, lambda: len(photos(stage, chat)) == count or None)
    return [photo.get("caption", "").rpartition("\n\n")[0] for photo in photos(stage, chat)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (RICH, RICH),
        (f'"{RICH}"', RICH),
        (f"```\n{RICH}\n```", RICH),
        (f"**Описание:** {RICH}", RICH),
        (f"Prompt: {RICH}", RICH),
        ("two\n\nlines", "two lines"),
        ("", ""),
        ("```\n```", ""),
    ],
)
def test_only_the_description_is_taken(text: str, told: str) -> None:
    assert tidied(text) == told


@pytest.mark.parametrize("text", ["One sentence. " * 60, "word, " * 200, "x" * 900, "Слово. " * 100])
def test_a_description_is_never_longer_than_can_be_drawn(text: str) -> None:
    assert LONGEST // 2 <= len(tidied(text)) <= LONGEST


async def test_a_button_below_the_picture_makes_its_description_richer(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG, JPEG)
    stage.studio.script(RICH)
    stage.telegram.say(ANNA, "/image a cat")
    await drawn(stage, 1)
    assert stage.prompts() == []
    await stage.press(say("en", "image.improve"))
    assert await drawn(stage, 2) == ["a cat", RICH]
    assert ordered(stage) == ["a cat", RICH]
    system, idea = stage.prompts()[0]
    assert system["text"] == instruct("en", "image.improve")
    assert idea == {"role": "user", "text": "a cat"}
    assert "image.improve" in {action for (action,) in rows(stage, "SELECT action FROM buttons")}
    ((model, tokens),) = rows(stage, "SELECT model, prompt + completion FROM usage WHERE mode = 'aside'")
    assert (model, tokens > 0) == ("yandexgpt-5.1", True)


async def test_the_button_works_once(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG, JPEG, JPEG)
    stage.telegram.say(BORIS, "/image кот")
    await drawn(stage, 1, BORIS)
    first = photos(stage, BORIS)[0]
    for _ in range(2):
        button = buttons_of(first)[-1]
        assert button["text"] == say("ru", "image.improve")
        stage.telegram.press(BORIS, first["message_id"], button["callback_data"], BORIS)
    await drawn(stage, 2, BORIS)
    await stage.clock.sleep(60)
    assert len(ordered(stage)) == 2
    assert stage.prompts()[0][0]["text"] == instruct("ru", "image.improve")


async def test_always_improves_before_the_picture_is_ordered(stage: Stage) -> None:
    await stage.start(image_improve="always")
    stage.studio.paint(JPEG, JPEG)
    stage.studio.script(RICH)
    stage.telegram.say(ANNA, "/image a cat")
    assert await drawn(stage, 1) == [RICH]
    long = "a cat " * (SHORT // 5)
    stage.telegram.say(ANNA, f"/image {long}")
    assert (await drawn(stage, 2))[1] == long.strip()
    assert len(stage.prompts()) == 1


async def test_never_offers_nothing(stage: Stage) -> None:
    await stage.start(image_improve="never")
    stage.studio.paint(JPEG)
    stage.telegram.say(ANNA, "/image a cat")
    await drawn(stage, 1)
    assert say("en", "image.improve") not in [button["text"] for button in buttons_of(photos(stage)[0])]


@pytest.mark.parametrize("is_filtered", [False, True])
async def test_a_model_that_fails_leaves_the_idea_as_it_is_and_says_so(stage: Stage, is_filtered: bool) -> None:
    await stage.start(image_improve="always")
    stage.studio.paint(JPEG)
    if is_filtered:
        stage.studio.script(Answer(["I can't talk about that"], status="CONTENT_FILTER"))
    else:
        stage.studio.fail_next("completion", status=500, times=3)
    stage.telegram.say(ANNA, "/image a cat")
    assert await drawn(stage, 1) == ["a cat"]
    assert say("en", "image.improve.plain") in stage.telegram.texts(ANNA)


async def test_a_button_whose_model_fails_can_be_pressed_again(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG, JPEG)
    stage.telegram.say(ANNA, "/image a cat")
    await drawn(stage, 1)
    stage.studio.set_faults({"error500": 1.0})
    await stage.press(say("en", "image.improve"))
    await soon(stage, lambda: say("en", "image.improve.failed") in stage.telegram.texts(ANNA) or None)
    assert len(ordered(stage)) == 1
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.script(RICH)
    await stage.press(say("en", "image.improve"))
    assert (await drawn(stage, 2))[1] == RICH


async def test_the_tokens_count_against_the_budget_of_the_day(stage: Stage) -> None:
    await stage.start(user_daily_tokens=100_000)
    stage.studio.paint(JPEG, JPEG)
    stage.studio.script(RICH)
    stage.telegram.say(ANNA, "/image a cat")
    await drawn(stage, 1)
    await stage.press(say("en", "image.improve"))
    await drawn(stage, 2)
    assert rows(stage, "SELECT COUNT(*) FROM reservations") == [(0,)]
    ((spent,),) = rows(stage, "SELECT amount FROM spending WHERE kind = 'tokens' AND scope = 'user'")
    assert rows(stage, "SELECT SUM(prompt + completion) FROM usage") == [(spent,)]
