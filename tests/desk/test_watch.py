"""What the desk does by the clock: reminders of promises, quiet cases, a broken file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.counting import counted
from tests.support.desk_side import BOT, OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

OWNER = "SELECT owner, holder FROM desk_cases ORDER BY id DESC LIMIT 1"
PROMISED = f"[promise]\nfirst = '10m'\nnext = '1h'\nlead = [{OLEG}]\n"


async def ruled(stage: Stage, folder: Path, text: str, language: str = "en") -> DeskStage:
    """A desk with these rules."""
    (folder / "desk.toml").write_text(text, "utf-8")
    return await desk_on(stage, folder, language=language)


async def minutes(desk: DeskStage, count: float) -> None:
    """Let so much time pass, and everything that is due be delivered."""
    await asyncio.sleep(count * 60 + 31)
    await desk.quiet()


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_promise_is_reminded_of_and_its_breach_told_once_each(
    stage: Stage, tmp_path: Path, language: str
) -> None:
    desk = await ruled(stage, tmp_path, PROMISED, language)
    await desk.called()
    await minutes(desk, 7)
    before = len(desk.seen())
    await minutes(desk, 1)
    nobody = say(language, "desk.due.nobody")
    due = say(language, "desk.due.answer.soon", number=1, who=nobody, time=say(language, "duration.minutes", minutes=2))
    assert desk.seen()[before:] == [due]
    await minutes(desk, 3)
    assert desk.seen()[-1].startswith(say(language, "desk.due.answer.late", number=1, who=nobody, time="")[:20])
    assert stage.telegram.texts(OLEG)[-1].startswith("#1")
    before = len(desk.seen())
    await minutes(desk, 60)
    assert len(desk.seen()) == before


async def test_an_answer_ends_the_wait_and_the_next_question_begins_a_new_one(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, PROMISED)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("Hello!")
    await minutes(desk, 180)
    assert not any("answer is" in text for text in desk.seen())
    await desk.writes("And what now?")
    await minutes(desk, 49)
    assert desk.seen()[-1].startswith("#1 (Olga): an answer is due in")


async def test_after_a_pause_of_the_bot_each_group_gets_one_message(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, PROMISED)
    for customer in (ANNA, BORIS):
        await desk.called(customer)
    await stage.crash()
    await asyncio.sleep(3600)
    await stage.start()
    await minutes(desk, 1)
    told = stage.telegram.texts(desk.group)
    late = [text for text in told if "late" in text]
    assert len(late) == 1
    assert [line[:2] for line in late[0].splitlines()] == ["#1", "#2"]
    assert len([text for text in stage.telegram.texts(OLEG) if "late" in text]) == 1


async def test_while_the_clock_jumps_nobody_is_reminded(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, PROMISED)
    await desk.called()
    await minutes(desk, 1)
    stage.clock.shift += 86_400
    await minutes(desk, 2)
    stage.clock.shift -= 86_400
    await minutes(desk, 2)
    assert not any("answer is" in text for text in (*desk.seen(), *stage.telegram.texts(OLEG)))
    await minutes(desk, 12)  # the clock is believed again, and the promise is late by now
    assert "late" in desk.seen()[-1]


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_quiet_case_is_closed_after_one_warning(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    desk = await ruled(stage, tmp_path, "[close]\nquiet = '30m'\ngrace = '1h'\n", language)
    await desk.called(customer)
    await desk.presses("desk.take", language=language)
    await minutes(desk, 40)  # it is the desk's turn
    assert rows(stage, OWNER) == [("held", OLGA)]
    await desk.says("Try it now.")
    await minutes(desk, 31)
    time = say(language, "duration.hours", hours=1, minutes=0)
    assert stage.telegram.texts(customer)[-1] == say(language, "desk.quiet", time=time)
    await minutes(desk, 61)
    assert rows(stage, OWNER) == [("closed", 0)]
    assert stage.telegram.texts(customer)[-1] == say(language, "desk.rate.ask")


async def test_a_case_whose_customer_says_that_it_is_not_solved_stays_open(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, "[close]\nquiet = '30m'\ngrace = '1h'\n")
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("Try it now.")
    await minutes(desk, 31)
    await pressed(stage, say("en", "desk.unsolved"))
    await minutes(desk, 100)
    assert rows(stage, OWNER) == [("held", OLGA)]
    assert say("en", "desk.unsolved.told") in desk.seen()
    assert stage.telegram.texts(ANNA)[-1] == say("en", "desk.unsolved.noted")


async def test_owners_are_told_once_what_is_wrong_with_the_file(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, "[person]\nturns = 5\n")
    (tmp_path / "desk.toml").write_text("[person]\nturns = -50\n")
    await minutes(desk, 3)
    told = [text for text in stage.telegram.texts(OLGA) if "line 2: person.turns" in text]
    assert len(told) == 1
    assert await stage.ask(f"/desk{BOT}", desk.group, OLGA)


async def test_what_was_said_in_old_cases_is_deleted_and_the_figures_stay(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path, desk_keep_days=10)
    await desk.called()
    await desk.presses("desk.take")
    await desk.says("Hello!")
    await desk.says("/close")
    stage.clock.shift += 9 * 86_400
    await asyncio.sleep(3_700)
    assert rows(stage, "SELECT name FROM desk_cases") == [("Anna",)]
    stage.clock.shift += 2 * 86_400
    await asyncio.sleep(3_700)
    assert rows(stage, "SELECT name, last_holder FROM desk_cases") == [("", OLGA)]
    assert rows(stage, "SELECT COUNT(*) FROM desk_relays") == [(0,)]
    assert "closed 1" in await stage.ask(f"/desk{BOT} month", desk.group, OLGA)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_figures_name_waits_reasons_and_operators_and_come_as_a_table(
    stage: Stage, tmp_path: Path, language: str
) -> None:
    desk = await ruled(stage, tmp_path, "[promise]\nfirst = '5m'\n", language)
    await desk.called()
    await minutes(desk, 9)
    await desk.presses("desk.take", language=language)
    stage.telegram.say(desk.group, f"/desk{BOT} week", OLGA)
    await soon(stage, lambda: "photo" in stage.telegram.transcript(desk.group)[-1] or None)
    told = stage.telegram.transcript(desk.group)[-1]["caption"]
    ten = say(language, "duration.minutes", minutes=10)
    assert say(language, "desk.figures.waits", half=ten, most=ten) in told
    assert say(language, "desk.figures.late", count=1) in told
    assert f"{say(language, 'desk.reason.asked')}: 1" in told
    assert told.endswith(": 1")
    stage.telegram.say(desk.group, f"/desk{BOT} csv", OLGA)
    await soon(stage, lambda: "document" in stage.telegram.transcript(desk.group)[-1] or None)
    table = stage.telegram.state.files[stage.telegram.transcript(desk.group)[-1]["document"]["file_id"]]
    assert b",asked," in table.data


async def test_the_open_cases_are_counted_for_the_metrics(stage: Stage, tmp_path: Path) -> None:
    desk = await ruled(stage, tmp_path, "")
    await desk.called()
    await desk.called(BORIS)
    await desk.presses("desk.take")
    await minutes(desk, 9)
    assert stage.app is not None
    metrics = stage.app.store.metrics
    counts = {owner: counted(metrics, "desk_cases", state=owner) for owner in ("waiting", "held", "snoozed")}
    assert counts == {"waiting": 1, "held": 1, "snoozed": 0}
