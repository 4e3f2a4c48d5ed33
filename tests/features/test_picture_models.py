"""IMAGE_MODEL=auto: the first model that the folder has draws, and a picture is paid once, or booked as often."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from bot.features.pictures.image_generation import PATIENCE_WITH_ANOTHER
from bot.sandbox import painter
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

JPEG = painter.draw("a cat", 1, 1, 1)
ALICE, ART = "aliceai-image-art-3.0", "yandex-art"


async def _draw(stage: Stage, text: str, person: int = ANNA) -> Message:
    before = len(_photos(stage, person))
    stage.telegram.say(person, text)
    await soon(stage, lambda: len(_photos(stage, person)) > before or None)
    return _photos(stage, person)[-1]


def _photos(stage: Stage, person: int = ANNA) -> list[Message]:
    return [message for message in stage.telegram.transcript(person) if "photo" in message]


def _booked(stage: Stage) -> list[str]:
    return [model for (model,) in rows(stage, "SELECT model FROM usage WHERE mode = 'image'")]


def _told(stage: Stage, word: str) -> list[str]:
    return [text for text in stage.telegram.texts(ANNA) if word in text]


async def test_todays_folder_draws_by_the_images_api_at_once(stage: Stage) -> None:
    await stage.start(image_price=Decimal("2.2"))
    stage.studio.paint(JPEG)
    photo = await _draw(stage, "/image 16:9 a cat on a roof")
    (order,) = stage.studio.seen("images/generations")
    assert order.body["prompt"] == "a cat on a roof"
    assert order.body["size"] == "1792x1024"
    assert order.body["model"].endswith(f"/{ALICE}")  # the vendor asks for no version
    assert photo["caption"] == "a cat on a roof\n\n16:9"
    assert stage.studio.seen("imageGenerationAsync") == []
    assert (_booked(stage), stage.studio.bought) == ([ALICE], 1)


async def test_a_seed_that_the_model_ignores_is_said(stage: Stage) -> None:
    await stage.start()
    photo = await _draw(stage, "/image seed=17 кошка", BORIS)
    assert photo["caption"] == f"кошка\n\n1:1\n{say('ru', 'image.seed.ignored', model=ALICE)}"


async def test_same_but_says_that_it_draws_anew(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await stage.press("Same, but…")
    assert say("en", "image.change.ask.anew") in (await stage.texts(2))[1]
    stage.telegram.say(ANNA, "with a hat", reply_to=stage.telegram.transcript(ANNA)[-1]["message_id"])
    await soon(stage, lambda: len(_photos(stage)) == 2 or None)
    assert stage.studio.seen("images/generations")[-1].body["prompt"] == "a cat, with a hat"


async def test_a_folder_of_2025_draws_by_operations_and_the_owners_are_told_once(stage: Stage) -> None:
    stage.studio.access.serve("2025")
    await stage.start(owners=[ANNA])
    await _draw(stage, "/image a cat", BORIS)
    await _draw(stage, "/image a dog", BORIS)
    assert len(stage.studio.seen("images/generations")) == 1  # remembered
    assert _booked(stage) == [ART, ART]
    assert len(_told(stage, ALICE)) == 1
    await stage.clock.sleep(86_500)
    await _draw(stage, "/image a bird", BORIS)
    assert len(stage.studio.seen("images/generations")) == 2  # tried again after a day


async def test_a_restart_remembers_which_model_the_folder_does_not_have(stage: Stage) -> None:
    stage.studio.access.serve("2025")
    await stage.start(owners=[ANNA])
    await _draw(stage, "/image a cat", BORIS)
    await stage.crash()
    await stage.start(owners=[ANNA])
    await _draw(stage, "/image a dog", BORIS)
    assert len(stage.studio.seen("images/generations")) == 1


@pytest.mark.parametrize(("person", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_folder_without_pictures_says_so_and_pays_nothing(stage: Stage, person: int, language: str) -> None:
    stage.studio.access.models -= {ALICE, ART}
    await stage.start()
    assert await stage.ask("/image cat", person) == say(language, "error.denied")
    assert (stage.studio.bought, _booked(stage)) == (0, [])


async def test_an_operation_that_stays_undone_means_the_next_model(stage: Stage) -> None:
    stage.studio.access.models = {"yandex-art"}
    stage.studio.art.is_stuck = True
    await stage.start(owners=[ANNA])
    stage.telegram.say(BORIS, "/image a cat")
    await soon(stage, lambda: stage.studio.seen("operation") or None)
    stage.studio.access.models |= {ALICE}
    stage.studio.paint(JPEG)
    await stage.clock.sleep(PATIENCE_WITH_ANOTHER + 60)
    await soon(stage, lambda: _photos(stage, BORIS) or None)
    assert _booked(stage) == [ART, ALICE]  # both were charged


async def test_a_chosen_model_is_never_replaced(stage: Stage) -> None:
    stage.studio.access.models -= {ART}
    await stage.start(image_model=ART)
    assert await stage.ask("/image cat") == say("en", "error.denied")
    assert stage.studio.seen("images/generations") == []


async def test_a_kill_while_the_images_api_draws_orders_once_more_and_books_both(stage: Stage) -> None:
    await stage.start()
    stage.studio.art.seconds = 20.0
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: stage.studio.bought or None)
    await stage.crash()
    await stage.start()
    await soon(stage, lambda: _photos(stage) or None)
    assert (stage.studio.bought, _booked(stage)) == (2, [ALICE, ALICE])
    assert len(_photos(stage)) == 1


async def test_two_kills_leave_the_choice_to_the_person(stage: Stage) -> None:
    await stage.start()
    stage.studio.art.seconds = 20.0
    stage.telegram.say(ANNA, "/image a cat")
    for count in (1, 2):
        await soon(stage, lambda count=count: stage.studio.bought == count or None)  # type: ignore[misc]
        await stage.crash()
        await stage.start()
    await soon(stage, lambda: _told(stage, say("en", "image.unknown")) or None)
    await asyncio.sleep(60)
    assert (stage.studio.bought, _booked(stage)) == (2, [ALICE, ALICE])


@pytest.mark.parametrize("broken", ["no_image", "not_base64", b"\x89PNG no JPEG"])
async def test_a_broken_picture_is_booked_and_told(stage: Stage, broken: str | bytes) -> None:
    stage.studio.paint(broken)  # type: ignore[arg-type]
    await stage.start()
    assert await stage.ask("/image a cat") == say("en", "image.failed")
    assert _booked(stage) == [ALICE]


async def test_as_a_file_sends_the_picture_that_the_service_drew(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG)
    await _draw(stage, "/image a cat")
    await stage.press("As a file")
    await soon(stage, lambda: "document" in stage.telegram.transcript(ANNA)[-1] or None)
    file = stage.telegram.transcript(ANNA)[-1]["document"]
    assert stage.telegram.state.files[file["file_id"]].data == JPEG


async def test_a_day_later_the_file_is_gone_and_that_is_said(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await stage.clock.sleep(86_400 + 60)
    await soon(stage, lambda: rows(stage, "SELECT count(*) FROM blobs") == [(0,)] or None)
    await stage.press("As a file")
    await soon(stage, lambda: say("en", "image.file.gone") in stage.telegram.texts(ANNA) or None)


async def test_a_richer_description_is_not_made_richer_again(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    stage.studio.script("A red cat on a tin roof at dusk")
    await stage.press(say("en", "image.improve"))
    await soon(stage, lambda: len(_photos(stage)) == 2 or None)
    assert say("en", "image.improve") not in [button["text"] for button in buttons_of(_photos(stage)[-1])]
