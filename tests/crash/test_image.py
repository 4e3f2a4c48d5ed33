"""kill -9 at every point of a picture's way: it is drawn, paid once, and stands in the chat once."""

from __future__ import annotations

import pytest
from sandbox_client import jpeg_header

from crash.driver import Nursery, World, assert_harmless, crash_everywhere
from crash.judge import Place

pytestmark = pytest.mark.e2e

ANNA = 1001
PROMPT = "a lighthouse in a storm"


async def order(world: World) -> None:
    """A picture, and a question right behind it, which does not wait for the picture."""
    world.studio.paint(*[jpeg_header(512, 512)] * 3)
    world.telegram.say(ANNA, f"/image {PROMPT}")
    world.ask(ANNA)
    await world.answered()
    await world.telegram.wait_for(lambda: photos(world) > 0, 25)


def photos(world: World) -> int:
    return sum(is_picture(message) for message in world.own(Place(ANNA)))


def is_picture(message: dict[str, object]) -> bool:
    return "photo" in message and message.get("caption") == PROMPT


def faults(world: World) -> list[str]:
    found = world.judged(expected=is_picture).faults()
    if photos(world) != 1:
        found.append(f"{photos(world)} pictures")
    paid = 2 if outcome_was_unknown(world) else 1
    if not 1 <= world.studio.bought <= paid:
        found.append(f"{world.studio.bought} pictures were bought, {paid} are allowed")
    return found


def outcome_was_unknown(world: World) -> bool:
    """The kill came after the order was sent and before its operation id was on disk."""
    passed = world.lives()[0]
    submitting = any(line.startswith("after:") and "Images._submit.<lambda>" in line for line in passed)
    running = any(line.startswith("after:") and "Images._submit.running" in line for line in passed)
    return bool(world.deaths) and submitting and not running


async def test_a_kill_at_any_point_of_a_picture_costs_nothing(nursery: Nursery) -> None:
    assert_harmless(await crash_everywhere(nursery, order, faults, at_once=6), at_least=24)
