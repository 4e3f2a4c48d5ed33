"""Something happens at every point of what people do: nothing is lost, doubled, out of order, leaked or left half.

See P1-P6, P7, P13 in docs/promises.md.

The short form: a third of the points that each test names, by turns from commit to commit (`third`). `make crash` does
each strike at each point of each scenario (see `__main__`).
"""

from __future__ import annotations

import pytest

from tests.promises.crash.driver import (
    Scenario,
    assert_harmless,
    strike_again,
    strike_by_turns,
    strike_everywhere,
    third,
)
from tests.promises.crash.scenarios import AT_ONCE, FILE, PICTURE, SCENARIOS, TURN, WHISPER
from tests.promises.crash.strikes import STRIKES, STUDIO, Point
from tests.promises.crash.world import Nursery

pytestmark = pytest.mark.e2e


async def test_a_kill_at_any_point_of_a_turn_costs_nothing(nursery: Nursery) -> None:
    assert_harmless(await strike_everywhere(nursery, TURN, part=third(0, 1)), at_least=6)


async def test_a_second_kill_while_the_first_is_recovered_from_costs_nothing(nursery: Nursery) -> None:
    """The first one comes when an answer stands in the chat and nobody but Telegram knows."""
    assert_harmless(await strike_again(nursery, TURN, Point("call:sendMessage", 2), part=third(0, 3)), at_least=1)


async def test_a_kill_on_the_way_of_a_picture_costs_nothing_and_it_is_paid_once(nursery: Nursery) -> None:
    assert_harmless(await strike_everywhere(nursery, PICTURE, part=third(0, 2), at_once=6), at_least=2)


async def test_a_kill_on_the_way_of_a_picture_that_comes_at_once_buys_at_most_one_more(nursery: Nursery) -> None:
    assert_harmless(await strike_everywhere(nursery, AT_ONCE, part=third(0, 2), at_once=6), at_least=2)


async def test_a_stop_while_a_picture_waits_behind_an_answer_doubles_neither(nursery: Nursery) -> None:
    """The stop cancels the task that sends the answer; the task of the picture has the chat's next turn."""
    (stop,) = [strike for strike in STRIKES if strike.name == "SIGTERM, no grace"]
    assert_harmless(await strike_everywhere(nursery, AT_ONCE, stop, part=third(0, 3), at_once=6), at_least=2)


async def test_a_kill_on_the_way_to_one_person_alone_costs_nothing_and_tells_nobody_else(nursery: Nursery) -> None:
    assert_harmless(await strike_everywhere(nursery, WHISPER, part=third(0, 2)), at_least=2)


async def test_a_kill_while_a_file_is_opened_costs_nothing(nursery: Nursery) -> None:
    assert_harmless(await strike_everywhere(nursery, FILE, part=third(1, 5)), at_least=1)


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[scenario.name for scenario in SCENARIOS])
async def test_whatever_happens_wherever_costs_nothing(nursery: Nursery, number: int) -> None:
    """Signals, cut connections, errors and floods of both services: each scenario meets each once or so."""
    scenario: Scenario = SCENARIOS[number]
    begin = 5 * number % len(STRIKES)
    cases = await strike_by_turns(nursery, scenario, (*STRIKES[begin:], *STRIKES[:begin]), part=third(number % 4, 4))
    # A model that has answered is not asked again: what happens to AI Studio then has nothing to hit.
    sure = sum(case.strike not in STUDIO for case in cases)
    assert_harmless(cases, at_least=max(sure, 1))
