"""kill -9 at every point of a command and of the presses that follow: each is answered once."""

from __future__ import annotations

from functools import partial

import pytest

from bot.sandbox.telegram import buttons_of, text_of
from bot.sandbox.telegram_state import Message
from bot.texts.catalog import say
from crash.driver import PATIENCE, Nursery, World, assert_harmless, crash_everywhere
from crash.judge import Place

pytestmark = pytest.mark.e2e

ANNA = 1001
LAST = say("en", "settings.saved")


async def choose(world: World) -> None:
    """Ask for the settings, open one of them, choose a value."""
    world.telegram.say(ANNA, "/settings")
    for number in range(2):
        message = await world.telegram.wait_for(partial(offer, world, number), PATIENCE)
        world.telegram.press(ANNA, message["message_id"], buttons_of(message)[-1]["callback_data"])
    await world.telegram.wait_for(lambda: LAST in world.telegram.texts(ANNA), PATIENCE)


def offer(world: World, number: int) -> Message | None:
    offers = [message for message in world.own(Place(ANNA)) if buttons_of(message)]
    return offers[number] if len(offers) > number else None


def faults(world: World) -> list[str]:
    shown = [text_of(message) for message in world.own(Place(ANNA)) if "mark" not in text_of(message)]
    right = len(shown) == 3 and shown[1:] == [say("en", "settings.choose"), LAST]
    return [] if right else [f"the chat shows {shown}"]


async def test_a_kill_at_any_point_of_a_command_costs_nothing(nursery: Nursery) -> None:
    assert_harmless(await crash_everywhere(nursery, choose, faults, places=[Place(ANNA)]), at_least=25)
