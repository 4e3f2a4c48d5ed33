"""Who answers: personas from files, chosen by chat, with what they say, suggest and are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.prompts.catalog import instruct
from bot.prompts.library import SHIPPED, Library
from bot.prompts.schema import said
from bot.texts.catalog import LANGUAGES, say
from tests.support.choosing import PIRATE, actions, choose, labels, pressed, toasts, written
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon


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
        ('title = "x"\n[[examples]]\nquestion = "a"', "line 2: examples.answer: is missing"),
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
    first, *others = [persona.name("en") for persona in Library().personas().values()]
    assert labels(stage) == [f"✓ {first}", *others, say("en", "panel.back")]
    assert "Переводчик" in await stage.ask("/persona", BORIS)


async def test_a_persona_without_a_description_is_listed_by_its_name(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, 'title.en = "Pirate"\nsystem.en = "A pirate."')
    await stage.start(prompts_dir=tmp_path)
    assert "• Pirate" in (await stage.ask("/persona")).splitlines()


async def test_the_chosen_persona_greets_suggests_and_answers(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    assert await choose(stage, "Pirate") == "Ahoy, Anna!"
    assert toasts(stage) == [say("en", "persona.now", persona="Pirate")]
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
    assert orders(stage).startswith(instruct("ru", "system"))
    await stage.ask("hello")
    assert "professional translator" in orders(stage)
    await choose(stage, "Assistant")
    await stage.ask("/new")
    await stage.ask("hello")
    assert orders(stage).startswith(instruct("en", "system"))
    assert len(stage.prompts()[-1]) == 2


async def test_in_a_group_an_administrator_chooses(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/persona@govorun_sandbox_bot", TEAM, BORIS)
    await pressed(stage, "Переводчик", chat=TEAM, user=BORIS)
    await choose(stage, "Translator", TEAM, ANNA)
    assert toasts(stage) == [say("ru", "admins.only"), say("en", "persona.now", persona="Translator")]
    assert rows(stage, "SELECT actor, action, subject FROM audit") == [(ANNA, "settings", str(TEAM))]


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
    assert orders(stage).startswith(instruct("en", "system"))
    assert say("en", "persona.choose", persona="Assistant") in await stage.ask("/persona")


async def test_a_button_for_a_persona_that_is_gone_says_so(stage: Stage, tmp_path: Path) -> None:
    path = written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    await stage.ask("/persona")
    path.unlink()
    assert "Pirate" not in await pressed(stage, "Pirate")
    assert toasts(stage) == [say("en", "persona.gone")]


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
