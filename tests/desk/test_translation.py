"""Translation between customers and operators: both read their own language, and no changed number goes out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.desk.model.faithful import lost
from bot.texts.catalog import say
from tests.support.choosing import actions, pressed, toasts
from tests.support.desk_side import OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

ON = '[translate]\nmode = "auto"\n'


async def german(stage: Stage, folder: Path, rules: str = ON, **more: Any) -> DeskStage:
    """A case of Anna, who has German, that Olga holds."""
    (folder / "desk.toml").write_text(rules, "utf-8")
    desk = await desk_on(stage, folder, **more)
    stage.telegram.person("Anna", "de", ANNA)
    await desk.called()
    await desk.presses("desk.take", language=more.get("language", "en"))
    return desk


async def shown(desk: DeskStage, words: str) -> str:
    """The message of the topic that has these words, when it is there."""
    return await soon(desk.stage, lambda: next((one for one in desk.seen() if words in one), None))


async def told(desk: DeskStage, words: str) -> str:
    """The customer's message that has these words, when it is there."""
    texts = desk.stage.telegram.texts
    return await soon(desk.stage, lambda: next((one for one in texts(ANNA) if words in one), None))


async def test_both_sides_read_their_own_language_and_both_texts_are_kept(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path)
    stage.studio.script("Where are my 2 parcels?", "Sie kommen am Montag.")
    await desk.writes("Wo sind meine 2 Pakete?")
    assert await shown(desk, "Where are") == "Where are my 2 parcels?\n🌐 Wo sind meine 2 Pakete?"
    await desk.says("They come on Monday.")
    assert await told(desk, "Montag") == "Sie kommen am Montag."
    await desk.quiet()
    assert "They come on Monday." not in stage.telegram.texts(ANNA)
    assert rows(stage, "SELECT for_team FROM desk_relays WHERE for_team != '' ORDER BY id") == [
        ("Where are my 2 parcels?",), ("They come on Monday.",),
    ]  # fmt: skip
    remembered = str(rows(stage, "SELECT parts FROM messages"))
    assert "Sie kommen am Montag." in remembered
    assert "They come" not in remembered


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_number_that_the_translation_has_changed_stops_it_and_asks(
    stage: Stage, tmp_path: Path, language: str
) -> None:  # fmt: skip
    desk = await german(stage, tmp_path, language=language)
    stage.studio.script("Das kostet 450 Euro.")
    await desk.says("It costs 4500 euros.")
    asked = await shown(desk, "450 Euro")
    assert say(language, "desk.translate.lost", what="").split("{")[0].strip(" .") in asked
    assert "4500" in asked
    assert "450" not in str(stage.telegram.texts(ANNA))
    assert "desk.translated" in actions(stage)
    await desk.presses("desk.translate.as_is", language=language)
    assert await told(desk, "4500") == "It costs 4500 euros."
    await pressed(stage, say(language, "desk.translate.send"), chat=desk.group, user=OLGA)
    assert toasts(stage)[-1] == say(language, "desk.to.done")
    assert "Das kostet 450 Euro." not in stage.telegram.texts(ANNA)


async def test_where_the_model_fails_operators_are_asked_and_read_the_original(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path)
    stage.studio.fail_next("*", times=40, status=503)
    await desk.says("It comes on Monday.")
    assert await shown(desk, "⚠") == say("en", "desk.translate.failed")
    assert "It comes on Monday." not in stage.telegram.texts(ANNA)
    await desk.presses("desk.translate.as_is")
    assert await told(desk, "Monday") == "It comes on Monday."
    await desk.writes("Danke schön")
    assert await shown(desk, "Danke schön\n") == "Danke schön\n" + say("en", "desk.translate.failed")


async def test_an_empty_purse_is_told_as_such(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path, f"{ON}[model]\ndaily_tokens = 1\n")
    stage.studio.script("One.")
    await desk.writes("Eins.")
    await shown(desk, "One.")
    await desk.writes("Zwei.")
    assert await shown(desk, "Zwei.\n") == "Zwei.\n" + say("en", "desk.translate.limit")


async def test_messages_arrive_in_the_order_in_which_they_were_written(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path)
    stage.studio.answer(lambda messages: f"Deutsch: {messages[-1]['text']}")
    before = len(stage.telegram.texts(ANNA))
    for number in range(5):
        stage.telegram.say(desk.group, f"line {number}", OLGA, desk.topic, None)
    await told(desk, "line 4")
    assert stage.telegram.texts(ANNA)[before:] == [f"Deutsch: line {number}" for number in range(5)]


async def test_an_edit_is_translated_and_a_message_taken_back_is_not_sent(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path)
    stage.studio.answer(lambda messages: f"Deutsch: {messages[-1]['text']}")
    message = await desk.says("on Monday")
    await told(desk, "on Monday")
    await desk.edits(message, "on Tuesday", OLGA)
    assert await told(desk, "on Tuesday") == "Deutsch: on Tuesday"
    before = len(stage.telegram.texts(ANNA))
    second = stage.telegram.say(desk.group, "a mistake", OLGA, desk.topic, None)
    stage.telegram.edit(desk.group, second["message_id"], "// a mistake", OLGA)
    await asyncio.sleep(30)
    assert not [text for text in stage.telegram.texts(ANNA)[before:] if text]


async def test_canned_answers_and_drafts_are_in_the_customers_language_already(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "canned").mkdir()
    (tmp_path / "canned" / "bye.md").write_text("Auf Wiedersehen", "utf-8")
    desk = await german(stage, tmp_path)
    await desk.says("/c bye")
    assert stage.telegram.texts(ANNA)[-1] == "Auf Wiedersehen"
    assert stage.prompts() == []


async def test_an_operator_switches_translation_on_and_off_for_a_case(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path, "")
    await desk.says("/translate")
    assert desk.seen()[-1] == say("en", "desk.translate.how", now="–", customer="de")
    await desk.says("plain")
    assert stage.telegram.texts(ANNA)[-1] == "plain"
    await desk.says("/translate on")
    stage.studio.script("einfach")
    await desk.says("simple")
    await told(desk, "einfach")
    await desk.says("/translate off")
    await desk.says("plain again")
    assert stage.telegram.texts(ANNA)[-1] == "plain again"


async def test_where_the_file_switches_translation_off_the_word_says_so(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path, '[translate]\nmode = "off"\n')
    await desk.says("/translate on")
    assert desk.seen()[-1] == say("en", "desk.translate.off")


async def test_a_case_is_not_closed_before_its_last_word_is_translated(stage: Stage, tmp_path: Path) -> None:
    desk = await german(stage, tmp_path)
    stage.studio.script("Tschüss")
    stage.telegram.say(desk.group, "Bye", OLGA, desk.topic, None)
    stage.telegram.say(desk.group, "/close", OLGA, desk.topic, None)
    await told(desk, "Tschüss")
    await desk.quiet()
    state = rows(stage, "SELECT owner FROM desk_cases")
    assert state == [("closed",)] or desk.seen()[-1] == say("en", "desk.translate.wait")


KEPT = [  # what a customer must read as it was written, and translations that have kept it
    ("It costs 4500 euros", "Das kostet 4500 Euro"),
    ("It costs 4,500 euros", "Das kostet 4.500 Euro"),
    ("It costs 4 500 roubles", "Es kostet 4500 Rubel"),
    ("See https://shop.example/a?b=1", "Siehe https://shop.example/a?b=1"),
    ("Your code is AB-12", "Ihr Code ist AB-12"),
    ("Write to help@shop.example", "Schreiben Sie an help@shop.example"),
    ("Run `make run` please", "Bitte `make run` ausführen"),
    ("Ask @olga_shop", "Fragen Sie @olga_shop"),
    ("On 24.12.2026 at 18:30", "Am 24.12.2026 um 18:30"),
    ("No numbers at all", "Gar keine Zahlen"),
    ("15 % off", "15 % Rabatt"),
    ("Order 1432 comes", "Заказ 1432 в пути"),
    ("2 of 3 parcels", "2 von 3 Paketen"),
    ("Call +7 495 123-45-67", "Позвоните +7 495 123-45-67"),
]
CHANGED = [
    ("It costs 4500 euros", "Das kostet 450 Euro"),
    ("It costs 4500 euros", "Das kostet 5400 Euro"),
    ("It costs 4500 euros", "Das kostet viel"),
    ("See https://shop.example/a", "Siehe https://shop.example/b"),
    ("See https://shop.example/a", "Siehe die Seite"),
    ("Your code is AB-12", "Ihr Code ist AB-21"),
    ("Your code is AB-12", "Ihr Code ist A-12"),
    ("Write to help@shop.example", "Schreiben Sie an hilfe@shop.example"),
    ("Run `make run` please", "Bitte `mache run` ausführen"),
    ("Ask @olga_shop", "Fragen Sie Olga"),
    ("On 24.12.2026", "Am 24.11.2026"),
    ("At 18:30", "Um 13:30"),
    ("15 % off", "50 % Rabatt"),
    ("Order 1432 comes", "Заказ 1423 в пути"),
    ("2 of 3 parcels", "3 von 3 Paketen"),
    ("Nothing to pay", "Sie zahlen 10 Euro"),
    ("No link here", "Siehe https://evil.example"),
    ("1 000 000 roubles", "1 000 рублей"),
    ("3.5 kg", "35 kg"),
    ("The article «Lamp 3»", "Der Artikel «Lampe 3»"),
    ("Version 2.10.1", "Version 2.1.10"),
    ("IBAN DE89370400440532013000", "IBAN DE89370400440532013001"),
    ("Pay 10 or 20", "Zahlen Sie 10"),
    ("Pay 10", "Zahlen Sie 10 oder 20"),
    ("Room 5, floor 7", "Zimmer 7"),
    ("-5 degrees", "15 Grad"),
    ("from 9 to 18", "von 9 bis 19"),
    ("call 112", "rufen Sie 110"),
]


@pytest.mark.parametrize(("text", "translated"), KEPT)
def test_what_a_faithful_translation_keeps_is_not_called_lost(text: str, translated: str) -> None:
    assert lost(text, translated) == ()


@pytest.mark.parametrize(("text", "translated"), CHANGED)
def test_what_a_translation_changes_is_noticed(text: str, translated: str) -> None:
    assert lost(text, translated)
