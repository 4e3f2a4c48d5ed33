"""Sends whose outcome is not known leave one answer: it is looked for, not repeated (F3, F4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import settled, soon, words

BROKEN: dict[str, dict[str, Any]] = {
    "reset before": {"reset": True},
    "reset after": {"reset": True, "apply": True},
    "502 before": {"code": 502},
    "502 after": {"code": 502, "apply": True},
    "proxy page after": {"code": 200, "body": b"<html>502 Bad Gateway</html>", "apply": True},
    "proxy page before": {"code": 200, "body": b"<html>502 Bad Gateway</html>"},
    "half an answer": {"code": 200, "body": b'{"ok":true,"result":{"mess', "apply": True},
    "true after": {"code": 200, "body": b'{"ok":true,"result":true}', "apply": True},
    "empty after": {"code": 200, "raw": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "apply": True},
    "garbage": {"raw": b"\x00\x01 no HTTP at all\r\n\r\n"},
    "not gzip": {"raw": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", "apply": True},
    "too short": {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", "apply": True},
    "no answer": {"code": 504, "delay": 60.0, "apply": True},
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("times", [1, 2])
async def test_a_send_with_an_unknown_outcome_leaves_one_answer(
    stage: Stage, fault: dict[str, Any], times: int
) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", times=times, **fault)
    stage.studio.script("just once", "the next one")
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]
    assert await stage.ask("go on") == "the next one"


async def test_a_reset_in_the_middle_of_a_long_answer_loses_and_doubles_nothing(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    answer = " ".join(f"word{number}" for number in range(900))
    stage.studio.script(answer)
    stage.telegram.fail_next("sendMessage", code=0, delay=0.1)
    stage.telegram.fail_next("sendMessage", reset=True, apply=True)
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    assert words("".join(stage.telegram.texts(ANNA))) == words(answer)


async def test_an_answer_whose_confirmation_and_process_were_lost_is_found_again(stage: Stage) -> None:
    await stage.start()
    fault = stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await stage.texts(1)
    await stage.crash()
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]
    assert len(stage.prompts()) == 1


async def test_a_lost_answer_is_found_again_though_others_wrote_in_the_meantime(stage: Stage) -> None:
    """Private chats share one line of message ids: while an answer is thought of, others move it on."""
    stage.studio.answer(lambda messages: "word " * 40 if messages[-1]["text"] == "slow" else "quick")
    stage.studio.speed = 1
    await stage.start()
    stage.telegram.say(ANNA, "slow")
    await stage.until(lambda: stage.telegram.drafts or None)
    for number in range(30):
        stage.telegram.state.post(stage.telegram.state.chats[BORIS], BORIS, {"text": f"note {number}"})
    await stage.ask("quick", BORIS)
    stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None, chat_id=ANNA)
    await stage.texts(1)
    await stage.crash()
    stage.telegram.faults.clear()
    await stage.start()
    await settled(stage, "sent", "sent")
    assert len(stage.telegram.texts(ANNA)) == 1


async def test_an_answer_that_was_never_sent_is_sent_after_a_crash(stage: Stage) -> None:
    await stage.start()
    fault = stage.telegram.fail_next("sendMessage", reset=True, times=None)
    stage.studio.script("better late")
    stage.telegram.say(ANNA, "hello")
    await stage.until(lambda: stage.telegram.calls_of("sendMessage") or None)
    await stage.crash()
    fault.remove()
    await stage.start()
    assert await stage.texts(1) == ["better late"]
    assert len(stage.prompts()) == 1


async def test_answers_of_a_time_without_network_arrive_in_order(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    stage.studio.answer(lambda messages: messages[-1]["text"] + " answered after a while")
    for number in range(3):
        stage.telegram.say(ANNA, f"question {number}")
    await soon(stage, stage.prompts)
    await stage.telegram.down()
    await stage.clock.sleep(600)
    await stage.telegram.up()
    assert await stage.texts(3) == [f"question {number} answered after a while" for number in range(3)]
