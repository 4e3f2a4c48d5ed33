"""Pictures: ordered once, paid once, delivered once, whatever happens in between (P13)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from bot.features.pictures.image_generation import PATIENCE, RATIOS, read_request
from bot.sandbox import painter
from bot.sandbox.faults import Cut
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of
from bot.testing.virtual_loop import VirtualLoop
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage

JPEG = painter.draw("a cat", 1, 1, 1)
RICHER = say("en", "image.improve")

pytestmark = pytest.mark.usefixtures("draws_by_operations")


async def test_a_picture_arrives_as_a_photo_with_its_prompt_and_buttons(stage: Stage) -> None:
    await stage.start()
    photo = await _draw(stage, "/image a cat on a roof")
    seed = _ordered(stage)[0][0]
    assert photo["caption"] == f"a cat on a roof\n\n1:1 seed={seed}"
    assert stage.telegram.state.files[photo["photo"][-1]["file_id"]].data == JPEG
    assert [button["text"] for button in buttons_of(photo)] == [
        "Again", "Same, but…", "16:9", "9:16", "4:3", "3:4", "As a file", RICHER
    ]  # fmt: skip
    assert stage.studio.bought == 1
    assert _ordered(stage)[0][1:] == ("a cat on a roof", 1, 1)


async def test_each_person_gets_the_buttons_in_the_own_language(stage: Stage) -> None:
    await stage.start()
    photo = await _draw(stage, "/img кошка", BORIS)
    assert [button["text"] for button in buttons_of(photo)][:2] == ["Ещё раз", "Такую же, но…"]


async def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/image " + "я" * 501) == say("en", "image.long", limit=500, length=501)
    assert stage.studio.seen("imageGenerationAsync") == []
    await _draw(stage, "/image " + "я" * 500)


async def test_a_bot_without_a_model_for_pictures_says_so(stage: Stage) -> None:
    await stage.start(image_model="")
    assert await stage.ask("/image a cat") == say("en", "image.off")


async def test_again_draws_the_same_prompt_and_ratio_with_another_seed(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await _press(stage, "16:9")
    await _press(stage, "Again")
    first, wide, again = _ordered(stage)
    assert wide == (first[0], "a cat", 16, 9)
    assert again[1:] == ("a cat", 16, 9)
    assert again[0] != first[0]
    shown = [[button["text"] for button in buttons_of(photo)][2:] for photo in _photos(stage)]
    every = [f"{width}:{height}" for width, height in RATIOS]
    others = ["1:1", "9:16", "4:3", "3:4", "As a file", RICHER]
    assert shown == [[*every[1:], "As a file", RICHER], others, others]


def test_a_ratio_and_a_seed_are_read_before_the_description_only() -> None:
    def read(text: str) -> tuple[int, str, int, int]:
        wanted = read_request(text, 5, "en")
        return wanted.seed, wanted.prompt, wanted.width, wanted.height

    expected = {
        "cat": (5, "cat", 1, 1),
        "16:9 cat": (5, "cat", 16, 9),
        "3:4 кошка": (5, "кошка", 3, 4),
        "4:3, a cat": (5, "a cat", 4, 3),
        "seed=17 cat": (17, "cat", 1, 1),
        "Сид=17 кошка": (17, "кошка", 1, 1),
        "зерно=17 9:16 кошка": (17, "кошка", 9, 16),
        "16:9\nSEED=17\na cat": (17, "a cat", 16, 9),
        "a cat 16:9": (5, "a cat 16:9", 1, 1),
        "a clock at 10:30 seed=4": (5, "a clock at 10:30 seed=4", 1, 1),
        "16:9 4:3 screen": (5, "4:3 screen", 16, 9),
        "seed=1 seed=2 packet": (1, "seed=2 packet", 1, 1),
        "16:9cat": (5, "16:9cat", 1, 1),
        f"seed={2**63 - 1} cat": (2**63 - 1, "cat", 1, 1),
        "16:9": (5, "", 16, 9),
    }
    assert {text: read(text) for text in expected} == expected


async def test_a_picture_is_repeated_by_the_words_below_it(stage: Stage) -> None:
    await stage.start()
    first = await _draw(stage, "/image 16:9 кошка")
    prompt, options = first["caption"].split("\n\n")
    again = await _draw(stage, f"/image {options} {prompt}")
    assert again["caption"] == first["caption"]
    assert _ordered(stage)[0] == _ordered(stage)[1]
    assert _ordered(stage)[0][1:] == ("кошка", 16, 9)


@pytest.mark.parametrize("person", [ANNA, BORIS])
async def test_a_ratio_or_a_seed_that_is_none_is_told_and_nothing_is_ordered(stage: Stage, person: int) -> None:
    await stage.start()
    language = "en" if person == ANNA else "ru"
    for ratio in ("10:30", "2:1", "0:0"):
        told = say(language, "image.ratio", ratio=ratio, ratios="1:1, 16:9, 9:16, 4:3, 3:4")
        assert await stage.ask(f"/image {ratio} cat", person) == told
    for seed in ("0", "-1", "x", "", str(2**63), "٣", "9" * 400):
        told = say(language, "image.seed", largest=2**63 - 1)
        assert await stage.ask(f"/image seed={seed} cat", person) == told
    assert await stage.ask("/image 16:9 seed=3", person) == say(language, "image.usage")
    assert stage.studio.seen("imageGenerationAsync") == []


async def test_a_reply_to_same_but_changes_the_prompt_not_the_seed(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await stage.press("Same, but…")
    assert say("en", "image.change.ask") in (await stage.texts(2))[1]
    asked = stage.telegram.transcript(ANNA)[-1]["message_id"]
    stage.telegram.say(ANNA, "with a hat", reply_to=asked)
    await stage.until(lambda: len(_photos(stage)) == 2 or None)
    first, changed = _ordered(stage)
    assert changed == (first[0], "a cat, with a hat", 1, 1)
    assert stage.prompts() == []
    assert await stage.ask("and now we talk")
    assert len(stage.prompts()) == 1


async def test_words_after_same_but_that_are_no_reply_draw_nothing_before_a_tap(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await stage.press("Same, but…")
    await stage.texts(2)
    assert await stage.ask("code") == f"a cat, code\n\n{say('en', 'price.picture', price='2.20 RUB')}"
    assert (stage.studio.bought, stage.prompts()) == (1, [])
    await stage.press(say("en", "price.draw"))
    await stage.until(lambda: len(_photos(stage)) == 2 or None)
    first, changed = _ordered(stage)
    assert changed == (first[0], "a cat, code", 1, 1)


async def test_a_change_that_is_too_long_may_be_said_again_shorter(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await stage.press("Same, but…")
    await stage.texts(2)
    assert await stage.ask("x" * 500) == say("en", "image.long", limit=500, length=507)
    assert (await stage.ask("with a hat")).startswith("a cat, with a hat\n")


async def test_a_change_of_a_bot_that_no_longer_draws_is_an_ordinary_message(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image a cat")
    await stage.press("Same, but…")
    await stage.texts(2)
    await stage.stop()
    await stage.start(image_model="")
    stage.studio.script("hello to you")
    assert await stage.ask("hello") == "hello to you"


async def test_the_question_what_to_change_is_only_for_the_one_who_was_asked(stage: Stage) -> None:
    await stage.start()
    await _draw(stage, "/image@govorun_sandbox_bot a cat", TEAM, ANNA)
    await stage.press("Same, but…", TEAM, ANNA)
    await stage.texts(2, TEAM)
    stage.studio.script("for Boris", "after new")
    assert await stage.ask("@govorun_sandbox_bot hello", TEAM, BORIS) == "for Boris"
    await stage.ask("/new", TEAM, ANNA)
    assert await stage.ask("@govorun_sandbox_bot hello", TEAM, ANNA) == "after new"
    assert stage.studio.bought == 1


async def test_a_refused_prompt_is_explained_and_can_not_be_pressed_again(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/image a murder") == say("en", "image.refused")
    assert buttons_of(stage.telegram.transcript(ANNA)[-1]) == []
    stage.studio.paint("refused")
    assert await stage.ask("/image something") == say("en", "image.refused")
    assert buttons_of(stage.telegram.transcript(ANNA)[-1]) == []
    assert len(stage.studio.seen("imageGenerationAsync")) == 2


@pytest.mark.parametrize("outcome", ["failed", "no_image", "not_base64", b"GIF89a", JPEG[:-20]])
async def test_an_operation_that_ends_without_a_picture_is_said_and_paid_once(stage: Stage, outcome: Any) -> None:
    await stage.start()
    stage.studio.paint(outcome, JPEG)
    assert await stage.ask("/image a cat") == say("en", "image.failed")
    assert stage.studio.bought == 1
    await _press(stage, "Again")
    assert stage.studio.bought == 2


async def test_an_operation_that_the_service_forgot_is_said(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG)
    stage.studio.fail_next("operation", status=404)
    assert await stage.ask("/image a cat") == say("en", "image.failed")
    assert stage.studio.bought == 1


async def test_a_picture_that_is_never_done_is_given_up_after_hours(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint("never")
    stage.telegram.say(ANNA, "/image a cat")
    await _asked(stage, "operation", 1)
    await _later(stage, PATIENCE - 600)
    await _asked(stage, "operation", len(stage.studio.seen("operation")) + 1)
    assert stage.telegram.texts(ANNA) == [say("en", "image.waiting")]
    await _later(stage, 700)
    assert await stage.texts(2) == [say("en", "image.waiting"), say("en", "image.slow")]
    assert stage.studio.bought == 1


async def test_a_service_that_can_not_be_asked_is_given_up_after_hours_too(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint("never")
    stage.telegram.say(ANNA, "/image a cat")
    await _asked(stage, "operation", 1)
    stage.studio.set_faults({"error500": 1.0})
    await _later(stage, PATIENCE + 1)
    assert await stage.texts(1) == [say("en", "image.slow")]


async def test_errors_while_polling_cost_nothing(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG)
    stage.studio.fail_next("operation", status=500, times=7)
    stage.telegram.say(ANNA, "/image a cat")
    assert [text.split("\n")[0] for text in await stage.texts(1)] == ["a cat"]
    assert stage.studio.bought == 1
    assert len(_photos(stage)) == 1


async def test_polls_become_rarer(stage: Stage) -> None:
    await stage.start()
    stage.studio.operations.seconds["art"] = 200
    await _draw(stage, "/image a cat")
    times = [seen.at for seen in stage.studio.seen("operation")]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 1.9 <= waits[0] < 3
    assert 10 < waits[-1] <= 31
    assert len(times) < 60


@pytest.mark.parametrize("cut", ["reset", "fin"])
async def test_an_order_whose_outcome_is_unknown_is_not_repeated_by_itself(stage: Stage, cut: Cut) -> None:
    await stage.start()
    stage.studio.paint(JPEG)
    stage.studio.fail_next("imageGenerationAsync", cut=cut)
    assert await stage.ask("/image a cat") == say("en", "image.unknown")
    await asyncio.sleep(300)
    assert len(stage.studio.seen("imageGenerationAsync")) == 1
    await _press(stage, "Again")
    assert _ordered(stage)[1][1] == "a cat"
    assert stage.studio.bought == 1


async def test_a_service_that_is_down_for_a_while_is_waited_for(stage: Stage) -> None:
    """503 and 429 say that the order was not taken: it may be repeated, and costs nothing."""
    await stage.start()
    stage.studio.paint(JPEG)
    stage.studio.fail_next("imageGenerationAsync", status=429, times=8)
    stage.telegram.say(ANNA, "/image a cat")
    assert [text.split("\n")[0] for text in await stage.texts(1)] == ["a cat"]
    assert stage.studio.bought == 1


async def test_a_service_that_stays_down_is_said(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("imageGenerationAsync", status=503, times=1000)
    assert await stage.ask("/image a cat") == say("en", "image.failed")
    assert stage.studio.bought == 0


async def test_a_key_that_may_not_draw_is_for_the_operator(stage: Stage) -> None:
    await stage.start()
    stage.studio.fail_next("imageGenerationAsync", status=403, times=2)
    assert await stage.ask("/image a cat") == say("en", "error.denied")


async def test_a_crash_while_a_picture_is_pending_costs_nothing(stage: Stage) -> None:
    await stage.start()
    stage.studio.operations.polls["art"] = 3
    stage.studio.paint(JPEG)
    stage.telegram.say(ANNA, "/image a cat")
    for polls in (1, 2, 3):
        await _asked(stage, "operation", polls)
        await stage.crash()
        await stage.start()
    await stage.texts(1)
    await asyncio.sleep(60)
    assert len(_photos(stage)) == 1
    assert stage.studio.bought == 1


async def test_a_picture_that_is_done_before_telegram_answers_a_start_doubles_no_other(stage: Stage) -> None:
    """The job is done before it is known what the last process has left half sent."""
    await stage.start()
    stage.telegram.fail_next("sendPhoto", reset=True, apply=True)
    broken = stage.telegram.fail_next("editMessageCaption", reset=True, times=None)
    stage.studio.paint(JPEG, JPEG)
    stage.telegram.say(ANNA, "/image a cat")
    await stage.until(lambda: _photos(stage) or None)
    stage.studio.operations.polls["art"] = 3
    stage.telegram.say(ANNA, "/image a dog")
    await _asked(stage, "imageGenerationAsync", 2)
    await stage.crash()
    broken.remove()
    away = stage.telegram.fail_next("getMe", times=None)
    await stage.start()
    await asyncio.sleep(300)
    away.remove()
    await stage.until(lambda: len(_photos(stage)) > 1 or None)
    await asyncio.sleep(60)
    assert [_prompt(photo) for photo in _photos(stage)] == ["a cat", "a dog"]


async def test_a_picture_whose_send_a_crash_has_cut_stands_once_though_nobody_wrote_since_the_start(
    stage: Stage,
) -> None:
    """Then no message id is known but from before the start, and private chats share one line of them."""
    await stage.start()
    for number in range(40):
        stage.telegram.state.post(stage.telegram.state.chats[BORIS], BORIS, {"text": f"note {number}"})
    await stage.ask("hello", BORIS)
    stage.studio.operations.polls["art"] = 3
    stage.studio.paint(JPEG)
    stage.telegram.say(ANNA, "/image a cat")
    await _asked(stage, "operation", 1)
    await stage.crash()
    stage.telegram.fail_next("sendPhoto", reset=True, apply=True)
    broken = stage.telegram.fail_next("editMessageCaption", reset=True, times=None)
    await stage.start()
    await stage.until(lambda: _photos(stage) or None)
    await stage.crash()
    broken.remove()
    await stage.start()
    await asyncio.sleep(60)
    assert len(_photos(stage)) == 1


async def test_a_crash_at_the_order_buys_at_most_once_more(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG, JPEG)
    stage.studio.fail_next("imageGenerationAsync", hang=True)
    stage.telegram.say(ANNA, "/image a cat")
    await _asked(stage, "imageGenerationAsync", 1)
    await stage.crash()
    await stage.start()
    await stage.texts(1)
    assert stage.studio.bought == 1
    assert len(stage.studio.seen("imageGenerationAsync")) == 2
    assert len(_photos(stage)) == 1


async def test_orders_that_always_crash_end_with_a_question(stage: Stage) -> None:
    stage.studio.fail_next("imageGenerationAsync", hang=True, times=5)
    stage.telegram.say(ANNA, "/image a cat")
    for crashes in (1, 2):
        await stage.start()
        await _asked(stage, "imageGenerationAsync", crashes)
        await stage.crash()
    await stage.start()
    assert await stage.texts(1) == [say("en", "image.unknown")]
    assert len(stage.studio.seen("imageGenerationAsync")) == 2


async def test_a_picture_that_is_cancelled_while_it_is_ordered_is_over_and_paid(stage: Stage) -> None:
    await stage.start(user_daily_images=5)
    stage.studio.set_faults({"latency_ms": 20_000})
    stage.telegram.say(ANNA, "/image a cat")
    await _asked(stage, "imageGenerationAsync", 1)
    await stage.ask("/jobs")
    await stage.press("✕ a cat")
    await asyncio.sleep(60)
    assert stage.studio.bought == 1
    assert await stage.ask("/jobs") == say("en", "jobs.none")
    assert _photos(stage) == []


async def test_talk_goes_on_while_a_picture_is_drawn(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint("never")
    stage.telegram.say(ANNA, "/image a cat")
    await _asked(stage, "operation", 1)
    stage.studio.script("talking")
    assert await stage.ask("hello") == "talking"


async def _draw(stage: Stage, text: str, chat: int = ANNA, user: int | None = None) -> Message:
    """Say something that orders a picture, and wait for the photo."""
    before = len(_photos(stage, chat))
    stage.studio.paint(JPEG)
    stage.telegram.say(chat, text, user)
    return (await stage.until(lambda: _photos(stage, chat)[before:] or None))[0]


async def _press(stage: Stage, label: str) -> Message:
    before = len(_photos(stage))
    stage.studio.paint(JPEG)
    await stage.press(label)
    return (await stage.until(lambda: _photos(stage)[before:] or None))[0]


async def _asked(stage: Stage, route: str, times: int) -> None:
    async with asyncio.timeout(600):
        while len(stage.studio.seen(route)) < times:
            await asyncio.sleep(0.2)


def _prompt(photo: Message) -> str:
    return str(photo["caption"]).rpartition("\n\n")[0]


def _photos(stage: Stage, chat: int = ANNA) -> list[Message]:
    return [message for message in stage.telegram.transcript(chat) if "photo" in message]


def _ordered(stage: Stage) -> list[tuple[int, str, int, int]]:
    """(seed, prompt, width, height) of each order."""
    found = []
    for seen in stage.studio.seen("imageGenerationAsync"):
        options = seen.body["generationOptions"]
        ratio = options["aspectRatio"]
        prompt = "".join(message["text"] for message in seen.body["messages"])
        found.append((int(options["seed"]), prompt, int(ratio["widthRatio"]), int(ratio["heightRatio"])))
    return found


async def _later(stage: Stage, seconds: float) -> None:
    """The bot is off for a while."""
    loop: Any = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    await stage.stop()
    loop.now += seconds
    await stage.start()
