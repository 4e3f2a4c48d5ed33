"""The vendor's own client, unchanged, against the sandbox's AI Studio: what it can do there, ours can as well."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio

pytestmark = [
    pytest.mark.disk,
    pytest.mark.filterwarnings("ignore"),  # the client's own, not ours to mend
]
SOON = 0.3  # seconds that a validation, a run and a tuning take
POLL = 0.1  # seconds between two looks of the client


async def test_the_vendors_client_runs_a_batch_and_uses_a_tuned_model(tmp_path: Path) -> None:
    sdks = pytest.importorskip("yandex_ai_studio_sdk")
    from yandex_ai_studio_sdk.auth import APIKeyAuth

    studio = Studio(keys=("a-key-of-this-test",), quotas=False)
    await studio.start()
    server = await studio.start_batch()
    server.datasets.seconds = server.runs.seconds = server.tunings.seconds = SOON
    try:
        sdk = sdks.AsyncAIStudio(
            folder_id=SANDBOX_FOLDER, auth=APIKeyAuth("a-key-of-this-test"), endpoint=server.address,
            verify=False,
        )  # fmt: skip
        questions, pairs = tmp_path / "questions.jsonl", tmp_path / "pairs.jsonl"
        asked = [{"request": [{"role": "user", "text": f"Question {number}?"}]} for number in range(10)]
        questions.write_text("".join(json.dumps(row) + "\n" for row in asked))
        pairs.write_text("".join(json.dumps({**row, "response": f"Answer {n}"}) + "\n" for n, row in enumerate(asked)))
        async with asyncio.timeout(60):
            draft = sdk.datasets.draft_from_path(
                task_type="TextToTextGenerationRequest", path=str(questions), upload_format="jsonlines", name="asked"
            )
            dataset = await draft.upload(poll_interval=POLL)
            task = await sdk.models.completions("gemma-3-12b-it").batch.run_deferred(dataset)
            result = await task.wait(poll_interval=POLL)
            rows = [row async for row in result.read()]
            assert all(row["request"][0]["text"] in row["response"] for row in rows)
            assert (len(rows), server.runs.paid.total()) == (10, 1)
            draft = sdk.datasets.draft_from_path(
                task_type="TextToTextGeneration", path=str(pairs), upload_format="jsonlines", name="learned"
            )
            learned = await draft.upload(poll_interval=POLL)
            tuning = await sdk.models.completions("yandexgpt-lite").tune_deferred(learned, name="mine")
            tuned = await tuning.wait(poll_interval=POLL)
            assert "@tamr" in tuned.uri
            assert server.tunings.started == 1
    finally:
        await studio.close()
