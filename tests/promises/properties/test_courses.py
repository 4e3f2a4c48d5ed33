"""Courses of events that once ended badly, each told by itself. The machine of `test_machine.py` found them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.telegram.server_facade import buttons_of
from tests.promises.properties.brain import Plan
from tests.promises.properties.judge import Judge, Question
from tests.promises.properties.world import ANNA, TEAM, World

HERE, THERE = (ANNA, 0), (TEAM, 0)


@pytest.fixture
def world(tmp_path: Path, template: Path) -> Iterator[World]:
    world = World(tmp_path, template)
    world.start()
    yield world
    world.close()


def judged(world: World, *tokens: str) -> Judge:
    judge = Judge(world)
    for token in tokens:
        judge.questions[token] = Question(token, HERE)
        world.places[token] = HERE
    return judge


@pytest.mark.parametrize("steps", range(0, 40, 8))
def test_a_kill_while_an_edit_is_answered_does_not_lose_the_edit(world: World, steps: int) -> None:
    judge = judged(world, "q1", "q2")
    question = world.telegram.say(ANNA, "q1 please")
    world.settle()
    world.wait(1.0)
    judge.questions["q1"].void = True
    world.telegram.edit(ANNA, question["message_id"], "q2 please")
    world.wait(0.1)
    world.steps(steps)
    world.kill()
    world.start()
    world.settle()
    assert world.shown(HERE)[-1].startswith("re q2 ")
    judge.finally_()


def test_whoever_presses_stop_twice_is_not_told_of_a_defect(world: World) -> None:
    judge = judged(world, "q1")
    world.brain.plans.append(Plan(pieces=20))
    world.telegram.say(ANNA, "q1 please")
    world.wait(2.0)
    (draft,) = world.telegram.drafts
    for _ in range(2):
        world.telegram.stop(ANNA, draft["draft_id"])
    world.telegram.say(ANNA, "/stop")
    world.settle()
    assert [text for text in world.shown(HERE) if text.endswith("stopped")]
    judge.finally_()


def test_a_question_during_a_second_try_is_answered_too(world: World) -> None:
    judge = judged(world, "q1", "q2")
    world.brain.plans.extend([Plan("cut")] * 3)
    world.telegram.say(ANNA, "q1 please")
    world.settle()
    cut = world.messages(HERE)[-1]
    judge.presses[HERE] = 1
    world.telegram.press(ANNA, cut["message_id"], buttons_of(cut)[0]["callback_data"])
    world.wait(0.5)
    world.telegram.say(ANNA, "q2 please")
    world.settle()
    judge.finally_()
    assert [text[:5] for text in world.shown(HERE)] == ["re q1", "re q2"]


def test_a_group_s_settings_can_be_opened_and_changed_by_buttons(world: World) -> None:
    judged(world)
    world.telegram.say(TEAM, "/model@govorun_sandbox_bot", ANNA)
    world.settle()
    offered = world.messages(THERE)[-1]
    world.telegram.press(TEAM, offered["message_id"], buttons_of(offered)[1]["callback_data"], ANNA)
    world.settle()
    assert world.shown(THERE)[-1].startswith("Model now: Two\n")


def test_an_answer_that_fills_its_message_is_replaced_in_it(world: World) -> None:
    judge = judged(world, "q10", "q2")
    world.brain.plans.append(Plan(pieces=10, words=60, pause=0.05))
    question = world.telegram.say(ANNA, "q10 please")
    world.settle()
    assert [len(text) for text in world.shown(HERE)] == [4_096]
    world.wait(1.0)
    judge.questions["q10"].void = True
    world.telegram.edit(ANNA, question["message_id"], "q2 please")
    world.settle()
    judge.finally_()
    assert [text[:6] for text in world.shown(HERE)] == ["re q2 "]
