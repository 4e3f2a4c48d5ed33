"""Our client of AI Studio's gRPC services, against the sandbox's."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import pytest

from bot.batch.vendor.calls import GrpcCalls
from bot.batch.vendor.studio import VendorStudio
from bot.batch.vendor.values import PAIRS, REQUESTS, NotFound
from bot.concurrency.retry import Backoff, Retry
from bot.errors import ModelDenied, ModelRefused, ModelUnavailable, OutcomeUnknown
from bot.providers.account import FixedKey
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from tests.support.studio_batch import GEMMA, SECRET, BatchSide, batch_side

LINES = b'{"request": [{"role": "user", "text": "one"}]}\n{"request": [{"role": "user", "text": "two"}]}\n'


class RenewedKey(FixedKey):
    """A key that the service refuses until it is renewed."""

    def __init__(self) -> None:
        super().__init__("Bearer", "t1.expired")
        self.renewals = 0

    async def renew(self, refused: object) -> bool:
        self.renewals += 1
        self._headers = {"authorization": f"Api-Key {SECRET}"}
        return self.renewals == 1


@asynccontextmanager
async def client(side: BatchSide, key: FixedKey | None = None, within: float = 20.0) -> AsyncIterator[VendorStudio]:
    retry = Retry(side.clock, Backoff(0.5, 10.0, Random(1)), on=ModelUnavailable, tries=3)
    calls = GrpcCalls(
        address=side.server.address, credentials=key or FixedKey("Api-Key", SECRET), retry=retry, within=within
    )
    studio = VendorStudio(calls, SANDBOX_FOLDER)
    try:
        yield studio
    finally:
        await studio.close()


async def test_a_dataset_is_created_uploaded_checked_run_and_its_answers_are_there() -> None:
    async with batch_side() as side, client(side) as studio, aiohttp.ClientSession() as http:
        made = await studio.create_dataset("mine", REQUESTS, {"govorun": "1"})
        assert (made.status, made.task_type, made.labels) == ("draft", REQUESTS, {"govorun": "1"})
        async with http.put(await studio.upload_url(made.id, len(LINES)), data=LINES) as answer:
            assert answer.status == 200
        await studio.validate(made.id)
        assert (await studio.describe_dataset(made.id)).status == "validating"
        side.pass_by(side.server.datasets.seconds)
        assert (await studio.describe_dataset(made.id)).rows == 2
        assert [one.id for one in await studio.list_datasets("min")] == [made.id]
        run = await studio.start_run(
            GEMMA, made.id, {"temperature": 0.1, "max_tokens": 50, "schema": {"type": "object"}}
        )
        assert [(one.id, one.dataset, one.status) for one in await studio.list_runs()] == [(run, made.id, "created")]
        side.pass_by(side.server.runs.seconds)
        done = await studio.describe_run(run)
        assert done.status == "completed"
        assert len(await studio.download_urls(done.result)) == 1
        for dataset in (made.id, done.result, done.result):  # once more is fine
            await studio.delete_dataset(dataset)
        assert await studio.list_datasets() == []
        with pytest.raises(NotFound):
            await studio.describe_dataset(made.id)
        seen = side.server.seen("TextGenerationBatchService.Completion")[0]
        assert seen.body["completionOptions"] == {"temperature": 0.1, "maxTokens": "50"}
        assert seen.headers["x-client-request-id"]


async def test_what_is_wrong_with_lines_is_told_with_their_numbers() -> None:
    async with batch_side() as side, client(side) as studio:
        dataset = await side.draft()
        await side.upload(dataset, LINES + b"none\n")
        await studio.validate(dataset)
        side.pass_by(side.server.datasets.seconds)
        found = await studio.describe_dataset(dataset)
        assert (found.status, found.errors[0].lines) == ("invalid", (3,))
        assert await studio.validation_errors(dataset) == found.errors
        side.pass_by(side.server.operations.kept["batch"])
        assert await studio.validation_errors(dataset) == (), "the operation is forgotten"


async def test_a_call_that_failed_is_repeated_unless_it_creates_something(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.batch.vendor.calls")
    async with batch_side() as side, client(side) as studio:
        for applied in (False, True):
            side.server.faults.fail_next("DatasetService.List", applied=applied, times=2)
            await studio.list_datasets()
            side.server.faults.fail_next("DatasetService.Create", applied=applied)
            with pytest.raises(OutcomeUnknown):
                await studio.create_dataset("mine", REQUESTS, {})
        assert len(side.server.seen("DatasetService.Create")) == 2
        assert len(await studio.list_datasets()) == 1
        assert "UNAVAILABLE" in caplog.text
        assert SECRET not in caplog.text
        side.server.faults.fail_next("*", times=3)
        with pytest.raises(ModelUnavailable):
            await studio.list_datasets()


async def test_statuses_become_the_errors_of_the_bot() -> None:
    async with batch_side() as side, client(side) as studio, client(side, FixedKey("Api-Key", "wrong")) as stranger:
        with pytest.raises(ModelDenied):
            await stranger.list_datasets()
        with pytest.raises(ModelRefused):
            await studio.create_dataset("x" * 64, REQUESTS, {})
        side.server.faults.fail_next("DatasetService.List", "RESOURCE_EXHAUSTED", times=3)
        with pytest.raises(ModelUnavailable):
            await studio.list_datasets()
    async with batch_side() as side, client(side, within=0.2) as studio:
        await studio.list_datasets()
        side.server.faults.fail_next("DatasetService.Create", "HANG")
        with pytest.raises(OutcomeUnknown):
            await studio.create_dataset("mine", REQUESTS, {})


async def test_a_token_that_is_refused_is_renewed_once() -> None:
    async with batch_side() as side, client(side, key := RenewedKey()) as studio:
        await studio.list_datasets()
        assert key.renewals == 1


async def test_a_status_that_a_newer_service_has_is_unknown() -> None:
    async with batch_side() as side, client(side) as studio:
        run = (await side.run(await side.ready(LINES))).task_id
        side.server.faults.switch("new_status")
        side.pass_by(side.server.runs.seconds / 10)
        assert (await studio.describe_run(run)).status == "unknown"


async def test_a_long_list_is_read_to_its_end() -> None:
    async with batch_side() as side, client(side) as studio:
        side.server.datasets.most = 300
        for number in range(250):
            await side.draft(PAIRS, f"dataset {number}")
        assert len({one.id for one in await studio.list_datasets()}) == 250


async def test_a_model_is_tuned_and_archived() -> None:
    pair = b'{"request": [{"role": "user", "text": "one"}], "response": "two"}\n'
    async with batch_side() as side, client(side) as studio:
        dataset = await side.ready(pair * 10, PAIRS)
        tuning = await studio.start_tuning(
            {
                "baseModelUri": f"gpt://{SANDBOX_FOLDER}/yandexgpt-lite/latest",
                "trainDatasets": [{"datasetId": dataset, "weight": 1.0}],
                "name": "mine",
                "textToTextCompletion": {"seed": 1},
            }
        )
        side.pass_by(side.server.tunings.seconds)
        done = await studio.describe_tuning(tuning)
        assert (done.status, "@tamr" in done.target) == ("completed", True)
        assert [one.id for one in await studio.list_tunings()] == [tuning]
        assert (await studio.metrics_url(tuning)).startswith("http")
        with pytest.raises(ModelRefused):
            await studio.cancel_tuning(tuning)
        await studio.archive_tuning(tuning)
        assert (await studio.describe_tuning(tuning)).status == "archived"
        assert await studio.tuning_errors(tuning) == []
