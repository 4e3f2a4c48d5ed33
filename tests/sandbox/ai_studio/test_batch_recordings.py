"""Recorded requests of datasets, batch runs and tuning, sent to the sandbox: its answers have the recorded form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from tests.support.studio_batch import BatchSide, batch_side

RECORDINGS = Path(__file__).parents[2] / "recordings" / "grpc"
FOLDER = re.compile(r"b1g\w{17}")
ID = re.compile(r"(fds|fbi|ftn|aje|b1g)\w{17}")
RESULT = {"rows"}  # the real service does not say it of a result
STEPS = {"totalBatches", "completedBatches", "taskStatus", "totalSteps", "currentStep"}


@pytest.mark.parametrize(
    ("recording", "upload"),
    [
        ("batch_run", "requests.jsonl"),
        ("dataset_read", "pairs.jsonl"),
        ("tuning_pair", b'{"anchor": "hello", "positive": "hi"}\n'),
    ],
)
async def test_recorded_requests_get_answers_of_the_recorded_form(recording: str, upload: str | bytes) -> None:
    data = upload if isinstance(upload, bytes) else (RECORDINGS / upload).read_bytes()
    recorded = json.loads((RECORDINGS / f"{recording}.json").read_text())
    folder = FOLDER.findall(json.dumps(recorded))[0]
    async with batch_side(folder=folder) as side:
        ours: dict[str, str] = {}
        for number, exchange in enumerate(recorded):
            method = METHODS.get(exchange["request"]["cls"])
            if method is None:  # the rest is REST here
                continue
            expected = exchange["response"]["message"]
            found = await _replayed(side, method, _translated(exchange["request"]["message"], ours), expected)
            _learn(expected, found, ours)
            where = f"{number} {method}"
            assert _form(found) == _form(expected), where
            if method == "DatasetService.GetUploadDraftUrl":
                async with side.http.put(found["uploadUrl"], data=data) as response:
                    assert response.status == 200


async def _replayed(side: BatchSide, method: str, request: Any, expected: Any) -> Any:
    """Our answer, as soon as it has the recorded status or is as far, at most after the hour that passes here."""
    found: Any = {}
    for _ in range(3_600):
        found = MessageToDict(await side.call(method, **request))
        if _progress(found) == _progress(expected):
            return found
        side.pass_by(1)
    return found


def _progress(answer: Any) -> Any:
    """How far a thing has come: its status, whether it is done, and whether there is anything to tell of it yet."""
    task = answer.get("task") or answer.get("dataset") or answer.get("tuningTask") or {}
    metadata = answer.get("metadata", {})
    return (
        task.get("status"), "errors" in task, answer.get("done"), bool(metadata),
        metadata.get("status") if "tuningTaskId" in metadata else None,
    )  # fmt: skip


def _translated(value: Any, ours: dict[str, str]) -> Any:
    """A recorded request with our ids."""
    text = json.dumps(value)
    for theirs, own in ours.items():
        text = text.replace(theirs, own)
    return json.loads(text)


def _learn(expected: Any, found: Any, ours: dict[str, str]) -> None:
    """Remember which of our ids stands for which recorded one."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            if name in found:
                _learn(value, found[name], ours)
    elif isinstance(expected, str) and ID.fullmatch(expected):
        ours[expected] = found


def _form(value: Any) -> Any:
    """What of an answer must be as recorded: its fields, and the words that are neither ids nor times nor sizes."""
    if isinstance(value, dict):
        return {name: _form(inner) for name, inner in sorted(value.items()) if name not in RESULT | STEPS}
    if isinstance(value, list):
        return [_form(inner) for inner in value]
    text = ID.sub("ID", str(value))
    text = re.sub(r"tamr\w{17}", "SUFFIX", text)
    text = re.sub(r"^\d{4}-\d\d-\d\dT[\d:.]+Z$", "TIME", text)
    text = re.sub(r"^https?://[^/]+/", "HOST/", re.sub(r"=[^&]+", "=", text))
    return "NUMBER" if text.isdecimal() else text


METHODS = {
    "BatchCompletionRequest": "TextGenerationBatchService.Completion",
    "CreateDatasetRequest": "DatasetService.Create",
    "DeleteDatasetRequest": "DatasetService.Delete",
    "DescribeBatchInferenceRequest": "BatchInferenceService.Describe",
    "DescribeDatasetRequest": "DatasetService.Describe",
    "DescribeTuningRequest": "TuningService.Describe",
    "GetDownloadUrlsRequest": "DatasetService.GetDownloadUrls",
    "GetOperationRequest": "OperationService.Get",
    "GetUploadDraftUrlRequest": "DatasetService.GetUploadDraftUrl",
    "TuningRequest": "TuningService.Tune",
    "ValidateDatasetRequest": "DatasetService.Validate",
}
