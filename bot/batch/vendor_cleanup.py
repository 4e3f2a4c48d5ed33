"""Removes what batch runs leave at AI Studio: datasets, and runs of a canceled one. Begin with `tidy`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bot.errors import ModelError, ModelRefused
from bot.storage.store import Store
from bot.storage.tables.batch import VendorStep

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio
    from bot.batch.vendor.values import VendorRun

LAG = 150.0  # seconds after an intent until the lists show what came of it: they lag behind by two minutes
PREFIX, LABEL = "govorun-", "govorun_run"
DAY = 86_400.0  # seconds: addresses for an upload are good for so long
GOING_ON = ("created", "pending", "in_progress", "unknown")


async def cancel_runs(vendor: VendorStudio, step: VendorStep) -> bool:
    """End what the service runs on the dataset of a run; return whether any of it had begun to work, and so is paid.

    Raises `ModelError` where the service is away.
    """
    runs = await _runs_on(vendor, {step.dataset})
    for one in runs:
        if one.status in GOING_ON:
            with suppress(ModelRefused):  # it has ended meanwhile
                await vendor.cancel_run(one.id)
    return any(one.started for one in runs)


async def tidy(store: Store, vendor: VendorStudio, step: VendorStep) -> bool:
    """Delete the datasets of a run that is over. False: not all is known to be gone, do it again later."""
    try:
        await remove_datasets(vendor, step)
    except ModelError:
        return False
    if seconds_unsure(step, store.clock.time()) > 0:
        return False
    await store.write(lambda tx: tx.change(step, is_tidy=True))
    return True


def seconds_unsure(step: VendorStep, now: float) -> float:
    """Return for how many seconds more it is unknown what the service has of a run that is over: what came of the last
    call may not be listed yet. 0.0 or less if all is known, as for a run with a result.
    """
    return step.intent + LAG - now if step.intent and step.state != "fetched" else 0.0


async def remove_datasets(vendor: VendorStudio, step: VendorStep) -> None:
    """Delete all datasets of a run, and end what a canceled one still has running. Raises `ModelError`."""
    if step.state == "canceled":
        await cancel_runs(vendor, step)
    name = f"{PREFIX}{step.token}-"
    ours = {step.dataset, *(one.id for one in await vendor.list_datasets(name) if one.name.startswith(name))}
    results = {step.result, *(one.result for one in await _runs_on(vendor, ours))}
    for dataset in sorted((ours | results) - {""}):
        await vendor.delete_dataset(dataset)


async def _runs_on(vendor: VendorStudio, datasets: set[str]) -> list[VendorRun]:
    return [one for one in await vendor.list_runs() if one.dataset and one.dataset in datasets]


async def tidy_all(store: Store, vendor: VendorStudio, bot: int) -> None:
    """Delete what runs that are over have left at the service, and drafts of ours that nobody has filled for a day."""
    for step in await store.read(lambda tx: tx.vendor_runs.list_untidy(bot)):
        await tidy(store, vendor, step)
    tokens = await store.read(lambda tx: {one.token for one in tx.all(VendorStep)})
    try:
        for one in await vendor.list_datasets(PREFIX):
            token = one.labels.get(LABEL, "")
            is_ours = bool(token) and one.name.startswith(f"{PREFIX}{token}-") and token not in tokens
            if is_ours and one.status == "draft" and one.created < store.clock.time() - DAY:
                await vendor.delete_dataset(one.id)
    except ModelError:
        return
