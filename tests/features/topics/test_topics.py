"""Topics of questions in the bot: who answers, what is asked with two buttons, and what operators correct."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runtime.bot import Bot
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

FILE = """
[topic.returns]
title = { ru = "Возврат", en = "Returns" }
examples = [
  "I want to return my order", "return the order, money back", "how to return an order for money",
  "return my money for the order",
]
words = ["refund*", "возврат*"]
persona = "translator"

[topic.delivery]
title = { ru = "Доставка", en = "Delivery" }
examples = [
  "where is the parcel of the courier", "when will the courier bring the parcel", "the courier lost a parcel",
  "parcel by courier tomorrow",
]
words = ["Счёт"]

[topic.general]
title = { ru = "Прочее", en = "The rest" }

[routing]
other = "general"
"""
RETURNS, DELIVERY = "I want to return this order for money", "did the courier bring my parcel"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routing.toml"
    path.write_text(FILE)
    return path


async def opened(stage: Stage, file: Path, **settings: object) -> Bot:
    return await stage.start(owners=[ANNA], routing=file, **settings)


def chosen(stage: Stage) -> list[tuple[str, str]]:
    return rows(stage, "SELECT topic, way FROM topic_choices ORDER BY question_id")  # type: ignore[return-value]


async def test_smoke(stage: Stage, file: Path) -> None:
    await opened(stage, file)
    print(await stage.ask("refund please"), chosen(stage))
    print(stage.prompts()[-1][0])
    print(await stage.ask(DELIVERY, BORIS), chosen(stage))
    print(stage.prompts()[-1][0])
    print(await stage.ask("/context", ANNA), chosen(stage))
    for text in ("return the parcel", "courier order", "the order of the courier", "my order and the parcel"):
        print(text, repr(await stage.ask(text, BORIS+hash(text)%1000)), chosen(stage))
    print([ (m['text'], m.get('reply_markup')) for m in stage.telegram.transcript(ANNA)])
    assert 0
