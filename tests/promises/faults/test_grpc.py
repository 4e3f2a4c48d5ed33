"""The whole bot with YC_TRANSPORT=grpc: answers and pictures come, and each is bought once."""

from __future__ import annotations

import pytest

from bot.texts.catalog import say
from tests.support.stage import ANNA, Stage

pytestmark = [pytest.mark.wire("tcp"), pytest.mark.usefixtures("draws_by_operations")]


async def begin(stage: Stage) -> None:
    server = await stage.studio.start_grpc()
    await stage.start(yc_transport="grpc", yc_grpc_address=server.address)


def photos(stage: Stage) -> int:
    return sum("photo" in message for message in stage.telegram.transcript(ANNA))


async def test_answers_and_pictures_come(stage: Stage) -> None:
    await begin(stage)
    assert "four planets" in await stage.ask("Show me a table")
    stage.telegram.say(ANNA, "/image a cat")
    await stage.until(lambda: photos(stage) or None)
    assert stage.studio.bought == 1


async def test_an_order_whose_answer_is_lost_is_not_bought_again(stage: Stage) -> None:
    await begin(stage)
    stage.studio.fail_next("imageGenerationAsync", cut="reset", apply=True)
    assert await stage.ask("/image a cat") == say("en", "image.unknown")
    assert stage.studio.bought == 1


async def test_a_picture_that_was_ordered_before_a_crash_comes_after_it(stage: Stage) -> None:
    await begin(stage)
    stage.studio.operations.polls["art"] = 3
    stage.telegram.say(ANNA, "/image a cat")
    await stage.until(lambda: stage.studio.seen("operation") or None)
    await stage.crash()
    await stage.start()
    await stage.until(lambda: photos(stage) or None)
    assert stage.studio.bought == 1


async def test_an_answer_is_written_anew_after_a_crash(stage: Stage) -> None:
    await begin(stage)
    stage.studio.speed = 5
    stage.studio.script("One word after another makes an answer. " * 20, "Good day!")
    stage.telegram.say(ANNA, "hello")
    await stage.until(lambda: stage.growing() or None)
    await stage.crash()
    await stage.start()
    await stage.until(lambda: "Good day!" in "".join(stage.telegram.texts(ANNA)) or None)
    assert len(stage.studio.seen("completion")) == 2
