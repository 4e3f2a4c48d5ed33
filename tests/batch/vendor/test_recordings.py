"""Recorded answers of the real service, given to our client by a server that knows nothing but the vendor's protos."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import grpc.aio
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from yandex.cloud.endpoint.api_endpoint_pb2 import ApiEndpoint
from yandex.cloud.endpoint.api_endpoint_service_pb2 import ListApiEndpointsResponse

from bot.batch.vendor.calls import ENDPOINTS, GrpcCalls
from bot.batch.vendor.studio import VendorStudio
from bot.batch.vendor.values import EMBEDDING_PAIRS, PAIRS, REQUESTS
from bot.concurrency.retry import Backoff, Retry
from bot.errors import ModelUnavailable
from bot.providers.account import FixedKey
from tests.support.studio_batch import SERVICES
from tests.support.virtual import VirtualClock

RECORDINGS = Path(__file__).parents[2] / "recordings" / "grpc"


class Replay:
    """Answers each method with what was recorded for its request, in the recorded order; the last answer stays."""

    def __init__(self, recording: str) -> None:
        self.exchanges = json.loads((RECORDINGS / f"{recording}.json").read_text())
        self.asked: dict[str, list[Any]] = {}
        self.address = ""

    def recorded(self, request: str, part: str = "request") -> list[Any]:
        """The recorded messages of exchanges with a request of this class."""
        return [one[part]["message"] for one in self.exchanges if one["request"]["cls"] == request]

    def answer(self, request: Any) -> Any:
        name = request.DESCRIPTOR.name
        if name == "ListApiEndpointsRequest":
            found = [ApiEndpoint(id=id_, address=self.address) for id_ in set(ENDPOINTS.values())]
            return ListApiEndpointsResponse(endpoints=found)
        before = self.asked.setdefault(name, [])
        before.append(MessageToDict(request))
        exchanges = [one for one in self.exchanges if one["request"]["cls"] == name]
        told = exchanges[min(len(before), len(exchanges)) - 1]["response"]
        kind = getattr(importlib.import_module(told["module"]), told["cls"])
        return ParseDict(told["message"], kind(), ignore_unknown_fields=True)

    def handlers(self) -> list[Any]:
        async def handle(request: Any, _context: Any) -> Any:
            return self.answer(request)

        return [
            grpc.method_handlers_generic_handler(
                described.full_name,
                {
                    name: grpc.unary_unary_rpc_method_handler(
                        handle, request_deserializer=GetMessageClass(method.input_type).FromString,
                        response_serializer=GetMessageClass(method.output_type).SerializeToString,
                    )
                    for name, method in described.methods_by_name.items()
                },
            )
            for service, (module, _) in SERVICES.items()
            for described in [module.DESCRIPTOR.services_by_name[service]]
        ]  # fmt: skip


@asynccontextmanager
async def replayed(recording: str) -> AsyncIterator[tuple[Replay, VendorStudio]]:
    replay, server = Replay(recording), grpc.aio.server()
    server.add_generic_rpc_handlers(replay.handlers())
    replay.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    retry = Retry(VirtualClock(), Backoff(0.5, 10.0, Random(1)), on=ModelUnavailable, tries=3)
    calls = GrpcCalls(address=replay.address, credentials=FixedKey("Api-Key", "a-key-of-this-test"), retry=retry)
    studio = VendorStudio(calls, str(replay.recorded("CreateDatasetRequest")[0]["folderId"]))
    try:
        yield replay, studio
    finally:
        await studio.close()
        await server.stop(0)


@pytest.mark.parametrize(
    ("recording", "task_type"),
    [("batch_run", REQUESTS), ("dataset_read", PAIRS), ("tuning_pair", EMBEDDING_PAIRS)],
)
async def test_our_client_reads_what_the_service_was_recorded_to_say(recording: str, task_type: str) -> None:
    async with replayed(recording) as (replay, studio):
        (asked,) = replay.recorded("CreateDatasetRequest")
        made = await studio.create_dataset(asked["name"], task_type, {})
        assert replay.asked["CreateDatasetRequest"] == [asked]
        assert (made.status, made.name, made.task_type) == ("draft", asked["name"], task_type)
        assert made.created > 1_700_000_000
        size = int(replay.recorded("GetUploadDraftUrlRequest")[0]["sizeBytes"])
        assert "X-Amz-Signature" in await studio.upload_url(made.id, size)
        await studio.validate(made.id)
        assert replay.asked["ValidateDatasetRequest"] == replay.recorded("ValidateDatasetRequest")
        ready = await studio.describe_dataset(made.id)
        assert (ready.status, ready.rows) == (
            "ready",
            int(replay.recorded("DescribeDatasetRequest", "response")[0]["dataset"]["rows"]),
        )
        if recording == "dataset_read":
            assert [url.partition("?")[0][:8] for url in await studio.download_urls(made.id)] == ["https://"]


async def test_our_client_follows_a_recorded_batch_run() -> None:
    async with replayed("batch_run") as (replay, studio):
        (asked,) = replay.recorded("BatchCompletionRequest")
        options = asked.get("completionOptions", {})
        given = {"temperature": options.get("temperature"), "max_tokens": options.get("maxTokens")}
        run = await studio.start_run(asked["modelUri"], asked["sourceDatasetId"], given)
        assert replay.asked["BatchCompletionRequest"] == [asked]
        statuses = [(await studio.describe_run(run)).status for _ in replay.recorded("DescribeBatchInferenceRequest")]
        assert statuses[-1] == "completed"
        assert list(dict.fromkeys(statuses)) == [
            one for one in ("created", "pending", "in_progress", "completed") if one in statuses
        ]
        done = await studio.describe_run(run)
        assert done.id == run
        assert done.result.startswith("fds")
        assert done.dataset == asked["sourceDatasetId"]
        assert not done.errors
        assert not done.line_errors


async def test_our_client_follows_a_recorded_tuning() -> None:
    async with replayed("tuning_pair") as (replay, studio):
        (asked,) = replay.recorded("TuningRequest")
        tuning = await studio.start_tuning(asked)
        assert replay.asked["TuningRequest"] == [asked]
        assert tuning.startswith("ftn")
        done = await studio.describe_tuning(tuning)
        assert (done.status, "@tamr" in done.target) == ("completed", True)
