"""Versions of personas: each that has answered is kept, can be read, and can be put back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bot import cli
from bot.errors import BadInput
from bot.prompts import schema
from bot.prompts.library import Library
from bot.texts.catalog import LANGUAGES
from tests.support.choosing import PIRATE, choose, written
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

FIERCE = PIRATE.replace("You are a pirate.", "You are a fierce pirate.")


def versions(stage: Stage) -> list[tuple[str, str]]:
    return [(key, text) for key, text in rows(stage, "SELECT key, text FROM persona_versions ORDER BY at, key")]


def answered(stage: Stage) -> list[str]:
    return [label for (label,) in rows(stage, "SELECT persona FROM messages WHERE role = 'assistant' ORDER BY id")]


async def test_each_version_that_answered_is_kept_once_and_its_answers_name_it(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    await choose(stage, "Pirate")
    first = Library(tmp_path).persona("pirate").label
    await stage.ask("hello")
    await stage.ask("hello again")
    written(tmp_path, PIRATE + "# a version that never answered\n")
    written(tmp_path, FIERCE)
    second = Library(tmp_path).persona("pirate").label
    await stage.ask("and now?")
    assert answered(stage) == [first, first, second]
    assert versions(stage) == [("pirate", PIRATE), ("pirate", FIERCE)]


async def test_after_a_restart_a_version_is_not_kept_twice(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    kept = versions(stage)
    await stage.crash()
    await stage.start()
    await stage.ask("hello")
    assert versions(stage) == kept
    assert len(kept) == 1


async def test_the_system_prompt_of_the_settings_is_part_of_the_version(stage: Stage) -> None:
    await stage.start(system_prompt="You are brief.")
    await stage.ask("hello")
    await stage.crash()
    await stage.start(system_prompt="You are 'long'''winded.")
    await stage.ask("hello")
    one, other = (schema.persona(text.encode(), key, "") for key, text in versions(stage))
    assert [persona.system_prompt("ru", "another") for persona in (one, other)] == [
        "You are brief.", "You are 'long'''winded.",
    ]  # fmt: skip
    assert answered(stage) == [one.label, other.label]


async def test_an_answer_by_later_names_the_persona_it_was_asked_with(stage: Stage, tmp_path: Path) -> None:
    written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path)
    await choose(stage, "Pirate")
    stage.telegram.say(ANNA, "/later what is a frigate?")
    await soon(stage, lambda: versions(stage) or None)
    written(tmp_path, FIERCE)
    await soon(stage, lambda: answered(stage) or None)
    assert answered(stage) == [schema.persona(PIRATE.encode(), "pirate", "").label]
    assert versions(stage) == [("pirate", PIRATE)]


# --- the command ------------------------------------------------------------------------------------------------------


async def test_the_command_lists_prints_and_puts_back(stage: Stage, tmp_path: Path) -> None:
    path = written(tmp_path, PIRATE)
    await stage.start(prompts_dir=tmp_path, feedback_buttons=True)
    await choose(stage, "Pirate")
    await stage.ask("hello")
    await stage.press("👍")
    await soon(stage, lambda: rows(stage, "SELECT id FROM feedback") or None)
    first = Library(tmp_path).persona("pirate").label
    written(tmp_path, FIERCE)
    await stage.ask("hello again")
    second = Library(tmp_path).persona("pirate").label
    env = {
        "DATABASE_URL": stage.settings.database_url, "PROMPTS_DIR": str(tmp_path), "BOTS": "",
        "BOT_TOKEN": stage.settings.bot_token.get_secret_value(),
    }  # fmt: skip

    def printed(*words: str) -> str:
        return CliRunner().invoke(cli.app, ["personas", *words], env=env, catch_exceptions=False).stdout

    newest, oldest = printed().splitlines()
    assert newest.split()[:2] == ["now", second]
    assert [" ".join(line.split()[-6:]) for line in (newest, oldest)] == ["1 answers 👍 0 👎 0", "1 answers 👍 1 👎 0"]
    assert printed(first) == PIRATE
    assert printed(first, "--put-back").startswith(f"{path} answers now.")
    assert path.read_text() == PIRATE
    assert path.with_suffix(".toml.before").read_text() == FIERCE
    assert printed().splitlines()[1].split()[:2] == ["now", first]
    with pytest.raises(BadInput, match="pirate@00000000"):
        printed("pirate@00000000")


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not text or text.strip()))
def test_a_prompt_that_is_written_into_a_version_is_read_back_as_it_was(text: str) -> None:
    persona = schema.persona(b'title = "x"', "x", "", text)
    again = schema.persona(persona.source.encode(), "x", "", "another")
    assert again.label == persona.label
    for language in LANGUAGES:
        assert again.system_prompt(language, "another") == persona.system_prompt(language, text).strip()
