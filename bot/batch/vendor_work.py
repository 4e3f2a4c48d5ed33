"""Works on a run of the mode batch with the settings of a bot: for the command line and for the running bot."""

from __future__ import annotations

from collections.abc import Callable

from bot.batch.vendor.opening import open_transfers, open_vendor
from bot.batch.vendor_cleanup import tidy_all
from bot.batch.vendor_runner import VendorRunner
from bot.config.settings import Settings
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.storage.store import Store
from bot.storage.tables.batch import BatchRun


async def work_on(
    run: BatchRun, *, store: Store, settings: Settings, http: Http, studio: YandexStudio,
    watch: Callable[[], None] = lambda: None, is_patient: bool = True,
) -> bool:  # fmt: skip
    """Work on a run of the mode batch until it has ended; if not `is_patient`, until there is something to wait for.

    Also removes what earlier runs have left at the service. Returns False if another process works on the run.
    """
    async with open_vendor(settings, http, store.clock) as vendor:
        await tidy_all(store, vendor, run.bot)
        runner = VendorRunner(
            store=store, vendor=vendor, transfers=open_transfers(http, store.clock),
            model=studio.batch_uri(run.model), profile=studio.text(run.model).profile, watch=watch,
        )  # fmt: skip
        return await runner.work(run, is_patient=is_patient)


async def clean_up(bot: int, *, store: Store, settings: Settings, http: Http) -> None:
    """Remove what the runs of a bot that are over have left at the service."""
    async with open_vendor(settings, http, store.clock) as vendor:
        await tidy_all(store, vendor, bot)
