"""Agents whose service remembers the conversation: a request has only what is new, and the id of what it follows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot import App, Preparation, Review, ToolContext
from bot.config.entries import ModelConfig
from bot.conversation import memory
from bot.sandbox.ai_studio.server import Answer, Fault
from bot.storage.repositories.messages import Remembered
from bot.texts.catalog import say
from bot.types import Message, Role
from tests.support.choosing import PIRATE, choose, pressed, written
from tests.support.stage import ANNA, BORIS, TEAM, OneReading, Stage
from tests.support.telegram_side import inbox, rows, soon

AGENT = "fvtsandboxagent000000"
HELPER = ModelConfig(name="helper", agent=AGENT, memory="service")
OTHER = ModelConfig(name="yandexgpt-5.1", title="Other")


@pytest.fixture
def bot_app(request: pytest.FixtureRequest) -> App:
    """An App that adds a passage to questions about one; with the parameter "reviewed" it changes rude answers, too."""
    app = OneReading()

    @app.before_answer
    async def before(asker: ToolContext, question: str) -> Preparation | None:
        return Preparation(passages=["The passage."]) if "passage" in question else None

    if getattr(request, "param", "") == "reviewed":

        @app.after_answer
        async def after(asker: ToolContext, question: str, answer: str) -> Review | None:
            return Review(text="polite") if "rude" in answer else None

    return app


async def begin(stage: Stage, *answers: Any, helper: ModelConfig = HELPER, **changes: Any) -> None:
    await stage.start(models=[helper, OTHER], model="helper", **changes)
    stage.studio.script(*answers)


def bodies(stage: Stage) -> list[dict[str, Any]]:
    return [seen.body for seen in stage.studio.seen("responses")]


def inputs(stage: Stage) -> list[list[str]]:
    """The texts that each request to the agent had as its input."""
    return [[item.get("content") for item in body["input"]] for body in bodies(stage)]


def kept(stage: Stage) -> list[str | None]:
    """The ids of responses that are stored with the answers, oldest first."""
    return [id_ for (id_,) in rows(stage, "SELECT response FROM messages WHERE role = 'assistant' ORDER BY id")]


def followed(stage: Stage) -> list[str | None]:
    return [body.get("previous_response_id") for body in bodies(stage)]


def refused(message: str, status: int = 400) -> dict[str, Any]:
    """A refusal as the OpenAI-compatible API words it, for `Studio.fail_next`."""
    return {"status": status, "body": {"error": {"message": message, "type": "invalid_request_error"}}}


async def later(stage: Stage, days: int) -> None:
    """The bot is off for some days."""
    await stage.stop()
    asyncio.get_running_loop().now += days * 86_400  # type: ignore[attr-defined]
    await stage.start()


async def shows(stage: Stage, *texts: str) -> None:
    await soon(stage, lambda: stage.telegram.texts(ANNA) == list(texts) or None)
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)


async def test_the_second_question_is_sent_alone_with_the_id_of_the_first_answer(stage: Stage) -> None:
    await begin(stage, "one", "two", "three")
    for question in ("first", "second", "third"):
        await stage.ask(question)
    first, second, _ = kept(stage)
    assert followed(stage) == [None, first, second]
    assert inputs(stage) == [["first"], ["second"], ["third"]]
    assert len({body["instructions"] for body in bodies(stage)}) == 1, "they are not carried over"
    assert all(body["prompt"] == {"id": AGENT} for body in bodies(stage))


async def test_a_model_that_searches_can_have_it_too_and_by_default_the_bot_sends_the_history(stage: Stage) -> None:
    news = ModelConfig(name="news", model="yandexgpt-5.1", search=True, memory="service")
    await stage.start(models=[news, ModelConfig(name="plain", agent=AGENT)], model="news")
    await stage.ask("first")
    await stage.ask("second")
    assert followed(stage) == [None, kept(stage)[0]]
    assert inputs(stage)[1] == ["second"]
    await stage.ask("/model")
    await pressed(stage, "plain")
    await stage.ask("third")
    await stage.ask("fourth")
    assert followed(stage)[2:] == [None, None]
    assert len(inputs(stage)[3]) == 7
    assert kept(stage)[2:] == [None, None]


# --- branches ---------------------------------------------------------------------------------------------------------


async def test_an_edited_question_and_another_answer_follow_the_answer_before_them(stage: Stage) -> None:
    await begin(stage, "one", "two", "new two", "newest two", "three", "from one")
    await stage.ask("first")
    asked = stage.telegram.say(ANNA, "second")
    await shows(stage, "one", "two")
    stage.telegram.edit(ANNA, asked["message_id"], "second, edited")
    await shows(stage, "one", "new two")
    await stage.press("↻")
    await shows(stage, "one", "newest two")
    await stage.press("‹")
    await shows(stage, "one", "new two")
    await stage.ask("third")
    one, _, two, _, _ = kept(stage)
    assert followed(stage) == [None, one, one, one, two]
    assert inputs(stage)[2:] == [["second, edited"], ["second, edited"], ["third"]]
    answer = next(said for said in stage.telegram.transcript(ANNA) if said.get("text") == "one")
    stage.telegram.say(ANNA, "back to it", reply_to=answer["message_id"])
    await stage.texts(4)
    assert followed(stage)[-1] == one


async def test_an_answer_that_was_too_long_goes_on_and_the_next_question_follows_all_of_it(stage: Stage) -> None:
    await begin(stage, [f"word{number} " for number in range(100)], "the rest", "next", max_tokens=20)
    await stage.ask("first")
    cut = kept(stage)[0]
    await pressed(stage, say("en", "resume"))
    assert followed(stage)[1] == cut
    assert len(inputs(stage)[1]) == 1
    await stage.ask("second")
    assert cut != kept(stage)[0] == followed(stage)[2]
    assert inputs(stage)[2] == ["second"]


async def test_what_another_model_has_answered_meanwhile_is_sent_too(stage: Stage) -> None:
    await begin(stage, "one", "two", "three")
    await stage.ask("first")
    await stage.ask("/model")
    await pressed(stage, "Other")
    await stage.ask("second")
    await stage.ask("/model")
    await pressed(stage, "helper")
    await stage.ask("third")
    assert kept(stage)[1] is None
    assert followed(stage) == [None, kept(stage)[0]]
    assert inputs(stage)[1] == ["second", "two", "third"]


async def test_two_agents_do_not_follow_each_other(stage: Stage) -> None:
    twin = HELPER.model_copy(update={"name": "twin"})
    await stage.start(models=[HELPER, twin], model="helper")
    stage.studio.script("one", "two")
    await stage.ask("first")
    await stage.ask("/model")
    await pressed(stage, "twin")
    await stage.ask("second")
    assert followed(stage) == [None, None]
    assert inputs(stage)[1] == ["first", "one", "second"]


async def test_another_persona_brings_its_examples(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await begin(stage, "one", "two", "three", prompts_dir=tmp_path)
    await stage.ask("first")
    await choose(stage, "Pirate")
    await stage.ask("second")
    await stage.ask("third")
    assert followed(stage) == [None, None, kept(stage)[1]]
    assert inputs(stage)[1:] == [["Hello", "Ahoy!", "first", "one", "second"], ["third"]]


# --- what nothing can follow ------------------------------------------------------------------------------------------


async def test_a_filtered_answer_is_followed_by_nothing(stage: Stage) -> None:
    await begin(stage, "one")
    await stage.ask("first")
    await stage.ask("a forbidden topic, please")
    await stage.ask("second")
    assert followed(stage) == [None, kept(stage)[0], kept(stage)[0]]
    assert inputs(stage)[2] == ["second"]


async def test_an_answer_that_was_stopped_is_sent_as_far_as_it_was_shown(stage: Stage) -> None:
    stage.studio.speed = 5
    await begin(stage, "one", [f"word{number} " for number in range(500)], "three")
    await stage.ask("first")
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: stage.growing(ANNA) or None)
    await stage.clock.sleep(20)
    stage.telegram.say(ANNA, "/stop")
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    await stage.ask("third")
    one, two, _ = kept(stage)
    assert two is None
    assert followed(stage)[-1] == one
    asked, partial, last = inputs(stage)[-1]
    assert (asked, last) == ("second", "third")
    assert partial.startswith("word0 word1")


# --- what the service has forgotten -----------------------------------------------------------------------------------


async def test_what_the_service_has_forgotten_is_asked_again_once_with_the_whole_history(stage: Stage) -> None:
    await begin(stage, "one", "two", "three")
    await stage.ask("first")
    stage.studio.responses.store.responses.clear()
    assert await stage.ask("second") == "two"
    await stage.ask("third")
    one, two, _ = kept(stage)
    assert followed(stage) == [None, one, None, two]
    assert inputs(stage)[1:] == [["second"], ["first", "one", "second"], ["third"]]
    assert len(rows(stage, "SELECT id FROM usage")) == 3


@pytest.mark.parametrize(
    "fault",
    [
        refused("response not found", 404),
        refused("Invalid value for 'previous_response_id'"),
        refused("Previous response with id 'x' not found."),
    ],
)
async def test_whatever_the_service_calls_it(stage: Stage, fault: dict[str, Any]) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    stage.studio.fail_next("responses", **fault)
    assert await stage.ask("second") == "two"
    assert len(bodies(stage)) == 3


async def test_another_refusal_is_not_asked_again(stage: Stage) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    stage.studio.fail_next("responses", **refused("temperature is out of range"))
    assert say("en", "error.refused") in await stage.ask("second")
    assert len(bodies(stage)) == 2


async def test_an_agent_that_is_gone_is_not_asked_for_ever(stage: Stage) -> None:
    await begin(stage, "one")
    await stage.ask("first")
    stage.studio.responses.agents.clear()
    assert say("en", "instead.note", model="Other") in await stage.ask("second")
    assert followed(stage) == [None, kept(stage)[0], None]


async def test_where_the_service_remembers_too_much_for_the_window_the_bot_sends_what_fits(stage: Stage) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    stage.studio.fail_next("responses", **refused("number of input tokens must be no more than 8000, got 9000"))
    assert await stage.ask("second") == "two"
    assert followed(stage) == [None, kept(stage)[0], None]


async def test_a_failure_in_between_repeats_the_same_request(stage: Stage) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    stage.studio.fail_next("responses", status=503)
    await stage.ask("second")
    assert bodies(stage)[1] == bodies(stage)[2]


async def test_a_stream_that_breaks_off_follows_the_same_answer_again(stage: Stage) -> None:
    await begin(stage, "one", Fault(cut="fin", after_chunks=2), "a broken answer. It has sentences. Three.", "two")
    await stage.ask("first")
    assert await stage.ask("second") == "two"
    assert followed(stage) == [None, kept(stage)[0], kept(stage)[0]]


# --- kills, and what was deleted --------------------------------------------------------------------------------------


async def test_after_a_kill_the_next_process_follows_the_answer_before(stage: Stage) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    await stage.crash()
    await stage.start()
    await stage.ask("second")
    assert followed(stage) == [None, kept(stage)[0]]


async def test_a_question_that_a_kill_has_interrupted_follows_the_same_answer(stage: Stage) -> None:
    stage.studio.speed = 5
    await begin(stage, "one", [f"word{number} " for number in range(500)], "two")
    await stage.ask("first")
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: len(bodies(stage)) == 2 or None)
    await stage.clock.sleep(20)
    await stage.crash()
    await stage.start()
    await shows(stage, "one", "two")
    assert followed(stage) == [None, kept(stage)[0], kept(stage)[0]]
    assert inputs(stage)[1:] == [["second"], ["second"]]


async def test_a_new_conversation_follows_nothing(stage: Stage) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    await stage.ask("/new")
    await stage.ask("second")
    assert followed(stage) == [None, None]


async def test_after_forget_nothing_is_followed(stage: Stage) -> None:
    await begin(stage, "one", "two")
    await stage.ask("first")
    await stage.ask("/forget")
    await pressed(stage, say("en", "forget.yes"))
    await stage.ask("second")
    assert followed(stage) == [None, None]
    assert inputs(stage)[1] == ["second"]


async def test_what_one_of_a_group_has_had_forgotten_is_in_no_later_request_of_the_others(stage: Stage) -> None:
    await begin(stage, "one", "two", "three", "four")
    await stage.ask("@govorun_sandbox_bot first of boris", TEAM, BORIS)
    await stage.ask("@govorun_sandbox_bot of anna", TEAM, ANNA)
    await stage.ask("@govorun_sandbox_bot second of boris", TEAM, BORIS)
    await stage.ask("/forget")
    await pressed(stage, say("en", "forget.yes"))
    assert kept(stage) == [None, None]
    await stage.ask("@govorun_sandbox_bot third of boris", TEAM, BORIS)
    assert followed(stage)[-1] is None
    assert not any("anna" in text for text in inputs(stage)[-1])


async def test_what_is_too_old_to_be_kept_is_not_followed_either(stage: Stage) -> None:
    await begin(stage, "one", "two", "three", retention_private_days=10)
    await stage.ask("first")
    await later(stage, 6)
    await stage.ask("second")
    await later(stage, 6)
    await soon(stage, lambda: len(kept(stage)) == 1 or None)
    await stage.ask("third")
    assert followed(stage)[-1] is None
    assert inputs(stage)[-1] == ["second", "two", "third"]


# --- tools and passages -----------------------------------------------------------------------------------------------


async def test_the_rounds_of_a_tool_follow_the_answer_before_and_its_results_are_in_no_later_request(
    stage: Stage,
) -> None:
    able = HELPER.model_copy(update={"tools": True})
    await begin(stage, "one", Answer(calls=[("calculator", {"expression": "2+2"})]), "four", "three", helper=able)
    await stage.ask("first")
    assert await stage.ask("what is 2+2?") == "four"
    await stage.ask("third")
    one, four, _ = kept(stage)
    assert followed(stage) == [None, one, one, one]
    assert four is None
    kinds = [item.get("type", "message") for item in bodies(stage)[2]["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert inputs(stage)[3] == ["what is 2+2?", "four", "third"]


async def test_an_answer_that_rests_on_passages_is_followed_by_nothing(stage: Stage) -> None:
    await begin(stage, "one", "two", "three")
    await stage.ask("first")
    await stage.ask("what is in the passage?")
    await stage.ask("third")
    one, two, _ = kept(stage)
    assert two is None
    assert followed(stage) == [None, one, one]
    assert "The passage." in inputs(stage)[1][0]
    assert inputs(stage)[2] == ["what is in the passage?", "two", "third"]


@pytest.mark.parametrize("bot_app", ["reviewed"], indirect=True)
async def test_an_answer_that_a_function_has_changed_is_sent_as_it_was_shown(stage: Stage) -> None:
    await begin(stage, "one", "rude", "three")
    await stage.ask("first")
    assert await stage.ask("second") == "polite"
    await stage.ask("third")
    assert followed(stage)[2] == kept(stage)[0]
    assert inputs(stage)[2] == ["second", "polite", "third"]


async def test_an_answer_that_came_late_is_in_the_requests_after_it(stage: Stage) -> None:
    await begin(stage, "two", "one", "three")
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("first")
    stage.studio.set_faults({"error500": 0.0})
    await stage.ask("second")
    await stage.press(say("en", "retry"))
    await soon(stage, lambda: len(kept(stage)) == 2 or None)
    await stage.ask("third")
    assert inputs(stage)[-1] == ["first", "one", "second", "two", "third"]
    assert followed(stage)[-1] is None


async def test_a_message_that_was_replaced_is_sent_as_it_is_now(stage: Stage) -> None:
    await begin(stage, "one", "two", "three")
    await stage.ask("first")
    await stage.ask("second")
    assert stage.app is not None
    await stage.app.store.write(lambda tx: tx.messages.replace_text(3, "not the second"))
    await stage.ask("third")
    assert followed(stage)[-1] == kept(stage)[0]
    assert inputs(stage)[-1] == ["not the second", "two", "third"]


def test_answers_after_one_that_was_withdrawn_are_not_followed() -> None:
    roles: tuple[Role, Role] = ("user", "assistant")
    branch = [
        Remembered(id_, 1, str(id_), Message.of(roles[(id_ - 1) % 2], "text"), parent=id_ - 1, response=f"r{id_}")
        for id_ in range(1, 7)
    ]
    left = memory.without(branch, {4})
    assert [(row.id, row.response) for row in left] == [(1, "r1"), (2, "r2"), (5, None), (6, None)]
    assert memory.without(branch, ()) == branch
