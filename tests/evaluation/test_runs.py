"""Cases are asked again before a change: what has become worse is said, and nothing of it is seen in a chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ModelUnavailable
from bot.runtime.optional.evaluation import Beside
from bot.sandbox.ai_studio.services.embeddings import TunedClassifier
from tests.support.evaluating import cases_file, evaluated
from tests.support.known import handbook, known
from tests.support.stage import Stage
from tests.support.telegram_side import rows

CASES = """
[[case]]
question = "За сколько дней можно вернуть товар?"
must_contain = "14 дней"
must_cite = "Возврат"

[[case]]
question = "Are laptops repaired for free?"
must_contain = "one year"
must_not = "two years"

[[case]]
question = "Which capital does Australia have?"
must_refuse = true
"""
RETURN = {"text": "send it back", "label": "returns"}
TABLES = ("messages", "conversations", "deliveries", "updates", "kb_gaps", "jobs", "reservations")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return handbook(tmp_path)


def counts(stage: Stage) -> list[int]:
    return [rows(stage, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]


async def test_a_run_says_what_holds_and_leaves_no_trace_in_chats(stage: Stage, docs: Path, tmp_path: Path) -> None:
    bot = await known(stage, docs)
    how, before = Beside(folder=cases_file(tmp_path, CASES)), counts(stage)
    calls = len(stage.telegram.transcript(1001))
    printed = await evaluated(stage, bot, how)
    assert printed.is_fine
    assert printed.lines[0] == "3 cases (3 file), free of charge."
    assert printed.lines[1].startswith("3 cases: 3 right; cost 0.00 RUB")
    assert counts(stage) == before
    assert len(stage.telegram.transcript(1001)) == calls


ROUTING = """[topic.returns]
title = "Returns"
examples = ["send it back", "return it", "does not fit"]

[topic.delivery]
title = "Delivery"
examples = ["where is my parcel", "when does it come", "the courier is late"]

[routing]
other = "returns"
classifier = "tuned"
tuned = "cls://b1gsandbox0000000000/yandexgpt-lite/latest@mine"
"""


async def test_every_topic_is_told_by_the_classifier_though_it_takes_one_text_a_second(
    stage: Stage, tmp_path: Path
) -> None:
    samples = [{"text": f"word{n} return it", "label": "delivery"} for n in range(8)]
    stage.studio.embeddings.tuned["mine"] = TunedClassifier(("returns", "delivery"), [*samples, RETURN])
    file = tmp_path / "routing.toml"
    file.write_text(ROUTING, "utf-8")
    cases = "".join(f'[[case]]\nquestion = "{one["text"]}"\ntopic = "delivery"\n' for one in samples)
    folder = cases_file(tmp_path, cases)
    bot = await stage.start(owners=[1001], routing=file, embeddings="yandex", knowledge="off")
    stage.studio.fail_next("textEmbedding", times=30, status=500)  # not even the examples can be learned at first
    found = await evaluated(stage, bot, Beside(folder=folder, only=frozenset({"file"})))
    assert found.lines[1].startswith("8 cases: 8 right"), found.text
    assert len(stage.studio.seen("textClassification")) == 8
    stage.studio.fail_next("textEmbedding", times=10_000, status=500)
    with pytest.raises(ModelUnavailable, match="the examples of topics can't be learned now"):
        await evaluated(stage, bot, Beside(folder=folder))
