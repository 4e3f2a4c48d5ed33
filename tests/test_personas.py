"""Who answers: personas from files, chosen by chat, with what they say, suggest and are told."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from stage import ANNA, BORIS, TEAM, Stage
from telegram_side import rows, soon

from bot.app import build
from bot.craft import said
from bot.entries import ModelEntry
from bot.library import SHIPPED, Library
from bot.routing import Offer, Routing
from bot.sandbox import pictures
from bot.sandbox.telegram import buttons_of
from bot.services import Chunk, Finish, Profile, Request
from bot.telegram.screen import Rung, finished
from bot.texts.catalog import LANGUAGES, say
from bot.types import Outgoing

PIRATE = """
title.en = "Pirate"
title.ru = "Пират"
description = "speaks like a pirate"
system = "You are a pirate."
greeting.en = "Ahoy, {name}!"
greeting.ru = "Йо-хо-хо, {name}!"
suggestions = ["Where is the treasure?"]
temperature = 0.8
max_tokens = 321
[[examples]]
question = "Hello"
answer = "Ahoy!"
"""


def written(folder: Path, text: str, name: str = "pirate", kind: str = "personas") -> Path:
    """A file of the operator's, newer than the one before it."""
    (folder / kind).mkdir(parents=True, exist_ok=True)
    path = folder / kind / f"{name}.toml"
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, "utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


async def choose(stage: Stage, title: str, chat: int = ANNA, user: int | None = None) -> str:
    await stage.ask("/persona" if chat > 0 else "/persona@govorun_sandbox_bot", chat, user)
    count = len(stage.telegram.texts(chat))
    await stage.press(title, chat, user)
    return (await stage.texts(count + 1, chat))[-1]


def labels(stage: Stage, chat: int = ANNA) -> list[str]:
    return [button["text"] for button in buttons_of(stage.telegram.transcript(chat)[-1])]


def actions(stage: Stage) -> set[str]:
    return {action for (action,) in rows(stage, "SELECT action FROM buttons")}


def orders(stage: Stage) -> str:
    """The system's part of the last prompt."""
    return stage.prompts()[-1][0]["text"]


def options(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = stage.studio.seen("completion")[-1].body["completionOptions"]
    return found


# --- the files --------------------------------------------------------------------------------------------------------


def test_the_personas_that_come_with_it_are_whole_in_both_languages() -> None:
    found = Library().personas()
    assert list(found) == ["assistant", "translator", "editor", "teacher", "programmer", "ideas"]
    for persona in found.values():
        parts = [persona.title, persona.description]
        parts += [persona.system, persona.greeting] if persona.key != "assistant" else []
        for texts in parts:
            assert texts.keys() == LANGUAGES.keys(), persona.key
            assert len(set(texts.values())) == len(LANGUAGES), persona.key
        assert len(said(persona.suggestions, "en", ())) == len(said(persona.suggestions, "ru", ()))


def test_a_file_of_the_operators_counts_more_than_the_shipped_one(tmp_path: Path) -> None:
    library = Library(tmp_path)
    written(tmp_path, 'title = "My editor"\nsystem = "Edit."', "editor")
    written(tmp_path, "hidden = true", "ideas")
    assert library.personas()["editor"].name("ru") == "My editor"
    assert "ideas" not in library.personas()
    assert library.persona("ideas").key == "assistant"


def test_a_text_that_a_language_lacks_is_said_in_another(tmp_path: Path) -> None:
    written(tmp_path, 'title.ru = "Пират"\nsystem.en = "A pirate."')
    persona = Library(tmp_path).persona("pirate")
    assert persona.name("en") == "Пират"
    assert said(persona.system, "ru", "") == "A pirate."


def test_the_version_is_the_same_as_long_as_the_file_is(tmp_path: Path) -> None:
    library = Library(tmp_path)
    written(tmp_path, PIRATE)
    first = library.persona("pirate").label
    assert first.startswith("pirate@")
    written(tmp_path, PIRATE)
    assert library.persona("pirate").label == first
    written(tmp_path, PIRATE + "# more\n")
    assert library.persona("pirate").label != first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = ", "line 1: not TOML"),
        ('title = "x"\nsistem = "y"', "line 2: sistem: not known here; did you mean system?"),
        ('system = "y"', "title: is missing"),
        ('title = "x"\n\ntemperature = 3', "line 3: temperature: "),
        ('title.fr = "x"', "the languages are en, ru, not 'fr'"),
        ('title = "x"\n[[examples]]\nquestion = "a"', "line 2: examples.0.answer: is missing"),
        ('title = "x"\nsuggestions = "y"', "line 2: suggestions: a list"),
        ('title = "x"\nsystem = 5', "line 2: system: a text in quotes is expected"),
        ('title = "' + "x" * 61 + '"', "line 1: title"),
        ('title = "x"\nexamples = 5', "line 2: examples: "),
    ],
)
def test_a_broken_file_is_told_in_one_line_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    (line,) = Library(tmp_path).problems()
    assert line.startswith(str(path))
    assert told in line
    assert "\n" not in line


def test_what_is_no_text_and_what_has_an_odd_name_harms_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_bytes(b"\xff\xfe\x00")
    (path.parent / "folder.toml").mkdir()
    (path.parent / "..toml").write_text("x")
    library = Library(tmp_path)
    assert len(library.problems()) == 2
    assert library.persona("pirate").key == "assistant"
    assert library.persona("../personas/pirate").key == "assistant"
    assert len(library.personas()) == len(Library(SHIPPED / "none").personas())


def test_a_file_that_breaks_counts_as_it_was_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = Library(tmp_path)
    written(tmp_path, PIRATE)
    assert library.persona("pirate").name("en") == "Pirate"
    written(tmp_path, "title = ")
    for _ in range(3):
        assert library.persona("pirate").name("en") == "Pirate"
    assert len([record for record in caplog.records if "pirate.toml" in record.message]) == 1


# --- the choice -------------------------------------------------------------------------------------------------------


async def test_the_list_says_what_each_persona_does(stage: Stage) -> None:
    await stage.start()
    text = await stage.ask("/persona")
    assert text.startswith(say("en", "persona.choose", persona="Assistant"))
    for persona in Library().personas().values():
        assert f"{persona.name('en')}: {said(persona.description, 'en', '')}" in text
    assert labels(stage) == [persona.name("en") for persona in Library().personas().values()]
    assert "Переводчик" in await stage.ask("/persona", BORIS)


async def test_the_chosen_persona_greets_suggests_and_answers(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    said_first = await choose(stage, "Pirate")
    assert said_first == say("en", "persona.now", persona="Pirate") + "\n\nAhoy, Anna!"
    assert labels(stage) == ["Where is the treasure?"]
    assert {"persona.set", "persona.ask"} <= actions(stage)
    stage.studio.script("Under the palm.")
    await stage.press("Where is the treasure?")
    await soon(stage, lambda: stage.telegram.texts(ANNA)[-1] == "Under the palm." or None)
    asked = stage.prompts()[-1]
    assert asked[0]["text"].startswith("You are a pirate.")
    assert [part["text"] for part in asked[1:]] == ["Hello", "Ahoy!", "Where is the treasure?"]
    assert options(stage)["temperature"] == 0.8
    assert options(stage)["maxTokens"] == "321"
    await stage.ask("and then?")
    assert [part["text"] for part in stage.prompts()[-1]][3:] == [
        "Where is the treasure?", "Under the palm.", "and then?",
    ]  # fmt: skip


async def test_start_says_the_greeting_of_the_persona(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    assert await stage.ask("/start") == say("en", "start", name="Anna")
    assert labels(stage) == list(said(Library().persona("").suggestions, "en", ()))
    await choose(stage, "Pirate")
    assert await stage.ask("/start") == "Ahoy, Anna!"


async def test_another_chat_keeps_its_own_persona(stage: Stage) -> None:
    await stage.start()
    await choose(stage, "Translator")
    await stage.ask("hello", BORIS)
    assert orders(stage).startswith(say("ru", "system"))
    await stage.ask("hello")
    assert "professional translator" in orders(stage)
    await choose(stage, "Assistant")
    await stage.ask("/new")
    await stage.ask("hello")
    assert orders(stage).startswith(say("en", "system"))
    assert len(stage.prompts()[-1]) == 2


async def test_in_a_group_an_administrator_chooses(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/persona@govorun_sandbox_bot", TEAM, BORIS)
    await stage.press("Переводчик", TEAM, BORIS)
    answers = await stage.until(lambda: stage.telegram.calls_of("answerCallbackQuery"))
    assert answers[-1].params["text"] == say("ru", "admins.only")
    assert "Translator" in await choose(stage, "Translator", TEAM, ANNA)


async def test_a_changed_file_counts_without_a_restart(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    await choose(stage, "Pirate")
    await stage.ask("hello")
    path = written(tmp_path, PIRATE.replace("You are a pirate.", "You are a captain."))
    await stage.ask("hello")
    assert orders(stage).startswith("You are a captain.")
    path.unlink()
    await stage.ask("hello")
    assert orders(stage).startswith(say("en", "system"))
    assert say("en", "persona.choose", persona="Assistant") in await stage.ask("/persona")


async def test_a_button_for_a_persona_that_is_gone_says_so(stage: Stage, tmp_path: Path) -> None:
    path = written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    await stage.ask("/persona")
    path.unlink()
    await stage.press("Pirate")
    assert (await stage.texts(2))[-1] == say("en", "persona.gone")


async def test_the_log_names_the_persona_and_its_version(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await stage.start()
    await choose(stage, "Editor")
    await stage.ask("hello")
    await soon(stage, lambda: f"persona={Library().persona('editor').label}" in caplog.text or None)


async def test_the_operators_system_prompt_is_the_assistants(stage: Stage) -> None:
    await stage.start(system_prompt="You sell tea.")
    await stage.ask("hello")
    assert orders(stage).startswith("You sell tea.")
    await choose(stage, "Editor")
    await stage.ask("hello")
    assert "experienced editor" in orders(stage)


# --- which model answers ----------------------------------------------------------------------------------------------


def models(stage: Stage) -> list[str]:
    return [seen.body["modelUri"].split("/")[3] for seen in stage.studio.seen("completion")]


async def pressed(stage: Stage, *titles: str, chat: int = ANNA) -> str:
    """Press one button after another, each in what the one before brought."""
    for title in titles:
        count = len(stage.telegram.texts(chat))
        await stage.press(title, chat)
        await stage.texts(count + 1, chat)
    return stage.telegram.texts(chat)[-1]


async def test_a_chats_model_comes_before_ones_own_and_that_before_the_personas(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    written(tmp_path, 'title = "Alice"\nmodel = "aliceai-llm"', "alice")
    await stage.start(prompts_dir=tmp_path, models=entries("yandexgpt", "yandexgpt-lite", "aliceai-llm"))
    await choose(stage, "Alice")
    await stage.ask("one")
    await stage.ask("/model")
    mine = await pressed(stage, say("en", "model.everywhere"), "yandexgpt-lite")
    assert mine == say("en", "model.mine.chosen", model="yandexgpt-lite")
    assert {"model.everywhere", "model.mine"} <= actions(stage)
    await stage.ask("two")
    await stage.ask("/model")
    await pressed(stage, "yandexgpt")
    await stage.ask("three")
    await stage.ask("/model")
    assert await pressed(stage, say("en", "model.reset")) == say("en", "model.chosen", model="yandexgpt-lite")
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


async def test_the_list_of_models_says_what_each_can_do(stage: Stage) -> None:
    await stage.start()
    text = await stage.ask("/model")
    assert "✓ YandexGPT Pro\n🔧 tools · 🧠 reasoning · 🕓 later · 32K tokens · 1.20\u00a0RUB for 1,000" in text
    assert "• YandexGPT Lite\n🔧 tools · 🕓 later · 32K tokens · 0.20\u00a0RUB for 1,000" in text
    assert say("en", "model.order", default="YandexGPT Pro") in text
    assert "0,20\u00a0₽ за 1000" in await stage.ask("/model", BORIS)


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
    assert labels(stage) == [say("en", f"reasoning.{mode}") for mode in ("on", "off", "auto")]
    assert await pressed(stage, say("en", "reasoning.on")) == say("en", "settings.saved")
    assert say("en", "reasoning.on") in await stage.ask("/reasoning")
    await stage.ask("/model")
    await pressed(stage, "YandexGPT Lite")
    assert await stage.ask("/reasoning") == say("en", "reasoning.none", model="YandexGPT Lite")


def entries(*names: str) -> list[ModelEntry]:
    return [ModelEntry(name=name) for name in names]


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
        yield Chunk(thought=self.thought[:5])
        yield Chunk(thought=self.thought[5:])
        yield Chunk("Two", finish=Finish.STOP)


@asynccontextmanager
async def thinking(stage: Stage, model: Thinker, **changes: Any) -> AsyncIterator[None]:
    settings = stage.settings.model_copy(update=changes)
    routing = Routing([Offer("thinker", "Thinker", model)])
    async with build(settings, clock=stage.clock, seed=1, routing=routing) as app:
        running = asyncio.create_task(app.run())
        yield
        app.stop()
        await running


async def test_reasoning_is_asked_for_as_it_was_chosen(stage: Stage) -> None:
    model = Thinker()
    async with thinking(stage, model):
        for label in ("reasoning.on", "reasoning.off", "reasoning.auto"):
            await stage.ask("/reasoning")
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
    models = [ModelEntry(name="yandexgpt"), ModelEntry(name="gemma-3-27b-it")]
    await stage.start(models=models)
    await stage.ask("/model")
    await pressed(stage, say("en", "model.everywhere"), "gemma-3-27b-it")
    stage.telegram.upload(ANNA, pictures.draw("a cat", 1, 1, 1), "photo", caption="what is it?")
    await soon(stage, lambda: stage.studio.seen("chat/completions") or None)
