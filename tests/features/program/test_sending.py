"""Messages that a programmer's code sends by itself: each key once, whatever happens (`Running.send`).

See P2 in docs/promises.md.
"""

from __future__ import annotations

import asyncio

import pytest

from bot import App, Button, Incoming, Reply, Running, SendState, Sent, UnknownUser
from bot.runtime.bot import Bot
from bot.types import Address, Outgoing
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows


@pytest.fixture
def bot_app() -> App:
    app = App()

    @app.press("track")
    async def track(incoming: Incoming, reply: Reply, order: int) -> str:
        return f"Order {order} is in Omsk."

    return app


def stage_running(stage: Stage) -> Running:
    assert stage.app is not None
    return stage.app.running


async def known(stage: Stage) -> Bot:
    """A bot that has talked with Anna."""
    app = await stage.start()
    await stage.ask("hi")
    return app


async def test_a_message_to_a_person_arrives_and_says_so(stage: Stage) -> None:
    app = await known(stage)
    buttons = [[Button("Track", "track", order=7)]]
    sent = await app.running.send(ANNA, "Order **7** is on its way.", key="shipped-7", buttons=buttons)
    assert (sent.key, sent.state, sent.is_new) == ("shipped-7", SendState.WAITING, True)
    assert (await sent.outcome()).state is SendState.DELIVERED
    message = stage.telegram.transcript(ANNA)[-1]
    assert message["text"] == "Order 7 is on its way."
    assert message["entities"][0]["type"] == "bold"
    await stage.crash()
    await stage.start()
    await stage.press("Track")
    assert (await stage.texts(3))[-1] == "Order 7 is in Omsk."
    with pytest.raises(TypeError, match=r"there is no @app.press\('lost'\)"):
        await stage_running(stage).send(ANNA, "x", key="lost", buttons=[[Button("Lost", "lost")]])
    assert await stage_running(stage).sent("lost") is None


async def test_a_text_by_language_is_said_in_the_one_that_the_person_chose_or_has(stage: Stage) -> None:
    app = await known(stage)
    greeting = {"en": "Good **evening**", "de": "Guten Abend", "ru": "Добрый вечер"}
    await app.running.send(ANNA, greeting, key="english", buttons=[[Button("Track", "track", order=7)]])
    await stage.texts(2)
    assert stage.telegram.transcript(ANNA)[-1]["reply_markup"]["inline_keyboard"][0][0]["text"] == "Track"
    await stage.ask("/language")
    await stage.press("Русский")
    await stage.clock.sleep(5)
    await app.running.send(ANNA, greeting, key="russian")
    stage.telegram.person("Boris", "de-CH", BORIS)
    await stage.ask("hi", BORIS)
    await app.running.send(BORIS, greeting, key="german")
    await app.running.send(BORIS, {"ru": "Пока"}, key="bye")
    await stage.clock.sleep(5)
    assert "Good evening" in stage.telegram.texts(ANNA)
    assert stage.telegram.texts(ANNA)[-1] == "Добрый вечер"
    assert stage.telegram.texts(BORIS)[-2:] == ["Guten Abend", "Пока"]
    with pytest.raises(TypeError, match="a text, one for each language, an Outgoing"):
        await app.running.send(ANNA, {"en": 7}, key="number")  # type: ignore[dict-item]
    assert await app.running.sent("number") is None


async def test_a_key_is_sent_once_by_callers_at_the_same_time_and_after_a_crash(stage: Stage) -> None:
    app = await known(stage)
    sent = await asyncio.gather(*(app.running.send(ANNA, f"try {n}", key="k") for n in range(5)))
    assert sum(one.is_new for one in sent) == 1
    await stage.texts(2)
    await stage.crash()
    app = await stage.start()
    again = await app.running.send(ANNA, "try again", key="k")
    assert (again.is_new, (await again.outcome()).state) == (False, SendState.DELIVERED)
    await stage.ask("still there?")
    assert len([text for text in stage.telegram.texts(ANNA) if text.startswith("try")]) == 1


async def test_what_is_on_disk_is_sent_after_a_crash_before_the_delivery(stage: Stage) -> None:
    app = await known(stage)
    stage.telegram.fail_next("sendMessage", times=None, code=502)
    sent = await app.running.send(ANNA, "late", key="k")
    assert (await sent.outcome(within=5.0)).state is SendState.WAITING
    await stage.crash()
    stage.telegram.faults.clear()
    app = await stage.start()
    found = await app.running.sent("k")
    assert found is not None
    assert (await found.outcome()).state is SendState.DELIVERED
    assert stage.telegram.texts(ANNA).count("late") == 1


async def test_somebody_who_never_wrote_is_an_error_and_leaves_no_row(stage: Stage) -> None:
    app = await known(stage)
    before = rows(stage, "SELECT count(*) FROM deliveries")
    for stranger in (BORIS, Address("telegram", app.running.bot, TEAM)):
        with pytest.raises(UnknownUser, match=r"never wrote to this bot"):
            await app.running.send(stranger, "hello", key="k")
    assert rows(stage, "SELECT count(*) FROM deliveries") == before
    assert await app.running.sent("k") is None
    stage.telegram.say(BORIS, "hi")
    await stage.texts(1, BORIS)
    assert (await app.running.send(BORIS, "hello", key="k")).is_new


async def test_a_person_who_has_blocked_the_bot_is_told_from_a_refused_message(stage: Stage) -> None:
    app = await known(stage)
    stage.telegram.block(ANNA)
    sent = await app.running.send(ANNA, "hello", key="k")
    assert (await sent.outcome()).state is SendState.BLOCKED


async def test_a_key_has_a_length_and_is_kept_without_its_words(stage: Stage) -> None:
    app = await known(stage)
    for key in ("", "k" * 201):
        with pytest.raises(ValueError, match="1-200 characters"):
            await app.running.send(ANNA, "hello", key=key)
    await app.running.send(ANNA, Outgoing("x", plain=True), key="Anna's secret")
    assert "secret" not in str(rows(stage, "SELECT * FROM program_keys"))


async def test_what_was_forgotten_is_not_sent_again(stage: Stage) -> None:
    app = await known(stage)
    await (await app.running.send(ANNA, "hello", key="k")).outcome()
    await stage.ask("/forget")
    await stage.press("Remove everything")
    await stage.until(lambda: "hello" not in str(rows(stage, "SELECT outgoing FROM deliveries")) or None)
    found = await app.running.sent("k")
    assert found == Sent("k", SendState.FORGOTTEN)
    await stage.ask("hi again")
    assert not (await app.running.send(ANNA, "hello", key="k")).is_new
