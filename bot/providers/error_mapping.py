"""Maps the refusals of servers to our errors, by HTTP status, gRPC code and message. Begin at `refusal`.

It accepts what servers and the proxies before them really send: two shapes of errors, bodies of other types, no body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.http.framing import number


class Unauthenticated(ModelDenied):
    """The server refused the key or the token; one try with a new token is worth it."""


def refusal(
    status: int, body: bytes, *, retry_after: float = 0.0, trace: str = "", repeatable: bool = True
) -> ModelError:
    """Return the error that an answer with this status means, whatever shape its body has.

    After most 5xx it is unknown whether the request was carried out: unless it is `repeatable`, the error is then
    `OutcomeUnknown`.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    code, message = _details(value)
    error = failure(status, code, message, retry_after=retry_after, trace=trace)
    if not repeatable and isinstance(error, ModelUnavailable) and status != 429 and code != NOT_STARTED:
        return OutcomeUnknown(str(error), trace=trace)
    return error


def failure(status: int, code: int, message: str, *, retry_after: float = 0.0, trace: str = "") -> ModelError:
    """Return the error for an HTTP status (below 400: none was given), a gRPC code (0: none) and a message of the
    server.
    """
    status = status if status >= 400 else HTTP_OF_GRPC.get(code, status)
    text = f"{status}: {printable(message)}" if message else f"{status}"
    overflow = _overflow(status, text, message, trace)
    if overflow is not None:
        return overflow
    if REFUSED.search(message):
        return ModelRefused(text, trace=trace)
    if WRONG_MODEL.search(message) or (status in {402, 403, 429} and MONEY.search(message)):
        return ModelDenied(text, trace=trace)
    if status in {408, 425, 429, 499} or (status >= 500 and status != 501):
        return ModelUnavailable(text, retry_after=retry_after, trace=trace)
    if 400 <= status <= 501:
        return KINDS.get(status, ModelRefused)(text, trace=trace)
    return ModelProtocolError(f"unexpected status {text}", trace=trace)


def _overflow(status: int, text: str, message: str, trace: str) -> ContextOverflow | None:
    if found := TOKENS.search(message) or OTHER_TOKENS.search(message):
        return ContextOverflow(text, limit=int(found[1]), given=int(found[2]), trace=trace)
    if status == 413 or (400 <= status < 500 and TOO_LONG.search(message)):
        return ContextOverflow(text, trace=trace)
    return None


def stream_error(value: Mapping[str, Any], *, trace: str = "") -> ModelError | None:
    """Return the error that a server put into an answer with status 200, None if there is none."""
    if not value.get("error"):
        return None
    error = value["error"]
    code, message = _details(value)
    status = number(error.get("httpCode")) if isinstance(error, Mapping) else None
    if not code and not status and not message:
        return None
    if not status and 400 <= code < 600:  # the compatible servers tell the HTTP status as the code
        status = code
    return failure(status or HTTP_OF_GRPC.get(code, 500), code, message, trace=trace)


def _details(value: Any) -> tuple[int, str]:
    """Return gRPC code and message of an error body, 0 and "" if it has none."""
    if not isinstance(value, dict):
        return 0, ""
    error = value.get("error")
    source: Mapping[str, Any] = error if isinstance(error, Mapping) else value
    words = (source.get(key) for key in ("message", "error", "detail", "error_message"))
    message = next((word for word in words if isinstance(word, str) and word), "")
    return number(source.get("grpcCode")) or number(source.get("code")) or 0, message


def printable(message: str) -> str:
    """Return `message` as one short line for logs."""
    return "".join(char if char.isprintable() else " " for char in message[:300])


HTTP_OF_GRPC: Mapping[int, int] = {
    1: 499,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    13: 500,
    14: 503,
    15: 500,
    16: 401,
}

NOT_STARTED = 14  # gRPC UNAVAILABLE

KINDS: Mapping[int, type[ModelError]] = {401: Unauthenticated, **dict.fromkeys((402, 403, 404, 405, 501), ModelDenied)}

# What the servers were seen to say; pieces, because whole sentences change.
TOKENS = re.compile(r"input tokens must be no more than (\d{1,15}), got (\d{1,15})")
OTHER_TOKENS = re.compile(  # OpenAI, vLLM
    r"maximum context length is (\d{1,15}) tokens.{1,80}?(?:requested|resulted in|has|contains)\D{0,40}(\d{1,15})",
    re.DOTALL,
)
TOO_LONG = re.compile(r"text length is \d{6,},|context.{0,10}length|too many tokens|maximum context", re.IGNORECASE)
REFUSED = re.compile(r"not possible to generate an image|may violate the terms", re.IGNORECASE)
WRONG_MODEL = re.compile(
    r"does not match with service account folder|invalid model_?uri|parse model uri|failed to get model"
    r"|\bmodel\b.{0,200}\bnot allowed\b",
    re.IGNORECASE,
)
MONEY = re.compile(r"billing|payment|balance|money|funds|overdue|баланс|оплат|плат[её]ж|средств|биллинг", re.IGNORECASE)
