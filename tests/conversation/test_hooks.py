"""A programmer's functions around the model (`extension.Hooks`): whichever way an answer is asked for, and when they
fail.

See P5 in docs/promises.md.
"""

from __future__ import annotations

import asyncio

import pytest

from bot import App, Preparation, Review, ToolContext, UserError
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg

SEEN: list[tuple[str, str]] = []
FAILS: set[str] = set()


@pytest.fixture
def bot_app() -> App:
    SEEN.clear()
    FAILS.clear()
    app = App()

    @app.instructions
    async def who(asker: ToolContext) -> str:
        if "instructions" in FAILS:
            raise RuntimeError("no database")
        return f"Asker {asker.user}, {asker.language}."

    @app.before_answer
    async def before(asker: ToolContext, question: str) -> Preparation | None:
        if "secret" in question:
            raise UserError("That is secret.")
        return Preparation(model="nothing") if "choose" in question else None

    @app.after_answer
    async def after(asker: ToolContext, question: str, answer: str) -> Review | None:
        SEEN.append((question, answer))
        if "slow" in FAILS:
            await asyncio.sleep(60)
        if "bad" in answer:
            return Review(refusal="Refused.")
        if "rude" in answer:
            return Review(text="Polite.", note="changed")
        return None

    return app


@pytest.fixture
def shown_app() -> App:
    app = App()

    @app.after_answer(hold=False)
    async def after(asker: ToolContext, question: str, answer: str) -> Review | None:
        return Review(refusal="Refused.") if "bad" in answer else Review(note="not checked by people")

    return app


def sent(tg: Tg) -> str:
    """All that the bot has sent to Telegram."""
    return str([call.params for call in tg.server.calls])


async def test_a_refused_answer_was_seen_by_nobody_and_is_in_no_later_prompt(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says(["A long ", "and bad ", "answer"])
    assert (await ann.say("tell me")).text == "Refused."
    assert "A long" not in sent(tg)
    studio.says("Fine.")
    assert (await ann.say("and now?")).text == "Fine."
    assert "tell me" not in str(studio.prompts[-1])
    assert "Asker" in studio.prompts[-1][0][1]


async def test_another_text_replaces_the_answer_for_good(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says("Very rude.")
    assert (await ann.say("hello")).text == "Polite.\n\nchanged"
    studio.says("Fine.")
    await ann.say("again")
    assert ("assistant", "Polite.") in studio.prompts[-1]
    assert "rude" not in sent(tg)


async def test_a_model_that_is_not_offered_is_told_in_the_log_and_the_chats_own_answers(
    tg: Tg, studio: StudioSide, caplog: pytest.LogCaptureFixture
) -> None:
    ann = tg.user("Ann")
    await ann.say("/model")
    await ann.press("YandexGPT 5 Lite")
    studio.says("Chosen.")
    assert (await ann.say("choose for me")).text == "Chosen."
    assert "yandexgpt-5-lite" in str(studio.requests[-1].body)
    assert "wants nothing, which is not offered" in caplog.text


async def test_an_edited_question_goes_the_same_way(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says("Fine.")
    await ann.say("one")
    studio.says("bad")
    await ann.edit("two")
    assert "bad" not in sent(tg)
    assert SEEN == [("one", "Fine."), ("two", "bad")]
    assert (await ann.say("a secret?")).text == "That is secret."
    assert len(studio.requests) == 2


async def test_a_later_answer_is_told_checked_and_refused_too(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/later a secret")).text == "That is secret."
    studio.says("a bad answer")
    await ann.say("/later tell me")
    await tg.until(lambda: "Refused." in ann.said()[-1].text)
    assert "a bad answer" not in sent(tg)
    assert any("Asker" in str(one.body) for one in studio.server.requests)
    studio.says("very rude")
    await ann.say("/later tell me more")
    await tg.until(lambda: "Polite." in ann.said()[-1].text)
    assert "rude" not in sent(tg)


async def test_a_function_that_fails_or_is_late_leaves_no_answer_and_the_question_can_be_asked_again(
    tg: Tg, studio: StudioSide, caplog: pytest.LogCaptureFixture
) -> None:
    ann = tg.user("Ann")
    FAILS.add("instructions")
    said = await ann.say("hello")
    assert "Your question is kept" in said.text
    assert "no database" in caplog.text
    assert studio.requests == []
    FAILS.clear()
    studio.says("Hello.")
    await ann.press("Try again")
    assert tg.last.text == "Hello."
    FAILS.add("slow")
    studio.says("Never seen.")
    assert "Your question is kept" in (await ann.say("more")).text
    assert "Never seen" not in sent(tg)


async def test_an_answer_that_was_stopped_is_checked(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says(["bad ", *["words "] * 400])
    ann.write("tell me")
    await tg.until(lambda: studio.requests)
    await tg.stage.clock.sleep(0.2)
    ann.write("/stop")
    await tg.settled()
    assert "words" not in sent(tg)


async def test_an_answer_that_is_not_held_is_replaced_or_marked_at_its_end(
    tg: Tg, studio: StudioSide, shown_app: App
) -> None:
    await tg.stage.stop()
    tg.stage.extension = shown_app.extension
    await tg.stage.start()
    ann = tg.user("Ann")
    studio.says("A fine answer.")
    assert (await ann.say("hello")).text == "A fine answer.\n\nnot checked by people"
    studio.says(["A long answer " * 20, "that is bad"])
    assert (await ann.say("more")).text == "Refused."
    assert [said.text for said in ann.said()] == ["A fine answer.\n\nnot checked by people", "Refused."]


async def test_a_kill_while_the_answer_is_checked_sends_it_once(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    FAILS.add("slow")
    studio.says("Fine.", "Fine.")
    ann.write("hello")
    await tg.until(lambda: SEEN)
    FAILS.clear()
    await tg.crash()
    await tg.settled()
    assert [said.text for said in ann.said()] == ["Fine."]
