"""Operators say when they work, and with `[assign]` waiting cases are offered to those who do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.desk.team.assignment import choose
from bot.storage.tables.desk import OperatorDuty
from bot.texts.catalog import say
from tests.support.desk_side import BOT, OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.table import table
from tests.support.telegram_side import rows, soon

OWNER = "SELECT owner, holder FROM desk_cases ORDER BY id DESC LIMIT 1"
A, B, C = (OperatorDuty(bot=42, user=user, team="support", is_on=True) for user in (1, 2, 3))


@table(
    ("held", "capacity", "tried", "known", "chosen"),
    [
        ([], 2, [], 0, 1),
        ([], 2, [1], 0, 2),
        ([1, 1], 2, [], 0, 2),
        ([1], 2, [], 0, 1),
        ([], 2, [], 3, 3),
        ([3, 3], 2, [], 3, 1),
        ([], 2, [3], 3, 1),
        ([], 2, [], 4, 1),
        ([], 2, [1, 2, 3], 0, 0),
        ([1, 2, 3], 1, [], 2, 0),
    ],
)
def test_a_case_is_offered_to_who_knows_the_customer_or_has_been_idle_longest(
    held: list[int], capacity: int, tried: list[int], known: int, chosen: int
) -> None:
    assert choose([A, B, C], held, capacity=capacity, tried=tried, known=known) == chosen


async def assigned(stage: Stage, folder: Path, how: str, more: str = "") -> DeskStage:
    """A desk that offers its cases."""
    (folder / "desk.toml").write_text(f"[assign]\nhow = '{how}'\n{more}", "utf-8")
    return await desk_on(stage, folder)


async def in_group(desk: DeskStage, text: str, operator: int) -> str:
    """Write in the topic of all, and return the answer."""
    before = len(desk.stage.telegram.texts(desk.group))
    desk.stage.telegram.say(desk.group, text, operator)
    await soon(desk.stage, lambda: len(desk.stage.telegram.texts(desk.group)) > before or None)
    await desk.quiet()
    return desk.stage.telegram.texts(desk.group)[-1]


def offers(desk: DeskStage) -> list[int]:
    """Whom the bot has mentioned in the topic, in order."""
    return [
        entity["user"]["id"]
        for message in desk.messages()
        for entity in message.get("entities", ())
        if entity["type"] == "text_mention"
    ]


async def test_a_case_is_offered_to_one_operator_after_another_and_then_to_all(stage: Stage, tmp_path: Path) -> None:
    desk = await assigned(stage, tmp_path, "round", f"[promise]\nlead = [{OLEG}]\n")
    await in_group(desk, "/on", OLGA)
    await in_group(desk, "/on", OLEG)
    await desk.called()
    await soon(stage, lambda: offers(desk) == [OLGA] or None)
    await asyncio.sleep(125)
    await soon(stage, lambda: offers(desk) == [OLGA, OLEG] or None)
    await asyncio.sleep(125)
    await soon(stage, lambda: say("en", "desk.unassigned") in desk.seen() or None)
    await soon(stage, lambda: say("en", "desk.unassigned.lead", number=1) in stage.telegram.texts(OLEG) or None)
    await asyncio.sleep(600)
    assert offers(desk) == [OLGA, OLEG]
    assert rows(stage, OWNER) == [("waiting", 0)]


async def test_a_case_that_was_taken_is_offered_to_nobody_else(stage: Stage, tmp_path: Path) -> None:
    desk = await assigned(stage, tmp_path, "round")
    await in_group(desk, "/on", OLGA)
    await in_group(desk, "/on", OLEG)
    await desk.called()
    await soon(stage, lambda: offers(desk) == [OLGA] or None)
    await desk.presses("desk.take")
    await asyncio.sleep(300)
    assert offers(desk) == [OLGA]


async def test_who_is_off_or_pauses_is_offered_nothing_and_a_case_finds_who_comes_on(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await assigned(stage, tmp_path, "round")
    await in_group(desk, "/on", OLGA)
    await in_group(desk, "/pause 15m", OLGA)
    await in_group(desk, "/on", OLEG)
    await in_group(desk, "/off", OLEG)
    await desk.called()
    await soon(stage, lambda: say("en", "desk.unassigned") in desk.seen() or None)
    assert offers(desk) == []
    await in_group(desk, "/on", OLEG)
    await soon(stage, lambda: offers(desk) == [OLEG] or None)


async def test_the_operator_who_knows_the_customer_is_asked_first(stage: Stage, tmp_path: Path) -> None:
    desk = await assigned(stage, tmp_path, "same")
    await in_group(desk, "/on", OLGA)
    await in_group(desk, "/on", OLEG)
    await desk.called()
    await soon(stage, lambda: offers(desk) == [OLGA] or None)
    await desk.says("/take", OLEG)
    await desk.says("/close", OLEG)
    stage.clock.shift += 25 * 3600
    await stage.ask("/human")
    await soon(stage, lambda: offers(desk)[1:] == [OLEG] or None)


async def test_an_operator_who_goes_off_gives_the_cases_back_to_the_queue(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    assert await stage.ask("/off", OLGA) == say("en", "desk.off", count=1)
    assert rows(stage, OWNER) == [("waiting", 0)]
    assert await stage.ask("/on", OLGA) == say("en", "desk.on", team="support")
    assert "Olga (0)" in await in_group(desk, "/desk@govorun_sandbox_bot", OLGA)


@pytest.mark.parametrize("how", ["leaves the group", "loses the role"])
async def test_the_cases_of_an_operator_who_goes_away_wait_again(stage: Stage, tmp_path: Path, how: str) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.says("/on", OLEG)
    await desk.presses("desk.take", OLEG)
    assert rows(stage, OWNER) == [("held", OLEG)]
    if how == "leaves the group":
        stage.telegram.leave(desk.group, OLEG)
    else:
        await stage.stop()
        await stage.start(owners=frozenset({OLGA}))
    await asyncio.sleep(40)
    assert rows(stage, OWNER) == [("waiting", 0)]
    assert desk.card()["text"].startswith("#1 · waiting")
    assert "Oleg" not in await stage.ask(f"/desk{BOT}", desk.group, OLGA)


async def test_a_customer_can_not_go_on_duty(stage: Stage, tmp_path: Path) -> None:
    await desk_on(stage, tmp_path)
    await stage.ask("/on", ANNA)
    assert rows(stage, "SELECT user FROM desk_operators") == []


@pytest.mark.parametrize("wrong", ["/pause", "/pause soon", "/pause 0m"])
async def test_a_pause_without_a_time_is_answered_with_an_example(stage: Stage, tmp_path: Path, wrong: str) -> None:
    desk = await desk_on(stage, tmp_path)
    assert await in_group(desk, wrong, OLGA) == say("en", "desk.pause.how")
