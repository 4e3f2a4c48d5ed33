"""The sandbox's files and vector stores, asked as OpenAI's API is, and the bot's own client of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import aiohttp
import pytest

from bot.ai import StoreChunk, StoreFile
from bot.config.settings import Settings
from bot.errors import ModelDenied, ModelError, ModelProtocolError
from bot.http.client import Http
from bot.providers.openai.vector_stores import OpenAIVectorStores
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from bot.sandbox.ai_studio.services.vector_stores import pieces
from bot.sandbox.ai_studio.wire import count_tokens
from tests.sandbox.ai_studio.test_services import get, post, running
from tests.support.virtual import VirtualClock

SEARCH = "vector_store/search"
RETURNS = "Вернуть товар можно в течение 14 дней."


@pytest.fixture
async def side() -> AsyncIterator[tuple[Studio, aiohttp.ClientSession, OpenAIVectorStores]]:
    clock = VirtualClock()
    async with running(clock=clock) as (studio, session), Http() as http:
        settings = Settings(_env_file=None, **studio.settings())  # type: ignore[arg-type]
        yield studio, session, YandexStudio(settings=settings, http=http, clock=clock, random=Random(1)).vector_stores()


Side = tuple[Studio, aiohttp.ClientSession, OpenAIVectorStores]


async def uploaded(session: aiohttp.ClientSession, name: str, text: str) -> str:
    form = aiohttp.FormData()
    form.add_field("purpose", "assistants")
    form.add_field("file", text.encode(), filename=name, content_type="text/plain")
    async with session.post("/v1/files", data=form) as response:
        return str((await response.json())["id"])


async def test_a_file_is_uploaded_put_into_a_store_found_and_removed(side: Side) -> None:
    studio, session, _ = side
    studio.vector_stores.seconds = 30.0
    returns = await uploaded(session, "returns.md", RETURNS)
    assert (await get(session, f"/v1/files/{returns}"))[1]["filename"] == "returns.md"
    store = (await post(session, "/v1/vector_stores", {"name": "help", "file_ids": [returns]}))[1]
    assert store["status"] == "in_progress"
    assert store["file_counts"]["total"] == 1
    where = f"/v1/vector_stores/{store['id']}"
    assert (await post(session, f"{where}/search", {"query": "возврат"}))[1]["data"] == []
    await studio.clock.sleep(31)
    assert (await get(session, where))[1]["status"] == "completed"
    (found,) = (await post(session, f"{where}/search", {"query": "за сколько дней вернуть товар"}))[1]["data"]
    assert (found["file_id"], found["filename"], found["valid"]) == (returns, "returns.md", True)
    assert found["content"] == [{"type": "text", "text": RETURNS}]
    assert 0 < found["score"] <= 1
    body = {
        "model": f"gpt://{SANDBOX_FOLDER}/yandexgpt/latest", "input": "Сколько дней на возврат?",
        "tools": [{"type": "file_search", "vector_store_ids": [store["id"]]}],
    }  # fmt: skip
    output = (await post(session, "/v1/responses", body))[1]["output"]
    assert output[0]["type"] == "file_search_call"
    note = {"type": "file_citation", "file_id": returns, "filename": "returns.md", "index": 0}
    assert output[-1]["content"][0]["annotations"] == [note]
    body["tools"] = [{"type": "file_search", "vector_store_ids": ["a", "b"]}]
    assert (await post(session, "/v1/responses", body))[0] == 400
    async with session.delete(f"{where}/files/{returns}") as response:
        assert (await response.json())["deleted"] is True
    assert (await get(session, f"{where}/files"))[1]["data"] == []


def test_pieces_overlap_by_half_and_together_have_all_of_the_text() -> None:
    text = " ".join(f"слово{number}" for number in range(1_000))
    found = pieces(text)
    assert all(count_tokens(piece) <= 800 for piece in found)
    assert all(text.find(after) < text.find(before) + len(before) for before, after in itertools.pairwise(found))
    assert text.startswith(found[0])
    assert text.endswith(found[-1])
    assert pieces("") == []


async def test_the_client_pages_through_the_files_of_a_store_and_says_what_it_does_not_have(side: Side) -> None:
    studio, _, client = side
    kept = studio.vector_stores
    files = [kept.keep(f"{number}.txt", f"File {number}.") for number in range(250)]
    store = kept.open(*files)
    kept.broken.add(files[0])
    listed = {file.id: file for file in await client.list_files(store)}
    assert sorted(listed) == sorted(files)
    assert listed[files[0]] == StoreFile(files[0], "failed", kept.files[files[0]].created)
    assert len(studio.seen("vector_store/files")) == 3
    assert (await client.file_name(files[7]), await client.file_name("fvtnone")) == ("7.txt", "")
    with pytest.raises(ModelDenied, match="no vector store fvtnone"):
        await client.list_files("fvtnone")
    with pytest.raises(ModelDenied):
        await client.search("fvtnone", "?", within=5)


async def test_what_a_store_says_is_taken_as_it_is_or_refused(side: Side) -> None:
    studio, _, client = side
    store = studio.vector_stores.open(studio.vector_stores.keep("a.txt", RETURNS))
    good = {"file_id": "f", "filename": "a.txt", "score": 0.5, "content": [{"type": "text", "text": "Да."}]}
    rows: list[tuple[str, Any, list[StoreChunk] | type[ModelError]]] = [
        ("as documented", [good], [StoreChunk("f", "a.txt", "Да.", 0.5)]),
        (
            "two parts", [good | {"content": [{"text": "А."}, {"text": "Б."}]}],
            [StoreChunk("f", "a.txt", "А.\n\nБ.", 0.5)],
        ),
        ("best first", [good | {"score": 0.1}, good], [StoreChunk("f", "a.txt", "Да.", s) for s in (0.5, 0.1)]),
        ("no name, no score", [good | {"filename": None, "score": True}], [StoreChunk("f", "", "Да.", 0.0)]),
        ("no file", [good | {"file_id": 7}], []),
        ("no text", [good | {"content": [{"type": "image"}]}, good | {"content": "x"}, "x"], []),
        (
            "too long a piece", [good | {"content": [{"text": "я" * 50_000}]}],
            [StoreChunk("f", "a.txt", "я" * 20_000, 0.5)],
        ),
        ("no list", {"a": 1}, ModelProtocolError),
    ]  # fmt: skip

    for name, said, expected in rows:
        studio.fail_next(SEARCH, body={"data": said}, status=200)
        if isinstance(expected, list):
            assert list(await client.search(store, "?", within=5)) == expected, name
        else:
            with pytest.raises(expected):
                await client.search(store, "?", within=5)
