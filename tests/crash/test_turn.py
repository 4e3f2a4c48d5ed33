"""kill -9 at every point of a turn: nothing lost, nothing twice, nothing out of order, nothing that nobody saw."""

from __future__ import annotations

import pytest

from crash.driver import COMMITS, SPEAKING, Nursery, World, assert_harmless, crash_again, crash_everywhere

pytestmark = pytest.mark.e2e

ANNA, CLARA = 1001, 1003


async def talk(world: World) -> None:
    """Two questions in a row in one chat, one in another."""
    world.ask(ANNA)
    world.ask(ANNA)
    world.ask(CLARA)
    await world.answered()


def faults(world: World) -> list[str]:
    return world.judged().faults()


async def test_a_kill_at_any_point_of_a_turn_costs_nothing(nursery: Nursery) -> None:
    assert_harmless(await crash_everywhere(nursery, talk, faults), at_least=28)


async def test_a_second_kill_at_any_point_of_the_recovery_costs_nothing(nursery: Nursery) -> None:
    """The first one comes when an answer stands in the chat and nobody but Telegram knows."""
    assert_harmless(await crash_again(nursery, talk, faults, "call:sendMessage:2"), at_least=18)


async def test_a_kill_while_one_message_grows_leaves_at_most_the_placeholder(nursery: Nursery) -> None:
    """A placeholder whose id was not on disk yet is left behind: one in each of the two chats."""
    cases = await crash_everywhere(
        nursery,
        talk,
        lambda world: world.judged().faults(strays_allowed=2),
        kinds=(*COMMITS, *SPEAKING),
        at_once=10,
        halting=True,
        streaming="edit",
    )
    assert_harmless(cases, at_least=24)


async def test_a_kill_between_the_parts_of_a_long_answer_costs_nothing(nursery: Nursery) -> None:
    async def talk_long(world: World) -> None:
        world.ask(ANNA)
        world.ask(ANNA)
        await world.answered()

    cases = await crash_everywhere(
        nursery, talk_long, faults, kinds=(*COMMITS, *SPEAKING), sentences=20, padding=100, rich_messages=False
    )
    assert_harmless(cases, at_least=20)


async def test_a_kill_in_a_group_does_not_mix_its_topics(nursery: Nursery) -> None:
    async def talk_in_topics(world: World) -> None:
        team = world.telegram.group("Forum", [ANNA], is_forum=True)["id"]
        topics = [world.telegram.topic(team, name=name)["id"] for name in ("one", "two")]
        for topic in topics:
            world.ask(team, thread=topic)
        await world.answered()

    assert_harmless(await crash_everywhere(nursery, talk_in_topics, faults, streaming="off"), at_least=10)
