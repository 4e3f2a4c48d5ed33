"""Buttons of programmers: who may press them, how often, with which arguments; and a kill at any moment.

See P1 and P2 in docs/promises.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from bot import App, Button, Incoming, JobRun, Outgoing, Reply
from bot.errors import ConfigError
from bot.extension import OwnPress
from bot.testing.tg import Tg
from tests.support.stage import ANNA
from tests.support.telegram_side import inbox, rows

DONE: list[str] = []


@pytest.fixture
def bot_app() -> App:
    DONE.clear()
    app = App()

    @app.command("card")
    async def card(incoming: Incoming, reply: Reply) -> Outgoing:
        row = [
            Button("Mine", "mine", day=date(2026, 11, 24), count=2),
            Button("Everyone's", "everyones"),
            Button("Owners'", "owners"),
            Button("Once", "once"),
        ]
        return Outgoing("A card", buttons=[row])

    @app.command("wrong")
    async def wrong(incoming: Incoming, reply: Reply) -> Outgoing:
        return Outgoing("?", buttons=[[Button("Mine", "mine", day="someday")]])

    @app.command("nobodys")
    async def nobodys(incoming: Incoming, reply: Reply) -> Outgoing:
        return Outgoing("?", buttons=[[Button("?", "nothing")]])

    @app.press("mine")
    async def mine(incoming: Incoming, reply: Reply, day: date, count: int = 1) -> str:
        DONE.append("mine")
        return f"{day:%d.%m.} × {count}"

    @app.press("everyones", by="all")
    async def everyones(incoming: Incoming, reply: Reply) -> str:
        return f"by {incoming.user.name}"

    @app.press("owners", by="owners")
    async def owners(incoming: Incoming, reply: Reply) -> str:
        return "approved"

    @app.press("once", once=True)
    async def once(incoming: Incoming, reply: Reply) -> str:
        DONE.append("once")
        return "done"

    @app.job
    async def offer(run: JobRun) -> Outgoing:
        return Outgoing("An offer", buttons=[[Button("Mine", "mine", day=date(2026, 12, 2))]])

    return app


async def test_the_types_of_the_press_and_the_reply_may_be_known_to_type_checkers_alone() -> None:
    names: dict[str, Any] = {}
    exec("async def buy(incoming: 'Nothing', reply: 'Nothing', item: 'int') -> 'Nothing': ...", names)
    press = OwnPress("buy", names["buy"])
    assert press.read(press.stored({"item": "7"})) == {"item": 7}
    with pytest.raises(TypeError, match="the button 'buy': item: Input should be a valid integer"):
        press.stored({"item": "seven"})


def toasts(tg: Tg) -> list[str]:
    return [call.params.get("text") or "" for call in tg.server.calls_of("answerCallbackQuery")]


async def test_arguments_are_typed_and_stay_out_of_the_message(tg: Tg) -> None:
    ann = tg.user("Ann")
    said = await ann.say("/card")
    pressed = await ann.press("Mine")
    assert pressed is not None
    assert pressed.text == "24.11. × 2"
    assert "2026" not in str(said.raw)


async def test_a_button_works_for_whom_it_says(tg: Tg) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    team = tg.group("Team", ann, bob)
    await ann.say("/card@govorun_sandbox_bot", team)
    await bob.press("Mine", team)
    assert "not yours" in toasts(tg)[-1]
    pressed = await bob.press("Everyone's", team)
    assert pressed is not None
    assert pressed.text == "by Bob"
    await ann.press("Owners'", team)
    assert "Only the owners" in toasts(tg)[-1]


async def test_owners_press_what_is_theirs(tg: Tg) -> None:
    await tg.stage.stop()
    await tg.stage.start(owners=(ANNA,))
    ann = tg.user("Anna")
    await ann.say("/card")
    pressed = await ann.press("Owners'")
    assert pressed is not None
    assert pressed.text == "approved"


async def test_a_button_for_once_is_gone_after_the_press(tg: Tg) -> None:
    ann = tg.user("Ann")
    card = await ann.say("/card")
    keys = {button["text"]: button["callback_data"] for row in _rows(card.raw) for button in row}
    await ann.press("Once")
    assert ann.said()[0].buttons == ["Mine", "Everyone's", "Owners'"]
    tg.server.press(ann.id, card.id, keys["Once"], ann.id)
    await tg.settled()
    assert DONE == ["once"]
    assert "no longer works" in toasts(tg)[-1]


def _rows(raw: dict) -> list:  # type: ignore[type-arg]
    found: list = raw["reply_markup"]["inline_keyboard"]  # type: ignore[type-arg]
    return found


async def test_a_button_without_a_function_or_with_wrong_arguments_is_told_when_it_is_made(
    tg: Tg, caplog: pytest.LogCaptureFixture
) -> None:
    ann = tg.user("Ann")
    assert "Something went wrong" in (await ann.say("/wrong")).text
    assert "the button 'mine': day" in caplog.text
    assert "Something went wrong" in (await ann.say("/nobodys")).text
    assert "there is no @app.press('nothing')" in caplog.text


async def test_a_kill_after_a_press_loses_nothing_and_shows_nothing_twice(tg: Tg) -> None:
    ann = tg.user("Ann")
    card = await ann.say("/card")
    keys = {button["text"]: button["callback_data"] for row in _rows(card.raw) for button in row}
    for pause in (0.0, 0.01, 0.05, 0.3):
        before = len(ann.said())
        tg.server.press(ann.id, card.id, keys["Mine"], ann.id)
        await tg.stage.clock.sleep(pause)
        await tg.crash()
        await tg.settled()
        assert [said.text for said in ann.said()[before:]] == ["24.11. × 2"]
    assert set(inbox(tg.stage)) == {"done"}
    assert rows(tg.stage, "SELECT count(*) FROM buttons WHERE action = 'own.press'") == [(4,)]


async def test_messages_that_a_program_and_its_jobs_send_may_have_buttons(tg: Tg) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    await ann.say("/help")
    await bob.say("/help")
    app = tg.stage.app
    assert app is not None
    assert app.running is not None
    await app.running.send(ann.id, "On its way.", key="k", buttons=[[Button("Mine", "mine", day=date(2026, 12, 1))]])
    await tg.settled()
    pressed = await ann.press("Mine")
    assert pressed is not None
    assert pressed.text == "01.12. × 1"
    await app.running.later("offer", key="o", at=timedelta(seconds=5), to=ann.id)
    await tg.until(lambda: ann.said()[-1].text == "An offer")
    pressed = await ann.press("Mine")
    assert pressed is not None
    assert pressed.text == "02.12. × 1"
    with pytest.raises(TypeError, match="there is no @app"):
        await app.running.send(ann.id, "?", key="l", buttons=[[Button("?", "nothing")]])


def test_mistakes_are_told_where_they_are_made() -> None:
    app = App()

    def plain(incoming: Incoming, reply: Reply) -> str:
        return ""

    async def short(incoming: Incoming) -> str:
        return ""

    async def fine(incoming: Incoming, reply: Reply) -> str:
        return ""

    app.press("buy")(fine)
    mistakes: dict[str, Callable[[], object]] = {
        "the press buy is there already": lambda: app.press("buy")(fine),
        "plain is not async": lambda: app.press("other")(plain),  # type: ignore[type-var]
        "press 'other': async def": lambda: app.press("other")(short),
        "needs a name": lambda: app.press(fine),  # type: ignore[arg-type]
        "middleware: async def": lambda: app.middleware(fine),  # type: ignore[arg-type]
        "instructions: async def": lambda: app.instructions(fine),  # type: ignore[arg-type]
        "before_answer: async def": lambda: app.before_answer(short),  # type: ignore[arg-type]
        "after_answer: async def": lambda: app.after_answer(fine),  # type: ignore[arg-type]
    }
    for told, make in mistakes.items():
        with pytest.raises(ConfigError, match=re.escape(told)):
            make()
