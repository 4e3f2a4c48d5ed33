"""Which model answers, by the choices of chat, user and persona; and models that think."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.ai import Chunk, Finish, Profile, Request
from bot.config.entries import ModelConfig
from bot.llm.routing import ModelOption, Routing
from bot.prompts.library import Library
from bot.runtime.build import Instead, build
from bot.sandbox import painter
from bot.telegram.sending.messages import Rung, finished
from bot.texts.catalog import say
from bot.types import Outgoing
from tests.support.choosing import PIRATE, actions, choose, labels, pressed, toasts, written
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import soon

pytestmark = pytest.mark.usefixtures("older_models")

PHONE = 40  # characters of a line, about

# --- which model answers ----------------------------------------------------------------------------------------------


def models(stage: Stage) -> list[str]:
    return [seen.body["modelUri"].split("/")[3] for seen in stage.studio.seen("completion")]


async def test_a_chats_model_comes_before_ones_own_and_that_before_the_personas(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    written(tmp_path, 'title = "Alice"\nmodel = "aliceai-llm"', "alice")
    await stage.start(prompts_dir=tmp_path, models=entries("yandexgpt", "yandexgpt-lite", "aliceai-llm"))
    await choose(stage, "Alice")
    await stage.ask("one")
    await stage.ask("/model")
    mine = await pressed(stage, say("en", "model.everywhere"), "yandexgpt-lite")
    assert mine.startswith(say("en", "model.mine"))
    assert toasts(stage)[-1] == say("en", "model.mine.chosen", model="yandexgpt-lite")
    assert {"model.everywhere", "model.mine"} <= actions(stage)
    await stage.ask("two")
    await stage.ask("/model")
    await pressed(stage, "yandexgpt")
    await stage.ask("three")
    await stage.ask("/model")
    await pressed(stage, say("en", "model.reset"))
    assert toasts(stage)[-1] == say("en", "model.chosen", model="yandexgpt-lite")
    await stage.ask("four")
    await stage.ask("/model")
    await pressed(stage, say("en", "model.everywhere"), say("en", "model.reset"))
    await stage.ask("five")
    assert models(stage) == ["aliceai-llm", "yandexgpt-lite", "yandexgpt", "yandexgpt-lite", "aliceai-llm"]


async def test_ones_own_model_is_asked_in_every_chat_but_not_for_others(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    await pressed(stage, say("en", "model.everywhere"), "YandexGPT Lite")
    await stage.ask("@govorun_sandbox_bot hello", TEAM, ANNA)
    await stage.ask("@govorun_sandbox_bot hello", TEAM, BORIS)
    assert models(stage) == ["yandexgpt-lite", "yandexgpt"]


async def test_the_page_of_models_says_what_the_chosen_one_can_do_and_where_others_differ(stage: Stage) -> None:
    await stage.start()
    assert (await stage.ask("/model")).splitlines() == [
        say("en", "model.choose", model="YandexGPT Pro"),
        "🔧 tools · 🧠 reasoning · 🕓 later · 32K tokens · 1.20\u00a0RUB for 1,000",
        "",
        "👁 pictures: Gemma 3 27B",
        "🧠 reasoning: YandexGPT Pro, gpt-oss 120B",
        "🕓 later: YandexGPT Pro, YandexGPT Lite, YandexGPT Pro 5.1, Alice AI",
        "1,000 tokens: from 0.20\u00a0RUB (YandexGPT Lite) to 1.20\u00a0RUB (YandexGPT Pro)",
    ]
    assert say("en", "model.order", default="YandexGPT Pro") in await pressed(stage, say("en", "model.everywhere"))


async def test_the_page_of_models_fits_on_the_screen_of_a_phone(stage: Stage) -> None:
    await stage.start()
    for chat in (ANNA, BORIS):
        lines = (await stage.ask("/model", chat)).splitlines()
        assert sum(max(1, -(-len(line) // PHONE)) for line in lines) <= 12, lines
    low, high = "0,20\u00a0₽ (YandexGPT Lite)", "1,20\u00a0₽ (YandexGPT Pro)"
    assert lines[-1] == say("ru", "can.prices", low=low, high=high)


async def test_models_that_can_the_same_at_the_same_price_are_not_compared(stage: Stage) -> None:
    await stage.start(models=entries("yandexgpt"))
    assert len((await stage.ask("/model")).splitlines()) == 2


async def test_a_model_that_went_away_is_told_once_below_an_answer(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    await pressed(stage, "YandexGPT Lite")
    await stage.ask("/model")
    await pressed(stage, say("en", "model.everywhere"), "YandexGPT Lite")
    await stage.stop()
    await stage.start(models=entries("yandexgpt"))
    stage.studio.script("one", "two")
    note = say("en", "gone.note", old="yandexgpt-lite", new="yandexgpt")
    assert await stage.ask("first") == f"one\n\n{note}"
    assert await stage.ask("second") == "two"


async def test_a_personas_model_that_is_not_offered_is_passed_over(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, 'title = "Alice"\nmodel = "nowhere"', "alice")
    await stage.start(prompts_dir=tmp_path)
    await choose(stage, "Alice")
    stage.studio.script("hello")
    assert await stage.ask("hello") == "hello"
    assert models(stage) == ["yandexgpt"]


async def test_reasoning_is_switched_only_where_the_model_can(stage: Stage) -> None:
    await stage.start()
    text = await stage.ask("/reasoning")
    assert text == say("en", "reasoning.choose", model="YandexGPT Pro", mode=say("en", "reasoning.auto"))
    auto, on, off = (say("en", f"reasoning.{mode}") for mode in ("auto", "on", "off"))
    assert labels(stage) == [f"✓ {auto}", on, off, say("en", "panel.back")]
    await pressed(stage, say("en", "reasoning.on"))
    assert toasts(stage)[-1] == say("en", "settings.saved")
    assert say("en", "reasoning.on") in await stage.ask("/reasoning")
    await stage.ask("/model")
    await pressed(stage, "YandexGPT Lite")
    assert await stage.ask("/reasoning") == say("en", "reasoning.none", model="YandexGPT Lite")


def entries(*names: str) -> list[ModelConfig]:
    return [ModelConfig(name=name) for name in names]


# --- models that think ------------------------------------------------------------------------------------------------


class Thinker:
    """A model that shows what it thinks."""

    name = "thinker"
    profile = Profile(reasoning=True)

    def __init__(self, thought: str = "What is asked?\nThe answer is **two**, says @somebody.") -> None:
        self.thought = thought
        self.asked: list[Request] = []

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        self.asked.append(request)
        yield Chunk(reasoning=self.thought[:5])
        yield Chunk(reasoning=self.thought[5:])
        yield Chunk("Two", finish=Finish.STOP)


@asynccontextmanager
async def thinking(stage: Stage, model: Thinker, **changes: Any) -> AsyncIterator[None]:
    settings = stage.settings.model_copy(update=changes)
    routing = Routing([ModelOption("thinker", "Thinker", model)])
    async with build(settings, clock=stage.clock, instead=Instead(seed=1, routing=routing)) as app:
        running = asyncio.create_task(app.run())
        yield
        app.stop()
        await running


async def test_reasoning_is_asked_for_as_it_was_chosen(stage: Stage) -> None:
    model = Thinker()
    async with thinking(stage, model):
        await stage.ask("/reasoning")
        for label in ("reasoning.on", "reasoning.off", "reasoning.auto"):
            await pressed(stage, say("en", label))
            await stage.ask("one and one?")
    assert [request.reasoning for request in model.asked] == ["medium", "none", ""]


@pytest.mark.parametrize("streaming", ["draft", "edit"])
async def test_what_a_model_thinks_is_folded_up_above_where_the_operator_shows_it(stage: Stage, streaming: str) -> None:
    async with thinking(stage, Thinker(), show_reasoning=True, streaming=streaming):
        await stage.ask("one and one?")
    message = stage.telegram.transcript(ANNA)[-1]
    thought = "What is asked?\nThe answer is **two**, says @somebody."
    assert message["text"] == f"{thought}\n\nTwo"
    quote = next(entity for entity in message["entities"] if entity["type"] == "expandable_blockquote")
    assert (quote["offset"], quote["length"]) == (0, len(thought))
    assert "mention" not in {entity["type"] for entity in message["entities"]}


async def test_what_a_model_thinks_is_not_seen_otherwise_nor_told_to_the_model_again(stage: Stage) -> None:
    model = Thinker()
    async with thinking(stage, model):
        assert await stage.ask("one and one?") == "Two"
    async with thinking(stage, model, show_reasoning=True):
        await stage.ask("sure?")
        await stage.ask("really?")
    assert "What is asked" not in str(model.asked)


def test_a_long_thought_is_shortened_and_stands_above_blocks_too() -> None:
    thought = "begin " + "word " * 2000 + "end"
    (shown,) = finished(Outgoing("Two", thought=thought), Rung.RICH)
    assert len(shown.text) < 2100
    assert shown.text.startswith("begin word")
    assert shown.text.endswith("word end\n\nTwo")
    (rich,) = finished(Outgoing("| a | b |\n|---|---|\n| 1 | 2 |", thought="hm"), Rung.RICH)
    blocks = json.loads(rich.blocks)["blocks"]
    assert [block["type"] for block in blocks] == ["expandable_blockquote", "table"]
    assert blocks[0]["text"] == "hm"
    assert finished(Outgoing("Two", thought="hm"), Rung.PLAIN)[0].text == "Two"


async def test_the_context_names_the_persona_and_counts_what_it_tells_the_model(stage: Stage) -> None:
    await stage.start()
    await choose(stage, "Translator")
    persona = Library().persona("translator")
    text = await stage.ask("/context")
    assert say("en", "context.persona", persona="Translator", version=persona.version) in text.splitlines()


async def test_a_picture_is_shown_to_the_model_of_ones_own(stage: Stage) -> None:
    models = [ModelConfig(name="yandexgpt"), ModelConfig(name="gemma-3-27b-it")]
    await stage.start(models=models)
    await stage.ask("/model")
    await pressed(stage, say("en", "model.everywhere"), "gemma-3-27b-it")
    stage.telegram.upload(ANNA, painter.draw("a cat", 1, 1, 1), "photo", caption="what is it?")
    await soon(stage, lambda: stage.studio.seen("chat/completions") or None)


@pytest.mark.parametrize(("person", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_chat_chooses_how_free_its_answers_are(stage: Stage, person: int, language: str) -> None:
    await stage.start(temperature=0.3)
    asked: list[float] = []
    for choice in ("", "exact", "free", "usual"):
        if choice:
            await stage.ask("/settings", person)
            await pressed(stage, say(language, "settings.temperature"), chat=person)
            await pressed(stage, say(language, f"temperature.{choice}"), chat=person)
        await stage.ask(f"hello {choice}", person)
        asked.append(stage.studio.seen("completion")[-1].body["completionOptions"]["temperature"])
    assert asked == [0.3, 0.0, 0.9, 0.3]
