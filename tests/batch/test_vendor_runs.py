"""A file of questions is answered as one batch run of AI Studio's; on the sandbox's, over gRPC."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from bot.batch.vendor.opening import open_transfers, open_vendor
from bot.batch.vendor.uploads import SIZES, Sizes
from bot.batch.vendor_cleanup import LAG, tidy_all
from bot.batch.vendor_runner import VendorRunner, least_cost
from bot.cli import batch
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.runtime.optional.batch_watch import PAUSE, BatchWatch
from bot.sandbox.ai_studio.grpc.server import GrpcServer
from bot.sandbox.ai_studio.server import Studio
from bot.storage.store import Store
from bot.storage.tables.batch import NEWEST_RUN, VendorStep
from bot.types import Address
from tests.batch.test_runs import BOT, World
from tests.support.virtual import VirtualClock

pytestmark = pytest.mark.disk
MODEL = "gemma-3-27b-it"
ROWS = [{"id": number, "question": f"Question {number}?"} for number in range(7)]


@dataclass
class VendorWorld(World):
    """A command line, and the sandbox's AI Studio with its gRPC server."""

    server: GrpcServer = None  # type: ignore[assignment]

    async def begin(self, *rows: dict[str, Any]) -> int:
        """Plan a run of the mode batch; returns its number."""
        return await batch.begin(self.workspace, self.file(*(rows or ROWS)), MODEL, "batch", {}, Decimal(0))

    async def work(self, number: int = 1, *, sizes: Sizes = SIZES) -> None:
        """Work on a run with a runner of its own, with another limit for uploads in parts."""
        async with open_vendor(self.settings, self.http, self.store.clock) as vendor:
            runner = VendorRunner(
                store=self.store, vendor=vendor, transfers=open_transfers(self.http, self.store.clock),
                model=self.service.batch_uri(MODEL), profile=self.service.text(MODEL).profile, sizes=sizes,
            )  # fmt: skip
            assert await runner.work(await self.run(number))

    async def step(self, number: int = 1) -> VendorStep:
        found = await self.store.read(lambda tx: tx.one(VendorStep, run=number))
        assert found is not None
        return found

    @property
    def datasets(self) -> list[str]:
        """The names of the datasets at the service."""
        return [one.info.name for one in self.server.datasets.all.values()]

    @property
    def paid(self) -> int:
        return self.server.runs.paid.total()


@pytest.fixture
async def world(tmp_path: Path, template: Path) -> AsyncIterator[VendorWorld]:
    clock = VirtualClock()
    studio = Studio(clock=clock, quotas=False)
    studio.access.serve("2025", "today")
    await studio.start()
    server = await studio.start_grpc()
    database = shutil.copy(template, tmp_path / "bot.db")
    try:
        async with Http() as http, Store.open(f"sqlite+aiosqlite:///{database}", clock) as store:
            given: dict[str, Any] = studio.settings()
            settings = Settings(_env_file=None, **given)
            service = YandexStudio(settings=settings, http=http, clock=clock, random=Random(1))
            (tmp_path / "files").mkdir()
            yield VendorWorld(studio, store, service, http, settings, tmp_path / "files", server=server)
    finally:
        await studio.close()


async def test_a_run_comes_back_with_each_answer_at_its_question_and_leaves_nothing(world: VendorWorld) -> None:
    world.server.faults.switch("shuffled")
    await world.ask(world.file(*ROWS, *ROWS), "batch", model=MODEL, system="Be brief.", max_tokens=100)
    rows = await world.rows()
    assert [row["question"] in row["answer"] for row in rows] == [True] * 14
    assert (world.paid, world.datasets) == (1, [])
    assert world.said[0].startswith(
        "Run 1: 14 rows, 7 different requests, gemma-3-27b-it, batch (as ordered); about 80.00"
    )
    least = least_cost(world.service.text(MODEL).profile)
    assert await world.spent() == least == (await world.run()).estimate
    assert world.server.seen("TextGenerationBatchService.Completion")[0].body["completionOptions"]["maxTokens"] == "100"
    states = [line.strip() for line in world.said if line.startswith("  ")]
    assert [line for line in states if "pending" in line]
    await batch.forget_run(world.workspace, 1)


@pytest.mark.parametrize(
    ("fault", "ends", "odd"),
    [
        ("missing", {"stop": 5, "missing": 2}, "2 missing"),
        ("failed_rows", {"stop": 5, "failed": 2}, ""),
        ("doubled", {"stop": 7}, "2 doubled"),
        ("unknown", {"stop": 7}, "1 unknown"),
        ("column", {"stop": 7}, ""),
    ],
)
async def test_what_is_odd_about_a_result_is_said_and_what_is_missing_is_asked_again(
    world: VendorWorld, fault: Any, ends: dict[str, int], odd: str
) -> None:
    world.server.faults.switch(fault)
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    rows = await world.rows()
    assert {end: [row["finish"] for row in rows].count(end) for end in ends} == ends
    assert (await world.run()).reason == odd
    assert all(row["question"] in row["answer"] for row in rows if row["finish"] == "stop")
    if "stop" in ends and ends["stop"] < 7:
        world.server.faults.switch(fault, on=False)
        await batch.retry_run(world.workspace, 1)
        assert [row["finish"] for row in await world.rows()] == ["stop"] * 7
        assert world.paid == 2
        assert [seen.body["sizeBytes"] for seen in world.server.seen("DatasetService.GetUploadDraftUrl")][1] < "200"
        assert world.datasets == []


async def test_a_dataset_that_is_invalid_names_the_lines_of_the_users_file(world: VendorWorld) -> None:
    pair = [{"role": "assistant", "text": "x"}, {"role": "user", "text": "y"}]
    late = [*pair, {"role": "system", "text": "late"}, {"role": "user", "text": "y"}]
    path = world.folder / "asked.jsonl"
    world.file({"messages": pair}, {"messages": pair}, {"messages": late})
    await world.ask(path, "batch", model=MODEL)
    run = await world.run()
    assert run.state == "stopped"
    assert run.reason.startswith("the service does not take asked.jsonl: line 3: only the first message")
    assert (world.paid, world.datasets, await world.spent()) == (0, [], 0)


async def test_large_files_go_in_parts_and_a_lost_part_is_sent_again(world: VendorWorld) -> None:
    world.studio.storage.smallest_part = 1
    await world.begin()
    world.studio.storage.failures = [503, 503]
    await world.work(sizes=Sizes(100, 100))
    assert len(await world.rows()) == 7
    parts = [key.rpartition("/")[2] for key in world.studio.storage.uploads]
    assert parts == [str(number) for number in range(1, len(parts) + 1)]
    assert len(parts) > 3


async def test_an_upload_goes_on_with_the_part_that_was_missing(world: VendorWorld) -> None:
    world.studio.storage.smallest_part = 1
    await world.begin()
    real, sent = world.store.write_until_stored, 0

    async def write(work: Any) -> Any:
        nonlocal sent
        done = await real(work)
        sent = len(world.studio.storage.uploads)
        if sent == 2:
            raise KeyError("killed")
        return done

    world.store.write_until_stored = write  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        await world.work(sizes=Sizes(100, 100))
    world.store.write_until_stored = real  # type: ignore[method-assign]
    await world.work(sizes=Sizes(100, 100))
    keys = world.studio.storage.uploads
    assert len(keys) == len(set(keys)) > 3
    assert len(await world.rows()) == 7


async def test_addresses_that_have_expired_are_asked_for_again(world: VendorWorld) -> None:
    await world.begin()
    world.studio.storage.failures = [403, 500, 500]
    await world.work()
    assert (len(await world.rows()), world.paid) == (7, 1)


async def test_the_paid_call_is_not_repeated_before_the_list_can_show_what_came_of_it(world: VendorWorld) -> None:
    world.server.faults.list_lag = 100.0
    for status, applied, calls in (
        ("DEADLINE_EXCEEDED", True, 1),
        ("UNAVAILABLE", False, 2),
        ("UNAUTHENTICATED", True, 1),
    ):
        number = await world.begin({"question": f"{status}?"})
        world.server.faults.fail_next("TextGenerationBatchService.Completion", status, applied=applied)  # type: ignore[arg-type]
        world.server.faults.fail_next("BatchInferenceService.List", times=4)
        before, asked = world.paid, len(world.server.seen("TextGenerationBatchService.Completion"))
        await world.work(number)
        assert world.paid - before == 1
        seen = world.server.seen("TextGenerationBatchService.Completion")[asked:]
        assert len(seen) == calls
        assert calls == 1 or seen[1].at - seen[0].at > LAG - 1
        assert [row["finish"] for row in await world.rows(number)] == ["stop"]


async def test_a_quota_that_is_used_up_for_an_hour_is_waited_for(world: VendorWorld) -> None:
    world.server.faults.fail_next("TextGenerationBatchService.Completion", "RESOURCE_EXHAUSTED", times=12)
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    assert [row["finish"] for row in await world.rows()] == ["stop"] * 7
    assert world.paid == 1
    assert any("RESOURCE_EXHAUSTED" in line for line in world.said)


async def test_a_run_of_a_status_that_nobody_knows_is_shown_and_waited_for(world: VendorWorld) -> None:
    world.server.faults.switch("new_status")
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    assert (await world.run()).state == "done"
    assert any("unknown at the service" in line for line in world.said)


async def test_a_run_that_fails_at_the_service_is_booked_and_can_be_asked_again(world: VendorWorld) -> None:
    world.server.faults.switch("fails")
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    assert (await world.run()).state == "stopped"
    assert "the run has failed at the service" in (await world.run()).reason
    least = least_cost(world.service.text(MODEL).profile)
    assert await world.spent() == least
    world.server.faults.switch("fails", on=False)
    await batch.retry_run(world.workspace, 1)
    assert [row["finish"] for row in await world.rows()] == ["stop"] * 7
    assert (await world.spent(), world.datasets) == (2 * least, [])


async def test_a_run_is_canceled_at_the_service_too(world: VendorWorld) -> None:
    await world.begin()
    world.server.faults.switch("stays_pending")
    clock, real = world.store.clock, world.store.clock.sleep
    begun = clock.monotonic()

    async def sleep(seconds: float) -> None:
        if clock.monotonic() > begun + 3_600 and (await world.run()).state == "running":
            await batch.cancel_run(world.workspace, 1)
        await real(seconds)

    clock.sleep = sleep  # type: ignore[method-assign]
    await batch.go_on(world.workspace, 1)
    assert (await world.run()).state == "canceled"
    assert world.said[-1].startswith(f"Run 1: canceled, {MODEL}, batch; 7 missing; 0 tokens")
    async with open_vendor(world.settings, world.http, clock) as vendor:
        await tidy_all(world.store, vendor, BOT)
        assert [one.status for one in await vendor.list_runs()] == ["canceled"]
    assert (world.datasets, await world.spent()) == ([], 0)


async def test_a_dataset_that_somebody_removes_is_made_again(world: VendorWorld) -> None:
    await world.begin()
    real = world.store.clock.sleep

    async def sleep(seconds: float) -> None:
        if (await world.step()).state == "validating" and (await world.step()).attempt == 1:
            world.server.datasets.all.clear()
        await real(seconds)

    world.store.clock.sleep = sleep  # type: ignore[method-assign]
    await world.work()
    assert [row["finish"] for row in await world.rows()] == ["stop"] * 7
    assert ((await world.step()).attempt, world.paid) == (2, 1)


async def test_the_cheapest_mode_is_chosen_and_said(world: VendorWorld) -> None:
    path = world.file(*ROWS)
    for share, mode, why in (
        ("1", "sync", "a batch run would cost at least 80.00 RUB"),
        ("0", "batch", "the cheapest, 0.00 RUB"),
    ):
        rows = [{"name": MODEL, "batch_share": share}]
        world.settings = Settings(_env_file=None, **{**world.studio.settings(), "models": rows})  # type: ignore[arg-type]
        world.service = YandexStudio(
            settings=world.settings, http=world.http, clock=world.store.clock, random=Random(1)
        )
        world.said.clear()
        await world.ask(path, "auto", model=MODEL)
        assert f"{mode} (" in world.said[0]
        assert why in world.said[0]


async def test_models_without_batch_runs_are_refused_before_anything_is_planned(world: VendorWorld) -> None:
    with pytest.raises(BadInput, match="half the price by --mode async"):
        await world.ask(world.file(*ROWS), "batch")
    with pytest.raises(BadInput, match=r"no model .qwen-that-is-none. .* govorun models list"):
        await world.ask(world.file(*ROWS), "batch", model="qwen-that-is-none")
    with pytest.raises(BadInput, match=r"only batch runs take .qwen2\.5-7b-instruct.: --mode batch"):
        await world.ask(world.file(*ROWS), "auto", model="qwen2.5-7b-instruct")
    assert await world.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT)) == []


async def test_a_model_that_is_only_for_batch_runs_is_taken_by_one(world: VendorWorld) -> None:
    assert "qwen2.5-7b-instruct" not in str(await world.service.list_models())
    await world.ask(world.file(*ROWS), "batch", model="qwen2.5-7b-instruct")
    assert [row["finish"] for row in await world.rows()] == ["stop"] * 7


async def test_drafts_of_ours_that_nobody_knows_are_removed_after_a_day(world: VendorWorld) -> None:
    async with open_vendor(world.settings, world.http, world.store.clock) as vendor:
        for name, labels in (("govorun-1a-1", {"govorun_run": "1a"}), ("govorun-2b-1", {}), ("mine", {})):
            await vendor.create_dataset(name, "TextToTextGenerationRequest", labels)
        await tidy_all(world.store, vendor, BOT)
        assert len(world.datasets) == 3
        await world.store.clock.sleep(86_401)
        await tidy_all(world.store, vendor, BOT)
    assert world.datasets == ["govorun-2b-1", "mine"]


async def test_the_running_bot_goes_on_with_a_run_and_tells_the_admins_once(world: VendorWorld) -> None:
    delivered: list[int] = []
    number = await world.begin()
    bot = BatchWatch(
        store=world.store, bot=BOT, settings=world.settings, http=world.http, studio=world.service,
        admins=lambda: [7, 8], deliver=lambda _, places: delivered.extend(place.chat for place in places),
    )  # fmt: skip
    for _ in range(20):
        await bot.look()
        await world.store.clock.sleep(PAUSE)
    assert ((await world.run(number)).state, world.paid, delivered) == ("done", 1, [7, 8])
    where = Address("telegram", BOT, 7)
    told = await world.store.read(lambda tx: tx.outbox.next_unsent(where))
    assert told is not None
    assert told.outgoing.text.startswith(f"Batch run {number} (asked.jsonl, {MODEL}) is done: 7 of 7 requests")


async def test_pictures_are_asked_about_and_each_answer_is_at_its_picture(world: VendorWorld) -> None:
    rows = []
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (8 + number, 8), colour).save(world.folder / f"{colour}.png")
        rows.append({"question": "What size is it?", "photo": f"{colour}.png"})
    rows.append({"question": "And without one?", "photo": ""})
    path = world.file(*rows)
    world.server.faults.switch("shuffled")
    for mode in ("batch", "sync"):
        await world.ask(path, mode, model=MODEL, images="photo")
    found = [[row["answer"] for row in await world.rows(number)] for number in (1, 2)]
    for answers in found:
        assert [re.findall(r"\d+ ?[x×] ?8", answer) != [] for answer in answers] == [True, True, True, False], answers
        assert [f"{8 + number}" in answer for number, answer in enumerate(answers[:3])] == [True] * 3
    assert world.server.seen("DatasetService.Create")[0].body["taskType"] == "ImageTextToTextGenerationRequest"
    with pytest.raises(BadInput, match="sees no pictures"):
        await world.ask(path, "sync", images="photo")
    (world.folder / "red.png").write_text("none")
    with pytest.raises(BadInput, match=r"line 1: red.png is no JPEG, PNG, GIF or WebP"):
        await world.ask(path, "sync", model=MODEL, images="photo")
