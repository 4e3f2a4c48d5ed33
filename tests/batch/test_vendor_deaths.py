"""P34, the mode batch: a process dies at each of its writes, before or after the commit, and at each call of the
service, before they are made and after they took effect; meanwhile the service has each of its failures.

The run is paid once, each row has its own answer, and no dataset is left. The long form: `BATCH_STEP=1`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count, cycle
from typing import Any, TypeVar, cast

import pytest

from bot.batch.runner import LEASE
from bot.batch.vendor.opening import open_transfers, open_vendor
from bot.batch.vendor.studio import VendorStudio
from bot.batch.vendor_cleanup import tidy_all
from bot.batch.vendor_runner import VendorRunner, least_cost
from bot.cli import batch
from bot.storage.store import Store
from tests.batch.test_deaths import Death, MortalStore
from tests.batch.test_runs import BOT
from tests.batch.test_vendor_runs import MODEL, VendorWorld, world

pytestmark = [pytest.mark.disk, pytest.mark.sweep]
__all__ = ["world"]
T = TypeVar("T")
QUESTIONS = [f"Question {number}?" for number in range(7)]
STEP = int(os.environ.get("BATCH_STEP", "9"))  # 1: each write and call
STATUSES = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAUTHENTICATED")
METHODS = (
    "DatasetService.Create", "DatasetService.List", "DatasetService.GetUploadDraftUrl", "DatasetService.Validate",
    "DatasetService.Describe", "TextGenerationBatchService.Completion", "BatchInferenceService.List",
    "BatchInferenceService.Describe", "DatasetService.GetDownloadUrls", "DatasetService.Delete",
)  # fmt: skip
RESULTS = ("shuffled", "doubled", "unknown", "column", "new_status")


class MortalVendor:
    """The service for a process that dies at call number `point`, before it is made or after it took effect."""

    def __init__(self, vendor: VendorStudio, point: int, *, after: bool) -> None:
        self._vendor = vendor
        self._left = point
        self._after = after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(self._vendor, name)

        async def call(*given: Any) -> Any:
            self._left -= 1
            if self._left < 0 or (self._left == 0 and not self._after):
                raise Death
            done = await real(*given)
            if self._left == 0:
                raise Death
            return done

        return call


async def killed(world: VendorWorld, number: int, point: int, *, at_call: bool, after: bool) -> bool:
    """Let a process work on a run until it dies at this point; return whether it did."""
    async with open_vendor(world.settings, world.http, world.store.clock) as vendor:
        store = world.store if at_call else cast("Store", MortalStore(world.store, point, after_commit=after))
        mortal = cast("VendorStudio", MortalVendor(vendor, point, after=after)) if at_call else vendor
        runner = VendorRunner(
            store=store, vendor=mortal, transfers=open_transfers(world.http, world.store.clock),
            model=world.service.batch_uri(MODEL), profile=world.service.text(MODEL).profile,
        )  # fmt: skip
        try:
            await runner.work(await world.run(number))
        except Death:
            return True
        return False


@pytest.mark.turns(4)
@pytest.mark.parametrize("at_call", [False, True])
@pytest.mark.parametrize("after", [False, True])
async def test_p34_a_batch_run_is_paid_once_wherever_its_process_dies_and_whatever_the_service_does(
    world: VendorWorld, at_call: bool, after: bool
) -> None:
    faults, least = world.server.faults, least_cost(world.service.text(MODEL).profile)
    faults.list_lag = 30.0
    troubles = cycle(
        [(method, status, applied) for method in METHODS for status in STATUSES for applied in (False, True)]
    )
    odd, deaths = cycle(RESULTS), 0
    for point in count(1, STEP):
        number = await world.begin(*({"question": f"{point} {text}"} for text in QUESTIONS))
        paid, spent, result = world.paid, await world.spent(), next(odd)
        faults.switch(result)  # type: ignore[arg-type]
        for _ in range(3):
            method, status, applied = next(troubles)
            if status == "UNAUTHENTICATED" and method != METHODS[5]:
                continue  # a refused key stops a run before it is paid, which is no failure that passes
            faults.fail_next(method, status, applied=applied)  # type: ignore[arg-type]
        dead = await killed(world, number, point, at_call=at_call, after=after)
        deaths += dead
        await world.store.clock.sleep(LEASE + 1)
        await batch.go_on(world.workspace, number)
        while (await world.run(number)).state == "stopped":  # a key that was refused: the operator goes on
            await world.store.clock.sleep(300)
            await batch.retry_run(world.workspace, number)
        assert (await world.run(number)).state == "done"
        rows = await world.rows(number)
        assert [row["question"] in row["answer"] for row in rows] == [True] * len(QUESTIONS), (point, rows)
        assert world.paid - paid == 1, point
        assert await world.spent() - spent == least
        faults.switch(result, on=False)  # type: ignore[arg-type]
        if not dead:
            break
    assert deaths > 20 // STEP
    await world.store.clock.sleep(86_400)
    async with open_vendor(world.settings, world.http, world.store.clock) as vendor:
        for _ in range(faults.planned + 1):  # the failures that no call has met yet
            await tidy_all(world.store, vendor, BOT)
    assert world.datasets == []
