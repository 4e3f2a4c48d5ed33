"""The short form of the campaigns (the long one: `fuzz/__main__.py`), and that their judge can find something wrong."""

from __future__ import annotations

import json
import logging
import os
import random

import pytest

from tests.promises.fuzz.campaign import SILENT, Campaign, Ear, hooked, recorded
from tests.promises.fuzz.hostile import WORD, Cast, Forge
from tests.promises.fuzz.shapes import places
from tests.support.stage import BORIS, Stage

SEED = int(os.environ.get("FUZZ_SEED", "20271"))
COUNT = 760


def test_every_field_of_an_update_has_a_place() -> None:
    found = places()
    assert len(found) > 1000
    assert ("message", "text") in found
    assert ("message", "rich_message", "blocks", 0, "text") in found
    assert ("callback_query", "message", "chat", "id") in [(*path,) for path in found] or (
        "message",
        "chat",
        "id",
    ) in found


def test_a_seed_gives_the_same_updates_again() -> None:
    def forged() -> list[str]:
        forge = Forge(Cast((1, 2), -5, (3,), 4, ("key",)), recorded(), random.Random(SEED))
        return [json.dumps(forge.update()) for _ in range(500)]

    assert forged() == forged()


@pytest.mark.sweep
async def test_hostile_updates_by_polling_cost_nobody_else_anything(stage: Stage) -> None:
    """P8, F50, T8, T12, T16."""
    await stage.start()
    report = await Campaign(stage, SEED, COUNT).run()
    assert not report.wrong, str(report)
    assert report.outcomes["dead"] > COUNT / 20
    assert report.outcomes["answered"] > COUNT / 20


@pytest.mark.sweep
async def test_hostile_updates_by_webhook_cost_nobody_else_anything(stage: Stage) -> None:
    """P8, P27, F62, T7."""
    report = await (await hooked(stage, SEED + 1, COUNT)).run()
    assert not report.wrong, str(report)
    assert set(report.statuses) == {200, 400}


@pytest.mark.parametrize(
    ("name", "level", "line", "heard"),
    [
        ("bot.conversation.assistant", logging.DEBUG, f"asked {WORD}", True),
        ("aiohttp", logging.INFO, f"got {WORD}", True),
        ("aiohttp", logging.DEBUG, "POST /bot42:hush/getMe", True),
        ("bot.conversation.assistant", logging.ERROR, "something broke", True),
        ("bot.conversation.assistant", logging.WARNING, "an update is set aside", False),
    ],
)
def test_the_judge_hears_what_must_not_be_logged(name: str, level: int, line: str, heard: bool) -> None:
    ear = Ear(["hush"])
    ear.handle(logging.LogRecord(name, level, __file__, 1, line, (), None))
    assert bool(ear.heard) is heard


async def test_the_judge_sees_a_canary_that_is_answered_wrongly(stage: Stage) -> None:
    await stage.start()
    campaign = Campaign(stage, SEED, 0)
    stage.telegram.say(BORIS, "canary 1")
    await stage.texts(1, BORIS)
    assert "canaries" in "".join((await campaign.run()).wrong)


async def test_the_judge_sees_an_answer_to_nobody(stage: Stage) -> None:
    await stage.start()
    campaign = Campaign(stage, SEED, 0)
    await stage.ask("hello", SILENT[0])
    assert "an answer to nobody" in "".join((await campaign.run()).wrong)
