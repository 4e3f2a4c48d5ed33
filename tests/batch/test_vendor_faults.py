"""What AI Studio may do to a batch run: quotas, silence for days, things that vanish, thousands of errors."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.batch.vendor.opening import open_vendor
from bot.batch.vendor.values import LineError, VendorRun
from bot.batch.vendor_cleanup import LAG, tidy_all
from bot.batch.vendor_files import describe_errors, store_answers, write_requests
from bot.batch.vendor_runner import least_cost
from bot.cli import batch
from bot.errors import BadInput
from bot.runtime.optional.batch_watch import PAUSE, BatchWatch
from bot.storage.tables.batch import VendorStep
from tests.batch.test_runs import BOT
from tests.batch.test_vendor_runs import MODEL, ROWS, VendorWorld, world
from tests.support.virtual import VirtualClock

pytestmark = pytest.mark.disk
__all__ = ["world"]
DAY, HOUR = 86_400.0, 3_600.0


def at_each_sleep(world: VendorWorld, act: Callable[[], Awaitable[None]]) -> None:
    """Do something whenever the run waits."""
    real = world.store.clock.sleep

    async def sleep(seconds: float) -> None:
        await act()
        await real(seconds)

    world.store.clock.sleep = sleep  # type: ignore[method-assign]


async def ended(world: VendorWorld) -> list[str]:
    """How the rows of the run have ended."""
    return [row["finish"] for row in await world.rows()]


def bot_of(world: VendorWorld) -> BatchWatch:
    """The running bot, as far as it looks after batch runs."""
    return BatchWatch(
        store=world.store, bot=BOT, settings=world.settings, http=world.http, studio=world.service,
        admins=lambda: [7], deliver=lambda _, places: None,
    )  # fmt: skip


async def watched(world: VendorWorld, pause: float = PAUSE) -> float:
    """Let the running bot go on with a run until it has ended; return how many seconds that took."""
    begun, bot = world.store.clock.monotonic(), bot_of(world)
    while (await world.run()).state == "running":
        await bot.look()
        await world.store.clock.sleep(pause)
    return world.store.clock.monotonic() - begun


@pytest.mark.parametrize(("used", "apart", "waits"), [(10, 0.0, HOUR), (100, HOUR / 10, DAY - 10 * HOUR)])
async def test_ten_runs_an_hour_and_a_hundred_a_day_are_waited_for(
    world: VendorWorld, used: int, apart: float, waits: float
) -> None:
    clock = world.store.clock
    assert isinstance(clock, VirtualClock)
    world.studio.quotas.enabled = True
    for _ in range(used):
        world.studio.quotas.take("batch")
        clock.now += apart
    await world.begin()
    assert waits <= await watched(world, 2 * PAUSE) < waits + 2 * HOUR
    assert await ended(world) == ["stop"] * 7
    assert world.paid == 1


async def test_a_run_that_stays_pending_for_three_days_is_waited_for(
    world: VendorWorld,
) -> None:
    world.server.faults.switch("stays_pending")
    begun = world.store.clock.monotonic()

    async def begin() -> None:
        if world.store.clock.monotonic() > begun + 3 * DAY:
            world.server.faults.switch("stays_pending", on=False)

    at_each_sleep(world, begin)
    await world.begin()
    assert 3 * DAY < await watched(world, HOUR / 2) < 3 * DAY + 3 * HOUR
    assert await ended(world) == ["stop"] * 7
    assert world.paid == 1


async def test_a_run_whose_result_could_not_be_read_is_not_begun(
    world: VendorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "grpc"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(BadInput, match=r"pip install 'govorun\[batch,parquet\]'"):
                await world.ask(world.file(*ROWS), "batch", model=MODEL)
            await world.ask(world.file(*ROWS), "auto", model=MODEL)
    assert world.paid == 0
    assert "sync (this model has no cheaper mode; a batch run needs the extras `batch` and `parquet`)" in world.said[0]


async def test_an_operation_that_is_forgotten_changes_nothing(world: VendorWorld) -> None:
    world.server.operations.kept["batch"] = 0.0
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    assert await ended(world) == ["stop"] * 7


async def test_addresses_that_expire_at_once_are_asked_for_until_they_are_good(world: VendorWorld) -> None:
    world.server.faults.switch("expired")
    begun = world.store.clock.monotonic()

    async def mend() -> None:
        if world.store.clock.monotonic() > begun + HOUR:
            world.server.faults.switch("expired", on=False)

    at_each_sleep(world, mend)
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    assert await ended(world) == ["stop"] * 7
    assert world.paid == 1
    assert any("the object storage answers 403 AccessDenied: Request has expired" in line for line in world.said)


@pytest.mark.parametrize("what", ["source", "result"])
async def test_what_somebody_removes_after_it_was_paid_is_said_and_booked(world: VendorWorld, what: str) -> None:
    async def remove() -> None:
        for task in (run.task for run in world.server.runs.all.values()):
            if task.status == task.IN_PROGRESS:
                gone = task.source_dataset_id if what == "source" else task.result_dataset_id
                world.server.datasets.all.pop(gone, None)

    at_each_sleep(world, remove)
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    run, least = await world.run(), least_cost(world.service.text(MODEL).profile)
    assert run.state == "stopped"
    words = {"source": "the run has failed at the service", "result": "the result was removed at the service"}
    assert run.reason.startswith(words[what])
    assert (world.paid, await world.spent(), world.datasets) == (1, least, [])


async def test_a_run_that_is_done_at_the_service_can_be_canceled_all_the_same(world: VendorWorld) -> None:
    async def cancel() -> None:
        found = next(iter(world.server.runs.all.values()), None)
        if found is not None and (await world.run()).state == "running":
            assert isinstance(world.store.clock, VirtualClock)
            world.store.clock.now += DAY
            await world.server.runs.advance()
            await batch.cancel_run(world.workspace, 1)

    at_each_sleep(world, cancel)
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    least = least_cost(world.service.text(MODEL).profile)
    assert ((await world.run()).state, world.paid, await world.spent()) == ("canceled", 1, least)
    await world.store.clock.sleep(LAG)
    async with open_vendor(world.settings, world.http, world.store.clock) as vendor:
        await tidy_all(world.store, vendor, BOT)
    assert world.datasets == []


async def test_ten_thousand_errors_are_told_in_one_line(world: VendorWorld) -> None:
    number = await world.begin(*ROWS)
    run, step = await world.run(number), await world.step(number)
    await world.store.write(
        lambda tx: tx.vendor_runs.mark_lines(
            number, [(one.hash, f"1:{one.place}") for one in tx.batches.iterate_requests(number)]
        )
    )
    for errors, words in (
        ([LineError("BAD", "no text", tuple(range(1, 10_001)))], "line 1, 2, 3, 4, 5, 6, 7 and 9,993 more: no text"),
        ([LineError(f"BAD{n}", "", (n,)) for n in range(1, 10_001)], "line 5: BAD5; and 9,995 more errors"),
    ):
        told = await describe_errors(world.store, run, step, errors)
        assert words in told
        assert len(told) <= 500


async def test_errors_of_ranges_of_lines_are_stored_once_for_each_line(world: VendorWorld) -> None:
    number = await world.begin(*ROWS)
    run, step = await world.run(number), await world.step(number)
    await write_requests(world.store, step, world.folder / "lines")
    errors = ((2, 2, "a word that is forbidden"), (2, 3, "a server is gone"), (6, 10**15, ""))
    task = VendorRun(id="", operation="", status="completed", dataset="", line_errors=errors)
    assert await store_answers(world.store, run, [], task, step) == "3 missing"
    rows = [row["error"] for row in await world.rows()]
    nothing = "the service has no answer to it"
    assert rows == ["", "a word that is forbidden", "a server is gone", "", "", nothing, nothing]


async def test_answers_that_were_cut_off_are_counted(world: VendorWorld) -> None:
    rows = [{"question": "Tell me of it at length"}, {"question": "Yes or no?"}, {"question": "As JSON"}]
    answers = {"Yes or no?": "Yes", "As JSON": '{"a": "' + "b " * 9 + '"}'}
    world.studio.answer(lambda messages: answers.get(str(messages[-1]["text"]), "a word and " * 50))
    await world.ask(world.file(*rows), "batch", model=MODEL, max_tokens=20)
    assert await ended(world) == ["length", "stop", "stop"]
    assert any("2 answered, 1 truncated" in line for line in world.said)
    assert any("3 rows (2 answered, 1 truncated)" in line for line in world.said)


async def test_what_is_missing_is_asked_again_without_what_has_failed(world: VendorWorld) -> None:
    world.server.faults.switch("missing")
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    await world.store.write(lambda tx: tx.change(tx.batches.page_requests(1)[0], state="failed", answer="why"))
    world.server.faults.switch("missing", on=False)
    await batch.retry_run(world.workspace, 1, missing=True)
    assert await ended(world) == ["failed", *["stop"] * 6]
    await batch.retry_run(world.workspace, 1, missing=True)
    assert world.said[-1] == "Nothing is missing in run 1."
    await batch.retry_run(world.workspace, 1)
    assert await ended(world) == ["stop"] * 7
    await batch.retry_run(world.workspace, 1)
    assert world.said[-1] == "Every request of this run is answered."
    assert world.paid == 3


async def test_the_longest_answer_goes_to_the_service_as_it_stands_in_the_estimate(world: VendorWorld) -> None:
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    sent = world.server.seen("TextGenerationBatchService.Completion")[0].body["completionOptions"]
    assert sent == {"maxTokens": str(world.settings.max_tokens)}


async def test_the_bot_writes_nothing_while_nothing_changes_and_removes_what_is_left(world: VendorWorld) -> None:
    await world.ask(world.file(*ROWS), "batch", model=MODEL)
    bot, writes, real = bot_of(world), 0, world.store.write

    async def write(work: Any, guard: Any = None) -> Any:
        nonlocal writes
        writes += 1
        return await real(work, guard)

    world.store.write = write  # type: ignore[method-assign]
    counts = []
    for _ in range(3):
        await bot.look()
        counts.append(writes)
        await world.store.clock.sleep(PAUSE)
    assert counts == [1, 1, 1]
    await real(lambda tx: tx.change_all(VendorStep, {"is_tidy": False}, run=1))
    step = await world.step()
    async with open_vendor(world.settings, world.http, world.store.clock) as vendor:
        await vendor.create_dataset(f"govorun-{step.token}-9", "TextToTextGenerationRequest", {})
    await bot.look()
    assert world.datasets == []
    await bot.look()
    assert writes == 2
