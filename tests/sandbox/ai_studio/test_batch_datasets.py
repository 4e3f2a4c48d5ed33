"""The sandbox's datasets: drafts, uploads to the storage, validation, lists and downloads."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yandex.cloud.ai.dataset.v1 import dataset_service_pb2, dataset_service_pb2_grpc
from yandex.cloud.ai.dataset.v1.dataset_pb2 import DatasetInfo
from yandex.cloud.ai.dataset.v1.dataset_service_pb2 import ValidateDatasetMetadata

from bot.sandbox.ai_studio.grpc import models
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from tests.support.studio_batch import KEY, SECRET, BatchSide, batch_side

TEXT = {"type": "text", "text": "What is it?"}
HELLO = b'{"request": [{"role": "user", "text": "Hello"}]}\n'


@pytest.fixture
async def side() -> AsyncIterator[BatchSide]:
    async with batch_side() as side:
        yield side


def jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


async def put(side: BatchSide, url: str, data: bytes, **headers: str) -> tuple[int, str]:
    async with side.http.put(url, data=data, headers=headers) as response:
        return response.status, await response.text()


async def url_for(side: BatchSide, data: bytes) -> str:
    dataset = await side.draft()
    given = await side.call("DatasetService.GetUploadDraftUrl", datasetId=dataset, sizeBytes=str(len(data)))
    return str(given.upload_url)


# --- who calls


async def test_only_a_known_key_or_token_is_let_in(side: BatchSide) -> None:
    for authorization in ("", "Api-Key wrong", f"Bearer {SECRET}", SECRET):
        side.authorization = authorization
        assert await side.refused("DatasetService.List", folderId=SANDBOX_FOLDER) == "UNAUTHENTICATED", authorization
    token, _ = side.studio.access.issue()
    for authorization in (KEY, f"Bearer {token}"):
        side.authorization = authorization
        await side.call("DatasetService.List", folderId=SANDBOX_FOLDER)


async def test_a_foreign_folder_and_a_missing_role_are_refused(side: BatchSide) -> None:
    assert await side.refused("DatasetService.List", folderId="b1gsomebodyelse00000") == "PERMISSION_DENIED"
    assert await side.refused("DatasetService.List") == "INVALID_ARGUMENT"
    side.studio.access.roles.discard("ai.editor")
    assert await side.refused("DatasetService.List", folderId=SANDBOX_FOLDER) == "PERMISSION_DENIED"


async def test_endpoints_are_told_to_anybody_and_lead_here(side: BatchSide) -> None:
    side.authorization = ""
    listed = (await side.call("ApiEndpointService.List")).endpoints
    assert {"ai-foundation-models", "operation", "iam", "fomo-dataset", "fomo-tuning"} <= {one.id for one in listed}
    assert {one.address for one in listed} == {side.server.address}
    one = await side.call("ApiEndpointService.Get", apiEndpointId="ai-llm")
    assert one.address == side.server.address
    assert await side.refused("ApiEndpointService.Get", apiEndpointId="nothing") == "NOT_FOUND"


async def test_what_is_not_built_is_unimplemented_and_what_came_can_be_read(side: BatchSide) -> None:
    assert await side.refused("TuningService.EnableBilling", tuningTaskId="ftn0") == "UNIMPLEMENTED"
    assert await side.refused("DatasetService.Describe", datasetId="fds0") == "NOT_FOUND"
    (seen,) = side.server.seen("DatasetService.Describe")
    assert seen.body == {"datasetId": "fds0"}
    assert seen.headers["authorization"] == "Api-Key"
    assert seen.status == 5


async def test_an_answer_has_the_ids_that_support_asks_for(side: BatchSide) -> None:
    stub = dataset_service_pb2_grpc.DatasetServiceStub(side.channel)
    asked: Any = stub.ListTypes(
        dataset_service_pb2.ListTypesRequest(folder_id=SANDBOX_FOLDER),
        metadata=(("authorization", KEY), ("x-client-request-id", "mine")),
    )
    given = dict(await asked.initial_metadata())
    await asked
    assert given["x-client-request-id"] == "mine"
    assert given["x-request-id"]
    assert given["x-server-trace-id"]


# --- uploads


async def test_an_upload_has_its_checksum_and_becomes_a_parquet_file(side: BatchSide) -> None:
    dataset = await side.draft()
    response = await side.upload(dataset, HELLO)
    assert response.headers["etag"] == f'"{hashlib.md5(HELLO).hexdigest()}"'
    assert (await side.validated(dataset)).is_valid
    assert await side.rows(dataset) == [{"request": [{"role": "user", "text": "Hello"}]}]


async def test_the_length_must_be_the_declared_one(side: BatchSide) -> None:
    url = await url_for(side, HELLO)
    status, text = await put(side, url, HELLO + b"\n")
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True)

    async def chunks() -> AsyncIterator[bytes]:
        yield HELLO

    async with side.http.put(url, data=chunks()) as response:
        assert response.status == 411
    assert await put(side, url, HELLO) == (200, "")


async def test_an_upload_carries_no_authorization_and_a_true_checksum(side: BatchSide) -> None:
    url = await url_for(side, HELLO)
    assert (await put(side, url, HELLO, Authorization=KEY))[0] == 400
    wrong = base64.b64encode(hashlib.md5(b"").digest()).decode()
    status, text = await put(side, url, HELLO, **{"Content-MD5": wrong})
    assert (status, "BadDigest" in text) == (400, True)
    status, text = await put(side, url[:-1], HELLO)
    assert (status, "SignatureDoesNotMatch" in text) == (403, True)


async def test_an_address_expires_after_a_day_or_at_once_on_purpose(side: BatchSide) -> None:
    url = await url_for(side, HELLO)
    side.pass_by(86_400)
    status, text = await put(side, url, HELLO)
    assert (status, "Request has expired" in text) == (403, True)
    side.server.faults.switch("expired")
    assert (await put(side, await url_for(side, HELLO), HELLO))[0] == 403
    side.server.faults.switch("expired", on=False)
    assert (await put(side, await url_for(side, HELLO), HELLO))[0] == 200


async def test_the_storage_can_fail_on_purpose(side: BatchSide) -> None:
    url = await url_for(side, HELLO)
    side.studio.storage.failures = [503, 403]
    statuses = [(await put(side, url, HELLO))[0] for _ in range(3)]
    assert statuses == [503, 403, 200]
    assert len(side.studio.storage.uploads) == 1


async def test_a_download_can_go_on_where_it_stopped(side: BatchSide) -> None:
    dataset = await side.ready(HELLO)
    (file,) = (await side.call("DatasetService.GetDownloadUrls", datasetId=dataset)).download_urls
    async with side.http.get(file.url) as response:
        whole = await response.read()
    assert len(whole) == (await side.call("DatasetService.Describe", datasetId=dataset)).dataset.size_bytes
    async with side.http.get(file.url, headers={"Range": "bytes=100-"}) as response:
        assert (response.status, await response.read()) == (206, whole[100:])
    side.pass_by(86_400)
    async with side.http.get(file.url) as response:
        assert response.status == 403


async def test_an_upload_in_parts_is_joined(side: BatchSide) -> None:
    side.studio.storage.smallest_part = 20
    data = HELLO * 3
    parts = [data[:60], data[60:120], data[120:]]
    dataset, urls = await started(side, data, 3)
    etags = [await put_part(side, url, part) for url, part in zip(urls, parts, strict=True)]
    finish = {"datasetId": dataset, "uploadedParts": [{"partNum": n, "etag": e} for n, e in enumerate(etags, 1)]}
    await side.call("DatasetService.FinishMultipartUploadDraft", **finish)
    assert await side.refused("DatasetService.FinishMultipartUploadDraft", **finish) == "FAILED_PRECONDITION"
    assert (await side.validated(dataset)).is_valid
    assert len(await side.rows(dataset)) == 3


async def test_parts_that_do_not_fit_are_refused(side: BatchSide) -> None:
    method = "DatasetService.FinishMultipartUploadDraft"
    side.studio.storage.smallest_part = 1
    dataset, urls = await started(side, HELLO, 2)
    first, second = await put_part(side, urls[0], HELLO[:20]), await put_part(side, urls[1], HELLO[20:])
    for parts in ([(1, first)], [(1, second), (2, first)], [(1, first), (2, '"0"')]):
        uploaded = [{"partNum": number, "etag": etag} for number, etag in parts]
        assert await side.refused(method, datasetId=dataset, uploadedParts=uploaded) == "INVALID_ARGUMENT"
    both = [{"partNum": 1, "etag": first}, {"partNum": 2, "etag": second}]
    side.studio.storage.smallest_part = 21
    assert await side.refused(method, datasetId=dataset, uploadedParts=both) == "INVALID_ARGUMENT"
    side.studio.storage.smallest_part = 1
    shorter = await put_part(side, urls[1], HELLO[21:])
    uploaded = [both[0], {"partNum": 2, "etag": shorter}]
    assert await side.refused(method, datasetId=dataset, uploadedParts=uploaded) == "INVALID_ARGUMENT"


async def started(side: BatchSide, data: bytes, parts: int) -> tuple[str, list[str]]:
    dataset = await side.draft()
    given = await side.call(
        "DatasetService.StartMultipartUploadDraft", datasetId=dataset, sizeBytes=str(len(data)), parts=str(parts)
    )
    return dataset, list(given.multipart_upload_urls)


async def put_part(side: BatchSide, url: str, data: bytes) -> str:
    async with side.http.put(url, data=data) as response:
        assert response.status == 200
        return response.headers["ETag"]


# --- validation


async def test_a_validation_takes_its_time_and_counts_rows_in_the_middle(side: BatchSide) -> None:
    dataset = await side.draft()
    await side.upload(dataset, HELLO * 2)
    operation = await side.call("DatasetService.Validate", datasetId=dataset)
    assert not operation.HasField("metadata")
    assert (await side.call("DatasetService.Describe", datasetId=dataset)).dataset.status == DatasetInfo.VALIDATING
    side.pass_by(70)
    operation = await side.call("OperationService.Get", operationId=operation.id)
    metadata = ValidateDatasetMetadata()
    assert operation.metadata.Unpack(metadata)
    assert (operation.done, metadata.valid_rows, metadata.total_rows) == (False, 2, 2)
    side.pass_by(70)
    assert (await side.call("OperationService.Get", operationId=operation.id)).done
    found = await side.call("DatasetService.ListOperationsIds", datasetId=[dataset])
    assert dict(found.dataset_id_to_operation_id) == {dataset: operation.id}
    assert await side.refused("OperationService.Cancel", operationId="fds0") == "NOT_FOUND"


@pytest.mark.parametrize(
    ("task_type", "good", "bad"),
    [
        (
            "TextToTextGenerationRequest",
            {"request": [{"role": "system", "text": "Be brief"}, {"role": "user", "text": "Привет"}]},
            [
                b"", b"[]", b"{", b"\xff\xfe", b"\xef\xbb\xbf" + HELLO.strip(), {"request": []}, {"request": "Hello"},
                {"request": [{"role": "user", "text": ""}]}, {"request": [{"role": "bot", "text": "Hi"}]},
                {"request": [{"role": "user", "text": "a"}, {"role": "system", "text": "b"}]},
                {"request": [{"role": "system", "text": "a"}]}, {"request": [{"role": "user", "text": "a"}], "id": 1},
                b'{"request": [{"role": "user", "text": "\\ud800"}]}', b'{"request": NaN}',
            ],
        ),
        (
            "TextToTextGeneration",
            {"request": [{"role": "user", "text": "Hello"}], "response": "Hi"},
            [
                {"request": [{"role": "user", "text": "Hello"}]},
                {"request": [{"role": "user", "text": "Hello"}], "response": "word " * 2_001},
                {"request": [{"role": "user", "text": "word " * 8_001}], "response": "Hi"},
            ],
        ),
        (
            "ImageTextToTextGenerationRequest",
            {"request": [{"role": "user", "content": [TEXT, {"type": "image", "image": "/9j/"}]}]},
            [
                {"request": [{"role": "user", "content": [{"type": "image", "image": "!"}]}]},
                {"request": [{"role": "user", "content": [{"type": "image", "image": "aGVsbG8="}]}]},
                {"request": [{"role": "user", "content": []}]},
                {"request": [{"role": "user", "content": [{"type": "sound", "sound": ""}]}]},
            ],
        ),
        (
            "TextClassificationMulticlass",
            {"text": "Where is it?", "delivery": 1, "returns": 0},
            [
                {"text": "a", "delivery": 1, "returns": 1}, {"text": "a", "delivery": True, "returns": 0},
                {"text": "a", "delivery": 1}, {"text": "a", "delivery": 1, "payment": 0}, {"delivery": 1, "returns": 0},
                {"text": "a", "delivery": 1, "r" * 101: 0},
            ],
        ),
        (
            "TextClassificationMultilabel",
            {"text": "Where is it?", "delivery": 1, "returns": 1},
            [{"text": "a", "delivery": 2, "returns": 0}],
        ),
        ("TextEmbeddingsPair", {"anchor": "a", "positive": "b"}, [{"anchor": "a"}, {"anchor": "a", "positive": " "}]),
        (
            "TextEmbeddingsTriplet",
            {"anchor": "a", "positive": "b", "negative": "c"},
            [{"anchor": "a", "positive": "b"}, {"anchor": "a", "positive": "b", "negative": "c", "more": "d"}],
        ),
    ],
)  # fmt: skip
async def test_wrong_lines_are_named_by_their_numbers(side: BatchSide, task_type: str, good: Any, bad: Any) -> None:
    """The operation succeeds: only `is_valid` is false."""
    dataset = await side.draft(task_type)
    wrong = [line if isinstance(line, bytes) else jsonl(line).strip() for line in bad]
    await side.upload(dataset, jsonl(good) + b"\n".join(wrong) + b"\n" + jsonl(good))
    checked = await side.validated(dataset)
    assert not checked.is_valid
    named = sorted(number for error in checked.errors for number in error.row_numbers)
    assert named == list(range(2, 2 + len(wrong)))
    info = (await side.call("DatasetService.Describe", datasetId=dataset)).dataset
    assert info.status == DatasetInfo.INVALID
    assert list(info.validation_error) == list(checked.errors)
    assert await side.refused("DatasetService.GetDownloadUrls", datasetId=dataset) == "FAILED_PRECONDITION"
    await side.upload(dataset, jsonl(good))
    assert (await side.validated(dataset)).is_valid
    assert len(await side.rows(dataset)) == 1


async def test_too_few_rows_are_an_error_where_that_is_wanted(side: BatchSide) -> None:
    side.server.datasets.fewest["TextToTextGenerationRequest"] = 2
    dataset = await side.draft()
    await side.upload(dataset, HELLO)
    (error,) = (await side.validated(dataset)).errors
    assert error.error == "NOT_ENOUGH_ROWS"


async def test_ten_thousand_errors_come_in_one_answer(side: BatchSide) -> None:
    dataset = await side.draft()
    await side.upload(dataset, b"{}\n" * 10_050)
    (error,) = (await side.validated(dataset)).errors
    assert len(error.row_numbers) == 10_000


# --- the rest of the service


async def test_datasets_are_found_by_name_status_type_and_id(side: BatchSide) -> None:
    ready, draft = await side.ready(HELLO, name="run 1 a"), await side.draft(name="run 2 b")

    async def found(**fields: Any) -> list[str]:
        listed = await side.call("DatasetService.List", folderId=SANDBOX_FOLDER, **fields)
        return [one.dataset_id for one in listed.datasets]

    assert await found() == [draft, ready]
    assert await found(datasetNamePattern="run 1") == [ready]
    assert await found(datasetNamePattern="*b") == [draft]
    assert await found(status=["READY"]) == [ready]
    assert await found(taskTypeFilter=["TextEmbeddingsPair"]) == []
    assert await found(datasetIds=[draft]) == [draft]
    assert await found(pageSize=1) == [draft]
    assert await side.refused("DatasetService.List", folderId=SANDBOX_FOLDER, pageToken="x") == "INVALID_ARGUMENT"
    side.server.faults.list_lag = 30
    late = await side.draft()
    assert await found(status=["DRAFT"]) == []
    side.pass_by(30)
    assert late in await found(status=["DRAFT"])


async def test_what_a_dataset_is_made_of_is_checked_and_a_hundred_are_enough(side: BatchSide) -> None:
    good = {"name": "a", "folderId": SANDBOX_FOLDER, "taskType": "TextEmbeddingsPair", "uploadFormat": "jsonlines"}
    for wrong in ({"name": ""}, {"name": "a" * 64}, {"taskType": "Poetry"}, {"uploadFormat": "xlsx"}):
        assert await side.refused("DatasetService.Create", **{**good, **wrong}) == "INVALID_ARGUMENT", wrong
    for _ in range(100):
        created = await side.call("DatasetService.Create", **good, labels={"run": "r1"}, description="words")
    assert (created.dataset.labels["run"], created.dataset.description) == ("r1", "words")
    assert await side.refused("DatasetService.Create", **good) == "RESOURCE_EXHAUSTED"


async def test_a_dataset_is_renamed_shown_and_removed_with_its_files(side: BatchSide) -> None:
    dataset = await side.ready(HELLO * 12)
    changed = {"datasetId": dataset, "name": "other", "labels": {"a": "b"}}
    updated = await side.call("DatasetService.Update", **changed, updateMask="name,labels")
    assert (updated.dataset.name, dict(updated.dataset.labels)) == ("other", {"a": "b"})
    assert await side.refused("DatasetService.Update", **changed, updateMask="status") == "INVALID_ARGUMENT"
    preview = await side.call("DatasetService.GetPreview", datasetId=dataset)
    assert list(preview.preview_lines) == [HELLO.decode().strip()] * 10
    (file,) = (await side.call("DatasetService.GetDownloadUrls", datasetId=dataset)).download_urls
    await side.call("DatasetService.Delete", datasetId=dataset)
    assert await side.refused("DatasetService.Delete", datasetId=dataset) == "NOT_FOUND"
    async with side.http.get(file.url) as response:
        assert response.status == 404


async def test_schemas_say_what_a_line_looks_like(side: BatchSide) -> None:
    types = (await side.call("DatasetService.ListTypes", folderId=SANDBOX_FOLDER)).types
    for name in types:
        assert (await side.call("DatasetService.ListUploadFormats", taskType=name)).formats == ["jsonlines"]
        asked = {"taskType": name, "folderId": SANDBOX_FOLDER}
        (schema,) = (await side.call("DatasetService.ListUploadSchemas", **asked)).schemas
        assert json.loads(schema.schema)["type"] == "object"
    asked = {"taskType": "Poetry", "folderId": SANDBOX_FOLDER}
    assert await side.refused("DatasetService.ListUploadSchemas", **asked) == "INVALID_ARGUMENT"


async def test_what_comes_too_early_or_late_is_refused(side: BatchSide) -> None:
    draft, ready = await side.draft(), await side.ready(HELLO)
    upload = {"sizeBytes": "10"}
    assert await side.refused("DatasetService.Validate", datasetId=draft) == "FAILED_PRECONDITION"
    assert await side.refused("DatasetService.Validate", datasetId=ready) == "FAILED_PRECONDITION"
    assert await side.refused("DatasetService.GetPreview", datasetId=draft) == "FAILED_PRECONDITION"
    assert await side.refused("DatasetService.GetUploadDraftUrl", datasetId=ready, **upload) == "FAILED_PRECONDITION"
    assert await side.refused("DatasetService.GetUploadDraftUrl", datasetId=draft) == "INVALID_ARGUMENT"
    parts = {"datasetId": draft, "parts": "10001", **upload}
    assert await side.refused("DatasetService.StartMultipartUploadDraft", **parts) == "INVALID_ARGUMENT"
    nothing = {"datasetId": draft, "uploadedParts": []}
    assert await side.refused("DatasetService.FinishMultipartUploadDraft", **nothing) == "FAILED_PRECONDITION"


async def test_operations_are_forgotten_after_two_weeks_and_cannot_all_be_cancelled(side: BatchSide) -> None:
    dataset = await side.draft()
    await side.upload(dataset, HELLO)
    operation = await side.call("DatasetService.Validate", datasetId=dataset)
    assert await side.refused("OperationService.Cancel", operationId=operation.id) == "FAILED_PRECONDITION"
    side.pass_by(14 * 86_400 - 1)
    assert (await side.call("OperationService.Get", operationId=operation.id)).done
    side.pass_by(1)
    assert await side.refused("OperationService.Get", operationId=operation.id) == "NOT_FOUND"
    assert (await side.call("DatasetService.Describe", datasetId=dataset)).dataset.status == DatasetInfo.READY


async def test_without_parquet_a_download_says_what_to_install(
    side: BatchSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "writes_parquet", lambda: False)
    dataset = await side.ready(HELLO)
    assert await side.refused("DatasetService.GetDownloadUrls", datasetId=dataset) == "FAILED_PRECONDITION"
    (seen,) = side.server.seen("DatasetService.GetDownloadUrls")
    assert "govorun[parquet]" in seen.note


async def test_the_files_are_gone_with_the_server() -> None:
    async with batch_side() as side:
        await side.ready(HELLO)
        folder = side.studio.storage.new_path().parent
        assert list(folder.iterdir())
    assert not folder.exists()


async def test_an_upload_may_be_longer_than_other_requests(side: BatchSide) -> None:
    """Of those the server takes 64 MB."""
    data = HELLO * (70 * 2**20 // len(HELLO))
    url = await url_for(side, data)
    async with side.http.put(url, data=io.BytesIO(data)) as response:
        assert response.status == 200


async def test_a_dataset_outlives_the_operation_that_has_made_it(side: BatchSide) -> None:
    dataset = await side.ready(HELLO)
    side.studio.operations.all.clear()
    assert (await side.call("DatasetService.Describe", datasetId=dataset)).dataset.status == DatasetInfo.READY
