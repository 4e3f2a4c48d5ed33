"""Models of other servers in the chat: Ollama, vLLM, OpenAI, whatever speaks the compatible API."""

from __future__ import annotations

import logging
from random import Random

import pytest

from bot.ai import Request
from bot.config.entries import ModelConfig
from bot.config.settings import Settings
from bot.errors import ConfigError, ModelDenied
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from bot.types import Message
from tests.support.chunks import whole
from tests.support.raw_server import answer, serve
from tests.support.stage import Stage
from tests.support.virtual import VirtualClock

QWEN = f"gpt://{SANDBOX_FOLDER}/qwen3-235b-a22b-fp8/latest"
ASK = Request((Message.of("user", "hi"),))


def row(url: str, **given: object) -> ModelConfig:
    return ModelConfig.model_validate({"name": "llama", "title": "Llama", "url": url, **given})


def studio(http: Http, *models: ModelConfig) -> YandexStudio:
    settings = Settings(_env_file=None, yc_api_key="AQVN-secret", yc_folder_id="b1g", models=list(models))
    return YandexStudio(settings=settings, http=http, clock=VirtualClock(), random=Random(1))


async def test_a_model_of_another_server_answers_in_the_chat(stage: Stage) -> None:
    llama = row(f"{stage.studio.url}/v1", model=QWEN, key=stage.studio.key)
    await stage.start(models=[llama, ModelConfig(name="yandexgpt-lite")], model="llama")
    assert "scripted model" in await stage.ask("hello")
    (seen,) = stage.studio.seen("chat/completions")
    assert seen.body["model"] == QWEN
    assert seen.body["stream_options"] == {"include_usage": True}


async def test_an_open_model_of_ai_studio_answers_in_the_chat(stage: Stage) -> None:
    await stage.start(model="gpt-oss-120b")
    assert "scripted model" in await stage.ask("hello")
    (seen,) = stage.studio.seen("chat/completions")
    assert seen.body["model"] == f"gpt://{SANDBOX_FOLDER}/gpt-oss-120b/latest"
    assert "stream_options" not in seen.body


async def test_while_a_server_is_away_another_model_answers(stage: Stage) -> None:
    await stage.start(models=[row("http://127.0.0.1:1/v1"), ModelConfig(name="yandexgpt-lite")], model="llama")
    texts = [await stage.ask(f"hello {number}") for number in range(6)]  # five failures in a row
    assert "scripted model" in texts[-1]


async def test_its_key_goes_to_it_alone_and_into_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refusal = answer(401, {"error": {"message": "Incorrect API key provided: sk-hush", "code": "invalid_api_key"}})
    async with serve(refusal) as server, Http() as http:
        model = studio(http, row(f"{server.url}/v1", key="sk-hush-hush")).text("llama")
        with pytest.raises(ModelDenied):
            await whole(model.stream(ASK))
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == "Bearer sk-hush-hush"
    assert "AQVN-secret" not in str(seen.headers)
    assert "sk-hush-hush" not in caplog.text


async def test_a_server_without_a_key_is_sent_none() -> None:
    said = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    async with serve(answer(200, said, "content-type: application/json")) as server, Http() as http:
        model = studio(http, row(f"{server.url}/v1", model="llama3.2:3b")).text("llama")
        found = await whole(model.stream(ASK))
    assert (found.text, found.usage) == ("hi", None)
    assert "authorization" not in server.seen[0].headers
    assert server.seen[0].json["model"] == "llama3.2:3b"


async def test_a_whole_answer_in_place_of_a_stream_is_taken() -> None:
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    async with serve(answer(200, whole, "content-type: application/json")) as server, Http() as http:
        model = studio(http, row(f"{server.url}/v1")).text("llama")
        assert "".join([chunk.text async for chunk in model.stream(ASK)]) == "hi"


async def test_a_variable_for_the_key_that_is_not_there_is_named() -> None:
    async with Http() as http:
        with pytest.raises(ConfigError, match="NOWHERE_KEY"):
            studio(http, row("http://127.0.0.1:1/v1", key="$NOWHERE_KEY")).text("llama")
