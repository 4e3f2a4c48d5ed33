"""The blocks of docs/framework.md about what stands around a message and around the model: one bot made of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import bot
from bot import App
from bot.sandbox.ai_studio.server import Answer
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg

PAGE = Path(__file__).parents[2] / "docs" / "framework.md"
SECTIONS = ("Middleware", "Buttons", "Questions and forms", "Around the model")
BEFORE = "from typing import Literal\nfrom pydantic import BaseModel\nfrom bot import *\n"
MODES = ("draft", "edit", "off")
CHEERFUL = ["**Tea** helps. ", "So does ", "a walk."]


def blocks(section: str) -> list[str]:
    """The Python blocks below a heading of the page."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert found, section
    return found


@pytest.fixture
def bot_app() -> App:
    names: dict[str, Any] = {
        "app": App(),
        "closed": False,
        "TESTERS": set(),
        "CUSTOMERS": {},
        "NEWS": "Open on Monday.",
    }
    for section in SECTIONS:
        for block in blocks(section):
            exec(compile(BEFORE + block, section, "exec", dont_inherit=True), names)
    (mood,) = (block for block in blocks("The running bot") if "reply.append" in block)
    exec(compile(BEFORE + mood, "models", "exec", dont_inherit=True), names)
    app = names["app"]
    assert isinstance(app, App)
    return app


async def test_a_bot_of_the_pages_blocks_does_what_they_say(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    assert (await ann.say("/shop")).buttons == ["Lamp"]
    await ann.press("Lamp")
    assert tg.last.text == "lamp is yours."
    assert (await ann.say("/deliver")).buttons == ["S", "L", "Cancel"]
    await ann.press("S")
    assert (await ann.say("Elm Street 5")).text.startswith("Whom may we call?")
    await ann.say("+79001234567")
    await ann.press("Skip")
    assert tg.last.text == "S to Elm Street 5"
    await ann.say("/card")
    await ann.say("Love")
    assert (await ann.say("3")).text == "3 × Love"
    assert (await ann.say("medicine?")).text == "We only sell books."
    studio.says("It is free.")
    assert (await ann.say("A book?")).text == "A colleague will answer this."
    assert "The customer: somebody new." in studio.prompts[-1][0][1]


async def test_what_the_pages_command_has_streamed_is_its_answer(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    for mode in MODES:
        await tg.stage.stop()
        await tg.stage.start(streaming=mode)
        before = len(ann.said())
        studio.says('{"mood": "calm"}', CHEERFUL)
        assert (await ann.say("/mood it rains")).text == "Tea helps. So does a walk."
        assert len(ann.said()) == before + 1
        await tg.restart()
        assert tg.last.text == "Tea helps. So does a walk."


async def test_a_model_that_fails_in_the_pages_command_is_told_as_for_a_question(tg: Tg, studio: StudioSide) -> None:
    ann, olya = tg.user("Ann"), tg.user("Оля", "ru")
    studio.says(Answer(status="CONTENT_FILTER"))
    refused = await ann.say("/mood it rains")
    assert refused.text.startswith("The model refused this question. Put it in other words. Code ")
    for status, person, told in (
        (503, ann, "The model does not answer now: try again in a minute. Code "),
        (503, olya, "Модель сейчас не отвечает: попробуйте через минуту. Код "),
        (401, ann, "I can't reach the model: the operator has to check its access. Code "),
    ):
        studio.fails(status, times=20)
        assert (await person.say("/mood it rains")).text.startswith(told)
        while studio.server.planned:
            await tg.running.clock.sleep(60)
            await person.say("/mood it rains")


def test_the_block_about_languages_makes_an_app() -> None:
    (block,) = blocks("Languages and words")
    names: dict[str, Any] = {"App": bot.App}
    exec(compile(block, "languages", "exec", dont_inherit=True), names)
    assert names["app"].extension.texts["de"]["new"] == "Ein neues Gespräch."


def test_the_blocks_about_the_running_bot_make_an_app() -> None:
    before = """
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, delete, insert, select
from bot import *
"""
    names: dict[str, Any] = {"app": App(), "OWNER": 1}
    for block in blocks("The running bot"):
        exec(compile(before + block, "the running bot", "exec", dont_inherit=True), names)
    program = names["app"].extension.program
    assert set(program.jobs) == {"digest", "report", "look", "tea_is_ready"}
    assert [endpoint.path for endpoint in program.http.endpoints] == ["/order-shipped", "/orders/{number}"]
    assert (set(program.data.metadata.tables), len(program.lifespans)) == ({"shop_orders"}, 1)
    assert [transport.name for transport in program.transports] == ["console"]
