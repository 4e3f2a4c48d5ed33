"""A user is told a short code; `govorun log CODE` tells the operator what it stands for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bot.dispatch.questions import Questions
from bot.errors import BotError, ConfigError, HookFailed, ModelDenied, ModelError, StreamCut
from bot.extension.hooks import Hooks
from bot.telemetry import incidents
from bot.telemetry.incidents import IncidentLog, explain, path_beside, read_incidents
from bot.texts import added
from bot.tools.tool import ToolContext
from bot.types import Address
from tests.cli.test_cli import govorun
from tests.support.stage import Stage
from tests.support.virtual import VirtualClock


def _failure(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


@pytest.fixture
def book(tmp_path: Path) -> IncidentLog:
    return IncidentLog(VirtualClock(), tmp_path / "journal.jsonl")


def test_a_failure_is_found_by_its_code_and_explained(book: IncidentLog) -> None:
    code = book.record(_failure(ModelDenied("the key AQVNsecret of Anna", trace="abc-1")), "77")
    assert book.path is not None
    (entry,) = read_incidents(book.path)
    text = "\n".join(explain(entry))
    assert entry.code == code
    assert re.fullmatch(r"[0-9a-f]{6}", code)
    for part in (code, "ModelDenied", "turn 77", "ai.languageModels.user", "abc-1"):
        assert part in text
    assert "AQVN" not in book.path.read_text()
    assert "Anna" not in book.path.read_text()


def test_a_narrower_error_has_the_advice_of_its_own(book: IncidentLog) -> None:
    assert book.path is not None
    book.record(_failure(StreamCut()))
    with pytest.raises(ConfigError) as raised:
        added.read({"de": {"question": "x"}})
    book.record(raised.value.with_traceback(raised.tb.tb_next))
    cut, defect = read_incidents(book.path)
    assert "broke off" in explain(cut)[2]
    assert re.fullmatch(r"Where:  bot/texts/added.py:\d+ in read", explain(defect)[1])
    assert "defect" in explain(defect)[2]
    assert "question" not in book.path.read_text()


async def test_an_error_of_a_function_around_the_model_names_its_line(book: IncidentLog) -> None:
    async def who_asks(asker: ToolContext) -> str:
        raise KeyError("nobody")

    with pytest.raises(HookFailed) as raised:
        await Hooks(instructions=[who_asks]).prepare(ToolContext(Address("telegram", 1, 1)), "Who am I?")
    book.record(raised.value)
    assert book.path is not None
    (entry,) = read_incidents(book.path)
    assert re.fullmatch(rf"{re.escape(__file__)}:\d+ in who_asks", entry.place)


def test_an_error_of_a_program_names_its_own_line_and_is_no_defect_of_govorun(book: IncidentLog) -> None:
    assert book.path is not None

    def parsed() -> None:
        json.loads("no JSON")  # a library raises it

    def asks() -> None:
        added.read({"de": {"question": "x"}})  # Govorun raises it

    for function in (parsed, asks):
        with pytest.raises(Exception) as raised:
            function()
        book.record(raised.value)
    library, called = map(explain, read_incidents(book.path))
    assert re.fullmatch(rf"Where:  {re.escape(__file__)}:\d+ in parsed", library[1])
    assert re.fullmatch(
        rf"Where:  {re.escape(__file__)}:\d+ in asks, which called bot/texts/added.py:\d+ in read", called[1]
    )
    assert library[2] == called[2] == "Cause:  an error in the program that was built on Govorun, or in what it called"
    assert "traceback" in library[3]


def test_every_error_of_a_model_has_advice() -> None:
    def below(kind: type[BotError]) -> list[type[BotError]]:
        return [kind, *(deeper for one in kind.__subclasses__() for deeper in below(one))]

    named = [kind for kind in below(ModelError)[1:] if kind.__module__ == ModelError.__module__]
    assert [kind for kind in named if kind.__name__ not in incidents.ADVICE] == []


def test_the_file_does_not_grow_for_ever(book: IncidentLog) -> None:
    """T40."""
    assert book.path is not None
    book.path.write_text("x" * (incidents.LARGEST + 1) + "\n")
    code = book.record(_failure(StreamCut()))
    assert book.path.stat().st_size < 1000
    assert [entry.code for entry in read_incidents(book.path)] == [code]


def test_a_disk_that_does_not_take_it_is_no_failure(tmp_path: Path) -> None:
    assert len(IncidentLog(VirtualClock(), tmp_path / "nowhere" / "journal.jsonl").record(_failure(StreamCut()))) == 6


@pytest.mark.process
async def test_the_command_explains_a_code(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/govorun.db"
    code = IncidentLog(VirtualClock(), path_beside(tmp_path / "govorun.db")).record(_failure(StreamCut()), "5")
    done = await govorun("log", code, cwd=tmp_path, DATABASE_URL=url)
    assert (done.code, "StreamCut" in done.out, "Next:" in done.out) == (0, True, True)
    listed = await govorun("log", cwd=tmp_path, DATABASE_URL=url)
    assert code in listed.out
    unknown = await govorun("log", "ffffff0", cwd=tmp_path, DATABASE_URL=url)
    assert (unknown.code, "there is no code" in unknown.err) == (2, True)
    feedback = await govorun("feedback", cwd=tmp_path, DATABASE_URL=url)
    assert (feedback.code, "no database" in feedback.err) == (2, True)


async def test_an_apology_for_a_defect_names_a_code_that_is_in_the_journal(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    monkeypatch.setattr(Questions, "_answer", None)  # a defect
    told = await stage.ask("hello")
    path = path_beside(Path(stage.settings.database_url.partition(":///")[2]))
    assert path is not None
    (entry,) = read_incidents(path)
    assert entry.code in told
    assert entry.kinds[0] == "TypeError"
    assert entry.place.startswith("bot/dispatch/questions.py:")
