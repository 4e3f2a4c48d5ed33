"""What the desk keeps of a person goes with /forget: the case, the relays, the topic; operators read that it was so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.desk_side import desk_on
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

TABLES = ("desk_cases", "desk_relays", "desk_seats")


@pytest.mark.parametrize(("customer", "language"), [(ANNA, "en"), (BORIS, "ru")])
async def test_a_customer_who_is_forgotten_leaves_nothing_at_the_desk(
    stage: Stage, tmp_path: Path, customer: int, language: str
) -> None:
    desk = await desk_on(stage, tmp_path, language=language)
    await desk.called(customer)
    await desk.presses("desk.take", language=language)
    await desk.writes("my secret is 4711", customer)
    await desk.says("// he told a secret")
    topic = desk.topic
    await stage.ask("/forget", customer)
    await pressed(stage, say(language, "forget.yes"), chat=customer)
    await soon(stage, lambda: topic not in stage.telegram.state.chats[desk.group].topics or None)
    await soon(stage, lambda: say(language, "desk.erased") in stage.telegram.texts(desk.group) or None)
    assert [rows(stage, f"SELECT * FROM {table}") for table in TABLES] == [[], [], []]
    assert not rows(stage, "SELECT 1 FROM deliveries WHERE outgoing LIKE '%4711%'")
