"""The bench: that it sees what is on the screen, judges it right, and measures a real bot."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.chart import chart
from bench.figures import Figures, figures, merged
from bench.fleet import Load, filled, through
from bench.runs import run
from bench.scenarios import Pace, Plan, Scenario
from bench.world import FIRST_USER, Turn, World
from tests.support.forked import forking_python
from tests.support.postgres_side import Server
from tests.support.sandbox_client import Client

GOVORUN = Path(__file__).parents[2] / "bench" / "govorun-unlimited.toml"
SCENARIO = Scenario("tiny", Plan(users=2, turns=1, timeout=20), Pace(tokens=10, rate=100, ttft=0.05))
VERDICTS = ("text good", "markup shown", "cut or damaged", "lost")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(SCENARIO)
    await world.start()
    yield world
    await world.close()


@pytest.fixture
async def bot(world: World) -> AsyncIterator[Client]:
    client = Client(world.telegram.url, world.telegram.token)
    yield client
    await client.close()


async def say(bot: Client, turn: Turn, text: str) -> None:
    turn.written = turn.written or [turn.asked] * turn.pace.tokens
    await bot.ok("sendMessage", chat_id=turn.chat, text=text)


def only(found: Figures, *names: str) -> dict[str, float | None]:
    """Those of the figures that are not 0."""
    return {name: found[name] for name in names if found[name]}


async def test_a_whole_answer_is_answered_and_good(world: World, bot: Client) -> None:
    turn = world.ask(FIRST_USER)
    await say(bot, turn, "".join(turn.tokens()))
    found = figures(world)
    assert (found["answered"], found["calls an answer"]) == (1, 1)
    assert only(found, *VERDICTS) == {"text good": 1}


async def test_a_draft_shows_text_but_answers_nothing(world: World, bot: Client) -> None:
    turn = world.ask(FIRST_USER)
    await bot.ok("sendMessageDraft", chat_id=turn.chat, draft_id=1, text="".join(turn.tokens()))
    assert [count for _, count in turn.seen] == [10]
    assert figures(world)["answered"] == 0


async def test_half_an_answer_is_cut_and_none_is_lost(world: World, bot: Client) -> None:
    turn, _ = world.ask(FIRST_USER), world.ask(FIRST_USER + 1)
    await say(bot, turn, "".join(turn.tokens()[:5]))
    assert only(figures(world), "answered", *VERDICTS) == {"cut or damaged": 1, "lost": 1}


async def test_an_answer_in_two_parts_is_whole(world: World, bot: Client) -> None:
    turn = world.ask(FIRST_USER)
    text = "".join(turn.tokens())
    await say(bot, turn, text[:42])
    await say(bot, turn, text[42:])
    assert only(figures(world), "answered", "doubled", *VERDICTS) == {"answered": 1, "text good": 1}


async def test_an_answer_said_twice_is_doubled(world: World, bot: Client) -> None:
    turn = world.ask(FIRST_USER)
    for _ in range(2):
        await say(bot, turn, "".join(turn.tokens()))
    assert figures(world)["doubled"] == 1


async def test_answers_in_another_order_are_out_of_order(world: World, bot: Client) -> None:
    first, second = world.ask(FIRST_USER), world.ask(FIRST_USER)
    for turn in (second, first):
        await say(bot, turn, "".join(turn.tokens()))
    assert only(figures(world), "out of order", *VERDICTS) == {"out of order": 1, "text good": 2}


async def test_markup_that_can_be_read_and_characters_that_are_gone_are_seen(world: World, bot: Client) -> None:
    world.telegram.say(FIRST_USER, "hello")
    raw, eaten = (
        Turn(number, FIRST_USER, Pace(tokens=10, style="markdown"), asked=world.clock.monotonic())
        for number in (1, 2)
    )  # fmt: skip
    world.turns |= {1: raw, 2: eaten}
    await say(bot, raw, "".join(raw.tokens()))
    await say(bot, eaten, "\n".join(eaten.expected()).replace("snake_q2a2z_case", "snakeq2a2zcase"))
    assert only(figures(world), *VERDICTS) == {"markup shown": 1, "cut or damaged": 1}


async def test_a_call_that_is_refused_is_counted(world: World, bot: Client) -> None:
    turn = world.ask(FIRST_USER)
    world.telegram.fail_next("sendMessage", code=429)
    await bot.refused("sendMessage", chat_id=turn.chat, text="".join(turn.tokens()))
    assert figures(world)["429 received"] == 1


def test_rounds_are_merged_to_medians() -> None:
    assert merged([{"lag": 1.0, "lost": 0}, {"lag": 9.0, "lost": None}, {"lag": 2.0}]) == {"lag": 2.0, "lost": 0}


def test_the_chart_has_each_number_beside_a_bar_of_its_length() -> None:
    scenarios: dict[str, dict[str, Figures]] = {
        "stream": {"govorun": {"lag p50 ms": 100.0}, "plain": {"lag p50 ms": 400.0}}
    }
    svg = chart(scenarios, ("govorun", "plain"))
    bars = [float(width) for width in re.findall(r'width="([\d.]+)" height="11"', svg)]
    assert bars[1] == 4 * bars[0] > 0
    words = [node.text for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"govorun", "plain", "100 ms", "400 ms"} <= set(words)


@pytest.mark.e2e
async def test_two_people_for_a_moment_give_sane_numbers(tmp_path: Path) -> None:
    found = await run(GOVORUN, SCENARIO, tmp_path / "data")
    assert only(found, "questions", "answered", "lost", "doubled", "out of order", *VERDICTS) == {
        "questions": 2,
        "answered": 2,
        "text good": 2,
    }
    for name in ("overhead p50 ms", "lag p50 ms", "CPU an answer ms"):
        assert 0 < (found[name] or 0) < 5_000, name
    assert 20 < (found["memory MB"] or 0) < 500


@pytest.mark.e2e
async def test_a_fleet_answers_each_question_once_on_a_database_that_was_filled(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", await forking_python())
    postgres.restart()  # as other tests do
    load = Load(workers=1, people=3, seconds=1.0, chats=20, messages=400)
    url = await filled(postgres, load, tmp_path)
    try:
        assert postgres.execute("SELECT count(*) FROM messages", url)[0][0] == 2 + load.messages
        found = await through(postgres, load, tmp_path, url)
        shown = "SELECT count(*) FROM messages WHERE parent IS NULL"
        assert postgres.execute(shown, url)[0][0] == 1 + load.chats, "those who were there go on from where they were"
    finally:
        postgres.drop(url)
    for name in ("answers a second", "accept p95 ms", "post to model p95 ms", "cores: postgres"):
        assert 0 < (found[name] or 0) < 60_000, name
