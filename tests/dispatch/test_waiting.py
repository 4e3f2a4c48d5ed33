"""Messages that wait behind an answer: shown after a while, sent now, dropped (P6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.outbox import ALONE
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from bot.types import Address
from tests.support.choosing import toasts
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, inbox, rows, soon

NOTICE = say("en", "queue.waits")
GROUP_NOTICE = say("ru", "queue.waits.group")  # in the language of Boris, who waits


async def busy(stage: Stage, *answers: object) -> None:
    """Anna's first question is being answered for a long time."""
    stage.studio.speed = 5
    await stage.start(queue_notice=3.0)
    stage.studio.script(counted(200), *answers)  # type: ignore[arg-type]
    stage.telegram.say(ANNA, "first")
    await soon(stage, stage.prompts)


async def test_a_message_that_waits_is_shown_until_its_turn_comes(stage: Stage) -> None:
    await busy(stage, "to the second")
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await soon(stage, lambda: "to the second" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(10)
    assert NOTICE not in stage.telegram.texts(ANNA)
    assert len(stage.telegram.texts(ANNA)) == 2


async def test_send_now_ends_the_answer_and_what_waits_is_next(stage: Stage) -> None:
    await busy(stage, "to the second")
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await stage.press(say("en", "queue.now"))
    await soon(stage, lambda: "to the second" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(10)
    half, whole = stage.telegram.texts(ANNA)
    assert half.startswith("word0")
    assert half.endswith(say("en", "stop.note"))
    assert whole == "to the second"
    assert stage.clock.monotonic() < 60


async def test_what_is_dropped_is_never_asked(stage: Stage) -> None:
    await busy(stage)
    for words in ("second", "third"):
        stage.telegram.say(ANNA, words)
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await stage.press(say("en", "queue.drop"))
    await soon(stage, lambda: say("en", "queue.dropped", count=2) in stage.telegram.texts(ANNA) or None)
    await soon(stage, lambda: "word199" in str(stage.telegram.texts(ANNA)) or None)
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert len(stage.prompts()) == 1


async def test_who_waits_only_a_moment_sees_no_notice(stage: Stage) -> None:
    await stage.start(queue_notice=3.0)
    stage.studio.script("one", "two")
    stage.telegram.say(ANNA, "first")
    stage.telegram.say(ANNA, "second")
    await stage.texts(2)
    await stage.clock.sleep(10)
    assert stage.telegram.texts(ANNA) == ["one", "two"]


async def test_a_group_is_told_once_that_a_question_waits_and_the_notice_goes(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start(queue_notice=3.0)
    stage.studio.script(counted(100), "to Boris", "to Anna")
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await soon(stage, stage.prompts)
    waiting = stage.telegram.say(TEAM, QUESTION, BORIS)
    stage.telegram.say(TEAM, QUESTION, ANNA)
    notice = await soon(stage, lambda: _notice(stage))
    assert notice["reply_to_message"]["message_id"] == waiting["message_id"]
    assert [button["text"] for button in buttons_of(notice)] == [say("ru", "queue.drop")]
    await soon(stage, lambda: "to Anna" in stage.telegram.texts(TEAM) or None)
    await soon(stage, lambda: _notice(stage) is None or None)
    assert len([call for call in stage.telegram.calls_of("sendMessage") if GROUP_NOTICE in str(call.params)]) == 1


async def test_a_group_has_no_second_notice_within_a_minute(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start(queue_notice=3.0)
    for _ in range(2):
        stage.studio.script(counted(60), "and next")
        for person in (ANNA, BORIS):
            stage.telegram.say(TEAM, QUESTION, person)
        await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert len([call for call in stage.telegram.calls_of("sendMessage") if GROUP_NOTICE in str(call.params)]) == 1


async def test_a_group_that_hides_notices_is_not_told(stage: Stage) -> None:
    stage.studio.speed = 5
    app = await stage.start(queue_notice=3.0)
    where = Address("telegram", app.telegram.api.id, TEAM)
    stage.studio.script("first", counted(60), "and next")
    await stage.ask(QUESTION, TEAM, ANNA)
    await app.store.write(lambda tx: tx.chats.store_choices(where, notices=ALONE))
    for person in (ANNA, BORIS):
        stage.telegram.say(TEAM, QUESTION, person)
    await soon(stage, lambda: "and next" in stage.telegram.texts(TEAM) or None)
    assert not [call for call in stage.telegram.calls_of("sendMessage") if GROUP_NOTICE in str(call.params)]


def _notice(stage: Stage) -> Message | None:
    return next((one for one in stage.telegram.transcript(TEAM) if one.get("text") == GROUP_NOTICE), None)


async def test_what_is_pressed_meanwhile_leaves_the_notice(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start(queue_notice=3.0)
    await stage.ask("/model")
    stage.studio.script(counted(200), "to the second")
    stage.telegram.say(ANNA, "first")
    await soon(stage, stage.prompts)
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await stage.press("YandexGPT 5 Lite")
    await soon(stage, lambda: say("en", "model.chosen", model="YandexGPT 5 Lite") in toasts(stage) or None)
    await stage.clock.sleep(2)
    assert NOTICE in stage.telegram.texts(ANNA)


@pytest.mark.parametrize("end", [Stage.crash, Stage.stop])
async def test_no_notice_outlives_a_restart(stage: Stage, end: Callable[[Stage], Awaitable[None]]) -> None:
    stage.settings = stage.settings.model_copy(update={"shutdown_grace": 0})
    await busy(stage)
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await end(stage)
    stage.studio.script("to the first", "to the second")
    await stage.start()
    await soon(stage, lambda: "to the second" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(30)
    assert stage.telegram.texts(ANNA) == ["to the first", "to the second"]


async def test_a_notice_that_was_on_its_way_at_a_crash_does_not_stay(stage: Stage) -> None:
    await busy(stage)
    await soon(stage, lambda: stage.growing() or None)
    stage.telegram.fail_next("sendMessage", apply=True, reset=True, delay=600)
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await stage.crash()
    stage.studio.script("to the first", "to the second")
    await stage.start()
    await soon(stage, lambda: "to the second" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(30)
    assert NOTICE not in stage.telegram.texts(ANNA)


async def test_a_conversation_keeps_its_one_notice_over_a_restart(stage: Stage) -> None:
    await busy(stage)
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    stage.telegram.say(ANNA, "third")
    await soon(stage, lambda: len(inbox(stage)) == 3 or None)
    await stage.crash()
    stage.studio.script("to the first", counted(200), "to the third")
    await stage.start()
    await soon(stage, lambda: "to the first" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(20)
    assert stage.telegram.texts(ANNA).count(NOTICE) == 1  # the third waits
    await soon(stage, lambda: "to the third" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(30)
    assert NOTICE not in stage.telegram.texts(ANNA)
    assert rows(stage, "SELECT count(*) FROM jobs") == [(0,)]


async def test_what_was_dropped_stays_said(stage: Stage) -> None:
    await busy(stage)
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: NOTICE in stage.telegram.texts(ANNA) or None)
    await stage.crash()
    stage.studio.script(counted(100))
    await stage.start()
    await soon(stage, stage.prompts)
    await stage.press(say("en", "queue.drop"))
    dropped = say("en", "queue.dropped", count=1)
    await soon(stage, lambda: dropped in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(60)
    assert dropped in stage.telegram.texts(ANNA)
