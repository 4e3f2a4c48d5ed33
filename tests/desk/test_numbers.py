"""The number of a case: what people read and type counts the cases that people were called for, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.telegram.server_facade import buttons_of
from bot.texts.catalog import say
from tests.desk.test_own_seats import on_board, own_seats
from tests.desk.test_watch import PROMISED, minutes
from tests.support.choosing import pressed
from tests.support.desk_side import BOT, OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

NUMBERS = "SELECT id, number FROM desk_cases ORDER BY id"


async def shown(desk: DeskStage, begin: str) -> str:
    """The newest message of the bot in the group, once it begins like this."""
    await soon(desk.stage, lambda: desk.stage.telegram.texts(desk.group)[-1].startswith(begin) or None)
    return desk.stage.telegram.texts(desk.group)[-1]


async def served(stage: Stage, tmp_path: Path, language: str = "en") -> DeskStage:
    """A desk whose bot has answered Anna alone, in a case that has the id 1."""
    desk = await desk_on(stage, tmp_path, language=language)
    await alone(stage)
    return desk


async def alone(stage: Stage) -> None:
    """The bot answers Anna, and nobody is called."""
    stage.studio.script("Within a week.")
    await stage.ask("where is my parcel?")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_conversation_of_the_bot_alone_takes_no_number(stage: Stage, tmp_path: Path, language: str) -> None:
    desk, sign = await served(stage, tmp_path, language), "#" if language == "en" else "№"
    await desk.called(BORIS)
    assert desk.card()["text"].startswith(f"{sign}1 · ")
    await desk.called()
    assert desk.card()["text"].startswith(f"{sign}2 · ")
    assert rows(stage, NUMBERS) == [(1, 2), (2, 1)]


async def test_a_case_that_is_opened_again_keeps_its_number_and_the_next_one_has_another(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await served(stage, tmp_path)
    await desk.called(BORIS)
    await desk.presses("desk.take")
    await desk.says("/close")
    await desk.writes("one more thing", BORIS)
    assert [text.partition(" ")[0] for text in desk.cards()] == ["#1"] * len(desk.cards())
    assert desk.card()["text"].startswith("#1 · answered by Olga")
    await desk.says("/bot")
    await desk.called(BORIS)
    assert desk.card()["text"].startswith("#1 · waiting")
    await desk.says("/close")
    stage.clock.shift += 48 * 3600
    await desk.called(BORIS)
    assert desk.card()["text"].startswith("#2 · waiting")


@pytest.mark.parametrize("said", ["1", "#1", "№1", "# 1"])
async def test_a_case_is_found_by_its_number_and_not_by_its_place_in_the_database(
    stage: Stage, tmp_path: Path, said: str
) -> None:
    desk = await served(stage, tmp_path)
    await desk.called(BORIS)
    await desk.says(f"/find {said}")
    assert desk.seen()[-1].startswith("#1 · waiting\nБорис")
    for unknown in ("2", "#2", "0", "#0"):
        await desk.says(f"/find {unknown}")
        assert desk.seen()[-1] == say("en", "desk.find.none")


async def test_a_number_is_found_among_many_that_have_its_digits(stage: Stage, tmp_path: Path) -> None:
    desk = await served(stage, tmp_path)
    await desk.called(BORIS)
    for number in range(12):
        person = stage.telegram.person(f"Customer 1{number}", "en", 5000 + number)["id"]
        await stage.ask("/human", person)
    await desk.quiet()
    stage.telegram.say(desk.group, "/find 1", OLGA)
    assert "Борис" in await shown(desk, "#1 · waiting")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_case_that_nobody_was_called_for_is_found_without_a_number_and_gets_one_when_it_is_taken(
    stage: Stage, tmp_path: Path, language: str
) -> None:  # fmt: skip
    desk = await served(stage, tmp_path, language)
    stage.telegram.person("Anna Two", language, 3001)
    stage.studio.script("Within a week.")
    await stage.ask("where is mine?", 3001)
    state, sign = say(language, "desk.state.bot"), "#" if language == "en" else "№"
    stage.telegram.say(desk.group, "/find anna", OLGA)
    lines = (await shown(desk, say(language, "desk.find"))).splitlines()[1:]
    assert lines == [f"{state} · Anna Two", f"{state} · Anna"]
    stage.telegram.say(desk.group, f"/find {ANNA}", OLGA)
    assert sign not in await shown(desk, f"{state}\nAnna")
    await desk.presses("desk.take", language=language)
    assert desk.card()["text"].startswith(f"{sign}1 · ")


async def test_boards_offers_and_reminders_have_the_number(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path, topics=False, more=PROMISED + "[assign]\nhow = 'round'\n")
    await alone(stage)
    await stage.ask("/on", OLGA)
    await desk.called(BORIS)
    offered = say("en", "desk.offered.own", number=1)
    await soon(stage, lambda: offered in stage.telegram.texts(OLGA) or None)
    await on_board(desk, "#1 Борис")
    await pressed(stage, f"{say('en', 'desk.take')} #1", chat=desk.group, user=OLGA)
    await desk.quiet()
    stage.telegram.say(OLGA, "to whom?")
    await soon(stage, lambda: buttons_of(stage.telegram.transcript(OLGA)[-1]) or None)
    (button,) = buttons_of(stage.telegram.transcript(OLGA)[-1])
    assert button["text"] == "#1 Борис"
    await pressed(stage, button["text"], chat=OLGA, user=OLGA)
    await desk.writes("and when?", BORIS)
    await minutes(desk, 61)
    assert stage.telegram.texts(OLEG)[-1].startswith("#1 (Olga)")


async def test_tables_and_canned_answers_have_the_number(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "canned").mkdir()
    (tmp_path / "canned" / "got.md").write_text("Your number is {number}.", "utf-8")
    desk = await served(stage, tmp_path)
    await desk.called(BORIS)
    await desk.presses("desk.take")
    await desk.says("/c got")
    await desk.quiet()
    assert stage.telegram.texts(BORIS)[-1] == "Your number is 1."
    stage.telegram.say(desk.group, f"/desk{BOT} csv", OLGA)
    await soon(stage, lambda: "document" in stage.telegram.transcript(desk.group)[-1] or None)
    table = stage.telegram.state.files[stage.telegram.transcript(desk.group)[-1]["document"]["file_id"]]
    assert [line.partition(",")[0] for line in table.data.decode("utf-8-sig").splitlines()] == ["number", "", "1"]
