"""Embeddings of servers with an OpenAI-compatible API: what is asked, what is refused, what is never taken."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest

from bot.ai import Vector
from bot.config.entries import EmbeddingModelConfig
from bot.config.settings import Settings
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelProtocolError
from bot.http.client import Http
from bot.providers.openai.embeddings import OpenAIEmbeddings
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from tests.support.raw_server import RawServer, answer, serve
from tests.support.virtual import VirtualClock

DOC, QUERY = (f"emb://{SANDBOX_FOLDER}/text-search-{kind}/latest" for kind in ("doc", "query"))
JSON = "content-type: application/json"
TEXTS = ["one", "two two", "three three three"]


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as http:
        yield http


def embedder(http: Http, url: str, clock: VirtualClock | None = None, **given: Any) -> OpenAIEmbeddings:
    settings = Settings(_env_file=None, yc_api_key="AQVN-secret", yc_folder_id="b1g")
    studio = YandexStudio(settings=settings, http=http, clock=clock or VirtualClock(), random=Random(1))
    return studio.server_embeddings(EmbeddingModelConfig.model_validate({"name": "bge", "url": f"{url}/v1", **given}))


def rows(*vectors: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"index": place, "embedding": one} for place, one in enumerate(vectors)], **more}


def numbers(found: Sequence[Vector | ModelError]) -> list[list[float]]:
    return [list(one.numbers) for one in found if isinstance(one, Vector)]


def errors(found: Sequence[Vector | ModelError]) -> list[str]:
    return [f"{type(one).__name__}: {one}" for one in found if isinstance(one, ModelError)]


async def of(body: Any, http: Http, **given: Any) -> tuple[Sequence[Vector | ModelError], RawServer]:
    """What is made of one answer of a server to three texts."""
    async with serve(answer(200, body, JSON)) as server:
        return await embedder(http, server.url, **given).embed(TEXTS), server


# --- what is asked ----------------------------------------------------------------------------------------------------


async def test_questions_and_passages_go_to_their_models_in_one_vector_space(http: Http) -> None:
    studio = Studio()
    await studio.start()
    mine = embedder(http, studio.url, model=DOC, question_model=QUERY, key=studio.key)
    found = await mine.embed(["как кормить утконоса", "stock exchange"])
    (asked,) = numbers(await mine.embed(["чем кормить утконосов"], question=True))
    likeness = [sum(a * b for a, b in zip(asked, one, strict=True)) for one in numbers(found)]
    assert likeness[0] > 0.4 > likeness[1]
    assert [seen.body["model"] for seen in studio.seen("embeddings")] == [DOC, QUERY]
    assert [len(seen.body["input"]) for seen in studio.seen("embeddings")] == [2, 1]
    assert all(one.tokens > 0 for one in found if isinstance(one, Vector))
    await studio.close()


async def test_prefixes_dimensions_and_the_size_of_a_request_are_those_of_the_row(http: Http) -> None:
    async with serve(answer(200, rows([0.5, 0.5]), JSON)) as server:
        mine = embedder(
            http, server.url, batch=1, dimensions=2, passage_prefix="passage: ", question_prefix="query: ",
            key="sk-hush",
        )  # fmt: skip
        assert len(numbers(await mine.embed(TEXTS))) == 3
        await mine.embed(["what?"], question=True)
    *passages, question = [seen.json for seen in server.seen]
    assert sorted(body["input"][0] for body in passages) == sorted(f"passage: {text}" for text in TEXTS)
    assert question == {"model": "bge", "input": ["query: what?"], "dimensions": 2}
    assert {seen.path for seen in server.seen} == {"/v1/embeddings"}
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer sk-hush"}


async def test_vectors_are_put_in_the_order_of_the_texts_and_tokens_are_shared_out(http: Http) -> None:
    body = rows([1, 0], [0, 1], [1, 1], usage={"prompt_tokens": 10, "total_tokens": 10})
    body["data"].reverse()
    found, _ = await of(body, http)
    assert numbers(found) == [[1, 0], [0, 1], [1, 1]]
    assert [one.tokens for one in found if isinstance(one, Vector)] == [1, 2, 7]
    unnumbered, _ = await of({"data": [{"embedding": [1, 0]}, {"embedding": [0, 1]}, {"embedding": [1, 1]}]}, http)
    assert numbers(unnumbered) == [[1, 0], [0, 1], [1, 1]]
    assert [one.tokens for one in unnumbered if isinstance(one, Vector)] == [0, 0, 0]


async def test_a_server_that_is_busy_is_asked_again_after_the_time_that_it_names(http: Http) -> None:
    clock, busy = VirtualClock(), answer(429, {"error": {"message": "slow down"}}, "retry-after: 7")
    async with serve(busy, answer(200, rows([1, 0], [0, 1], [1, 1]), JSON)) as server:
        assert len(numbers(await embedder(http, server.url, clock).embed(TEXTS))) == 3
    assert clock.slept[0] >= 7


# --- what is refused --------------------------------------------------------------------------------------------------


async def test_a_bad_key_is_a_clear_error_for_each_text_and_asked_with_once(http: Http) -> None:
    refusal = answer(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
    async with serve(refusal) as server:
        found = await embedder(http, server.url, key="sk-wrong").embed(TEXTS)
    assert [type(one).__mro__[1] for one in found] == [ModelDenied] * 3
    assert str(found[0]) == "401: Incorrect API key provided"
    assert len(server.seen) == 1


async def test_one_text_that_is_too_long_does_not_take_the_others_with_it(http: Http) -> None:
    too_long = answer(413, {"error": "Input validation error: `inputs` must have less than 512 tokens"})
    one = answer(200, rows([1, 0]), JSON)
    async with serve(too_long, one, too_long, one) as server:
        found = await embedder(http, server.url).embed(TEXTS)
    assert [type(each) for each in found] == [Vector, ContextOverflow, Vector]
    assert [len(seen.json["input"]) for seen in server.seen] == [3, 1, 1, 1]


# --- what is never taken ----------------------------------------------------------------------------------------------

GOOD = [0.6, 0.8]
WRONG: Sequence[tuple[str, Any, str]] = [
    ("fewer", rows(GOOD, GOOD), "3 embeddings were asked for, and 2 came"),
    ("more", rows(GOOD, GOOD, GOOD, GOOD), "3 embeddings were asked for, and 4 came"),
    ("none", {"object": "list"}, "the server gave no list of embeddings"),
    ("nan", rows(GOOD, [math.nan, 0.8], GOOD), "an embedding has numbers that are not finite"),
    ("infinite", rows(GOOD, [math.inf, 0.8], GOOD), "an embedding has numbers that are not finite"),
    ("huge", rows(GOOD, [1e200, 0.8], GOOD), "an embedding has numbers that are not finite"),
    ("zero", rows(GOOD, [0.0, 0.0], GOOD), "an embedding has nothing but zeros"),
    ("null", rows(GOOD, None, GOOD), "an embedding is not a list of numbers"),
    ("nulls", rows(GOOD, [None, 1.0], GOOD), "an embedding is not a list of numbers"),
    ("words", rows(GOOD, ["0.6", "0.8"], GOOD), "an embedding is not a list of numbers"),
    ("truth", rows(GOOD, [True, False], GOOD), "an embedding is not a list of numbers"),
    ("base64", rows(GOOD, "mpkZP83MTD8=", GOOD), "an embedding is not a list of numbers"),
    ("sizes", rows(GOOD, [1.0, 0.0, 0.0], GOOD), "embeddings of 2 numbers were expected, and 3 came"),
    ("twice", {"data": [{"index": 0, "embedding": GOOD}] * 3}, "the embeddings are not numbered as the texts are"),
    ("list", [1, 2, 3], "the server gave no list of embeddings"),
    ("text", b"<html>", "the answer is not JSON"),
]


@pytest.mark.parametrize(("body", "words"), [pytest.param(body, words, id=name) for name, body, words in WRONG])
async def test_an_answer_that_can_not_be_right_gives_no_vector_at_all(http: Http, body: Any, words: str) -> None:
    found, _ = await of(body, http)
    assert errors(found) == [f"{ModelProtocolError.__name__}: {words}"] * 3


async def test_vectors_of_another_dimension_than_was_asked_for_or_came_before_are_no_vectors(http: Http) -> None:
    found, _ = await of(rows(GOOD, GOOD, GOOD), http, dimensions=3)
    assert errors(found) == ["ModelProtocolError: embeddings of 3 numbers were expected, and 2 came"] * 3
    async with serve(answer(200, rows(GOOD), JSON), answer(200, rows([1, 0, 0]), JSON)) as server:
        mine = embedder(http, server.url)
        assert numbers(await mine.embed(["one"])) == [GOOD]
        assert errors(await mine.embed(["two"])) == [
            "ModelProtocolError: embeddings of 2 numbers were expected, and 3 came"
        ]


async def test_an_error_in_an_answer_with_status_200_is_that_error(http: Http) -> None:
    found, _ = await of({"error": {"message": "no such model", "code": 404}}, http)
    assert errors(found) == ["ModelDenied: 404: no such model"] * 3
