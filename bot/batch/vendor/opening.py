"""Opens `VendorStudio` by the settings; loads gRPC only then. Begin with `open_vendor`."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

from bot.batch.vendor.transfers import Transfers
from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.config.settings import Settings
from bot.errors import BadInput, ConfigError, ModelUnavailable
from bot.http.client import Http
from bot.providers.yandex.auth import credentials
from bot.providers.yandex.grpc import is_installed

if TYPE_CHECKING:
    from bot.batch.vendor.studio import VendorStudio

TRIES = 3
HOW = "AI Studio's batch runs, datasets and tuning need the extra `batch`: pip install 'govorun[batch,parquet]'"


def reads_results() -> bool:
    """Whether the extras `batch` and `parquet` are installed: results of batch runs are Parquet files."""
    return is_installed() and importlib.util.find_spec("pyarrow") is not None


def check_extra() -> None:
    """Raise `BadInput` that says how to install the extra `batch`, if it is not installed."""
    if not is_installed():
        raise BadInput(HOW)


def open_transfers(http: Http, clock: Clock) -> Transfers:
    """Return what sends and fetches the files of datasets."""
    return Transfers(http, Retry(clock, Backoff(1.0, 10.0), on=ModelUnavailable, tries=TRIES))


@asynccontextmanager
async def open_vendor(settings: Settings, http: Http, clock: Clock) -> AsyncIterator[VendorStudio]:
    """Yield the vendor's datasets, batch runs and tunings of the folder, with the key of the settings.

    Raises `BadInput` if the extra `batch` is not installed, `ConfigError` if no key or folder is set.
    """
    check_extra()
    from bot.batch.vendor.calls import GrpcCalls
    from bot.batch.vendor.studio import VendorStudio

    if not settings.yc_folder_id:
        raise ConfigError("YC_FOLDER_ID is needed for batch runs, datasets and tuning")
    retry = Retry(clock, Backoff(0.5, 10.0, Random()), on=ModelUnavailable, tries=TRIES)  # noqa: S311
    calls = GrpcCalls(
        address=settings.yc_grpc_address, credentials=credentials(settings, http, clock), retry=retry,
        headers={"x-data-logging-enabled": "true" if settings.yc_data_logging else "false"},
    )  # fmt: skip
    studio = VendorStudio(calls, settings.yc_folder_id)
    try:
        yield studio
    finally:
        await studio.close()
