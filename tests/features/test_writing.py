"""/write: what a template needs is asked for, and the filled template is answered like any question."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.features.templates import together
from bot.prompts.library import Library
from bot.prompts.schema import said, template
from bot.storage.repositories import buttons
from bot.texts.catalog import LANGUAGES, say
from tests.support.choosing import labels, pressed, written
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import rows, soon

TOAST = """
title.en = "Toast"
title.ru = "Тост"
description = "for a feast"
prompt.en = '''
Write a toast.
For: {whom}
Why: {why}
With love.
'''
prompt.ru = "Напиши тост для {whom}.\\nПовод: {why}"
[[fields]]
name = "whom"
label.en = "For whom is it?"
label.ru = "Для кого?"
[[fields]]
name = "why"
label.en = "What is the occasion?"
label.ru = "Какой повод?"
optional = true
"""
FILLED = template(TOAST.encode(), "toast", "toast.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, TOAST, "toast", "write")
    return tmp_path


def question(stage: Stage) -> str:
    return stage.prompts()[-1][-1]["text"]


def waiting(stage: Stage) -> int:
    return int(rows(stage, "SELECT COUNT(*) FROM awaited")[0][0])


# --- the files --------------------------------------------------------------------------------------------------------


def test_the_vendors_presets_come_with_it_in_both_languages() -> None:
    found = Library().templates()
    assert list(found) == ["product", "article", "news", "newsletter", "post"]
    for row in found.values():
        for texts in (row.title, row.description, row.prompt, *(blank.label for blank in row.fields)):
            assert texts.keys() == LANGUAGES.keys(), row.key
            assert len(set(texts.values())) == len(LANGUAGES), row.key
        every = {blank.name: f"<{blank.name}>" for blank in row.fields}
        for language in LANGUAGES:
            assert all(value in row.filled(every, language) for value in every.values()), row.key
            assert "{" not in row.filled(every, language)


def test_a_line_whose_place_stays_empty_is_left_out() -> None:
    assert FILLED.filled({"whom": "Ann"}, "en") == "Write a toast.\nFor: Ann\nWith love."
    assert FILLED.filled({"whom": "Ann", "why": " her birthday "}, "ru") == "Напиши тост для Ann.\nПовод: her birthday"


def test_what_is_filled_in_is_never_a_place() -> None:
    assert FILLED.filled({"whom": "{why}", "why": "\\1 {0}"}, "ru") == "Напиши тост для {why}.\nПовод: \\1 {0}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('title = "x"\nprompt = "{a} {b}"\n[[fields]]\nname = "a"\nlabel = "A"', "line 2: prompt: {b} is the name of"),
        ('title = "x"\nprompt = "x"\n[[fields]]\nname = "a"\nlabel = "A"', "line 2: prompt: the field 'a' stands"),
        ('title = "x"\nprompt = "{a}"', "fields: is missing"),
        ('title = "x"\nprompt = "{a}"\n[[fields]]\nname = "a b"\nlabel = "A"', "line 4: fields.name"),
    ],
)
def test_a_broken_template_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    written(tmp_path, text, kind="write")
    (line,) = Library(tmp_path).problems()
    assert told in line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann\nher birthday", {"whom": "Ann", "why": "her birthday"}),
        ("Ann\n-", {"whom": "Ann", "why": ""}),
        ("1. Ann\n2) her birthday\nat last", {"whom": "Ann", "why": "her birthday\nat last"}),
        ("why: a wedding\nWHOM: Ann", {"whom": "Ann", "why": "a wedding"}),
        ("For whom is it? Ann", None),
        ("For whom is it: Ann", {"whom": "Ann", "why": ""}),
        ("Ann", None),
        ("Ann\nand\nBob", None),
        ("7. Ann", None),
        ("", None),
    ],
)
def test_one_message_may_answer_everything(text: str, found: dict[str, str] | None) -> None:
    assert together(FILLED, text, "en") == found


# --- the talk ---------------------------------------------------------------------------------------------------------


async def test_the_list_says_what_can_be_written(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    text = await stage.ask("/write")
    for row in Library(folder).templates().values():
        assert f"{row.name('en')}: {said(row.description, 'en', '')}" in text
    assert labels(stage)[-2:] == ["Toast", say("en", "settings.templates")]
    assert "Описание товара" in await stage.ask("/write", BORIS)


async def test_the_fields_are_asked_for_and_the_answer_is_a_turn_like_any_other(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    stage.studio.script("To Ann!", "Shorter: Ann!")
    await stage.ask("/write")
    first = await pressed(stage, "Toast")
    assert say("en", "write.begin", title="Toast") in first
    assert "2. What is the occasion? (may be left out)" in first
    assert first.endswith("1/2. For whom is it?")
    assert labels(stage) == [say("en", "write.cancel")]
    assert await stage.ask("Ann") == "2/2. What is the occasion?"
    assert labels(stage) == [say("en", "write.skip"), say("en", "write.cancel")]
    assert await stage.ask("her birthday") == "To Ann!"
    assert question(stage) == "Write a toast.\nFor: Ann\nWhy: her birthday\nWith love."
    assert waiting(stage) == 0
    assert await stage.ask("shorter") == "Shorter: Ann!"
    assert [part["text"] for part in stage.prompts()[-1][2:]] == ["To Ann!", "shorter"]
    assert labels(stage) == ["↻"]


async def test_what_may_be_left_out_can_be_skipped(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    stage.studio.script("To Ann!")
    await stage.ask("/write toast")
    await stage.ask("Ann")
    assert await pressed(stage, say("en", "write.skip")) == "To Ann!"
    assert question(stage) == "Write a toast.\nFor: Ann\nWith love."
    actions = {action for (action,) in rows(stage, "SELECT action FROM buttons")}
    assert {"write.skip", "write.cancel"} <= actions
    await stage.press(say("en", "write.skip"))
    await stage.clock.sleep(5)
    assert len(stage.prompts()) == 1


async def test_everything_in_one_message_is_answered_at_once(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    stage.studio.script("To Ann!", "To Bob!")
    await stage.ask("/write")
    assert "write.start" in {action for (action,) in rows(stage, "SELECT action FROM buttons")}
    await pressed(stage, "Toast")
    assert await stage.ask("Ann\nher birthday") == "To Ann!"
    assert await stage.ask("/write toast\nwhom: Bob\nwhy: none") == "To Bob!"
    assert question(stage).startswith("Write a toast.\nFor: Bob\nWhy: none")


async def test_it_can_be_cancelled_and_is_forgotten(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    await stage.ask("/write toast")
    await stage.press(say("en", "write.cancel"))
    await stage.until(lambda: stage.telegram.texts(ANNA) == [say("en", "write.cancelled")] or None)
    assert labels(stage) == []  # and no button is left that would cancel it again
    stage.studio.script("hello", "hello again")
    assert await stage.ask("Ann") == "hello"
    await stage.ask("/write toast")
    await asyncio.sleep(buttons.PATIENCE + 1)
    assert await stage.ask("Ann") == "hello again"


async def test_what_was_answered_survives_a_crash(stage: Stage, folder: Path) -> None:
    stage.studio.speed = 5
    await stage.start(prompts_dir=folder)
    await stage.ask("/write toast")
    await stage.ask("Ann")
    await stage.crash()
    await stage.start()
    stage.studio.script(["word "] * 50, "To Ann!")
    stage.telegram.say(ANNA, "her birthday")
    await soon(stage, lambda: len(stage.prompts()) == 1 or None)
    await stage.crash()
    await stage.start()
    await soon(stage, lambda: stage.telegram.texts(ANNA)[-1] == "To Ann!" or None)
    assert question(stage) == "Write a toast.\nFor: Ann\nWhy: her birthday\nWith love."


async def test_a_template_that_is_gone_leaves_an_ordinary_question(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    await stage.ask("/write toast")
    (folder / "write" / "toast.toml").unlink()
    stage.studio.script("hello")
    assert await stage.ask("Ann") == "hello"
    assert question(stage) == "Ann"


async def test_a_button_for_a_template_that_is_gone_says_so(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    await stage.ask("/write")
    (folder / "write" / "toast.toml").unlink()
    assert await pressed(stage, "Toast") == say("en", "write.gone")


async def test_in_a_group_one_replies_and_only_who_was_asked_answers(stage: Stage, folder: Path) -> None:
    await stage.start(prompts_dir=folder)
    stage.studio.script("for Boris", "To Ann!")
    asked = await stage.ask("/write@govorun_sandbox_bot toast", TEAM, ANNA)
    assert asked.endswith(say("en", "write.reply"))
    assert await stage.ask("@govorun_sandbox_bot hello", TEAM, BORIS) == "for Boris"
    message = next(row for row in reversed(stage.telegram.transcript(TEAM)) if row.get("text") == asked)
    stage.telegram.say(TEAM, "Ann\n-", ANNA, reply_to=message["message_id"])
    await soon(stage, lambda: "To Ann!" in stage.telegram.texts(TEAM) or None)


async def test_a_bot_without_templates_says_so(stage: Stage, tmp_path: Path) -> None:
    for key in Library().templates():
        written(tmp_path, "hidden = true", key, "write")
    await stage.start(prompts_dir=tmp_path)
    assert await stage.ask("/write") == say("en", "write.none")
