"""Weights are fetched and checked; a model runs in a child that ends with its parent."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.errors import ConfigError, ModelDenied, ModelUnavailable
from bot.providers.local import server as local
from bot.providers.local.weights import Weights, fetch
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio

pytestmark = pytest.mark.process

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WHOLE = b"GGUF" + bytes(range(256)) * 40

# Speaks as llama.cpp's server does, as far as an answer needs it.
RUNNER = """
import json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Bag: pass
class CommonParams:
    def __init__(self):
        self.model, self.cpuparams, self.cpuparams_batch = Bag(), Bag(), Bag()
class Server:
    def __init__(self, params):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args): pass
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                good = self.headers["authorization"] == "Bearer " + params.api_keys[0]
                self.send_response(200 if good else 401)
                self.end_headers()
                said = ["You said: ", body["messages"][-1]["content"], " (", str(params.cpuparams.n_threads), ")"]
                for piece in said:
                    event = {"choices": [{"delta": {"content": piece}}]}
                    self.wfile.write(b"data: " + json.dumps(event).encode() + b"\\n\\n")
                self.wfile.write(b"data: [DONE]\\n\\n")
        server = ThreadingHTTPServer(("127.0.0.1", params.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = "http://127.0.0.1:%d" % server.server_port
"""


def quiet(done: int, total: int, stage: str) -> None:
    pass


def tiny(sha256: str = hashlib.sha256(WHOLE).hexdigest()) -> dict[str, Weights]:
    return {
        "tiny": Weights(
            title="Tiny",
            repository="somebody/tiny",
            revision=COMMIT,
            file="tiny-q4.gguf",
            size=len(WHOLE),
            sha256=sha256,
        )
    }


def test_only_model_files_are_taken(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.gguf", tmp_path / "bad.gguf"
    good.write_bytes(WHOLE)
    bad.write_bytes(b"<html>")
    assert fetch(str(good), tmp_path, quiet) == good
    with pytest.raises(ConfigError, match=r"bad\.gguf is not a GGUF file"):
        fetch(str(bad), tmp_path, quiet)
    with pytest.raises(ConfigError, match=r"qwen-0\.5b"):
        fetch("qwen-9000", tmp_path, quiet)


@asynccontextmanager
async def hub(seen: list[str], body: bytes = WHOLE) -> AsyncIterator[str]:
    """A server that speaks as the Hugging Face Hub does to a download."""

    async def give(request: web.Request) -> web.StreamResponse:
        seen.append(f"{request.method} {request.path}")
        head = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(WHOLE).hexdigest()}"'}
        return web.Response(body=body, headers=head)

    app = web.Application()
    app.router.add_get(f"/somebody/tiny/resolve/{COMMIT}/tiny-q4.gguf", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_known_model_comes_from_the_hub_at_its_commit(tmp_path: Path) -> None:
    seen: list[str] = []
    told: list[tuple[int, int, str]] = []
    async with hub(seen) as url:
        found = await asyncio.to_thread(
            fetch, "tiny", tmp_path, lambda *state: told.append(state), source=url, models=tiny()
        )
    path = f"/somebody/tiny/resolve/{COMMIT}/tiny-q4.gguf"
    assert found == tmp_path / "tiny.gguf"
    assert found.read_bytes() == WHOLE
    assert seen == [f"HEAD {path}", f"GET {path}"]
    assert told[-2:] == [(len(WHOLE), len(WHOLE), "downloading"), (len(WHOLE), len(WHOLE), "checking")]


async def test_a_mirror_that_gives_something_else_is_not_believed(tmp_path: Path) -> None:
    """T5."""
    async with hub([], WHOLE[::-1]) as url:
        with pytest.raises(ModelUnavailable, match="damaged"):
            await asyncio.to_thread(fetch, "tiny", tmp_path, quiet, source=url, models=tiny())
    assert list(tmp_path.glob("*.gguf")) == []


async def test_a_hub_that_does_not_have_the_file_is_told_with_the_other_ways(tmp_path: Path) -> None:
    async with hub([]) as url:
        with pytest.raises(ModelUnavailable, match="LOCAL_MODEL_SOURCE"):
            await asyncio.to_thread(fetch, "tiny", tmp_path, quiet, source=f"{url}/nowhere", models=tiny())


async def test_giving_up_ends_a_download_from_the_hub(tmp_path: Path) -> None:
    def stop(done: int, total: int, stage: str) -> None:
        raise InterruptedError

    async with hub([]) as url:
        with pytest.raises(InterruptedError):
            await asyncio.to_thread(fetch, "tiny", tmp_path, stop, source=url, models=tiny())
    assert list(tmp_path.glob("*.gguf")) == []


def test_without_the_extra_the_hub_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"pip install 'govorun\[local\]'"):
        fetch("tiny", tmp_path, quiet, models=tiny())


async def test_a_download_goes_on_where_it_broke(tmp_path: Path) -> None:
    ranges: list[str] = []

    async def give(request: web.Request) -> web.StreamResponse:
        ranges.append(request.headers.get("range", ""))
        if len(ranges) > 1:
            start = int(ranges[-1].removeprefix("bytes=").rstrip("-"))
            return web.Response(body=WHOLE[start:], status=206)
        response = web.StreamResponse()
        response.content_length = len(WHOLE)
        await response.prepare(request)
        await response.write(WHOLE[:5_000])
        assert request.transport is not None
        request.transport.close()
        return response

    app = web.Application()
    app.router.add_get("/tiny.gguf", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/tiny.gguf"
    with pytest.raises(ModelUnavailable):
        await asyncio.to_thread(fetch, url, tmp_path / "models", quiet)
    found = await asyncio.to_thread(fetch, url, tmp_path / "models", quiet)
    await runner.cleanup()
    assert found.read_bytes() == WHOLE
    assert ranges == ["", "bytes=5000-"]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the runner's library, and a model file."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "xllamacpp.py").write_text(RUNNER)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    model = tmp_path / "tiny.gguf"
    model.write_bytes(WHOLE)
    return model


async def test_a_local_model_answers_from_a_child_behind_a_key(runner: Path) -> None:
    server = local.LocalServer(runner, threads=3)
    base = await server.start()
    pieces = [piece async for piece in server.chat([{"role": "user", "text": "привет"}])]
    with pytest.raises(ModelDenied, match="401"):
        async for _ in local.OpenAIServer(base, "wrong").chat([{"role": "user", "text": "a"}]):
            pass
    await server.close()
    with pytest.raises(ModelUnavailable):
        async for _ in local.OpenAIServer(base, "wrong").chat([{"role": "user", "text": "a"}]):
            pass
    assert "".join(pieces) == "You said: привет (3)"


@pytest.mark.skipif(local.is_installed(), reason="the extra is installed here")
async def test_a_missing_runner_is_told_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="uv sync --extra local"):
        await local.LocalServer(tmp_path / "any.gguf").start()


async def test_the_sandbox_streams_a_local_model_through_the_native_wire(runner: Path, tmp_path: Path) -> None:
    states: list[dict[str, Any]] = []
    studio = Studio(on_model=states.append, models_dir=tmp_path / "models")
    await studio.start()
    first = await studio.switch("local", str(runner))
    state = await studio.switched()
    body = {
        "modelUri": f"gpt://{SANDBOX_FOLDER}/yandexgpt",
        "completionOptions": {"stream": True},
        "messages": [{"role": "user", "text": "table"}],
    }
    headers = {"authorization": f"Api-Key {studio.key}"}
    async with aiohttp.ClientSession(studio.url, headers=headers) as session:
        async with session.post("/foundationModels/v1/completion", json=body) as response:
            lines = [json.loads(line)["result"]["alternatives"][0] async for line in response.content]
        back = await studio.switch("scripted")
        async with session.post("/foundationModels/v1/completion", json=body) as response:
            table = await response.text()
    await studio.close()
    assert (first["kind"], first["progress"]["stage"]) == ("scripted", "starting")
    assert (state["kind"], state["title"], state["progress"], state["error"]) == ("local", "tiny.gguf", None, None)
    assert lines[-1]["message"]["text"].startswith("You said: table (")
    assert {line["status"] for line in lines[:-1]} <= {"ALTERNATIVE_STATUS_PARTIAL"}
    assert lines[-1]["status"] == "ALTERNATIVE_STATUS_FINAL"
    assert back["kind"] == "scripted"
    assert "| Planet |" in table
    assert [entry["progress"]["stage"] for entry in states if entry["progress"]] == ["starting", "loading"]


async def test_a_model_that_fails_to_come_leaves_the_scripted_one_in_place(runner: Path) -> None:
    async with aiohttp.ClientSession():
        studio = Studio()
        await studio.switch("local", "no-such-model")
        state = await studio.switched()
        with pytest.raises(ValueError, match="no model kind"):
            await studio.switch("gpt")
        with pytest.raises(ValueError, match="base URL"):
            await studio.switch("url", "nonsense")
        await studio.close()
    assert state["kind"] == "scripted"
    assert "no-such-model" in state["error"]


async def test_a_dead_model_behind_a_url_is_the_services_failure() -> None:
    studio = Studio()
    await studio.start()
    state = await studio.switch("url", "http://127.0.0.1:9/v1")
    body = {"modelUri": f"gpt://{SANDBOX_FOLDER}/yandexgpt", "messages": [{"role": "user", "text": "hi"}]}
    headers = {"authorization": f"Api-Key {studio.key}"}
    async with (
        aiohttp.ClientSession(studio.url, headers=headers) as session,
        session.post("/foundationModels/v1/completion", json=body) as response,
    ):
        found = await response.json()
    await studio.close()
    assert state["kind"] == "url"
    assert (response.status, found["error"]["grpcCode"]) == (503, 14)
