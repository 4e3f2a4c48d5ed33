"""Cases are asked again before a change: what has become worse is said, and nothing of it is seen in a chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runtime.optional.evaluation import Beside
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
