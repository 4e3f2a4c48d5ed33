"""Pictures over a bad connection: each is paid at most once, and ends in a photo or a sentence. More: `test_images`."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bot.texts.catalog import say
from tests.promises.faults.network import studio_down, studio_up, telegram_away
from tests.promises.faults.wire import failure
from tests.support.raw_server import Play, answer, drip, serve
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import said, soon

pytestmark = [pytest.mark.wire("tcp"), pytest.mark.usefixtures("draws_by_operations")]

UNKNOWN, FAILED = say("en", "image.unknown"), say("en", "image.failed")
ORDERED = {"id": "op1", "done": False}


def done(**more: Any) -> dict[str, Any]:
    return {"id": "op1", "done": True, **more}


async def drawn(stage: Stage, *script: Play) -> tuple[str, list[str]]:
    """What is said of a picture whose order and polls are answered so, and the paths that were asked for."""
    async with serve(*script) as raw:
        await stage.start(yc_llm_url=raw.url, yc_image_operation_url=raw.url)
        text = await stage.ask("/image a cat")
        await stage.clock.sleep(600)
    return text, [seen.path for seen in raw.seen]


# --- F80: the order ---------------------------------------------------------------------------------------------------

LOST: dict[str, Play] = {
    "no answer for ever": drip(b" ", 5),
    "a page": answer(200, b"<html>Log in</html>"),
    "no id": answer(200, {"done": False}),
    "an id that is none": answer(200, {"id": "../../secrets", "done": False}),
    "an error of the server": answer(500, failure(13)),
}


@pytest.mark.parametrize("play", LOST.values(), ids=LOST.keys())
async def test_f80_p13_an_order_whose_outcome_is_unknown_is_never_sent_twice(stage: Stage, play: Play) -> None:
    text, paths = await drawn(stage, play)
    assert text == UNKNOWN
    assert len(paths) == 1


async def test_f80_a_redirect_of_an_order_is_not_followed_and_no_key_goes_there(stage: Stage) -> None:
    async with serve(answer(200, ORDERED)) as elsewhere:
        text, paths = await drawn(stage, answer(307, b"", f"location: {elsewhere.url}/x"))
    assert elsewhere.seen == []
    assert text == UNKNOWN
    assert len(paths) == 1


# --- F80: the polls ---------------------------------------------------------------------------------------------------

PICTURE = done(response={"image": base64.b64encode(b"\xff\xd8\xff" + b"x" * 100 + b"\xff\xd9").decode()})
BAD: dict[str, dict[str, Any]] = {
    "an error": done(error={"code": 13, "message": "internal"}),
    "nothing": done(),
    "half a JPEG": done(response={"image": base64.b64encode(b"\xff\xd8\xff" + b"x" * 50).decode()}),
    "a number": done(response={"image": 17}),
}


@pytest.mark.parametrize("operation", BAD.values(), ids=BAD.keys())
async def test_f80_an_operation_that_ends_badly_is_said_and_not_ordered_again(
    stage: Stage, operation: dict[str, Any]
) -> None:
    text, paths = await drawn(stage, answer(200, ORDERED), answer(200, operation))
    assert text == FAILED
    assert len([path for path in paths if "imageGeneration" in path]) == 1


TROUBLE: dict[str, Play] = {
    "500": answer(500, failure(13)),
    "a page": answer(502, b"<html>502</html>"),
    "nonsense": answer(200, b"[1]"),
    "half": answer(200, json.dumps(ORDERED).encode()[:-4]),
    "quota": answer(429, failure(8, "gauge quota limit exceed")),
    "a refused key": answer(401, failure(16, "Unknown api key")),
    "a redirect": answer(302, b"", "location: http://127.0.0.1:9/"),
    "a drip": drip(b" ", 5),
}


@pytest.mark.parametrize("play", TROUBLE.values(), ids=TROUBLE.keys())
async def test_f80_trouble_between_order_and_picture_costs_time_only(
    stage: Stage, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    text, paths = await drawn(stage, answer(200, ORDERED), play, play, play, answer(200, PICTURE))
    assert text.startswith("a cat\n")
    assert len([path for path in paths if "imageGeneration" in path]) == 1
    assert len([message for message in said(stage) if "photo" in message or "document" in message]) == 1
    assert "Traceback" not in caplog.text


# --- both legs --------------------------------------------------------------------------------------------------------


async def test_p13_ten_minutes_without_ai_studio_in_the_middle_of_a_picture_cost_no_picture(stage: Stage) -> None:
    stage.studio.operations.polls["art"] = 3
    await stage.start()
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: stage.studio.seen("operation"))
    await studio_down(stage)
    await stage.clock.sleep(600)
    await studio_up(stage)
    waiting, picture = await stage.texts(2)
    assert waiting == say("en", "image.waiting")
    assert picture.startswith("a cat\n")
    assert stage.studio.bought == 1


async def test_p13_a_picture_that_is_done_while_telegram_is_away_arrives_once(stage: Stage) -> None:
    await stage.start()
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: stage.studio.seen("imageGenerationAsync"))
    async with telegram_away(stage):
        await stage.clock.sleep(600)
    assert (await stage.texts(1))[0].startswith("a cat\n")
    assert await stage.ask("hello", BORIS)
    assert len([message for message in said(stage) if "photo" in message]) == 1
    assert stage.studio.bought == 1
