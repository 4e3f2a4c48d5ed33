"""Tools that act need a tap and are done once: what happens in the middle is said, never repeated (P2, P25, T21)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import Tool
from bot.errors import ModelRefused, ModelUnavailable
from bot.prompts.catalog import instruct
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram, buttons_of
from bot.texts.catalog import say
from tests.support.forked import Forked
from tests.support.scripted_model import ScriptedModel, call
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows

YES, NO = say("en", "tool.yes"), say("en", "tool.no")


class Post:
    """A tool that sends letters, and what was sent."""

    def __init__(self, *, seconds: float = 0.0, deadline: float = 20.0) -> None:
        self.sent: list[str] = []
        self.seconds = seconds
        self.tool = Tool.of(self.send, needs_approval=True, deadline=deadline, doing={"en": "sending…"})

    async def send(self, to: str, text: str = "") -> str:
        """Send a letter."""
        self.sent.append(to)
        await asyncio.sleep(self.seconds)
        return f"sent to {to}"


def given(stage: Stage, post: Post, *answers: Any) -> ScriptedModel:
    model = ScriptedModel(*answers)
    stage.given = {"routing": model.routing, "tools": [post.tool]}
    return model


def tap_late(stage: Stage, action: str) -> None:
    """A tap on a keyboard that this person's client still shows."""
    asked = next(said for said in stage.telegram.transcript(ANNA) if said["text"].startswith(say("en", "tool.ask")))
    (key,) = rows(stage, f"SELECT key FROM buttons WHERE action = '{action}'")[0]
    stage.telegram.press(ANNA, asked["message_id"], key)


async def test_the_question_has_a_button_for_each_answer(stage: Stage) -> None:
    given(stage, Post(), [call("send", to="bob")])
    await stage.start()
    await stage.ask("write to bob")
    assert [button["text"] for button in buttons_of(stage.telegram.transcript(ANNA)[-1])] == [YES, NO]
    assert rows(stage, "SELECT action FROM buttons ORDER BY action") == [("act.no",), ("act.yes",)]


def states(stage: Stage) -> list[str]:
    return [row[0] for row in rows(stage, "SELECT state FROM operations ORDER BY id")]


async def test_an_action_is_asked_for_and_done_after_the_tap(stage: Stage) -> None:
    post = Post()
    model = given(stage, post, ["I'll write.", call("send", to="bob", text="hi")], "It is on its way.", "Oh.")
    await stage.start()
    stage.telegram.say(ANNA, "write to bob")
    first, question = await stage.texts(2)
    assert first == "I'll write."
    assert question == f"{say('en', 'tool.ask')}\n\nSend\n\n• To: bob\n• Text: hi"
    assert post.sent == []
    await stage.press(YES)
    assert (await stage.texts(3))[-1] == "It is on its way."
    assert post.sent == ["bob"]
    assert model.results["send-1"].endswith("sent to bob")
    assert [message.role for message in model.requests[-1].messages] == ["system", "user", "assistant", "user"]
    assert states(stage) == ["done"]
    await stage.ask("thanks")
    said = [message.text for message in model.requests[-1].messages[1:]]
    assert said == ["write to bob", "I'll write.\nIt is on its way.", "thanks"]


async def test_a_second_tap_does_nothing_more(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", to="bob")], "Sent.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    await stage.texts(2)
    tap_late(stage, "act.yes")
    assert (await stage.texts(3))[-1] == say("en", "tool.decided")
    tap_late(stage, "act.no")
    assert (await stage.texts(4))[-1] == say("en", "tool.decided")
    assert post.sent == ["bob"]


@pytest.mark.parametrize(("label", "outcome"), [(YES, "tool.approved"), (NO, "tool.refused")])
async def test_a_question_that_is_decided_keeps_the_decision_for_its_buttons(
    stage: Stage, label: str, outcome: str
) -> None:
    given(stage, Post(), [call("send", to="bob")], "All right.")
    await stage.start()
    question = await stage.ask("write to bob")
    await stage.press(label)
    await stage.texts(2)
    asked = stage.telegram.transcript(ANNA)[1]
    assert asked["text"].startswith(question)
    assert asked["text"].endswith(say("en", outcome))
    assert asked["entities"]
    assert not buttons_of(asked)


async def test_what_is_not_wanted_is_not_done_and_the_model_is_told(stage: Stage) -> None:
    post = Post()
    model = given(stage, post, [call("send", to="bob")], "Then not.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(NO)
    assert (await stage.texts(2))[-1] == "Then not."
    assert model.results["send-1"] == instruct("en", "tool.declined")
    tap_late(stage, "act.yes")
    assert (await stage.texts(3))[-1] == say("en", "tool.decided")
    assert post.sent == []


async def test_a_crash_while_it_is_done_is_said_and_it_is_never_done_twice(stage: Stage) -> None:
    post = Post(seconds=10)
    model = given(stage, post, [call("send", to="bob")], "Sent.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    await stage.until(lambda: post.sent or None)
    await stage.crash()
    assert states(stage) == ["submitting"]
    await stage.start()
    assert (await stage.texts(2))[-1] == say("en", "tool.unknown", tool="send")
    tap_late(stage, "act.yes")
    assert (await stage.texts(3))[-1] == say("en", "tool.decided")
    assert post.sent == ["bob"]
    assert len(model.requests) == 1


async def test_a_crash_after_it_was_done_goes_on_with_the_answer(stage: Stage) -> None:
    post = Post()
    model = given(stage, post, [call("send", to="bob")], "Sent.", "Sent, really.")
    await stage.start()
    await stage.ask("write to bob")
    model.slow = 10
    await stage.press(YES)
    await stage.until(lambda: len(model.requests) == 2 or None)
    await stage.crash()
    await stage.start()
    assert (await stage.texts(2))[-1] == "Sent, really."
    assert post.sent == ["bob"]
    assert "sent to bob" in model.results["send-1"]


async def test_a_model_that_fails_after_the_action_is_asked_again_without_doing_it_again(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", to="bob")], ModelUnavailable("away"), "Sent.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    assert (await stage.texts(2))[-1] == say("en", "error.unavailable")
    await stage.press(say("en", "retry"))
    assert (await stage.texts(3))[-1] == "Sent."
    assert post.sent == ["bob"]


async def test_stop_in_the_middle_says_that_it_may_have_been_done(stage: Stage) -> None:
    post = Post(seconds=100, deadline=500)
    given(stage, post, [call("send", to="bob")], "Sent.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    await stage.until(lambda: post.sent or None)
    stage.telegram.say(ANNA, "/stop")
    assert (await stage.texts(3))[-2:] == [say("en", "stop.empty"), say("en", "tool.unknown", tool="send")]
    assert states(stage) == ["done"]


async def test_an_action_that_is_late_is_said_to_be_unsure(stage: Stage) -> None:
    post = Post(seconds=100, deadline=5)
    model = given(stage, post, [call("send", to="bob")], "I don't know.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    assert (await stage.texts(3))[-2:] == ["I don't know.", say("en", "tool.unknown", tool="send")]
    assert "don't call it again" in model.results["send-1"]


async def test_a_late_action_and_a_failing_model_can_be_gone_on_with(stage: Stage) -> None:
    post = Post(seconds=100, deadline=5)
    given(stage, post, [call("send", to="bob")], ModelUnavailable("away"), "I don't know.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    assert (await stage.texts(3))[-2:] == [say("en", "error.unavailable"), say("en", "tool.unknown", tool="send")]
    await stage.press(say("en", "retry"))
    assert (await stage.texts(4))[-1] == "I don't know."
    assert post.sent == ["bob"]


async def test_wrong_arguments_are_said_to_the_model_before_anybody_is_asked(stage: Stage) -> None:
    post = Post()
    model = given(stage, post, [call("send", text="hi")], "To whom?")
    await stage.start()
    assert await stage.ask("write") == "To whom?"
    assert model.results["send-1"] == "send refused: to: Field required"


async def test_one_action_at_a_time(stage: Stage) -> None:
    post = Post()
    model = given(stage, post, [call("send", "a", to="bob"), call("send", "b", to="eve")], "One is sent.")
    await stage.start()
    assert "bob" in await stage.ask("write to both")
    await stage.press(YES)
    assert (await stage.texts(2))[-1] == "One is sent."
    assert post.sent == ["bob"]
    assert model.results["b"] == instruct("en", "tool.one_at_a_time")


async def test_after_one_action_another_may_be_asked_for(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", "a", to="bob")], [call("send", "b", to="eve")], "Both are sent.")
    await stage.start()
    await stage.ask("write to both")
    await stage.press(YES)
    assert "eve" in (await stage.texts(2))[-1]
    await stage.press(YES)
    assert (await stage.texts(3))[-1] == "Both are sent."
    assert post.sent == ["bob", "eve"]


async def test_nothing_in_the_arguments_can_pass_for_something_else(stage: Stage) -> None:
    hostile = '```\n\n*All is well* @boss tg://user?id=1\nto: "mother"\u202e\n``` ````'
    given(stage, Post(), [call("send", to="eve", text=hostile)])
    await stage.start()
    question = await stage.ask("write")
    assert question.splitlines()[2:7] == ["Send", "", "• To: eve", "", "Text:"]
    entities = stage.telegram.transcript(ANNA)[-1]["entities"]
    assert [entity["type"] for entity in entities] == ["code"] * 4 + ["pre"]
    shown = hostile.replace("\u202e", "\\u202e")
    assert question.endswith(shown)
    assert entities[-1]["length"] == len(shown)


async def test_only_who_asked_may_tap(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", to="bob")], "Sent.")
    await stage.start()
    await stage.ask("@govorun_sandbox_bot write to bob", TEAM, ANNA)
    label = next(button["text"] for button in buttons_of(stage.telegram.transcript(TEAM)[-1]))
    await stage.press(label, TEAM, BORIS)
    await asyncio.sleep(5)
    assert post.sent == []
    await stage.press(label, TEAM, ANNA)
    await stage.texts(2, TEAM)
    assert post.sent == ["bob"]


async def test_a_tap_after_more_than_a_day_is_too_late(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", to="bob")])
    await stage.start()
    await stage.ask("write to bob")
    stage.clock.shift += 25 * 3600
    await stage.press(YES)
    assert (await stage.texts(2))[-1] == say("en", "tool.old")
    assert post.sent == []


async def test_a_tap_still_counts_when_the_conversation_has_gone_on(stage: Stage) -> None:
    post = Post()
    model = given(stage, post, [call("send", to="bob")], "Sunny.", "Sent.")
    await stage.start()
    await stage.ask("write to bob")
    await stage.ask("how is the weather?")
    await stage.press(YES)
    assert (await stage.texts(3))[-1] == "Sent."
    assert post.sent == ["bob"]
    assert "weather" not in str(model.requests[-1].messages)


async def test_a_tap_that_does_not_fit_into_the_budget_can_be_repeated(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", to="bob")], "Sent.")
    await stage.start(user_daily_tokens=90, max_tokens=10)
    await stage.ask("write to bob")
    await stage.press(YES)
    assert "your limit for today" in (await stage.texts(2))[-1]
    assert (post.sent, states(stage)) == ([], ["asked"])


async def test_a_refusal_of_the_model_after_the_action_does_not_repeat_the_action(stage: Stage) -> None:
    post = Post()
    given(stage, post, [call("send", to="bob")], ModelRefused("no"))
    await stage.start()
    await stage.ask("write to bob")
    await stage.press(YES)
    assert (await stage.texts(2))[-1] == say("en", "error.refused")
    tap_late(stage, "act.yes")
    await stage.texts(3)
    assert post.sent == ["bob"]


@pytest.mark.e2e
@pytest.mark.parametrize("moment", [0.0, 0.15, 0.3, 0.5])
async def test_a_real_kill_at_any_moment_after_the_tap_never_does_it_twice(tmp_path: Path, moment: float) -> None:
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    environment = {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": await telegram.start(), "ACCESS": "open"}
    await studio.start()
    environment |= {name.upper(): value for name, value in studio.settings().items()}
    environment["DATABASE_URL"] = f"sqlite+aiosqlite:///{tmp_path}/govorun.db"
    file = tmp_path / "written"
    endings = {"It is written.", say("en", "tool.unknown", tool="write")}
    try:
        async with _acting(file, environment), asyncio.timeout(40):
            telegram.say(ANNA, "write it")
            await telegram.wait_for(lambda: telegram.texts(ANNA) or None, 30)
            message = telegram.transcript(ANNA)[-1]
            yes = next(button for button in buttons_of(message) if button["text"] == YES)
            telegram.press(ANNA, message["message_id"], yes["callback_data"])
            await asyncio.sleep(moment)
        async with _acting(file, environment), asyncio.timeout(40):
            await telegram.wait_for(lambda: endings & {*telegram.texts(ANNA)} or None, 30)
        written = file.read_text().splitlines() if file.exists() else []
        assert len(written) <= 1
        assert written or "It is written." not in telegram.texts(ANNA)
    finally:
        await studio.close()
        await telegram.close()


@asynccontextmanager
async def _acting(file: Path, environment: dict[str, str]) -> AsyncIterator[None]:
    """The bot as a process, until the block ends: then it is killed."""
    tests = Path(__file__).parents[1]
    words = (str(tests / "support" / "acting_program.py"), str(file), "0.4")
    async with Forked.running(*words, directory=file.parent, environment={"PATH": os.environ["PATH"], **environment}):
        yield
