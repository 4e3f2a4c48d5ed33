"""What admins teach the bot: an answer to a gap is proposed, compared with the sources, added, told and reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import labels, pressed
from tests.support.known import changed, handbook, known
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

DAY = 86_400
QUESTION = {"en": "Which colours can one buy?", "ru": "Какие цвета можно купить?"}
FACT = {"en": "One can buy two colours: grey and green.", "ru": "Купить можно два цвета: серый и белый."}
ROUTING = """
[topic.paint]
title = "Paint"
words = ["colours"]
examples = ["red?", "green?", "blue?"]
knowledge = ["docs"]

[topic.general]
title = "The rest"

[routing]
other = "general"
"""
ENTRIES = "SELECT question, answer, audience, state FROM kb_learned ORDER BY id"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


async def proposed(stage: Stage, answer: str, who: int = ANNA) -> str:
    """The admin opens the first gap and answers it; returns the proposal."""
    language = "en" if who == ANNA else "ru"
    await stage.ask("/gaps", who)
    await pressed(stage, labels(stage, who)[0], say(language, "gap.answer"), chat=who)
    return await stage.ask(answer, who)


@pytest.mark.parametrize(("who", "other"), [(ANNA, BORIS), (BORIS, ANNA)])
async def test_an_answer_to_a_gap_becomes_an_entry_and_who_asked_is_told(
    stage: Stage, docs: Path, who: int, other: int
) -> None:
    language, asked = ("en", "ru") if who == ANNA else ("ru", "en")
    await known(stage, docs, owners=[who])
    await stage.ask(QUESTION[asked], other)
    await pressed(stage, say(asked, "gap.tell"), chat=other)
    page = await proposed(stage, "Maybe?", who)
    assert say(language, "kb.who", who=say(language, "kb.group.members")) in page
    assert await pressed(stage, say(language, "learned.edit"), chat=who) != page
    page = await stage.ask(f"{QUESTION[asked]}\n{FACT[asked]}", who)
    assert FACT[asked] in page
    assert (await pressed(stage, say(language, "learned.add"), chat=who)).startswith(
        say(language, "learned.added", question=QUESTION[asked])
    )
    assert rows(stage, ENTRIES) == [(QUESTION[asked], FACT[asked], "members", "added")]
    await soon(stage, lambda: stage.telegram.texts(other)[-1].startswith(say(asked, "gap.told")) or None)
    assert FACT[asked].removesuffix(".") in stage.telegram.texts(other)[-1]
    assert await stage.ask("/gaps", who) == say(language, "gap.none")
    assert "learned" in await stage.ask("/kb", who)
    assert say(language, "audit.kb_learned", subject="#1", changes="readers: members") in await stage.ask("/audit", who)
    answer = await stage.ask(QUESTION[asked], other)
    assert FACT[asked].removesuffix(".") in answer


async def test_a_proposal_names_what_the_sources_say_and_where_a_number_differs(stage: Stage, docs: Path) -> None:
    await known(stage, docs)
    await stage.ask("Сколько стоит подписка на журнал?", BORIS)
    page = await proposed(stage, "Как вернуть товар?\nВернуть товар можно в течение 30 дней.")
    sentence = "Вернуть товар можно в течение 14 дней."
    assert say("en", "learned.near.other", title="Возврат", sentence=sentence) in page
    await pressed(stage, say("en", "learned.edit"))
    page = await stage.ask("Товар вернуть можно в течение 14 дней с покупки.")
    assert say("en", "learned.near.same", title="Возврат", sentence=sentence) in page
    assert await pressed(stage, say("en", "learned.drop")) == say("en", "learned.dropped")
    assert rows(stage, "SELECT state FROM kb_learned") == [("dropped",)]
    assert "Сколько стоит подписка" in await stage.ask("/gaps")


async def test_who_may_not_read_an_entry_is_not_answered_from_it(stage: Stage, docs: Path) -> None:
    await known(stage, docs)
    await stage.ask(QUESTION["ru"], BORIS)
    await proposed(stage, FACT["ru"])
    await pressed(stage, say("en", "kb.group.admins"), say("en", "learned.add"))
    assert (await stage.ask(QUESTION["ru"], BORIS)).startswith(say("ru", "kb.unanswered"))
    assert "Какие цвета" not in stage.telegram.texts(BORIS)[-1]
    assert FACT["ru"].removesuffix(".") in await stage.ask(QUESTION["ru"])


async def test_entries_are_reviewed_after_90_days_three_a_week(stage: Stage, docs: Path) -> None:
    await known(stage, docs)
    for name in ("red", "green", "blue", "white"):
        await stage.ask(f"What is the {name} price of everything?", BORIS)
        await proposed(stage, f"What is {name}?\nThe {name} one is {name}.")
        await pressed(stage, say("en", "learned.add"))
    stage.clock.shift += 90 * DAY + 60
    await stage.stop()
    await stage.start()
    await soon(stage, lambda: len(asked(stage)) == 3 or None)
    assert "What is red?" in asked(stage)[0]
    await pressed(stage, say("en", "learned.remove"))
    assert rows(stage, "SELECT state FROM kb_learned ORDER BY id") == [("added",), ("added",), ("removed",), ("added",)]
    stage.clock.shift += 7 * DAY + 60
    await stage.stop()
    await stage.start()
    await soon(stage, lambda: any("What is white?" in text for text in asked(stage)) or None)
    await pressed(stage, say("en", "learned.keep"))
    assert rows(stage, "SELECT 1 FROM kb_passages WHERE ended IS NOT NULL") == [(1,)]


async def test_an_entry_is_reviewed_at_once_where_the_source_takes_back_what_it_says(stage: Stage, docs: Path) -> None:
    bot = await known(stage, docs)
    await stage.ask("За сколько дней можно вернуть товар?", BORIS)
    await stage.ask("Сколько стоит подписка на журнал?", BORIS)
    await proposed(stage, "Когда вернуть товар?\nВернуть товар можно в течение 14 дней.")
    await pressed(stage, say("en", "learned.add"))
    await changed(stage, bot, docs, "14 дней", "30 дней")
    await soon(stage, lambda: asked(stage) or None)
    assert "Когда вернуть товар?" in asked(stage)[0]


def asked(stage: Stage) -> list[str]:
    return [text for text in stage.telegram.texts(ANNA) if text.startswith("Is this still true?")]


async def test_what_was_taught_answers_questions_of_a_topic_that_has_other_sources(
    stage: Stage, docs: Path, tmp_path: Path
) -> None:
    routing = tmp_path / "routing.toml"
    routing.write_text(ROUTING)
    await known(stage, docs, routing=routing)
    await stage.ask(QUESTION["en"], BORIS)
    assert rows(stage, "SELECT topic FROM kb_gaps") == [("paint",)]
    await pressed(stage, say("ru", "gap.tell"), chat=BORIS)
    await proposed(stage, FACT["en"])
    await pressed(stage, say("en", "learned.add"))
    await soon(stage, lambda: stage.telegram.texts(BORIS)[-1].startswith(say("ru", "gap.told")) or None)
