"""A file of questions is asked, paid once, and comes back with its answers; on the sandbox's AI Studio."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.cli import batch
from bot.cli.batch import find_run
from bot.config.settings import Settings
from bot.errors import BadInput, LimitReached
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.runtime.opening import Workspace
from bot.sandbox.ai_studio.server import Studio
from bot.storage.store import Store
from bot.storage.tables.batch import NEWEST_RUN, BatchRun
from tests.support.virtual import VirtualClock
from tests.support.workspace import workspace

pytestmark = pytest.mark.disk
BOT = 42


@dataclass
class World:
    """A command line with a database and the sandbox's AI Studio. `said` are the lines that it has printed."""

    studio: Studio
    store: Store
    service: YandexStudio
    http: Http
    settings: Settings
    folder: Path
    agrees: bool = True
    said: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        return workspace(
            self.store, BOT, self.said.append, self.agree, settings=self.settings, http=self.http, studio=self.service
        )

    def agree(self, question: str) -> bool:
        self.questions.append(question)
        return self.agrees

    def file(self, *rows: dict[str, Any], name: str = "asked.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return path

    async def ask(
        self, path: Path, mode: str = "sync", *, model: str = "", most_cost: str = "0", **options: Any
    ) -> None:
        if number := await batch.begin(self.workspace, path, model, mode, options, Decimal(most_cost)):
            await batch.go_on(self.workspace, number)

    async def run(self, number: int = 1) -> BatchRun:
        return await find_run(self.workspace, number)

    async def rows(self, number: int = 1) -> list[dict[str, Any]]:
        to = self.folder / f"answers-{len(list(self.folder.iterdir()))}.jsonl"
        await batch.fetch_answers(self.workspace, number, to)
        return [json.loads(line) for line in to.read_text().splitlines()]

    def asked(self, endpoint: str = "completion") -> list[str]:
        return [str(seen.body["messages"][-1]["text"]) for seen in self.studio.seen(endpoint)]

    async def spent(self) -> int:
        return sum(line.cost for line in await self.store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0.0)))


@pytest.fixture
async def world(tmp_path: Path, template: Path) -> AsyncIterator[World]:
    clock, studio = VirtualClock(), Studio(quotas=False)
    await studio.start()
    database = shutil.copy(template, tmp_path / "bot.db")
    try:
        async with Http() as http, Store.open(f"sqlite+aiosqlite:///{database}", clock) as store:
            given: dict[str, Any] = studio.settings()
            settings = Settings(_env_file=None, **given)
            service = YandexStudio(settings=settings, http=http, clock=clock, random=Random(1))
            (tmp_path / "files").mkdir()
            yield World(studio, store, service, http, settings, tmp_path / "files")
    finally:
        await studio.close()


async def test_each_row_comes_back_with_its_answer_and_its_own_columns(world: World) -> None:
    await world.ask(world.file({"id": 1, "question": "One?"}, {"id": 2, "question": "Two?"}), system="Be brief.")
    rows = await world.rows()
    assert [(row["id"], row["question"], row["finish"]) for row in rows] == [(1, "One?", "stop"), (2, "Two?", "stop")]
    assert all("One?" in rows[0]["answer"] and row["error"] == "" for row in rows)
    assert world.studio.seen("completion")[0].body["messages"][0] == {"role": "system", "text": "Be brief."}
    assert world.said[0].startswith("Run 1: 2 rows, 2 different requests, yandexgpt")
    assert world.questions == ["Go on?"]


async def test_an_equal_question_is_paid_once_and_answers_every_row(world: World) -> None:
    await world.ask(world.file(*({"id": number, "question": "The same?"} for number in range(50))))
    assert world.asked() == ["The same?"]
    assert len({row["answer"] for row in await world.rows()}) == 1
    assert world.said[-1].startswith(str(world.folder))
    assert "50 rows (50 answered)" in world.said[-1]


async def test_many_equal_rows_are_one_request_and_one_answer(world: World) -> None:
    path = world.folder / "equal.jsonl"
    path.write_text('{"question": "The same?"}\n' * 20_000)
    await world.ask(path)
    assert world.asked() == ["The same?"]
    assert world.said[0].startswith("Run 1: 20,000 rows, 1 different requests")
    to = world.folder / "answers.csv"
    await batch.fetch_answers(world.workspace, 1, to)
    with to.open(encoding="utf-8-sig", newline="") as file:
        assert {(row["question"], row["finish"]) for row in csv.DictReader(file)} == {("The same?", "stop")}
    assert world.said[-1].endswith("20,000 rows (20,000 answered)")


async def test_files_that_are_too_large_are_refused_at_once(world: World) -> None:
    for name, size, complaint in (
        ("six.csv", 6 << 30, "six.csv has 6.0 GB, and may have 5: split it"),
        ("five.csv", 5 << 30, "five.csv, line 1: longer than 8,000,000 bytes"),
        ("five.jsonl", 5 << 30, "five.jsonl, line 1: longer than 8,000,000 bytes"),
    ):
        with (world.folder / name).open("wb") as file:
            file.truncate(size)
        with pytest.raises(BadInput) as caught:
            await world.ask(world.folder / name)
        assert str(caught.value) == complaint
    assert await world.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT)) == []


async def test_what_it_costs_is_said_before_and_booked_after(world: World) -> None:
    world.agrees = False
    path = world.file({"question": "One?"})
    await world.ask(path)
    assert world.asked() == []
    assert world.said[-1] == "Nothing was asked."
    assert await world.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT)) == []
    world.agrees = True
    await world.ask(path)
    run = await world.run(1)
    assert 0 < await world.spent() <= run.estimate


async def test_the_asynchronous_mode_costs_half_and_is_chosen_by_itself(world: World) -> None:
    path = world.file({"question": "One?"}, {"question": "Two?"})
    await world.ask(path)
    at_once = await world.spent()
    await world.ask(path, "auto")
    assert sorted(world.asked("completionAsync")) == ["One?", "Two?"]
    assert any("async (half the price, later)" in line for line in world.said)
    later = await world.spent() - at_once
    assert 0.45 < later / at_once < 0.55
    assert [row["question"] for row in await world.rows(2)] == ["One?", "Two?"]


async def test_a_run_that_may_cost_too_much_asks_nothing(world: World) -> None:
    with pytest.raises(BadInput, match=r"more than --most-cost 0\.001"):
        await world.ask(world.file({"question": "One?"}), most_cost="0.001")
    assert world.asked() == []


async def test_the_budget_of_the_bot_holds_on_the_command_line_too(world: World) -> None:
    world.settings = world.settings.model_copy(update={"daily_money": Decimal("0.01")})
    with pytest.raises(LimitReached):
        await world.ask(world.file(*({"question": f"Question {number}?"} for number in range(20))))
    assert world.asked() == []
    assert await world.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT)) == []


async def test_what_was_held_back_is_settled_by_what_came(world: World) -> None:
    world.settings = world.settings.model_copy(update={"daily_money": Decimal(1000)})
    await world.ask(world.file({"question": "One?"}))
    where = BOT
    spent = await world.store.read(lambda tx: tx.budgets.read_spent("money", where, "bot", 0, month=False))
    assert spent == await world.spent()


async def test_a_request_that_is_refused_does_not_end_the_others(world: World) -> None:
    world.studio.fail_next("completion", status=400)
    await world.ask(world.file({"question": "One?"}, {"question": "Two?"}))
    rows = await world.rows()
    assert sorted(row["finish"] for row in rows) == ["refused", "stop"]
    assert [bool(row["error"]) for row in rows] == [row["finish"] == "refused" for row in rows]
    await batch.retry_run(world.workspace, 1)
    assert [row["finish"] for row in await world.rows()] == ["stop", "stop"]


async def test_a_service_that_is_away_for_an_hour_is_waited_for(world: World) -> None:
    world.studio.fail_next("completion", status=503, times=12)
    await world.ask(world.file({"question": "One?"}))
    assert [row["finish"] for row in await world.rows()] == ["stop"]


async def test_a_key_that_is_refused_stops_the_run_and_it_goes_on_with_a_good_one(world: World) -> None:
    path = world.file({"question": "One?"}, {"question": "Two?"})
    world.studio.fail_next("completion", status=401, times=2)
    await world.ask(path)
    assert (await world.run()).state == "stopped"
    assert "refuses the key" in world.said[-1]
    await batch.retry_run(world.workspace, 1)
    assert [row["finish"] for row in await world.rows()] == ["stop", "stop"]


async def test_answers_are_fetched_as_a_table_and_nothing_is_written_over(world: World) -> None:
    path = world.folder / "asked.csv"
    path.write_text("id;answer;question\n1;old;One?\n")
    await world.ask(path)
    to = world.folder / "answers.csv"
    await batch.fetch_answers(world.workspace, 1, to)
    with to.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["answer"], row["finish"]) == ("1", "old", "stop")
    assert "One?" in row["new_answer"]
    with pytest.raises(BadInput, match="is there already"):
        await batch.fetch_answers(world.workspace, 1, to)
    with pytest.raises(BadInput, match=r"\.jsonl, \.csv or \.parquet is expected"):
        await batch.fetch_answers(world.workspace, 1, world.folder / "answers.xlsx")
    assert sorted(one.name for one in world.folder.iterdir()) == ["answers.csv", "asked.csv"]


async def test_rows_that_differ_in_their_columns_come_back_as_json_lines_and_in_a_table_as_far_as_they_fit(
    world: World,
) -> None:
    await world.ask(world.file({"question": "One?", "id": 1}, {"id": 2, "more": "x", "question": "Two?"}))
    assert [row.get("more") for row in await world.rows()] == [None, "x"]
    for name in ("answers.csv", "answers.parquet"):
        with pytest.raises(BadInput, match=r"the rows differ in their columns.*fetch them as \.jsonl"):
            await batch.fetch_answers(world.workspace, 1, world.folder / name)
        assert not (world.folder / name).exists()


async def test_a_file_that_has_changed_is_said_and_the_answers_can_be_had_without_it(world: World) -> None:
    path = world.file({"id": 1, "question": "One?"})
    await world.ask(path)
    world.file({"id": 1, "question": "Other?"})
    with pytest.raises(BadInput, match="has changed since it was asked"):
        await world.rows()
    path.unlink()
    with pytest.raises(BadInput, match="is gone"):
        await world.rows()
    to = world.folder / "bare.jsonl"
    await batch.fetch_answers(world.workspace, 1, to, bare=True)
    (row,) = map(json.loads, to.read_text().splitlines())
    assert row["request"] == [{"role": "user", "text": "One?"}]
    assert "One?" in row["answer"]


async def test_a_run_is_canceled_listed_and_forgotten(world: World) -> None:
    await world.ask(world.file({"question": "One?"}))
    with pytest.raises(BadInput, match="has ended already: done"):
        await batch.cancel_run(world.workspace, 1)
    await batch.list_runs(world.workspace)
    assert "done" in world.said[-1]
    await batch.forget_run(world.workspace, 1)
    assert world.said[-1] == "Run 1 is deleted."
    with pytest.raises(BadInput, match="there is no run 1"):
        await batch.show(world.workspace, 1)


async def test_a_file_without_rows_and_unknown_modes_are_refused(world: World) -> None:
    with pytest.raises(BadInput, match="has no rows"):
        await world.ask(world.file())
    with pytest.raises(BadInput, match="auto, sync, async or batch"):
        await world.ask(world.file({"question": "x"}), "fast")
    assert await world.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT)) == []
