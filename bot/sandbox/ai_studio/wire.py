"""The shapes AI Studio speaks: JSON with int64 as strings, three forms of an error, the headers of every reply.

Begin with `Problem`: whatever is wrong with a request is raised as one, and `problem_response` says it in the form of
the route that was called (streaming native methods, unary native methods, the OpenAI-compatible API).
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from aiohttp import web

Shape = Literal["stream", "unary", "openai", "speech"]
Json = dict[str, Any]

TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
LONG_STRING = 2_000


class Problem(Exception):
    """What is wrong with a request. `code` is a gRPC code, `http` its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http(self) -> int:
        return HTTP_OF.get(self.code, 500)


@dataclass(slots=True)
class Seen:
    """A request as it arrived. `headers` have lower-case names and of `authorization` only the scheme."""

    route: str
    body: Json
    headers: dict[str, str]
    at: float
    path: str = ""
    status: int = 0
    gone: bool = False
    answer: str = ""
    note: str = ""


@dataclass(slots=True)
class Call:
    """One request on its way through the server. `folder` is the caller's own; `host` is where it was polled."""

    request: web.Request
    route: str
    shape: Shape
    body: Json
    seen: Seen
    host: Literal["llm", "operation"] = "llm"
    folder: str = ""
    fault: Fault | None = None
    headers: dict[str, str] = field(default_factory=dict)


def encode(value: Mapping[str, Any]) -> bytes:
    """JSON as the service writes it: compact, not escaped; what UTF-8 can't hold is escaped after all."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_response(call: Call, value: Mapping[str, Any], status: int = 200) -> web.Response:
    body = encode(value) + (b"\n" if call.shape == "openai" else b"")
    return web.Response(body=body, status=status, content_type="application/json", headers=call.headers)


def problem_json(shape: Shape, problem: Problem) -> Json:
    http = problem.http
    if shape == "stream":
        phrase = HTTPStatus(http).phrase
        inner = {"grpcCode": problem.code, "httpCode": http, "message": problem.message, "httpStatus": phrase}
        return {"error": {**inner, "details": []}}
    if shape == "unary":
        return {"error": problem.message, "code": problem.code, "message": problem.message, "details": []}
    if shape == "speech":
        words = f"rpc error: code = {GRPC_NAMES.get(problem.code, 'Unknown')} desc = {problem.message}"
        return {"error_code": "UNAUTHORIZED" if http in (401, 403) else "BAD_REQUEST", "error_message": words}
    kind = "invalid_request_error" if http == 400 else HTTPStatus(http).phrase.lower().replace(" ", "_")
    return {"error": {"message": problem.message, "type": kind, "param": None, "code": str(http)}}


def problem_response(call: Call, problem: Problem) -> web.Response:
    call.seen.note = problem.message
    return json_response(call, problem_json(call.shape, problem), problem.http)


def reply_headers(request: web.Request, *, echo: bool = True) -> dict[str, str]:
    """`server`, the trace id in its recorded form, and both request ids."""
    first = secrets.token_hex(8)
    headers = {
        "server": "ycalb",
        "x-request-id": str(uuid.uuid4()),
        "x-server-trace-id": f"{first}:{secrets.token_hex(8)}:{first}:1",
    }
    client = request.headers.get("x-client-request-id", "")
    if echo and client:
        headers["x-client-request-id"] = client
    return headers


def seen_headers(request: web.Request) -> dict[str, str]:
    headers = {name.lower(): value for name, value in request.headers.items()}
    if "authorization" in headers:
        headers["authorization"] = headers["authorization"].partition(" ")[0]
    return headers


def count_tokens(text: str) -> int:
    return sum(1 for _ in TOKEN.finditer(text))


def cut_strings(value: Any, limit: int = LONG_STRING) -> Any:
    """The same JSON with every long string cut, for a journal."""
    if isinstance(value, str):
        return value if len(value) <= limit else value[:limit] + f"… ({len(value)} characters)"
    if isinstance(value, Mapping):
        return {key: "…" if key in SECRETS else cut_strings(item, limit) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cut_strings(item, limit) for item in value]
    return value


def get(body: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A field by its JSON name or its snake_case proto name: the gateway's parser takes both."""
    if name in body:
        return body[name]
    return body.get(re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name), default)


def integer(value: Any, name: str) -> int:
    """An int64: a JSON number or a string of digits. Raises `Problem`."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
        raise Problem(3, f"invalid value for int64 field {name}: {value!r}")
    return int(value)


SECRETS = frozenset({"jwt", "yandexPassportOauthToken", "iamToken", "access_token"})
HTTP_OF = {
    3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 12: 501, 13: 500, 14: 503, 16: 401,
}  # fmt: skip
GRPC_NAMES = {3: "InvalidArgument", 7: "PermissionDenied", 8: "ResourceExhausted", 16: "Unauthenticated"}
GRPC_OF = {http: code for code, http in HTTP_OF.items()} | {502: 14}


Cut = Literal["", "reset", "fin", "clean", "short"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call instead of an answer.

    With `after_chunks` (None: at once) it happens when that many pieces of the body are out, -1 meaning all but the
    last. `status` is then an error inside a stream that began with 200. `cut` breaks the connection: `reset` (RST),
    `fin` (closed in the middle of a chunked body), `short` (closed before Content-Length was reached), `clean` (a
    complete body that lacks its end). `hang`: nothing more comes. A `body` of text is sent as it is, a mapping as JSON.
    `apply` carries the request out first, so that only its answer is lost; of a stream it is the last piece.
    """

    status: int = 0
    body: str | bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_chunks: int | None = None
    cut: Cut = ""
    hang: bool = False
    apply: bool = False
