"""What all routes of AI Studio share: JSON with int64 as strings, the forms of an error, the headers of every reply.

Begin with `Problem`: code that finds a mistake in a request raises one, and `problem_response` turns it into the form
of the route (streaming native, unary native, OpenAI-compatible or speech).
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from aiohttp import web

from bot.sandbox.faults import Fault

Shape = Literal["stream", "unary", "openai", "speech"]
Json = dict[str, Any]
Fields = Mapping[str, Any]  # of an object that is only read
Reply = Json | web.StreamResponse  # of a handler: the JSON of the answer, or the whole answer
Row = TypeVar("Row")
Handler = TypeVar("Handler", bound=Callable[..., Any])

TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class Problem(Exception):
    """A mistake in a request. `code` is a gRPC code; `http` is the HTTP status for it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def http(self) -> int:
        """The HTTP status of the answer."""
        return HTTP_OF.get(self.code, 500)


class BadRequest(Problem):
    """A malformed request: gRPC code 3, HTTP status 400."""

    def __init__(self, message: str) -> None:
        super().__init__(3, message)


@dataclass(slots=True)
class ReceivedRequest:
    """A request as it arrived, and how it was answered.

    Names of `headers` are in lower case; of `authorization` only the scheme is kept. `at` is a monotonic time. `gone`:
    the connection was cut on purpose. `answer` is the text that was sent, `note` a summary for the journal.
    """

    route: str
    body: Json
    headers: dict[str, str]
    at: float
    path: str = ""
    status: int = field(default=0, init=False)
    gone: bool = field(default=False, init=False)
    answer: str = field(default="", init=False)
    note: str = field(default="", init=False)


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the server. Handlers declare theirs (`route`).

    A `public` route needs no key. `streams`: its answers are streams, which a random fault may cut. The body of a `raw`
    route is not JSON; the parameters of its URL are taken instead.
    """

    name: str
    path: str
    shape: Shape
    method: str
    public: bool = False
    streams: bool = False
    raw: bool = False


@dataclass(slots=True)
class Call:
    """One request on its way through the server. `folder` is the caller's folder, `host` the port that was asked."""

    request: web.Request
    route: Route
    body: Json
    seen: ReceivedRequest
    host: Literal["llm", "operation"] = "llm"
    folder: str = field(default="", init=False)
    fault: Fault | None = field(default=None, init=False)
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = reply_headers(self.request.headers.get("x-client-request-id", ""))

    def get(self, name: str, default: Any = None) -> Any:
        """A field of the body by its JSON name or its snake_case proto name."""
        return get(self.body, name, default)

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.request.match_info["id"]


def route(where: str, name: str, *, shape: Shape | None = None, **how: bool) -> Callable[[Handler], Handler]:
    """Declare what a handler answers ("GET /v1/models"), by which name, and `how` (see `Route`). The form of its errors
    follows from the path.
    """
    method, _, path = where.partition(" ")
    usual = next(form for start, form in SHAPES.items() if path.startswith(start))
    found = Route(name, path, shape or usual, method, **how)

    def mark(handler: Handler) -> Handler:
        ROUTES[handler] = found
        return handler

    return mark


def encode(value: Fields) -> bytes:
    """JSON as the service writes it: compact and with letters as they are. What UTF-8 cannot hold is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_response(call: Call, value: Fields, status: int = 200) -> web.Response:
    """An answer with a JSON body and the headers of the call."""
    body = encode(value) + (b"\n" if call.route.shape == "openai" else b"")
    return web.Response(body=body, status=status, content_type="application/json", headers=call.headers)


def problem_json(shape: Shape, problem: Problem) -> Json:
    """The JSON of an error in the form of the route."""
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
    """The answer for an error, in the form and with the status of the route."""
    call.seen.note = problem.message
    return json_response(call, problem_json(call.route.shape, problem), problem.http)


def reply_headers(client: str) -> dict[str, str]:
    """The headers of every reply, as recorded from the service: `server`, the trace id and both request ids, of which
    `client` is the one that the client has given.
    """
    first = secrets.token_hex(8)
    trace = f"{first}:{secrets.token_hex(8)}:{first}:1"
    headers = {"server": "ycalb", "x-request-id": str(uuid.uuid4()), "x-server-trace-id": trace}
    return {**headers, "x-client-request-id": client} if client else headers


def received(request: web.Request, route: Route, body: Json, at: float) -> ReceivedRequest:
    """A request for `Studio.requests`, at the monotonic time `at`."""
    return ReceivedRequest(route.name, body, shown_headers(request.headers.items()), at, path=request.path)


def shown_headers(headers: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Headers, or the metadata of gRPC, for the journal: of `authorization` only the scheme."""
    found = {name.lower(): str(value) for name, value in headers}
    return {name: value.partition(" ")[0] if name == "authorization" else value for name, value in found.items()}


def count_tokens(text: str) -> int:
    """How many tokens the sandbox counts in a text: up to six letters or one sign each."""
    return sum(1 for _ in TOKEN.finditer(text))


def get(body: Fields, name: str, default: Any = None) -> Any:
    """A field by its JSON name or its snake_case proto name: the real gateway accepts both."""
    if name in body:
        return body[name]
    return body.get(re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name), default)


def find(kept: Mapping[str, Row], id_: str, missing: str) -> Row:
    """What is kept under an id. Raises `Problem` 5 with the text `missing`, which has {} for the id."""
    if id_ not in kept:
        raise Problem(5, missing.format(id_))
    return kept[id_]


def deleted(id_: str, kind: str) -> Json:
    """The answer that something of a kind was deleted."""
    return {"id": id_, "object": kind, "deleted": True}


def from_base64(text: Any, name: str) -> bytes:
    """The bytes of a field. Raises `Problem` 3 for what is no Base64."""
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError:
        raise BadRequest(f"{name} is not base64") from None


def mapping(value: Any) -> Fields:
    """The value, if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def integer(value: Any, name: str) -> int:
    """An int64 from a JSON number or a string of digits. Raises `Problem` for anything else."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
        raise BadRequest(f"invalid value for int64 field {name}: {value!r}")
    return int(value)


def page_of(items: Sequence[Json], query: Fields) -> Json:
    """One page of items as a list of the API, by `order` ("desc" unless given), `after` and `limit`."""
    rows = list(items) if query.get("order") == "asc" else list(reversed(items))
    ids = [row["id"] for row in rows]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    end = start + integer(query.get("limit", 20), "limit")
    page = rows[start:end]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ends, "has_more": end < len(rows)}


def page(rows: Sequence[Row], size: int, token: str, *, empty_last: bool = False) -> tuple[list[Row], str]:
    """A page of a list and the token of the next one ("" if there is none). With `empty_last` every page with rows has
    a token, so that the last page is an empty one. Raises `Problem` 3 for a bad token or size.
    """
    if token and not token.isdecimal():
        raise BadRequest(f"page_token: {token!r} is none")
    if not 0 <= size <= MAX_ROWS:
        raise BadRequest(f"page_size: the value must be from 0 to {MAX_ROWS}")
    start, end = int(token or 0), int(token or 0) + (size or USUAL_ROWS)
    more = start < len(rows) if empty_last else end < len(rows)
    return list(rows[start:end]), str(end) if more else ""


ROUTES: dict[Callable[..., Any], Route] = {}  # of all handlers
SHAPES: dict[str, Shape] = {"/v1/": "openai", "/speech/": "speech", "/": "unary"}  # by the beginnings of paths
MAX_ROWS, USUAL_ROWS = 1_000, 100
HTTP_OF = {9: 400, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 12: 501, 13: 500, 14: 503, 16: 401}
GRPC_NAMES = {3: "InvalidArgument", 7: "PermissionDenied", 8: "ResourceExhausted", 16: "Unauthenticated"}
GRPC_OF = {http: code for code, http in HTTP_OF.items()} | {502: 14}
