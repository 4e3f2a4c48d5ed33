"""What is stored of a person follows what Telegram says of the person."""

from __future__ import annotations

import pytest

from bot.sandbox.telegram.chats import Person
from bot.texts.catalog import say
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows

STORED = f"SELECT name, language FROM users WHERE id = {ANNA}"
NO_UPDATE = "CREATE TRIGGER none BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'written'); END"


@pytest.mark.parametrize("text", ["hello", "/new"])
async def test_a_new_name_and_language_are_stored_with_the_next_message(stage: Stage, text: str) -> None:
    await stage.start()
    await stage.ask("hello")
    assert rows(stage, STORED) == [("Anna", "en")]
    stage.telegram.state.people[ANNA] = Person(ANNA, "Anna Maria", "", "de")
    await stage.ask(text)
    assert rows(stage, STORED) == [("Anna Maria", "de")]


async def test_nothing_is_written_of_a_person_about_whom_nothing_is_new(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")
    await app.store.write(lambda tx: tx.connection.exec_driver_sql(NO_UPDATE).close())
    stage.telegram.state.people[ANNA] = Person(ANNA, "Anna")  # Telegram does not always tell the language
    assert await stage.ask("/new") == say("en", "new")
    assert rows(stage, STORED) == [("Anna", "en")]
