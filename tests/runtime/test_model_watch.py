"""A model that AI Studio has switched off: defaults are replaced, what an operator has chosen is told."""

from __future__ import annotations

from datetime import date

import pytest

from bot.config.entries import ModelConfig
from bot.providers import catalog
from bot.runtime.optional.model_watch import ends_soon
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import soon
from tests.support.virtual import pass_by


def _told(stage: Stage, word: str) -> int:
    return sum(word in text for text in stage.telegram.texts(ANNA))


def _asked(stage: Stage) -> str:
    return str(stage.studio.requests[-1].body.get("modelUri") or stage.studio.requests[-1].body.get("model"))


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_default_that_is_gone_is_replaced_by_the_next_of_its_kind_and_told_once(
    stage: Stage, language: str
) -> None:
    stage.studio.access.models -= {"yandexgpt-5.1"}
    owner, other = (ANNA, BORIS) if language == "en" else (BORIS, ANNA)
    await stage.start(owners=[owner], check_at_start=True)
    told = say(language, "models.gone.default", old="yandexgpt-5.1", new="aliceai-llm")
    await soon(stage, lambda: stage.studio.seen("models") or None)
    await stage.ask("/help", owner)
    assert "yes" in await _answer(stage, "hello", other)
    assert "/aliceai-llm" in _asked(stage)
    await stage.stop()
    await stage.start(owners=[owner], check_at_start=True)
    await soon(stage, lambda: len(stage.studio.seen("models")) == 2 or None)
    pass_by(90_000)
    await soon(stage, lambda: len(stage.studio.seen("models")) == 3 or None)
    await stage.clock.sleep(120)
    assert sum(told in text for text in stage.telegram.texts(owner)) <= 1
    assert sum("aliceai-llm" in text for text in stage.telegram.texts(owner)) == 1


async def _answer(stage: Stage, text: str, person: int) -> str:
    stage.studio.script("yes")
    return await stage.ask(text, person)


async def test_a_model_that_the_operator_has_chosen_is_told_and_not_replaced(stage: Stage) -> None:
    stage.studio.access.models -= {"yandexgpt-5.1"}
    models = [ModelConfig(name="yandexgpt-5.1"), ModelConfig(name="aliceai-llm")]
    await stage.start(owners=[ANNA], check_at_start=True, models=models)
    told = say("en", "models.gone.chosen", old="yandexgpt-5.1", new="aliceai-llm", setting="MODELS")
    await soon(stage, lambda: _told(stage, told) or None)
    stage.telegram.say(BORIS, "привет")
    await soon(stage, lambda: "/yandexgpt-5.1" in _asked(stage) or None)


async def test_the_helper_that_is_gone_is_replaced(stage: Stage) -> None:
    stage.studio.access.models -= {"yandexgpt-5-lite"}
    await stage.start(owners=[ANNA], check_at_start=True, name_chats=True)
    await soon(stage, lambda: _told(stage, "aliceai-llm-flash") or None)
    assert stage.app is not None


async def test_a_folder_without_any_model_says_what_to_do(stage: Stage) -> None:
    stage.studio.access.models.clear()
    await stage.start(owners=[ANNA], check_at_start=True)
    await soon(stage, lambda: _told(stage, "govorun models list") or None)


async def test_a_list_that_can_not_be_read_changes_nothing(stage: Stage) -> None:
    stage.studio.fail_next("models", status=500, times=20)
    await stage.start(owners=[ANNA], check_at_start=True)
    await soon(stage, lambda: stage.studio.seen("models") or None)
    assert await _answer(stage, "hello", BORIS) == "yes"
    assert stage.telegram.texts(ANNA) == []


async def test_a_model_that_ends_soon_is_named_with_its_successor(stage: Stage) -> None:
    (notice,) = ends_soon("gpt-oss-120b", date(2026, 10, 1))
    assert notice == ("models.ends", {"model": "gpt-oss-120b", "until": "2026-10-30", "new": "deepseek-v4.1-flash"})
    assert not ends_soon("gpt-oss-120b", date(2026, 9, 1))
    assert not ends_soon("yandexgpt-5.1", date(2026, 10, 1))


def test_the_successor_of_each_model_is_one_that_goes_on() -> None:
    goes_on = {row.name for row in catalog.KNOWN.values() if row.until is None}
    assert {row.successor for row in catalog.KNOWN.values() if row.successor} <= goes_on
    assert all(row.successor for row in catalog.KNOWN.values() if row.until)
    assert all(catalog.KNOWN[row.name].until is None for row in catalog.BUILT_IN)
