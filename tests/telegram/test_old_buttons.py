"""↻ stands below the newest answer only: older answers lose it when their chat is quiet."""

from __future__ import annotations

from bot.sandbox.telegram.server_facade import buttons_of, find_button
from bot.telegram.sending.old_buttons import QUIET, TRIES
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, said, settled, soon

KEYBOARD = "editMessageReplyMarkup"


def keyboards(stage: Stage, chat: int = ANNA) -> list[list[str]]:
    """The labels below each message of the bot."""
    return [[button["text"] for button in buttons_of(message)] for message in said(stage, chat)]


async def quiet(stage: Stage) -> None:
    """Let pass so much time that whatever is to be removed is removed or given up."""
    await stage.clock.sleep(QUIET * TRIES + 1)


async def asked(stage: Stage, count: int, chat: int = ANNA, text: str = "question") -> None:
    for _ in range(count):
        await stage.ask(text, chat, ANNA)


async def test_only_the_newest_answer_keeps_its_button(stage: Stage) -> None:
    await stage.start(feedback_buttons=True)
    await asked(stage, 1)
    await stage.press("↻")
    await soon(stage, lambda: keyboards(stage) == [["‹", "2/2", "›", "↻", "👍", "👎"]] or None)
    await quiet(stage)
    assert not stage.telegram.calls_of(KEYBOARD)  # the version of before stands in the same message
    await asked(stage, 1)
    assert keyboards(stage) == [["‹", "2/2", "›", "↻", "👍", "👎"], ["↻", "👍", "👎"]]
    await quiet(stage)
    assert keyboards(stage) == [["‹", "2/2", "›", "👍", "👎"], ["↻", "👍", "👎"]]
    assert len(stage.telegram.calls_of(KEYBOARD)) == 1


async def test_a_chat_without_a_pause_is_left_alone_until_it_has_one(stage: Stage) -> None:
    stage.studio.speed = 50
    await stage.start()
    for _ in range(4):
        stage.studio.script(counted(200))
        await asked(stage, 1)
        assert not stage.telegram.calls_of(KEYBOARD)
        await stage.clock.sleep(QUIET / 2)
    await quiet(stage)
    assert keyboards(stage) == [[], [], [], ["↻"]]
    assert len(stage.telegram.calls_of(KEYBOARD)) == 3


async def test_what_a_crash_or_an_error_has_prevented_is_done_after_the_next_answer(stage: Stage) -> None:
    await stage.start()
    await asked(stage, 2)
    await settled(stage, "sent", "sent")
    await stage.crash()
    await stage.start()
    await quiet(stage)
    assert keyboards(stage) == [["↻"], ["↻"]]
    fault = stage.telegram.fail_next(KEYBOARD, times=None, code=502)
    await asked(stage, 1)
    await quiet(stage)
    assert keyboards(stage) == [["↻"], ["↻"], ["↻"]]
    assert len(stage.telegram.calls_of(KEYBOARD)) <= TRIES
    fault.remove()
    await asked(stage, 1)
    await quiet(stage)
    assert keyboards(stage) == [[], [], [], ["↻"]]


async def test_a_message_that_is_gone_is_tried_once(stage: Stage) -> None:
    await stage.start()
    await asked(stage, 2)
    stage.telegram.delete(ANNA, said(stage)[0]["message_id"])
    await quiet(stage)
    await asked(stage, 1)
    await quiet(stage)
    assert [call.status for call in stage.telegram.calls_of(KEYBOARD)] == [400, 200]
    assert keyboards(stage) == [[], ["↻"]]


async def test_an_old_button_that_is_pressed_in_time_still_gives_another_answer(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two", "another")
    await asked(stage, 1)
    number, data = find_button(said(stage), "↻")
    await asked(stage, 1)
    await quiet(stage)
    stage.telegram.press(ANNA, number, data)
    await soon(stage, lambda: stage.telegram.texts(ANNA) == ["another", "two"] or None)
    await quiet(stage)
    assert keyboards(stage) == [["‹", "2/2", "›"], ["↻"]]


async def test_continue_stays_below_an_answer_that_was_stopped(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(100), "whole")
    stage.telegram.say(ANNA, "question")
    await soon(stage, lambda: "word9" in str(stage.telegram.drafts) or None)
    stage.telegram.say(ANNA, "/stop")
    await stage.texts(1)
    await asked(stage, 1)
    await quiet(stage)
    assert keyboards(stage) == [["Continue"], ["↻"]]


async def test_each_topic_has_its_own_newest_answer(stage: Stage) -> None:
    await stage.start()
    topic = stage.telegram.topic(ANNA, name="One")["id"]
    await asked(stage, 1)
    await stage.ask("question", ANNA, thread=topic)
    await quiet(stage)
    assert keyboards(stage) == [["↻"], ["↻"]]


async def test_a_group_without_room_and_a_chat_that_telegram_has_slowed_down_are_left_alone(stage: Stage) -> None:
    """Nobody waits for it: no answer is later, and no call is refused."""
    stage.telegram.limits.on = True
    stage.studio.speed = 20
    await stage.start(streaming="edit")
    for _ in range(6):
        stage.studio.script(counted(300))
        await asked(stage, 1, TEAM, QUESTION)
    assert not stage.telegram.calls_of(KEYBOARD)
    assert {call.status for call in stage.telegram.calls} == {200}
    stage.telegram.fail_next("sendMessage", chat_id=ANNA, code=429, parameters={"retry_after": 5})
    await asked(stage, 2)
    await quiet(stage)
    assert keyboards(stage) == [["↻"], ["↻"]]


async def test_a_server_without_the_method_is_not_asked_again(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next(KEYBOARD, times=None, code=404, description="Not Found")
    await asked(stage, 2)
    await quiet(stage)
    tried = len(stage.telegram.calls_of(KEYBOARD))
    await asked(stage, 2)
    await quiet(stage)
    assert len(stage.telegram.calls_of(KEYBOARD)) == tried


async def test_a_defect_in_it_does_not_end_the_bot(stage: Stage) -> None:
    app = await stage.start()
    app.telegram.deliverer.old_buttons.outbox = None  # type: ignore[assignment]
    await asked(stage, 2)
    await quiet(stage)
    await asked(stage, 1)
    assert len(said(stage)) == 3
