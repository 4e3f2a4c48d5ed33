"""What a chat chose (language, model, streaming) and what then answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bot.ai import Chunk, Profile, Request
from bot.config.entries import ModelConfig
from bot.llm.routing import ModelOption, Routing
from bot.prompts.catalog import instruct
from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import NAMES, say
from tests.support.choosing import pressed, toasts
from tests.support.stage import ANNA, BORIS, TEAM, Stage

pytestmark = pytest.mark.usefixtures("older_models")


class Silent:
    """A model that is only chosen, never asked."""

    name = "silent"
    profile = Profile()

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        raise AssertionError("nobody asks this model")
        yield Chunk()


def test_the_first_offer_answers_where_nothing_or_nothing_known_was_chosen() -> None:
    offers = [ModelOption("pro", "Pro", Silent()), ModelOption("lite", "Lite", Silent())]
    routing = Routing(offers)
    assert routing.by_name("").name == "pro"
    assert routing.by_name("gone").name == "pro"
    assert routing.by_name("lite").title == "Lite"


async def test_the_chosen_model_is_the_one_that_is_asked(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    await stage.ask("/model")
    await _choose(stage, say("en", "model.chosen", model="YandexGPT Lite"), "YandexGPT Lite")
    await stage.ask("hello again")
    await stage.ask("hello", BORIS)
    uris = [seen.body["modelUri"] for seen in stage.studio.seen("completion")]
    assert ["yandexgpt-lite" in uri for uri in uris] == [False, True, False]


async def test_a_model_is_named_after_the_operators_list(stage: Stage) -> None:
    models = [ModelConfig(name="yandexgpt-lite", title="Quick"), ModelConfig(name="yandexgpt/rc")]
    await stage.start(models=models, model="yandexgpt-lite")
    assert (await stage.ask("/model")).startswith(say("en", "model.choose", model="Quick"))
    assert _labels(stage) == ["✓ Quick", "yandexgpt/rc", say("en", "model.everywhere"), say("en", "panel.back")]


async def test_a_model_that_is_no_longer_offered_is_said_and_the_default_answers(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    await _choose(stage, say("en", "model.chosen", model="YandexGPT Lite"), "YandexGPT Lite")
    await stage.stop()
    await stage.start(models=[ModelConfig(name="yandexgpt", title="Pro")])
    said = await stage.ask("/model")
    assert said.startswith(say("en", "model.gone", old="yandexgpt-lite", new="Pro"))
    await stage.ask("hello")
    assert "lite" not in stage.studio.seen("completion")[-1].body["modelUri"]


async def test_the_chosen_language_is_spoken_from_then_on(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    await _choose(stage, say("ru", "settings.saved"), "Language", NAMES["ru"])
    assert await stage.ask("/new") == say("ru", "new")
    assert await stage.ask("/nonsense") == say("ru", "unknown.command", command="/nonsense")
    assert await stage.ask("/image") == say("ru", "image.usage")
    await stage.ask("hello")
    assert stage.prompts()[-1][0]["text"] == f"{instruct('ru', 'system')}\n\n{instruct('ru', 'tool.rule')}"
    await stage.ask("/settings")
    await _choose(stage, say("en", "settings.saved"), say("ru", "settings.language"), NAMES["en"])
    assert await stage.ask("/new") == say("en", "new")


async def test_streaming_off_shows_no_draft_and_edit_grows_one_message(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    for label, drafts, edits in (("whole answers", 0, False), ("live, by editing", 0, True), ("live, with", 1, None)):
        await stage.ask("/settings")
        await pressed(stage, "Streaming")
        label = next(found for found in _labels(stage) if found.startswith(label))
        await _choose(stage, say("en", "settings.saved"), label)
        before = len(stage.telegram.calls_of("sendMessageDraft")), len(stage.telegram.calls_of("editMessageText"))
        stage.studio.script([f"word{number} " for number in range(20)])
        stage.telegram.say(ANNA, "count")
        await stage.until(lambda: "word19" in stage.telegram.texts(ANNA)[-1] or None)
        assert (len(stage.telegram.calls_of("sendMessageDraft")) > before[0]) == bool(drafts), label
        edited = len(stage.telegram.calls_of("editMessageText")) > before[1]
        assert edits in (edited, None), label  # a draft may land as a message that is edited


async def test_a_short_answer_in_a_group_stands_there_once(stage: Stage) -> None:
    """It may be finished before the message that shows it growing is known."""
    await stage.start()
    for number in range(4):
        stage.studio.script(f"answer {number}")
        stage.telegram.say(TEAM, "@govorun_sandbox_bot hello", ANNA)
        await asyncio.sleep(20)
    assert stage.telegram.texts(TEAM) == [f"answer {number}" for number in range(4)]


async def test_settings_show_what_was_chosen(stage: Stage) -> None:
    await stage.start(streaming="off")
    text = await stage.ask("/settings")
    for line in ("Language: English", "Model: YandexGPT Pro", f"Streaming: {say('en', 'streaming.off')}"):
        assert line in text.splitlines()
    assert (await pressed(stage, "Model")).startswith(say("en", "model.choose", model="YandexGPT Pro"))
    await _choose(stage, say("en", "model.chosen", model="YandexGPT Lite"), "YandexGPT Lite")
    assert "Model: YandexGPT Lite" in await stage.ask("/settings")
    assert "YandexGPT Pro" in await stage.ask("/settings", BORIS)


async def test_choices_survive_a_restart(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    await _choose(stage, say("ru", "settings.saved"), "Language", NAMES["ru"])
    await stage.stop()
    await stage.start()
    assert await stage.ask("/new") == say("ru", "new")


async def test_in_a_group_only_its_administrators_choose(stage: Stage) -> None:
    """The first member of the group, Anna, is its owner."""
    await stage.start()
    await stage.ask("/model@govorun_sandbox_bot", TEAM, BORIS)
    await _refused(stage, "YandexGPT Lite", say("en", "old.button.group"), ANNA)
    await _refused(stage, "YandexGPT Lite", say("ru", "admins.only"), BORIS)
    assert (await stage.ask("/model", TEAM, ANNA)).startswith(say("en", "model.choose", model="YandexGPT Pro"))
    await _choose(stage, say("en", "model.chosen", model="YandexGPT Lite"), "YandexGPT Lite", chat=TEAM)
    await stage.ask("/settings", TEAM, BORIS)
    assert "YandexGPT Lite" in stage.telegram.texts(TEAM)[-1]


async def test_who_can_not_be_looked_up_is_no_administrator(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model", TEAM, ANNA)
    stage.telegram.fail_next("getChatMember", code=400, description="Bad Request: user not found", times=None)
    await _refused(stage, "YandexGPT Lite", say("en", "admins.only"), ANNA)


async def _refused(stage: Stage, label: str, expected: str, user: int) -> None:
    """A toast for who pressed; the group is told nothing."""
    before = stage.telegram.texts(TEAM)
    await stage.press(label, TEAM, user)
    await stage.until(
        lambda: (stage.telegram.calls_of("answerCallbackQuery")[-1:] and toasts(stage)[-1] == expected) or None
    )
    assert stage.telegram.texts(TEAM) == before


async def _choose(stage: Stage, toast: str, *labels: str, chat: int = ANNA) -> None:
    """Press one button after another; the last shows the toast."""
    await pressed(stage, *labels, chat=chat, user=ANNA)
    assert toasts(stage)[-1] == toast


def _labels(stage: Stage, chat: int = ANNA) -> list[str]:
    return [button["text"] for button in buttons_of(stage.telegram.transcript(chat)[-1])]
