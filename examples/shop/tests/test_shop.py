"""Step 6: tests. They read like the chat that they are about."""

from __future__ import annotations

import pytest

from govorun.testing import Dialogue, LoopClock, StudioSide, Tg


async def test_a_lamp_is_bought_with_a_tap(tg: Tg) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/start")).text == "Hello, Ann! Have a look: /catalog"
    assert "Moon: 40 coins" in (await ann.say("/catalog")).text
    await ann.press("Moon")
    assert tg.last.text == "Moon is yours. Where shall we send it? /deliver"
    assert (await ann.say("/orders")).text == "Moon"


async def test_the_model_takes_a_lamp_back_after_a_tap(tg: Tg, studio: StudioSide) -> None:
    bob = tg.user("Bob")
    await bob.say("/catalog")
    await bob.press("Firefly")
    studio.calls("return_lamp", lamp="Firefly")
    assert (await bob.say("I don't like it")).text == "Return the lamp Firefly?"
    studio.says("You have your money back.")
    await bob.press("Do it")
    assert "You have your money back." in tg.last.text
    assert (await bob.say("/orders")).text == "You have ordered nothing yet: /catalog"


async def test_a_crash_in_a_form_loses_no_answer(tg: Tg, dialogue: Dialogue) -> None:
    eve = tg.user("Eve")
    await eve.say("/deliver")
    await eve.say("Baker Street 221b")
    await tg.crash()
    await eve.press("evening")
    await eve.send_contact("+70000000000")
    dialogue(eve)


async def test_a_customer_hears_once_that_the_lamp_is_on_its_way(tg: Tg) -> None:
    ann = tg.user("Ann")
    await ann.say("/start")
    for first in (True, False):
        order = {"customer": ann.id, "order": 7, "lamp": "Moon"}
        assert await tg.post("/order-shipped", order) == (200, {"first": first})
    await tg.settled()
    assert [message.text for message in ann.said()][1:] == ["Your lamp Moon is on its way."]


async def test_a_lamp_of_the_day_that_was_missed_in_the_night_is_told_once(tg: Tg, clock: LoopClock) -> None:
    ann = tg.user("Ann")
    await ann.say("/start")
    await tg.stage.stop()
    await clock.sleep(24 * 3600)
    await tg.stage.start()
    told = await tg.until(lambda: [message.text for message in ann.said() if "Good morning" in message.text])
    assert len(told) == 1


async def test_the_shop_can_be_closed(tg: Tg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_CLOSED", "1")
    assert (await tg.user("Ann").say("hi")).text == "We are closed today."
