"""Models for a programmer's code: what they answer, who pays, and what a kill leaves (`Running.ask`, `stream`).

See P16 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import BaseModel

from bot.errors import LimitReached, ModelProtocolError
from bot.testing.studio import StudioSide
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

CAPS = {"user_daily_tokens": 20_000, "max_tokens": 100}


class Mood(BaseModel):
    mood: str


def booked(stage: Stage) -> list[tuple[int, str, int]]:
    return [
        (user, model, bool(tokens))
        for user, model, tokens in rows(stage, "SELECT user, model, prompt + completion FROM usage ORDER BY id")
    ]


def open_reservations(stage: Stage) -> int:
    return int(rows(stage, "SELECT count(*) FROM reservations")[0][0])


async def test_an_answer_is_a_text_or_an_object_and_the_person_pays(stage: Stage, studio: StudioSide) -> None:
    app = await stage.start(**CAPS)
    await stage.ask("hi")
    studio.says("  It is glad. ", '{"mood": "glad"}', "a helper")
    assert await app.running.ask("How are they?", user=ANNA, system="Be short.") == "It is glad."
    assert studio.prompts[-1] == [("system", "Be short."), ("user", "How are they?")]
    assert (await app.running.ask("And now?", Mood, user=ANNA)).mood == "glad"
    assert await app.running.ask("cheap", user=ANNA, model="helper") == "a helper"
    main, helper = stage.settings.model, stage.settings.helper_model
    assert booked(stage)[1:] == [(ANNA, main, True), (ANNA, main, True), (ANNA, helper, True)]
    assert open_reservations(stage) == 0
    usage = await usage_text(stage)
    assert "YandexGPT 5.1 Pro" in usage
    assert "requests: 3" in usage
    assert "YandexGPT 5 Lite" in usage


async def usage_text(stage: Stage) -> str:
    await stage.ask("/usage")
    return str(stage.telegram.transcript(ANNA)[-1].get("caption", ""))


async def test_an_answer_comes_in_pieces_and_leaving_early_pays_for_what_came(stage: Stage, studio: StudioSide) -> None:
    app = await stage.start(**CAPS)
    await stage.ask("hi")
    studio.says(["One ", "two ", "three"])
    assert "".join([piece async for piece in app.running.stream("Count", user=ANNA)]) == "One two three"
    studio.says(["One ", "two ", "three"])
    pieces = app.running.stream("Count", user=ANNA)
    assert (await anext(pieces)).startswith("One")
    await pieces.aclose()
    assert len(booked(stage)) == 3
    assert open_reservations(stage) == 0


async def test_a_budget_that_is_used_up_is_an_error_before_the_model_is_asked(stage: Stage, studio: StudioSide) -> None:
    app = await stage.start(user_daily_tokens=1)
    await stage.ask("hi")
    before = len(studio.requests)
    with pytest.raises(LimitReached):
        await app.running.ask("More?", user=ANNA)
    with pytest.raises(LimitReached):
        await anext(app.running.stream("More?", user=ANNA))
    assert len(studio.requests) == before
    studio.says("The bot itself has no user's limit.")
    assert await app.running.ask("And the bot?") == "The bot itself has no user's limit."
    assert booked(stage)[-1][0] == 0


async def test_the_bot_itself_pays_within_what_the_whole_bot_may_spend(stage: Stage, studio: StudioSide) -> None:
    app = await stage.start(daily_tokens=1)
    assert await app.running.ask("First") != ""
    with pytest.raises(LimitReached):
        await app.running.ask("Second")


async def test_what_was_held_back_is_settled_after_a_failure_a_cancellation_and_a_kill(
    stage: Stage, studio: StudioSide
) -> None:
    app = await stage.start(**CAPS)
    await stage.ask("hi", BORIS)
    studio.says("no JSON", "still none")
    with pytest.raises(ModelProtocolError):
        await app.running.ask("And?", Mood, user=BORIS)
    assert open_reservations(stage) == 0
    stage.studio.ttft = 60.0
    asking = asyncio.create_task(app.running.ask("slow", user=BORIS))
    await stage.clock.sleep(5)
    assert open_reservations(stage) == 1
    as_killed = image(stage)
    asking.cancel()
    await asyncio.wait([asking])
    assert open_reservations(stage) == 0
    await stage.stop()
    file = Path(stage.settings.database_url.partition("///")[2])
    file.write_bytes(as_killed)
    await stage.start()
    await stage.clock.sleep(1)
    assert open_reservations(stage) == 0
    assert rows(stage, f"SELECT amount FROM spending WHERE scope = 'user' AND subject = {BORIS}")[0][0] > 0


def image(stage: Stage) -> bytes:
    """The database as a `kill -9` would leave it now."""
    with closing(sqlite3.connect(stage.settings.database_url.partition("///")[2])) as database:
        return database.serialize()


async def test_a_model_that_is_not_offered_is_named(stage: Stage) -> None:
    app = await stage.start()
    with pytest.raises(ValueError, match="'gpt-9' is no model of this bot: there are main, helper, "):
        await app.running.ask("hi", model="gpt-9")
