"""P34 with real deaths: batch runs whose process is killed with SIGKILL, each time at a few points."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises.crash.batch import ordeal, questions_of
from tests.support.by_turns import turn

pytestmark = pytest.mark.e2e


async def test_p34_a_batch_run_whose_process_is_killed_is_paid_once_and_has_every_answer(
    tmp_path: Path, template: Path
) -> None:
    cases = await ordeal(tmp_path, template, questions_of(20), runs=4, at_once=2, seed=turn(1_000))
    assert [str(case) for case in cases if case.faults] == []
    # A strike that lets a process go on before it kills it may meet the end of the run first.
    assert [str(case) for case in cases if not (case.kills or case.strike.later)] == []
