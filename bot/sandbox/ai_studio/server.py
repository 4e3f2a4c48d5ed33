"""AI Studio on loopback, for people without a key and for tests. Begin with `Studio`.

The server speaks the protocols of the real service (native JSON, the OpenAI-compatible API, operations, IAM tokens),
checks what the service checks and has its quotas. A test plans failures (`fail_next`) and answers (`script`), and looks
at what arrived (`requests`).
"""

from __future__ import annotations

import difflib
import random
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.clock import Clock, SystemClock
from bot.sandbox.ai_studio.core import Core, Iam, Operations, Quotas
from bot.sandbox.ai_studio.faults import Broken, fail
from bot.sandbox.ai_studio.generation.model_switch import ModelSwitch
from bot.sandbox.ai_studio.generation.native import Texts
from bot.sandbox.ai_studio.generation.openai import OpenAi
from bot.sandbox.ai_studio.generation.responses import Conversations, Responses
from bot.sandbox.ai_studio.generation.writer import Answer, AnswerFunction, AnswerSource
from bot.sandbox.ai_studio.services.art import Art, Outcome
from bot.sandbox.ai_studio.services.embeddings import Embeddings
from bot.sandbox.ai_studio.services.object_storage import ObjectStorage
from bot.sandbox.ai_studio.services.search import Search
from bot.sandbox.ai_studio.services.speech import Speech
from bot.sandbox.ai_studio.services.vector_stores import Files, VectorStores
from bot.sandbox.ai_studio.validation import Access, require_body
from bot.sandbox.ai_studio.wire import (
    ROUTES,
    SHAPES,
    Call,
    Json,
    Problem,
    ReceivedRequest,
    Reply,
    Route,
    json_response,
    problem_response,
    received,
)
from bot.sandbox.event_stream import Hub
from bot.sandbox.faults import STUDIO_SHARES, Fault, Faults, PlannedFault, reset_all
from bot.sandbox.guard import guarded, listen, loads

if TYPE_CHECKING:
    from bot.sandbox.ai_studio.grpc.server import GrpcServer

__all__ = ["Answer", "Fault", "Studio"]

Answering = Callable[[Call], Awaitable[Reply]]
SANDBOX_FOLDER = "b1gsandbox0000000000"


class Studio:
    """The server. Its attributes may be changed at any time; tests reach its parts by name.

    The parts are `access` (keys, roles, tokens), `quotas`, `operations` (how long operations take), `source` (answers,
    their speed), and the groups of routes `texts`, `openai`, `responses`, `conversations`, `embeddings`, `iam`, `art`,
    `speech`, `search`, `files` and `vector_stores`. `requests` are the requests that arrived, oldest first. `keys` are
    the valid API keys; without any the server makes one that nobody can guess. `on_model` is called with
    `model_state()` when it changes. With `operations.strict_hosts`, set before the start, operations of texts have a
    port of their own (`operation_url`), so that a bot which polls the wrong host fails.
    """

    def __init__(
        self,
        *,
        hub: Hub | None = None,
        clock: Clock | None = None,
        keys: Sequence[str] = (),
        folder: str = SANDBOX_FOLDER,
        quotas: bool = True,
        models_dir: Path = Path(".govorun/models"),
        on_model: Callable[[Json], None] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.requests: list[ReceivedRequest] = []
        self.access = Access(self.clock, keys or [secrets.token_urlsafe(32)], folder)
        self.quotas = Quotas(self.clock, enabled=quotas)
        self.operations = Operations(self.clock, self.quotas)
        self._faults = Faults(STUDIO_SHARES, random.Random(1))  # noqa: S311 - chance for a rehearsal, not a secret
        self.source = AnswerSource(self.clock, self._faults)
        self._core = core = Core(self.clock, self.access, self.quotas, self.operations)
        self.art, self.embeddings, self.iam = Art(core), Embeddings(core), Iam(core)
        self.search, self.speech, self.vector_stores = Search(core), Speech(core), VectorStores(core)
        self.texts, self.responses = Texts(core, self.source), Responses(core, self.source)
        self.openai = OpenAi(core, self.source, self.embeddings)
        self.responses.search_files = self.vector_stores.find
        self.storage = ObjectStorage(self.clock, folder, self._faults)
        self.files = Files(core, self.storage, self.vector_stores)
        self.conversations = Conversations(core, self.responses.store)
        self._model = ModelSwitch(self.source, models_dir, on_model)
        self._hub = hub
        self._runner: web.AppRunner | None = None
        self._grpc: GrpcServer | None = None
        self.url = ""
        self.operation_url = ""

    # --- its life

    async def start(self, port: int = 0) -> str:
        """Start listening on 127.0.0.1 and return the base URL. Port 0 takes a free port."""
        app = web.Application(client_max_size=64 * 2**20)
        self.storage.add_routes(app, _stranger)
        missing = [
            (Route("missing", path + "{rest:.*}", shape, "*", public=True, raw=True), self._unbuilt)
            for path, shape in SHAPES.items()
        ]
        for route, handler in (*self._routes(), *missing):
            app.router.add_route(route.method, route.path, guarded(self._handler(route, handler), _stranger))
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await self._runner.setup()
        self.url = self.storage.base = await listen(self._runner, port)
        self.operation_url = await listen(self._runner, 0) if self.operations.strict_hosts else self.url
        return self.url

    async def start_grpc(self, port: int = 0) -> GrpcServer:
        """Start the gRPC server beside the HTTP server, which answers most of its calls. Raises `ImportError` without
        the extra `grpc`.
        """
        from bot.sandbox.ai_studio.grpc.models import BatchModels
        from bot.sandbox.ai_studio.grpc.server import GrpcServer

        models = BatchModels(self.source, self.embeddings)
        self._grpc = GrpcServer(self._core, storage=self.storage, models=models, faults=self._faults, hub=self._hub)
        await self._grpc.start(port)
        return self._grpc

    @property
    def batch_faults(self) -> Faults | None:
        """The failures of datasets, batch runs and tuning; None while their server does not run."""
        return self._faults if self._grpc is not None else None

    async def close(self) -> None:
        """Stop the server, and the local model if one answers."""
        await self._model.close()
        if self._grpc is not None:
            await self._grpc.close()
            self._grpc = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.storage.close()

    @property
    def key(self) -> str:
        """The valid API key that sorts first; "" if there is none."""
        return min(self.access.keys, default="")

    def settings(self) -> dict[str, str]:
        """The settings, by name, of a bot that uses this server. Checks and requests that a bot makes by itself are
        switched off in them.
        """
        services = ("llm", "image_operation", "iam", "search", "stt", "tts")
        return {
            "yc_api_key": self.key,
            "yc_folder_id": self.access.folder,
            **{f"yc_{service}_url": self.url for service in services},
            "yc_operation_url": self.operation_url,
            "yc_openai_url": f"{self.url}/v1",
            **({"yc_grpc_address": self._grpc.address} if self._grpc is not None else {}),
            "check_at_start": "false",
            "yc_metadata_addr": self.url.removeprefix("http://"),
        }

    # --- what tests and the page's sliders ask for

    def fail_next(self, route: str, *, times: int = 1, **how: Any) -> None:
        """Make the next `times` calls of a route fail; "*" means any route. `Fault` explains the other arguments."""
        self._faults.add(PlannedFault(route, Fault(**how), times))

    @property
    def planned(self) -> int:
        """The number of planned faults that no request has got yet."""
        return self._faults.planned

    def cut(self) -> int:
        """Reset every open connection, with requests in progress too. Returns how many connections there were."""
        return reset_all(self._runner)

    def script(self, *answers: str | Sequence[str] | Answer | Fault) -> None:
        """Queue answers: a text, a list of pieces, an `Answer` with all details, or a `Fault` instead of an answer.

        A `Fault` with `after_chunks` breaks off the answer that follows it in the queue.
        """
        self.source.queue.extend(answers)

    def answer(self, function: AnswerFunction) -> None:
        """Set the function that answers when the queue of `script` is empty. It gets messages as `{"role", "text"}`."""
        self.source.function = function

    def paint(self, *outcomes: Outcome) -> None:
        """Queue the results of the next pictures: JPEG bytes, "never", "refused", "failed", "no_image" or
        "not_base64".
        """
        self.art.outcomes.extend(outcomes)

    def seen(self, route: str) -> list[ReceivedRequest]:
        """The requests to a route, oldest first."""
        return [request for request in self.requests if request.route == route]

    @property
    def bought(self) -> int:
        """How many pictures were accepted, which the real service would charge for."""
        return self.art.bought

    @property
    def speed(self) -> float:
        """How fast answers are written, in pieces a second; 0 means at once."""
        return self.source.speed

    @speed.setter
    def speed(self, pieces_a_second: float) -> None:
        self.source.speed = pieces_a_second

    @property
    def ttft(self) -> float:
        """Seconds until the first piece of an answer."""
        return self.source.ttft

    @ttft.setter
    def ttft(self, seconds: float) -> None:
        self.source.ttft = seconds

    @property
    def faults(self) -> dict[str, float]:
        """The random faults: shares by name (a copy). `set_faults` changes them."""
        return dict(self._faults.shares)

    def set_faults(self, partial: Mapping[str, float]) -> dict[str, float]:
        """Change some of the random faults and return all. Raises `ValueError` for an unknown name or a number out of
        range.
        """
        return self._faults.set_shares(partial)

    # --- who writes

    def model_state(self) -> Json:
        """Which model writes the answers, as the page shows it: `{"kind", "title", "progress", "error"}`."""
        return self._model.state()

    async def switch(self, kind: str, name: str = "") -> Json:
        """Begin to change the model that writes: "scripted", "local" (a known name or a GGUF file) or "url" (the base
        URL of an OpenAI-compatible server).

        Returns the state at once; the change goes on in the background and reports to `on_model`. Raises `ValueError`
        for an unknown kind or a missing name.
        """
        return await self._model.switch(kind, name)

    async def switched(self) -> Json:
        """Wait until the change that `switch` began is finished, and return the state."""
        return await self._model.wait()

    # --- one request

    def _handler(self, route: Route, answer: Answering) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            call = await self._call(route, request)
            started = self.clock.monotonic()
            try:
                response = await self._answer(answer, call)
                call.seen.status = response.status
                return response
            except Broken as broken:
                call.seen.gone = True
                return broken.response or web.Response()
            except BaseException:
                call.seen.gone = True
                raise
            finally:
                self._write_down(call, (self.clock.monotonic() - started) * 1_000)

        return handle

    async def _call(self, route: Route, request: web.Request) -> Call:
        raw = await request.read()
        body = _parse(raw) if request.method in ("POST", "PATCH") and not route.raw else dict(request.query)
        seen = received(request, route, body, self.clock.monotonic())
        self.requests.append(seen)
        del self.requests[:-REMEMBERED]
        local = request.transport.get_extra_info("sockname") if request.transport else None
        is_operation = local and self.operation_url.endswith(f":{local[1]}")
        return Call(request, route, body, seen, host="operation" if is_operation else "llm")

    async def _answer(self, answer: Answering, call: Call) -> web.StreamResponse:
        route = call.route
        call.fault = self._faults.take(route.name, streams=route.streams, chance=not route.public)
        if (late := self._faults.shares["latency_ms"]) > 0:
            await self.clock.sleep(late / 1_000)
        fault = call.fault if call.fault and call.fault.after_chunks is None else None
        if fault is not None and not fault.apply:
            return await fail(call, fault)
        try:
            require_body(call)
            if not route.public:
                self.access.admit(call)
            reply = await answer(call)
            response = json_response(call, reply) if isinstance(reply, dict) else reply
        except Problem as problem:
            response = problem_response(call, problem)
        return response if fault is None else await fail(call, fault)

    def _write_down(self, call: Call, ms: float) -> None:
        if self._hub is None:
            return
        seen = call.seen
        detail = {"request": call.body, "answer": seen.answer, "headers": seen.headers}
        summary, status = (f"{seen.note} (cut off)", 0) if seen.gone else (seen.note, seen.status)
        self._hub.journal("model", seen.route, status=status, ms=ms, summary=summary, detail=detail)

    async def _unbuilt(self, call: Call) -> Reply:
        """Say which routes there are, those with the longest common beginning first."""
        method, path = call.request.method, call.request.path
        known = {NAMED.sub(r"{\1}", route.path): route.method for route, _ in self._routes()}
        near = difflib.get_close_matches(path, known, NEAREST, cutoff=0.0)
        there = ", ".join(f"{known[name]} {name}" for name in near)
        raise Problem(12, f"the sandbox has no {method} {path[:200]}; among others it has {there}")

    def _routes(self) -> Iterator[tuple[Route, Answering]]:
        """The routes of all parts, in the order in which they are declared."""
        for part in vars(self).values():
            for name, method in vars(type(part)).items():
                if callable(method) and method in ROUTES:
                    yield ROUTES[method], getattr(part, name)


def _stranger(sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=403)


def _parse(raw: bytes) -> Json:
    """The JSON object of a body; a body that is no object becomes a mark, which `require_body` refuses."""
    try:
        found = loads(raw or b"{}")
    except ValueError:
        return {"\0broken": raw[:200].decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {"\0broken": str(found)[:200]}


REMEMBERED = 5_000
NAMED = re.compile(r"\{(\w+):[^{}]*\}")
NEAREST = 4
