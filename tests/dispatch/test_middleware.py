"""A programmer's middleware: what it stands around, in which order, and what becomes of what it returns.

See P1 and P2 in docs/promises.md.
"""

from __future__ import annotations

import pytest

from bot import Answer, App, Button, Incoming, Next, Outgoing, Reply
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from tests.support.telegram_side import inbox

SEEN: list[str] = []


@pytest.fixture
def bot_app() -> App:
    SEEN.clear()
    app = App()

    @app.middleware
    async def outer(incoming: Incoming, reply: Reply, next: Next) -> Answer:
        SEEN.append(f"outer {incoming.kind} {incoming.text} {incoming.language}")
        answer = await next(incoming, reply)
        SEEN.append("outer again")
        return answer

    @app.middleware
    async def inner(incoming: Incoming, reply: Reply, next: Next) -> Answer:
        SEEN.append("inner")
        if "late" in incoming.text:
            await next(incoming, reply)
            return "nobody reads this"
        if "silence" in incoming.text:
            return None
        if "closed" in incoming.text:
            return Outgoing("**Closed**", buttons=[[Button("When?", "when")]])
        if "five" in incoming.text:
            return 5  # type: ignore[return-value]
        return await next(incoming, reply)

    @app.press("when")
    async def when(incoming: Incoming, reply: Reply) -> str:
        return "At ten."

    return app


async def test_middleware_stands_around_questions_commands_and_presses_in_its_order(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says("Sure.")
    assert (await ann.say("hello")).text == "Sure."
    assert SEEN == ["outer message hello en", "inner", "outer again"]
    SEEN.clear()
    assert (await ann.say("/settings")).buttons
    await ann.press("Language: English") if "Language: English" in tg.last.buttons else None
    assert SEEN[:3] == ["outer message /settings en", "inner", "outer again"]


async def test_what_it_returns_instead_is_the_answer_and_its_buttons_work(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    said = await ann.say("closed?")
    assert (said.text, said.buttons) == ("Closed", ["When?"])
    SEEN.clear()
    assert (await ann.press("When?") or said).text == "At ten."
    assert SEEN == ["outer button  en", "inner", "outer again"]
    ann.write("silence")
    await tg.settled()
    assert tg.last.text == "At ten."
    assert studio.requests == []
    assert set(inbox(tg.stage)) == {"done"}


async def test_the_chosen_language_is_that_of_the_incoming(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    await ann.say("/settings")
    await ann.press("Language")
    await ann.press("Русский")
    SEEN.clear()
    studio.says("Да.")
    await ann.say("hello")
    assert SEEN[0] == "outer message hello ru"


async def test_mistakes_are_told_in_the_log_and_cost_no_other_turn(
    tg: Tg, studio: StudioSide, caplog: pytest.LogCaptureFixture
) -> None:
    ann = tg.user("Ann")
    studio.says("Sure.")
    assert (await ann.say("late")).text == "Sure."
    assert "has returned an answer to a turn that had ended" in caplog.text
    assert "Something went wrong" in (await ann.say("five")).text
    assert "a handler returned 5" in caplog.text


async def test_a_kill_inside_of_middleware_loses_nothing_and_asks_the_model_once(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.says("Sure.")
    ann.write("hello")
    await tg.until(lambda: SEEN)
    await tg.crash()
    await tg.settled()
    assert [said.text for said in ann.said()] == ["Sure."]
